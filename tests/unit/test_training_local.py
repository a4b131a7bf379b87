"""Local training: reproducible to the byte, correct to its definition, and clear when it cannot go on."""

import threading

import numpy as np
import pytest
import torch

from node.data.builtin import load_builtin
from node.data.dataset import Dataset
from node.data.scaling import measure_scale, scaled
from node.data.split import split_even
from node.errors import TrainingError
from node.spec import Architecture, TrainingSpec
from node.training.determinism import choose_device, derive_seed, deterministic
from node.training.local import Progress, TrainingStopped, TrainResult, train
from node.training.models import State, initial_state

IRIS = scaled(load_builtin("iris"), measure_scale(load_builtin("iris")))
SHARDS = list(enumerate(split_even(IRIS, 3, 0)))
MLP = Architecture("mlp", {"hidden": [8], "dropout": 0.3}, (4,), 3, 0)
LOGISTIC = Architecture("logistic", {}, (4,), 3, 0)
OPTIMISERS = [
    TrainingSpec(lr=0.1, momentum=0.9, weight_decay=0.01, proximal=0.1, clip_grad=1.0),
    TrainingSpec(optimizer="adam", lr=0.01, local_passes=2),
    TrainingSpec(optimizer="adamw", lr=0.01, weight_decay=0.1),
]


def run(
    training: TrainingSpec,
    shards: list[tuple[int, Dataset]] = SHARDS,
    model: Architecture = MLP,
    state: State | None = None,
    round: int = 1,
) -> TrainResult:
    start = initial_state(model) if state is None else state
    return train(model, start, shards, training, job=1, round=round, device="cpu")


def equal(one: State, other: State) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("training", OPTIMISERS)
def test_same_lease_trained_twice_gives_equal_bytes_and_another_round_does_not(
    training: TrainingSpec,
) -> None:
    first = run(training)
    torch.manual_seed(99)
    np.random.seed(99)
    assert equal(first.state, run(training).state)
    assert not equal(first.state, run(training, round=2).state)


def test_training_in_two_threads_at_once_gives_the_bytes_of_one() -> None:
    expected = run(OPTIMISERS[0]).state
    results: list[State] = []
    threads = [threading.Thread(target=lambda: results.append(run(OPTIMISERS[0]).state)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 2
    assert all(equal(expected, state) for state in results)


def test_training_leaves_the_round_model_and_the_process_settings_alone() -> None:
    state = initial_state(MLP)
    before = {name: tensor.clone() for name, tensor in state.items()}
    threads, flag, random = (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.random.get_rng_state(),
    )
    result = run(OPTIMISERS[0], state=state)
    assert equal(before, state)
    assert not equal(before, result.state)
    assert torch.get_num_threads() == threads
    assert torch.are_deterministic_algorithms_enabled() == flag
    assert torch.equal(torch.random.get_rng_state(), random)


def test_one_step_of_sgd_is_gradient_descent_with_the_proximal_pull() -> None:
    """Two passes in one batch each, against the formula worked out by hand in float64."""
    training = TrainingSpec(lr=0.5, batch_size=150, local_passes=2, proximal=0.3)
    state = initial_state(LOGISTIC)
    w0, b0 = state["1.weight"].double().numpy(), state["1.bias"].double().numpy()
    w, b = w0.copy(), b0.copy()
    x, onehot = IRIS.x.astype(np.float64), np.eye(3)[IRIS.y]
    for _ in range(2):
        logits = x @ w.T + b
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        slope = (p / p.sum(axis=1, keepdims=True) - onehot) / len(x)
        w, b = (
            w - 0.5 * (slope.T @ x + 0.3 * (w - w0)),
            b - 0.5 * (slope.sum(axis=0) + 0.3 * (b - b0)),
        )
    result = run(training, [(0, IRIS)], LOGISTIC, state)
    assert np.allclose(result.state["1.weight"].numpy(), w, atol=1e-6)
    assert np.allclose(result.state["1.bias"].numpy(), b, atol=1e-6)


def test_clipping_bounds_the_length_of_a_step() -> None:
    training = TrainingSpec(lr=1.0, batch_size=150, clip_grad=0.001)
    state = initial_state(LOGISTIC)
    moved = run(training, [(0, IRIS)], LOGISTIC, state).state
    length = sum(float((moved[name] - state[name]).square().sum()) for name in state) ** 0.5
    assert length == pytest.approx(0.001, rel=1e-3)


def test_result_counts_samples_once_and_its_loss_falls() -> None:
    one = run(TrainingSpec(lr=0.1, local_passes=1), model=LOGISTIC)
    many = run(TrainingSpec(lr=0.1, local_passes=20), model=LOGISTIC)
    assert one.samples == many.samples == 150
    assert many.loss < one.loss
    assert all(tensor.device.type == "cpu" for tensor in one.state.values())


def test_progress_is_told_after_every_epoch() -> None:
    told: list[Progress] = []
    train(
        MLP,
        initial_state(MLP),
        [(epoch + 5, data) for epoch, data in SHARDS],
        OPTIMISERS[0],
        job=1,
        round=1,
        device="cpu",
        on_progress=told.append,
    )
    assert [(p.epoch, p.done, p.total) for p in told] == [(5, 1, 3), (6, 2, 3), (7, 3, 3)]


@pytest.mark.parametrize("as_event", [True, False])
def test_training_when_told_to_stop_stops(as_event: bool) -> None:
    event = threading.Event()
    with pytest.raises(TrainingStopped):
        train(
            MLP,
            initial_state(MLP),
            SHARDS,
            OPTIMISERS[0],
            job=1,
            round=1,
            device="cpu",
            on_progress=lambda progress: event.set(),
            stop=event if as_event else event.is_set,
        )


def test_loss_that_is_not_finite_says_what_to_change() -> None:
    with pytest.raises(TrainingError, match=r"training\.lr"):
        run(TrainingSpec(lr=1000.0, momentum=0.99, local_passes=200, weight_decay=100.0))


def test_no_data_and_wrong_weights_are_refused() -> None:
    with pytest.raises(TrainingError, match="no data"):
        run(OPTIMISERS[0], [])
    with pytest.raises(TrainingError, match="do not fit"):
        run(OPTIMISERS[0], state=initial_state(LOGISTIC))


@pytest.mark.parametrize("name", ["tpu", "cuda:x", "cuda:99", ""])
def test_device_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(TrainingError, match="device"):
        choose_device(name)


def test_auto_device_is_cuda_exactly_where_there_is_any() -> None:
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_seeds_of_different_work_differ() -> None:
    seeds = {derive_seed(job, round, epoch) for job in range(5) for round in range(5) for epoch in range(5)}
    assert len(seeds) == 125
    assert derive_seed(1, 2, 3) == derive_seed(1, 2, 3) < 2**63


def test_settings_are_restored_when_the_body_fails() -> None:
    threads = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError), deterministic(torch.device("cpu"), threads + 1):
        assert torch.are_deterministic_algorithms_enabled()
        raise ZeroDivisionError
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()
