"""Train a lease."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from node.agent.metrics import Metrics
from node.content import JobContent
from node.data.dataset import Dataset
from node.tensors import digest, save
from node.training.local import train


@dataclass(frozen=True)
class TrainedUpdate:
    """An update in the cache. `samples`: its weight; `digest`: 32 bytes; `loss`: mean over its samples."""

    digest: bytes
    samples: int
    loss: float
    seconds: float
    size: int


@dataclass(frozen=True)
class LeasedWork:
    """A contiguous range of epochs of a round, and the model that it starts from (digest, 32 bytes)."""

    job_id: int
    round: int
    first: int
    count: int
    model_digest: bytes


def train_lease(
    work: LeasedWork,
    content: JobContent,
    metrics: Metrics,
    *,
    private: Dataset | None,
    device: str,
    threads: int | None,
    work_dir: Path,
    stop: Callable[[], bool],
) -> TrainedUpdate:
    """Fetch, train, and put the update into the cache. `private` is the node's own data, where the job trains on that.

    Raises:
        ContentError: the model or a shard is missing or wrong. TrainingError: the loss is not finite.
        StorageError: the IPFS daemon is out of reach, or the disk is full.
    """
    started = time.perf_counter()
    with metrics.timed("ipfs"):
        model = content.model(work.model_digest)
        epochs = range(work.first, work.first + work.count)
        shards = [(epoch, private if private is not None else content.shard(epoch)) for epoch in epochs]
    with metrics.timed("train"):
        result = train(
            content.spec.architecture,
            model.state_dict(),
            shards,
            content.spec.training,
            job=work.job_id,
            round=work.round,
            device=device,
            threads=threads,
            stop=stop,
        )
    with tempfile.TemporaryDirectory(dir=work_dir) as folder:
        path = Path(folder) / "update.safetensors"
        with metrics.timed("digest"):
            save(result.state, path)
            update_digest = digest(result.state)
        size = path.stat().st_size
        content.store(path, update_digest)
    return TrainedUpdate(update_digest, result.samples, result.loss, time.perf_counter() - started, size)
