"""What each rule computes: by hand, and against naive references over arbitrary values."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from node.aggregation import RuleSpec, Update, aggregate
from node.errors import ContentError, SpecError
from node.tensors import ArrayState, StateFile, digest

ZERO = [0.0, 0.0]


def run(
    rule: RuleSpec,
    rows: Any,
    samples: Sequence[int] | None = None,
    previous: Any = None,
    before: Any = None,
    dtype: Any = np.float32,
) -> np.ndarray:
    """One tensor "w" through a rule; ``rows`` are the updates' values."""
    states = [ArrayState({"w": np.asarray(row, dtype)}) for row in rows]
    counts = samples or [1] * len(rows)
    updates = [Update(i, n, state) for i, (n, state) in enumerate(zip(counts, states, strict=True))]
    base = ArrayState({"w": np.asarray(np.zeros_like(rows[0]) if previous is None else previous, dtype)})
    older = None if before is None else ArrayState({"w": np.asarray(before, dtype)})
    return aggregate(rule, updates, base, older).state["w"]


def test_fedavg_of_known_values_then_weighted_by_samples() -> None:
    assert run(RuleSpec("fedavg"), [[1, 2], [3, -2]], [1, 3]).tolist() == [2.5, -1.0]


def test_fedavg_when_nobody_has_samples_then_all_weigh_the_same() -> None:
    assert run(RuleSpec("fedavg"), [[1, 2], [3, -2]], [0, 0]).tolist() == [2.0, 0.0]


def test_median_of_known_values_then_the_middle_or_the_mean_of_the_middle_two() -> None:
    rule = RuleSpec("median")
    assert run(rule, [[9, 1], [2, 5], [4, -7]]).tolist() == [4.0, 1.0]
    assert run(rule, [[9, 1], [2, 5], [4, -7], [5, 2]]).tolist() == [4.5, 1.5]


def test_trimmed_mean_of_known_values_then_the_ends_do_not_count() -> None:
    rows = [[1e30, 0], [1, 1], [2, 5], [6, 6], [-1e30, 99]]
    assert run(RuleSpec("trimmed_mean", {"trim": 1}), rows).tolist() == [3.0, 4.0]


def test_krum_of_known_values_then_the_update_amid_its_neighbours() -> None:
    # f = 1: the two nearest count. Scores: 0.03, 0.02, 0.03, 17.41, about 9300.
    rows = [[1.1, 1], [1.0, 1], [1.0, 1.1], [4, 1], [50, 50]]
    result = run(RuleSpec("krum", {"f": 1}), rows)
    assert result.tolist() == np.asarray([1.0, 1.0], np.float32).tolist()


def test_multi_krum_of_known_values_then_mean_of_the_best() -> None:
    rows = [[1, 2], [2, 2], [3, 2], [40, 40], [500, 0]]
    updates = [Update(i, 9 - i, ArrayState({"w": np.asarray(row, np.float64)})) for i, row in enumerate(rows)]
    rule = RuleSpec("multi_krum", {"f": 1, "m": 3})
    result = aggregate(rule, updates, ArrayState({"w": np.zeros(2)}))
    assert result.state["w"].tolist() == [2.0, 2.0]
    assert (result.accepted, result.left_out) == (0b00111, (3, 4))


def test_krum_when_scores_are_equal_then_the_lowest_index_whatever_the_order() -> None:
    states = [ArrayState({"w": np.full(2, value, np.float32)}) for value in (1, 1, 1, 1)]
    updates = [Update(i, 1, state) for i, state in zip((9, 4, 200, 7), states, strict=True)]
    result = aggregate(RuleSpec("krum", {"f": 0}), updates, states[0])
    assert (result.accepted, result.left_out) == (1 << 4, (7, 9, 200))


@pytest.mark.parametrize(
    "rule",
    [RuleSpec("fedavg"), RuleSpec("fedavgm"), RuleSpec("median"), RuleSpec("trimmed_mean", {"trim": 1})],
)
def test_rules_that_use_every_update_then_all_are_accepted(rule: RuleSpec) -> None:
    updates = [Update(i, 1, ArrayState({"w": np.full(2, i, np.float32)})) for i in (0, 3, 255)]
    result = aggregate(rule, updates, updates[0].state)
    assert (result.accepted, result.left_out) == (1 | 1 << 3 | 1 << 255, ())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("f", [1, 2, 4])
def test_krum_when_f_updates_attack_then_an_honest_one_is_chosen(seed: int, f: int) -> None:
    rng = np.random.default_rng(seed)
    previous = rng.standard_normal(5000).astype(np.float32)
    honest = [previous + rng.normal(0.1, 0.01, 5000).astype(np.float32) for _ in range(f + 3)]
    scale = [1e30, -3.0, 0.5, 0.3][seed % 4]
    attack = [previous + np.float32(scale) for _ in range(f)]
    rows = attack + honest
    chosen = run(RuleSpec("krum", {"f": f}), rows, previous=previous)
    assert any(np.array_equal(chosen, row) for row in honest)
    best = run(RuleSpec("multi_krum", {"f": f, "m": 3}), rows, previous=previous)
    assert np.abs(best - previous - 0.1).max() < 0.05


def test_fedavgm_when_compared_with_a_stateful_server_then_same_models() -> None:
    rng = np.random.default_rng(1)
    beta, lr = 0.9, 0.7
    model = expected = rng.standard_normal(50)
    before, velocity = None, np.zeros(50)
    for round_number in range(6):
        rows = [expected + rng.normal(0, 0.1, 50) for _ in range(3)]
        mean = (rows[0] * 1 + rows[1] * 2 + rows[2] * 5) / 8
        velocity = beta * velocity + (expected - mean)
        expected = expected - lr * velocity
        rule = RuleSpec("fedavgm", {"beta": beta, "server_lr": lr})
        model, before = run(rule, rows, [1, 2, 5], model, before, np.float64), model
        np.testing.assert_allclose(model, expected, rtol=0, atol=1e-13, err_msg=f"round {round_number}")


def test_fedavgm_of_counters_and_running_statistics_then_they_take_the_mean() -> None:
    def state(weight: float, variance: float, steps: int) -> ArrayState:
        return ArrayState(
            {
                "bn.weight": np.array([weight], np.float32),
                "bn.running_var": np.array([variance], np.float32),
                "bn.num_batches_tracked": np.array(steps),
            }
        )

    updates = [Update(0, 1, state(1, 0.25, 4)), Update(1, 1, state(3, 0.75, 6))]
    result = aggregate(RuleSpec("fedavgm"), updates, state(4, 9, 1), state(5, 40, 0)).state
    assert result["bn.weight"][0] == pytest.approx(2 - 0.9)
    assert result["bn.running_var"].tolist() == [0.5]
    assert result["bn.num_batches_tracked"] == 5


finite = st.floats(-1e6, 1e6, width=32)
matrices = st.integers(1, 12).flatmap(lambda n: arrays(np.float32, (n, 7), elements=finite))


def reference_krum(rows: np.ndarray, f: int) -> np.ndarray:
    distances = ((rows[:, None].astype(float) - rows[None].astype(float)) ** 2).sum(-1)
    scores = [np.sort(np.delete(row, i))[: len(rows) - f - 2].sum() for i, row in enumerate(distances)]
    return np.asarray(scores)


@given(matrices, st.data())
def test_mean_and_order_rules_of_any_values_then_the_naive_reference(rows: np.ndarray, data: Any) -> None:
    count = len(rows)
    samples = data.draw(st.lists(st.integers(1, 10_000), min_size=count, max_size=count))
    trim = data.draw(st.integers(0, (count - 1) // 2))
    wide = rows.astype(float)
    weighted = (wide * np.array(samples)[:, None]).sum(0) / sum(samples)
    np.testing.assert_allclose(run(RuleSpec("fedavg"), rows, samples), weighted, rtol=1e-7, atol=1e-6)
    np.testing.assert_array_equal(run(RuleSpec("median"), rows), np.median(wide, axis=0).astype(np.float32))
    kept = np.sort(wide, axis=0)[trim : count - trim].mean(0)
    np.testing.assert_allclose(
        run(RuleSpec("trimmed_mean", {"trim": trim}), rows), kept, rtol=1e-7, atol=1e-6
    )


@given(st.integers(3, 11).flatmap(lambda n: arrays(np.float32, (n, 9), elements=finite)), st.data())
def test_krum_of_any_values_then_its_score_is_the_naive_references_best(rows: np.ndarray, data: Any) -> None:
    f = data.draw(st.integers(0, (len(rows) - 3) // 2))
    chosen = run(RuleSpec("krum", {"f": f}), rows)
    scores = reference_krum(rows, f)
    place = next(i for i, row in enumerate(rows) if np.array_equal(row, chosen))
    # Each value is rounded to 2^-20 of the largest of its update before distances are taken.
    assert scores[place] <= scores.min() * (1 + 1e-4) + 1e-9 * float(np.abs(rows).max()) ** 2


@given(st.permutations(range(6)))
def test_rules_when_updates_arrive_in_any_order_then_equal_bytes(order: list[int]) -> None:
    rng = np.random.default_rng(5)
    updates = [Update(3 * i, i + 1, ArrayState({"w": rng.standard_normal(40, np.float32)})) for i in range(6)]
    previous, before = updates[0].state, updates[1].state
    for rule in ALL:
        first = aggregate(rule, updates, previous, before)
        other = aggregate(rule, [updates[i] for i in order], previous, before)
        assert digest(other.state) == digest(first.state)
        assert other.accepted == first.accepted


ALL = [
    RuleSpec("fedavg"),
    RuleSpec("fedavgm"),
    RuleSpec("median"),
    RuleSpec("trimmed_mean", {"trim": 1}),
    RuleSpec("krum", {"f": 1}),
    RuleSpec("multi_krum", {"f": 1, "m": 3}),
]


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.name)
@pytest.mark.parametrize(
    "dtype", ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]
)
def test_rules_of_equal_updates_of_each_dtype_then_the_update_itself(rule: RuleSpec, dtype: str) -> None:
    values = torch.tensor([0, 1, 3, 100, 0.1]).to(getattr(torch, dtype))
    state = ArrayState({"w": values, "scalar": values[1], "none": values[:0]})
    result = aggregate(rule, [Update(i, 7, state) for i in range(5)], state, state).state
    assert digest(result) == state.digest()


@pytest.mark.parametrize(
    ("dtype", "rows", "expected"),
    [
        (np.int64, [1, 2], 2),
        (np.int64, [2, 3], 2),
        (np.int16, [-1, -2], -2),
        (np.uint8, [255, 254], 254),
        (np.bool_, [True, False], False),
        (np.int64, [2**63 - 1, 2**63 - 1], 2**63 - 1024),
    ],
)
@pytest.mark.parametrize("rule", [RuleSpec("fedavg"), RuleSpec("median")])
def test_rules_of_integers_then_rounded_half_to_even_in_range(
    rule: RuleSpec, dtype: Any, rows: list[int], expected: int
) -> None:
    assert run(rule, [[row] for row in rows], dtype=dtype).tolist() == [expected]


def test_fedavgm_when_it_leaves_the_range_then_saturates() -> None:
    top = float(np.finfo(np.float32).max)
    result = run(RuleSpec("fedavgm", {"server_lr": 100.0}), [[top, -top]], previous=ZERO)
    assert result.tolist() == [top, -top]
    wide = run(RuleSpec("fedavg"), [[1.7e308], [1.7e308]], [1, 3], dtype=np.float64)
    assert np.isfinite(wide).all()


def test_aggregate_when_written_to_a_file_then_equal_to_memory(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    states = [ArrayState({"w": rng.standard_normal((30, 9)), "n": np.array([i])}) for i in range(5)]
    updates = [Update(i, i + 1, state) for i, state in enumerate(states)]
    for rule in ALL:
        path = tmp_path / rule.name
        result = aggregate(rule, updates, states[0], out=path)
        expected = digest(aggregate(rule, updates, states[0]).state)
        assert StateFile(path, states[0].schema).digest() == digest(result.state) == expected


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"w": np.zeros(3, np.float32)}, r"update 1: tensor 'w' has shape \(3,\)"),
        ({"w": np.zeros(2)}, "update 1: tensor 'w' has dtype F64"),
        ({"v": np.zeros(2, np.float32)}, "update 1: tensor 'w' is missing"),
        ({"w": np.zeros(2, np.float32), "x": np.zeros(1)}, "update 1: tensor 'x' is not in the model"),
    ],
)
def test_aggregate_when_an_update_is_of_another_model_then_refused(
    state: dict[str, Any], reason: str
) -> None:
    good = ArrayState({"w": np.zeros(2, np.float32)})
    with pytest.raises(ContentError, match=reason):
        aggregate(RuleSpec("fedavg"), [Update(0, 1, good), Update(1, 1, ArrayState(state))], good)
    with pytest.raises(ContentError, match="before the previous"):
        aggregate(RuleSpec("fedavgm"), [Update(0, 1, good)], good, ArrayState(state))


def test_aggregate_when_called_wrongly_then_it_says_so() -> None:
    good = ArrayState({"w": np.zeros(2, np.float32)})
    with pytest.raises(ValueError, match="not distinct"):
        aggregate(RuleSpec("fedavg"), [Update(1, 1, good)] * 2, good)
    with pytest.raises(ValueError, match="-1 samples"):
        aggregate(RuleSpec("fedavg"), [Update(1, -1, good)], good)
    with pytest.raises(SpecError, match="0 is not from 1"):
        aggregate(RuleSpec("fedavg"), [], good)
    with pytest.raises(SpecError, match="4 is not from 5 to 256, as krum f = 1 needs"):
        aggregate(RuleSpec("krum", {"f": 1}), [Update(i, 1, good) for i in range(4)], good)
