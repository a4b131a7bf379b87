"""The parts that rules are made of: rounding to each dtype, and sorting networks."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from node.aggregation.elements import narrow, widen
from node.aggregation.means import reduced_weights
from node.aggregation.order import chunk_for, comparators
from node.tensors import BFLOAT16


def bfloat16_values(bits: np.ndarray) -> np.ndarray:
    out = np.empty(bits.size)
    widen(bits.astype("<u2").view(BFLOAT16), "BF16", out)
    return out


@given(arrays(np.float64, 50, elements=st.floats(-3.38e38, 3.38e38)))
def test_narrow_to_bfloat16_then_no_neighbour_is_nearer_and_ties_are_even(values: np.ndarray) -> None:
    out = np.empty(values.size, BFLOAT16)
    narrow(values.copy(), "BF16", out)
    bits = out.view("<u2").astype(np.int64)
    error = np.abs(values - bfloat16_values(bits))
    for step in (-1, 1):
        # From +0 downwards is -0x8000, the largest NaN: as far off as a neighbour can be.
        other = np.abs(values - bfloat16_values((bits + step) % (1 << 16)))
        comparable = np.isfinite(other)
        assert (error[comparable] <= other[comparable]).all()
        ties = comparable & (error == other)
        assert (bits[ties] % 2 == 0).all()


def test_narrow_to_bfloat16_when_float32_would_round_twice_then_rounded_once() -> None:
    # 1 + 2^-8 is halfway between two bfloat16 numbers; a hair above it, float32 would fall back to halfway.
    out = np.empty(2, BFLOAT16)
    narrow(np.array([1 + 2.0**-8 + 2.0**-40, 1 + 2.0**-8]), "BF16", out)
    assert out.view("<u2").tolist() == [0x3F81, 0x3F80]


@pytest.mark.parametrize(
    ("dtype", "kind", "largest"),
    [("F64", "<f8", 1.7976931348623157e308), ("F32", "<f4", 3.4028234663852886e38), ("F16", "<f2", 65504.0)],
)
def test_narrow_when_out_of_range_or_nan_then_finite(dtype: str, kind: str, largest: float) -> None:
    out = np.empty(4, kind)
    narrow(np.array([np.inf, -np.inf, largest, -0.0]), dtype, out)
    assert out.tolist() == [largest, -largest, largest, 0.0]
    assert not np.signbit(out[3])


@pytest.mark.parametrize(
    ("samples", "weights"), [([4, 6, 10], [2, 3, 5]), ([7, 7], [1, 1]), ([0, 3], [0, 1]), ([0, 0], [1, 1])]
)
def test_reduced_weights_of_known_counts_then_divided_by_their_common_divisor(
    samples: list[int], weights: list[int]
) -> None:
    assert reduced_weights(samples) == weights


@settings(max_examples=30)
@given(st.integers(1, 40), st.data())
def test_comparators_of_any_size_then_zeros_and_ones_are_sorted(rows: int, data: Any) -> None:
    # Zero-one principle (Knuth): a network that sorts every column of zeros and ones sorts everything.
    first = data.draw(st.integers(0, rows - 1))
    last = data.draw(st.integers(first, rows - 1))
    columns = (np.random.default_rng(rows).random((rows, 3000)) < np.linspace(0, 1, 3000)).astype(np.int8)
    values = columns.copy()
    for low, high, keep_low, keep_high in comparators(rows, first, last):
        pair = np.sort(values[[low, high]], axis=0)
        values[low] = pair[0] if keep_low else -1
        values[high] = pair[1] if keep_high else -1
    np.testing.assert_array_equal(values[first : last + 1], np.sort(columns, axis=0)[first : last + 1])


@pytest.mark.parametrize("rows", [1, 4, 32, 256])
def test_chunk_for_any_rows_then_bounded_power_of_two(rows: int) -> None:
    chunk = chunk_for(rows)
    assert chunk & (chunk - 1) == 0
    assert 1 << 12 <= chunk <= 1 << 16
