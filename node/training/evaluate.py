"""Scores a model on labelled data, and predicts class probabilities; deterministic, without gradients."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from node.data.dataset import Dataset
from node.errors import TrainingError
from node.spec.architecture import Architecture
from node.training.determinism import choose_device, deterministic
from node.training.models import loaded

_BATCH = 1024


@dataclass(frozen=True)
class Score:
    """How good a model is on some data.

    Attributes:
        loss: mean cross-entropy; infinite when an output is not finite.
        accuracy: share of samples whose most probable class is right; an output that is not finite is wrong.
        samples: number of samples.
        per_class: that share among the samples of each class; None for a class without samples.
    """

    loss: float
    accuracy: float
    samples: int
    per_class: tuple[float | None, ...]

    @property
    def millionths(self) -> int:
        """The accuracy as the chain records it."""
        return round(self.accuracy * 1_000_000)


def evaluate(
    model: Architecture,
    state: Mapping[str, torch.Tensor],
    data: Dataset,
    *,
    device: str = "auto",
    threads: int | None = 1,
) -> Score:
    """Loss and accuracy on labelled data.

    Raises:
        TrainingError: no data, no such device, or a state that does not fit the model.
    """
    if len(data) == 0:
        raise TrainingError("there is no data to score the model on")
    logits = _logits(model, state, data.x, device, threads)
    sound = np.isfinite(logits).all(axis=1)
    right = sound & (logits.argmax(axis=1) == data.y)
    losses = functional.cross_entropy(torch.tensor(logits), torch.tensor(data.y), reduction="none").numpy()
    loss = float(losses.mean(dtype=np.float64)) if sound.all() else float("inf")
    of_class = (data.y == label for label in range(len(data.classes)))
    per_class = tuple(float(right[rows].mean()) if rows.any() else None for rows in of_class)
    return Score(loss, float(right.mean()), len(data), per_class)


def predict(
    model: Architecture,
    state: Mapping[str, torch.Tensor],
    x: NDArray[np.float32],
    *,
    device: str = "auto",
    threads: int | None = 1,
) -> NDArray[np.float32]:
    """Class probabilities float32 ``[n, classes]`` for samples ``[n, *input_shape]`` on the job's scale.

    Raises:
        TrainingError: samples of another shape, no such device, or a state that does not fit the model.
    """
    if x.shape[1:] != model.input_shape:
        raise TrainingError(
            f"samples have shape {list(x.shape[1:])}, the model takes {list(model.input_shape)}"
        )
    logits = torch.tensor(_logits(model, state, x, device, threads))
    probabilities: NDArray[np.float32] = functional.softmax(logits, dim=1).numpy()
    return probabilities


def _logits(
    model: Architecture,
    state: Mapping[str, torch.Tensor],
    x: NDArray[np.float32],
    device: str,
    threads: int | None,
) -> NDArray[np.float32]:
    """Outputs float32 ``[n, classes]``, computed in batches of fixed size."""
    where = choose_device(device)
    with deterministic(where, threads), torch.inference_mode():
        module = loaded(model, state, where).eval()
        parts = [
            module(torch.tensor(x[i : i + _BATCH], device=where)).cpu() for i in range(0, len(x), _BATCH)
        ]
        empty = torch.empty(0, model.classes)
        logits: NDArray[np.float32] = torch.cat([*parts, empty]).numpy()
        return logits
