"""Standardisation: features scaled to mean 0 and deviation 1 of the training part."""

import numpy as np
from numpy.typing import NDArray

from node.data.dataset import Dataset
from node.spec import Standardisation


def measure_scale(dataset: Dataset) -> Standardisation:
    """Mean and population deviation per feature, or per channel of images; of a constant, deviation 1."""
    axes = (0, *range(2, dataset.x.ndim))
    mean = dataset.x.mean(axis=axes, dtype=np.float64)
    std = dataset.x.std(axis=axes, dtype=np.float64)
    std = np.where(std > 0, std, 1.0)
    return Standardisation(mean=tuple(mean.tolist()), std=tuple(std.tolist()))


def apply_scale(x: NDArray[np.float32], scale: Standardisation | None) -> NDArray[np.float32]:
    """``(x - mean) / std`` in float64, rounded once to float32; ``x`` itself when there is no scale.

    Args:
        x: float32 ``[n, features]`` or ``[n, channels, height, width]``.
        scale: one entry per feature or channel.
    """
    if scale is None:
        return x
    per_axis = (1, -1) + (1,) * (x.ndim - 2)
    mean, std = (np.asarray(values).reshape(per_axis) for values in (scale.mean, scale.std))
    scaled: NDArray[np.float32] = ((x - mean) / std).astype(np.float32)
    return scaled


def scaled(dataset: Dataset, scale: Standardisation | None) -> Dataset:
    """The same data set with `apply_scale` on its samples."""
    return dataset if scale is None else Dataset(apply_scale(dataset.x, scale), dataset.y, dataset.classes)
