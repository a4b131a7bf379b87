"""Scores and predictions, and that a job learns: FedAvg over the example's shards in one process."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from node.data import Dataset, decode_shard
from node.data.prepare import Part, PreparedJob, prepare
from node.errors import TrainingError
from node.spec import Architecture, load_job
from node.training.evaluate import evaluate, predict
from node.training.local import train
from node.training.models import State, initial_state

EXAMPLES = Path(__file__).parents[2] / "examples"
MODEL = Architecture("logistic", {"bias": False}, (2,), 2)
STATE = {"1.weight": torch.eye(2)}


def points(rows: list[list[float]], labels: list[int], classes: int = 2) -> Dataset:
    names = tuple("abc"[:classes])
    return Dataset(np.array(rows, np.float32).reshape(-1, 2), np.array(labels, np.int64), names)


def test_score_counts_right_answers_by_class_and_averages_the_loss() -> None:
    data = points([[3, 0], [0, 3], [3, 0], [1, 0]], [0, 1, 1, 0])
    score = evaluate(MODEL, STATE, data, device="cpu")
    losses = [math.log(1 + math.exp(-3))] * 2 + [math.log(1 + math.exp(3)), math.log(1 + math.exp(-1))]
    assert score.accuracy == 0.75
    assert score.millionths == 750_000
    assert score.samples == 4
    assert score.per_class == (1.0, 0.5)
    assert score.loss == pytest.approx(sum(losses) / 4, rel=1e-6)


def test_score_of_a_class_without_samples_is_unknown() -> None:
    assert evaluate(MODEL, STATE, points([[3, 0]], [0]), device="cpu").per_class == (1.0, None)


def test_score_of_a_model_that_overflows_is_nothing_right_and_infinite_loss() -> None:
    huge = {"1.weight": torch.full((2, 2), 3e38)}
    score = evaluate(MODEL, huge, points([[3, 3]], [0]), device="cpu")
    assert score.accuracy == 0
    assert score.loss == math.inf


def test_score_without_data_is_refused() -> None:
    with pytest.raises(TrainingError, match="no data"):
        evaluate(MODEL, STATE, points([], []), device="cpu")


def test_predictions_are_probabilities_whatever_the_number_of_batches() -> None:
    x = np.random.default_rng(0).normal(size=(2500, 2)).astype(np.float32)
    result = predict(MODEL, STATE, x, device="cpu")
    expected = 1 / (1 + np.exp(x[:, 1] - x[:, 0]))
    assert result.dtype == np.float32
    assert np.allclose(result[:, 0], expected, atol=1e-6)
    assert np.array_equal(result, predict(MODEL, STATE, x, device="cpu"))
    assert predict(MODEL, STATE, x[:0], device="cpu").shape == (0, 2)
    with pytest.raises(TrainingError, match=r"the model takes \[2\]"):
        predict(MODEL, STATE, x[:, :1], device="cpu")


def federate(job: PreparedJob, nodes: int) -> float:
    """Held-out accuracy after all rounds of plain FedAvg, leases of equal size."""

    def read(part: Part) -> Dataset:
        return decode_shard(
            part.content, input_shape=job.input_shape, classes=job.classes, max_samples=part.samples
        )

    assert job.holdout is not None
    shards = list(enumerate(map(read, job.shards)))
    state: State = initial_state(job.architecture)
    size = -(-len(shards) // nodes)
    for round_number in range(1, job.job.schedule.rounds + 1):
        updates = [
            train(
                job.architecture,
                state,
                shards[first : first + size],
                job.job.training,
                job=1,
                round=round_number,
                device="cpu",
            )
            for first in range(0, len(shards), size)
        ]
        total = sum(update.samples for update in updates)
        state = {
            name: torch.stack([u.state[name].double() * (u.samples / total) for u in updates]).sum(0).float()
            for name in state
        }
    return evaluate(job.architecture, state, read(job.holdout), device="cpu").accuracy


@pytest.mark.parametrize(("example", "reach"), [("digits", 0.97), ("digits-dirichlet", 0.94)])
def test_example_job_reaches_its_accuracy_with_four_nodes(example: str, reach: float) -> None:
    assert federate(prepare(load_job(EXAMPLES / f"{example}.toml")), nodes=4) >= reach
