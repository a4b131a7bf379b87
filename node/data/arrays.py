"""Data sets in NumPy's .npz files: ``x``, ``y`` and, if wanted, ``classes``; nothing is ever unpickled."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from node.data.dataset import Dataset
from node.errors import DataError

MAX_CLASSES = 1000


def load_npz(path: Path, classes: Sequence[str] | None = None) -> Dataset:
    """Reads ``x`` and ``y``.

    Args:
        path: a .npz file. ``x`` is ``[n, features]``, ``[n, height, width]`` or
            ``[n, channels, height, width]`` of any real type, ``y`` is ``[n]``: whole numbers, or names.
            ``classes`` (``[k]`` names) is optional.
        classes: names for numeric labels of a file without ``classes``; else they are called "0", "1", ...

    Raises:
        DataError: not such a file.
    """
    arrays = _read(path)
    missing = [name for name in ("x", "y") if name not in arrays]
    if missing:
        held = ", ".join(sorted(arrays)) or "nothing"
        raise DataError(f"{path}: no array {missing[0]!r} in it, only {held}; save it with x and y")
    x = _samples(path, arrays["x"])
    y = arrays["y"]
    if y.ndim != 1 or len(y) != len(x):
        raise DataError(
            f"{path}: y has shape {list(y.shape)} for {len(x)} samples; give one label per sample"
        )
    if y.dtype.kind == "U":
        names, codes = np.unique(y, return_inverse=True)
        return Dataset(x, codes.astype(np.int64), _class_names(path, [str(name) for name in names]))
    if y.dtype.kind not in "iu":
        raise DataError(f"{path}: y holds {y.dtype}; labels must be whole numbers or names")
    low, high = int(y.min()), int(y.max())
    if "classes" in arrays:
        names_given = [str(name) for name in arrays["classes"].ravel()]
    else:
        names_given = list(classes) if classes is not None else [str(i) for i in range(max(high, 1) + 1)]
    if low < 0 or high >= len(names_given):
        raise DataError(f"{path}: labels run from {low} to {high}, for {len(names_given)} classes")
    return Dataset(x, y.astype(np.int64), _class_names(path, names_given))


def load_samples(path: Path) -> NDArray[np.float32]:
    """The samples ``x`` of a file that needs no labels; shapes and errors as of `load_npz`."""
    arrays = _read(path)
    if "x" not in arrays:
        raise DataError(f"{path}: no array 'x' in it; save it with x")
    return _samples(path, arrays["x"])


def save_npz(dataset: Dataset, path: Path) -> None:
    """Writes what `load_npz` reads."""
    with path.open("wb") as file:
        np.savez(file, x=dataset.x, y=dataset.y, classes=np.array(dataset.classes))


def _read(path: Path) -> dict[str, NDArray[np.generic]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise DataError(f"{path}: a single array; save x and y with numpy.savez")
            return {name: file[name] for name in ("x", "y", "classes") if name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0] if str(error) else "empty"
        raise DataError(f"{path}: not a .npz file that can be read: {reason}") from error


def _samples(path: Path, x: NDArray[np.generic]) -> NDArray[np.float32]:
    if x.dtype.kind not in "fiub":
        raise DataError(f"{path}: x holds {x.dtype}, not numbers")
    if len(x.shape) not in (2, 3, 4) or x.size == 0:
        raise DataError(
            f"{path}: x has shape {list(x.shape)}; give [n, features] or [n, channels, height, width]"
        )
    samples = np.ascontiguousarray(x, dtype=np.float32)
    if not np.isfinite(samples).all():
        raise DataError(f"{path}: x holds a value that is not finite; remove or replace it")
    return samples[:, None] if samples.ndim == 3 else samples


def _class_names(path: Path, names: list[str]) -> tuple[str, ...]:
    if not 2 <= len(names) <= MAX_CLASSES or len(set(names)) != len(names):
        raise DataError(f"{path}: {len(names)} classes; give 2 to {MAX_CLASSES} with different names")
    return tuple(names)
