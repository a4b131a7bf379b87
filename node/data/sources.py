"""Finds and reads a data set by its name or path."""

from collections.abc import Sequence
from pathlib import Path

from node.data.arrays import load_npz
from node.data.builtin import load_builtin
from node.data.dataset import Dataset
from node.data.images import load_folder
from node.data.tables import load_csv
from node.errors import DataError
from node.spec import BUILT_IN_SOURCES


def load_source(
    source: str,
    *,
    label: str | None = None,
    image_size: int = 32,
    grayscale: bool = False,
    classes: Sequence[str] | None = None,
) -> Dataset:
    """Reads a data set.

    Args:
        source: ``digits``, ``breast_cancer``, ``wine``, ``iris``, or the path of a .npz file, a .csv file, or
            a folder of images by class.
        label: for .csv, the column of the labels; the last one when None.
        image_size: for images, the side in pixels that they are resized to.
        grayscale: for images, one channel instead of three.
        classes: names for the numeric labels of a .npz file without its own.

    Raises:
        DataError: no such data, or it is malformed.
    """
    if source in BUILT_IN_SOURCES:
        return load_builtin(source)
    path = Path(source).expanduser()
    if path.is_dir():
        return load_folder(path, image_size, grayscale)
    if not path.exists():
        raise DataError(f"{source}: no such file or folder, and not one of {', '.join(BUILT_IN_SOURCES)}")
    if path.suffix.lower() == ".npz":
        return load_npz(path, classes)
    if path.suffix.lower() == ".csv":
        return load_csv(path, label)
    raise DataError(f"{source}: unknown kind of file; give a .npz file, a .csv file or a folder of images")
