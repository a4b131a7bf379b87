"""A labelled data set in memory, in the one form that everything else takes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from node.errors import DataError


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples with labels.

    Attributes:
        x: float32 ``[n, features]`` or ``[n, channels, height, width]``, finite.
        y: int64 ``[n]``, positions in ``classes``.
        classes: names of the classes.

    Raises:
        DataError: the arrays have other dtypes or shapes, a value is not finite, or a label is out of range.
    """

    x: NDArray[np.float32]
    y: NDArray[np.int64]
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.x.dtype != np.float32 or self.x.ndim not in (2, 4):
            raise DataError(f"samples are {self.x.dtype}{list(self.x.shape)}, not float32 vectors or images")
        if self.y.dtype != np.int64 or self.y.shape != (len(self.x),):
            raise DataError(f"labels are {self.y.dtype}{list(self.y.shape)} for {len(self.x)} samples")
        if not np.isfinite(self.x).all():
            raise DataError(f"sample {_first_row(~np.isfinite(self.x))} holds a value that is not finite")
        if len(self.y) and not 0 <= int(self.y.min()) <= int(self.y.max()) < len(self.classes):
            raise DataError(f"a label is outside 0 to {len(self.classes) - 1}")

    def __len__(self) -> int:
        return len(self.y)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return tuple(self.x.shape[1:])

    def counts(self) -> tuple[int, ...]:
        """Number of samples of each class."""
        return tuple(int(count) for count in np.bincount(self.y, minlength=len(self.classes)))

    def subset(self, rows: NDArray[np.int64] | Sequence[int]) -> "Dataset":
        """The samples at these positions, in this order, as a copy."""
        index = np.asarray(rows, dtype=np.int64)
        return Dataset(self.x[index], self.y[index], self.classes)

    def with_classes(self, classes: Sequence[str]) -> "Dataset":
        """The same samples labelled by positions in ``classes``, which must hold every class here.

        Raises:
            DataError: a class is not among ``classes``.
        """
        position = {name: index for index, name in enumerate(classes)}
        strangers = [name for name in self.classes if name not in position]
        if strangers:
            raise DataError(
                f"class {strangers[0]!r} is not one of the job's: {', '.join(list(classes)[:12])}; rename it"
            )
        table = np.array([position[name] for name in self.classes], dtype=np.int64)
        return Dataset(self.x, table[self.y], tuple(classes))


def _first_row(mask: NDArray[np.bool_]) -> int:
    return int(np.argmax(mask.reshape(len(mask), -1).any(axis=1)))
