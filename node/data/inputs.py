"""Samples without labels, for predictions: read from a path and brought to a job's shape and scale."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from node.data.arrays import load_samples
from node.data.builtin import load_builtin
from node.data.images import SUFFIXES, image_files, load_image
from node.data.scaling import apply_scale
from node.data.tables import load_features
from node.errors import DataError
from node.spec import BUILT_IN_SOURCES, JobSpec


@dataclass(frozen=True, eq=False)
class Inputs:
    """What a model is asked about.

    Attributes:
        x: float32 ``[n, *input_shape]`` on the job's scale.
        names: what to call each sample: its file, or its position.
    """

    x: NDArray[np.float32]
    names: tuple[str, ...]


def load_inputs(source: str, spec: JobSpec) -> Inputs:
    """Reads samples for a job's model.

    Args:
        source: an image, a folder of images, a .npz file with ``x``, a .csv file (a label column is passed
            over), or the name of a data set that comes with scikit-learn.
        spec: the job, which says the shape, the scale and how images are read.

    Raises:
        DataError: nothing there, malformed, or of another shape than the job's samples.
    """
    x, names = _read(source, spec)
    if x.shape[1:] != spec.input_shape:
        raise DataError(
            f"{source}: samples have shape {list(x.shape[1:])}; the model takes {list(spec.input_shape)}"
        )
    return Inputs(apply_scale(x, spec.standardisation), names)


def _read(source: str, spec: JobSpec) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    path = Path(source).expanduser()
    if source in BUILT_IN_SOURCES:
        x = load_builtin(source).x
    elif path.is_dir() or path.suffix.lower() in SUFFIXES:
        return _images(path, spec)
    elif not path.exists():
        raise DataError(f"{source}: no such file or folder; give an image, a folder, a .npz or a .csv file")
    elif path.suffix.lower() == ".npz":
        x = load_samples(path)
    elif path.suffix.lower() == ".csv":
        x = load_features(path, spec.input_shape[0], spec.data.label)
    else:
        raise DataError(f"{source}: unknown kind of file; give an image, a folder, a .npz or a .csv file")
    return x, tuple(str(index) for index in range(len(x)))


def _images(path: Path, spec: JobSpec) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    files = image_files(path) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path}: no image in it ({', '.join(SUFFIXES)})")
    if len(spec.input_shape) != 3 or spec.input_shape[1] != spec.input_shape[2]:
        raise DataError(
            f"{path}: the model takes {list(spec.input_shape)}, not square images; give a .npz file"
        )
    size, grayscale = spec.input_shape[1], spec.input_shape[0] == 1
    return np.stack([load_image(file, size, grayscale) for file in files]), tuple(f.name for f in files)
