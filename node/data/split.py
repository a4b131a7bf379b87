"""Divides a data set: held-out part, even shards, skewed shards; every sample goes to exactly one place."""

import numpy as np
from numpy.typing import NDArray

from node.data.dataset import Dataset
from node.errors import DataError


def holdout_split(dataset: Dataset, fraction: float, seed: int) -> tuple[Dataset, Dataset]:
    """Training part and held-out part, with the same share of every class held out.

    A class with one sample stays in the training part whole.

    Raises:
        DataError: too few samples to hold any out.
    """
    rng = np.random.default_rng(seed)
    held: list[NDArray[np.int64]] = []
    for rows in _rows_by_class(dataset, rng):
        held.append(rows[: min(round(fraction * len(rows)), len(rows) - 1)])
    chosen = np.sort(np.concatenate(held)) if held else np.empty(0, np.int64)
    if len(chosen) == 0:
        raise DataError(
            f"{len(dataset)} samples are too few to hold out a share of {fraction:g} of every class"
        )
    rest = np.setdiff1d(np.arange(len(dataset)), chosen, assume_unique=True)
    return dataset.subset(rest), dataset.subset(chosen)


def split_even(dataset: Dataset, shards: int, seed: int) -> list[Dataset]:
    """Shards of equal size (give or take one) with equal shares of every class (give or take one).

    Raises:
        DataError: fewer samples than shards.
    """
    _check_enough(dataset, shards)
    dealt = np.concatenate(_rows_by_class(dataset, np.random.default_rng(seed)))
    return [dataset.subset(np.sort(dealt[shard::shards])) for shard in range(shards)]


def split_dirichlet(dataset: Dataset, shards: int, alpha: float, seed: int) -> list[Dataset]:
    """Shards of equal size (give or take one) with class shares drawn from a Dirichlet (Hsu et al. 2019).

    For each shard, ``q ~ Dirichlet(alpha * k * p)`` with ``p`` the shares of the ``k`` classes in the data,
    so that balanced classes give ``Dirichlet(alpha, ..., alpha)``; its samples are drawn without replacement
    from classes by ``q``, which is renormalised whenever a class is used up. Sizes are fixed, so no shard is
    empty.

    Raises:
        DataError: fewer samples than shards.
    """
    _check_enough(dataset, shards)
    rng = np.random.default_rng(seed)
    by_class = _rows_by_class(dataset, rng)
    left = np.array([len(rows) for rows in by_class])
    present = left > 0
    prior = left[present] / left.sum() * present.sum()
    sizes = [len(part) for part in np.array_split(np.arange(len(dataset)), shards)]
    result = []
    for size in sizes:
        share = np.zeros(len(left))
        share[present] = rng.dirichlet(alpha * prior)
        rows: list[NDArray[np.int64]] = []
        while size:
            open_share = np.where(left > 0, share, 0.0)
            total = open_share.sum()
            weights = open_share / total if total > 0 else left / left.sum()
            take = np.minimum(rng.multinomial(size, weights), left)
            for label in np.flatnonzero(take):
                start = len(by_class[label]) - left[label]
                rows.append(by_class[label][start : start + take[label]])
            left = left - take
            size -= int(take.sum())
        result.append(dataset.subset(np.sort(np.concatenate(rows))))
    return result


def _rows_by_class(dataset: Dataset, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Positions of each class's samples, shuffled."""
    return [rng.permutation(np.flatnonzero(dataset.y == label)) for label in range(len(dataset.classes))]


def _check_enough(dataset: Dataset, shards: int) -> None:
    if len(dataset) < shards:
        raise DataError(f"{len(dataset)} samples cannot fill {shards} shards; ask for fewer")
