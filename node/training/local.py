"""One lease: train the round's model on the data of a range of epochs, reproducibly."""

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from node.data.dataset import Dataset
from node.errors import TrainingError
from node.spec import TrainingSpec
from node.spec.architecture import Architecture
from node.training.determinism import choose_device, derive_seed, deterministic, seed_device
from node.training.models import State, loaded

_SMALL = 1_000_000  # weights; below, handing work to a second thread costs more than it saves


class TrainingStopped(TrainingError):  # noqa: N818 (an outcome that was asked for)
    """The caller asked for it."""


@dataclass(frozen=True)
class Progress:
    """Where training is.

    Attributes:
        epoch: epoch index just trained.
        done: epochs trained so far, of ``total``.
        total: epochs of the lease.
        loss: mean cross-entropy over the epoch's last pass.
    """

    epoch: int
    done: int
    total: int
    loss: float


@dataclass(frozen=True, eq=False)
class TrainResult:
    """An update.

    Attributes:
        state: the trained weights, on the CPU.
        samples: the update's weight in an average: samples of all its epochs, passes not multiplied.
        loss: mean cross-entropy over the last pass of every epoch, weighted by samples.
        seconds: wall time.
    """

    state: State
    samples: int
    loss: float
    seconds: float


def train(
    model: Architecture,
    state: Mapping[str, torch.Tensor],
    shards: Sequence[tuple[int, Dataset]],
    training: TrainingSpec,
    *,
    job: int,
    round: int,
    device: str = "auto",
    threads: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | threading.Event | None = None,
) -> TrainResult:
    """Trains epoch after epoch, each on its own data, from the round's model.

    The order of samples and all other randomness derive from (job, round, epoch), so that the same call on
    the same machine gives identical bytes. With ``proximal`` mu > 0 the loss has
    ``mu / 2 * ||w - w_round||**2`` added (FedProx, Li et al. 2020). Computations of one process run one at a
    time, since PyTorch's random state is shared.

    Args:
        model: what the state belongs to.
        state: the round's model; left as it is.
        shards: epoch index and its data, in the order of training.
        training: optimiser and its parameters.
        job: the job's number on the chain.
        round: the round's number.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        threads: CPU threads; None means one for a model below a million weights, else PyTorch's own choice.
            Results are reproducible for the same number only.
        on_progress: called after each epoch.
        stop: asked before every batch.

    Raises:
        TrainingError: the loss or a weight is not finite, the state does not fit, no such device, no data.
        TrainingStopped: ``stop`` said so.
    """
    if not shards or any(len(data) == 0 for _, data in shards):
        raise TrainingError("there is no data to train on: the lease is empty or a shard of it is")
    started = time.perf_counter()
    where = choose_device(device)
    asked = stop.is_set if isinstance(stop, threading.Event) else stop
    if threads is None and sum(tensor.numel() for tensor in state.values()) < _SMALL:
        threads = 1
    with deterministic(where, threads):
        module = loaded(model, state, where)
        step = _Step(module, training)
        total_loss, samples = 0.0, 0
        for done, (epoch, data) in enumerate(shards, start=1):
            seed_device(where, derive_seed(job, round, epoch))
            loss = _epoch(step, data, training, where, asked)
            if not math.isfinite(loss):
                raise TrainingError(
                    f"the loss of epoch {epoch} in round {round} is {loss}: "
                    "lower training.lr or set training.clip_grad"
                )
            total_loss, samples = total_loss + loss * len(data), samples + len(data)
            if on_progress is not None:
                on_progress(Progress(epoch, done, len(shards), loss))
        trained = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    for name, tensor in trained.items():
        if not torch.isfinite(tensor).all():
            raise TrainingError(f"weights of {name!r} are not finite after round {round}: lower training.lr")
    return TrainResult(trained, samples, total_loss / samples, time.perf_counter() - started)


def warm_up() -> None:
    """Load what PyTorch loads when its first optimiser is made: seconds that no lease should have to wait for."""
    torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1, fused=True)


class _Step:
    """One optimiser step on one batch."""

    def __init__(self, module: nn.Module, training: TrainingSpec) -> None:
        self.module = module.train()
        self._training = training
        self._weights = [weight for weight in module.parameters() if weight.requires_grad]
        self._start = [weight.detach().clone() for weight in self._weights] if training.proximal else []
        self._optimizer = _optimizer(self._weights, training)

    def __call__(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy of the batch before the step, on the device."""
        self._optimizer.zero_grad()
        loss = functional.cross_entropy(self.module(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        for weight, start in zip(self._weights, self._start, strict=False):
            if weight.grad is not None:
                weight.grad.add_(weight.detach() - start, alpha=self._training.proximal)
        if self._training.clip_grad is not None:
            nn.utils.clip_grad_norm_(self._weights, self._training.clip_grad)
        self._optimizer.step()
        return loss.detach()


def _optimizer(weights: list[nn.Parameter], training: TrainingSpec) -> torch.optim.Optimizer:
    lr, decay = training.lr, training.weight_decay
    if training.optimizer == "sgd":
        return torch.optim.SGD(weights, lr=lr, momentum=training.momentum, weight_decay=decay, fused=True)
    if training.optimizer == "adam":
        return torch.optim.Adam(weights, lr=lr, weight_decay=decay, fused=True)
    return torch.optim.AdamW(weights, lr=lr, weight_decay=decay, fused=True)


def _epoch(
    step: _Step,
    data: Dataset,
    training: TrainingSpec,
    device: torch.device,
    asked: Callable[[], bool] | None,
) -> float:
    """Trains all passes over one epoch's data; mean loss of the last one."""
    x, y = torch.tensor(data.x, device=device), torch.tensor(data.y, device=device)
    loss = torch.zeros((), device=device)
    for _ in range(training.local_passes):
        loss = torch.zeros((), device=device)
        for batch_x, batch_y in _batches(x, y, training.batch_size):
            if asked is not None and asked():
                raise TrainingStopped("training was stopped")
            loss += step(batch_x, batch_y) * len(batch_y)
    return loss.item() / len(data)


def _batches(x: torch.Tensor, y: torch.Tensor, size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """All samples once, shuffled by the CPU's random state so that every device sees one order."""
    order = torch.randperm(len(y)).to(x.device)
    x, y = x[order], y[order]
    for start in range(0, len(y), size):
        yield x[start : start + size], y[start : start + size]
