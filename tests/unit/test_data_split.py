"""Splits: every sample goes to exactly one place, shares of classes are as asked."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.data.builtin import load_builtin
from node.data.dataset import Dataset
from node.data.split import holdout_split, split_dirichlet, split_even
from node.errors import DataError


def numbered(labels: list[int], classes: int) -> Dataset:
    """Samples that carry their own position, so that each can be followed."""
    x = np.arange(len(labels), dtype=np.float32).reshape(-1, 1)
    return Dataset(x, np.array(labels, np.int64), tuple(str(i) for i in range(classes)))


def assert_partition(whole: Dataset, parts: list[Dataset]) -> None:
    seen = np.concatenate([part.x[:, 0] for part in parts]).astype(int)
    assert sorted(seen.tolist()) == list(range(len(whole)))
    for part in parts:
        assert np.array_equal(whole.y[part.x[:, 0].astype(int)], part.y)


labels = st.lists(st.integers(0, 4), min_size=1, max_size=60)
seeds = st.integers(0, 2**63 - 1)


@settings(max_examples=60, deadline=None)
@given(labels, st.integers(1, 60), seeds)
def test_even_split_puts_every_sample_in_one_shard_of_equal_size(
    given_labels: list[int], shards: int, seed: int
) -> None:
    whole = numbered(given_labels, 5)
    shards = min(shards, len(whole))
    parts = split_even(whole, shards, seed)
    assert_partition(whole, parts)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    counts = np.array([part.counts() for part in parts])
    assert (counts.max(axis=0) - counts.min(axis=0)).max() <= 1


@settings(max_examples=60, deadline=None)
@given(labels, st.integers(1, 60), st.floats(0.001, 1000), seeds)
def test_dirichlet_split_puts_every_sample_in_one_shard_and_leaves_none_empty(
    given_labels: list[int], shards: int, alpha: float, seed: int
) -> None:
    whole = numbered(given_labels, 5)
    shards = min(shards, len(whole))
    parts = split_dirichlet(whole, shards, alpha, seed)
    assert_partition(whole, parts)
    assert min(map(len, parts)) >= 1
    assert len(parts) == shards


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=20, max_size=60), st.floats(0.2, 0.8), seeds)
def test_holdout_takes_the_same_share_of_every_class(
    given_labels: list[int], fraction: float, seed: int
) -> None:
    whole = numbered(given_labels, 5)
    train, holdout = holdout_split(whole, fraction, seed)
    assert_partition(whole, [train, holdout])
    for total, held in zip(whole.counts(), holdout.counts(), strict=True):
        assert held == min(round(fraction * total), max(total - 1, 0))


def test_small_alpha_skews_shards_and_large_alpha_does_not() -> None:
    digits = load_builtin("digits")

    def largest_share(alpha: float) -> float:
        parts = split_dirichlet(digits, 8, alpha, 1)
        return float(np.mean([max(part.counts()) / len(part) for part in parts]))

    assert largest_share(0.05) > 0.6
    assert 0.2 < largest_share(0.5) < 0.6
    assert largest_share(1000) < 0.16


def test_split_with_one_seed_repeats_and_with_another_differs() -> None:
    iris = load_builtin("iris")
    first, again, other = (split_dirichlet(iris, 4, 0.5, seed) for seed in (7, 7, 8))
    assert all(np.array_equal(a.x, b.x) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a.x, b.x) for a, b in zip(first, other, strict=True))


def test_more_shards_than_samples_is_refused() -> None:
    small = numbered([0, 1, 0], 2)
    with pytest.raises(DataError, match="3 samples cannot fill 4 shards"):
        split_even(small, 4, 0)
    with pytest.raises(DataError, match="3 samples cannot fill 4 shards"):
        split_dirichlet(small, 4, 0.5, 0)


def test_too_few_samples_to_hold_any_out_is_refused() -> None:
    with pytest.raises(DataError, match="too few"):
        holdout_split(numbered([0, 1], 2), 0.2, 0)
