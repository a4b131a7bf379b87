"""Train a lease and publish the update."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from node.agent.metrics import Metrics
from node.content import JobContent
from node.data.dataset import Dataset
from node.storage.ipfs import IpfsClient
from node.tensors import digest, save
from node.training.local import train


@dataclass(frozen=True)
class TrainedUpdate:
    """A published update. `samples`: its weight; `digest`: 32 bytes; `loss`: mean over its samples."""

    digest: bytes
    samples: int
    cid: str
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
    ipfs: IpfsClient,
    metrics: Metrics,
    *,
    private: Dataset | None,
    device: str,
    threads: int | None,
    work_dir: Path,
    stop: Callable[[], bool],
) -> TrainedUpdate:
    """Fetch, train, store and publish. `private` is the node's own data, where the job trains on that.

    Raises:
        ContentError: the model or a shard is missing or wrong. TrainingError: the loss is not finite.
        StorageError: the IPFS daemon is out of reach or full.
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
        with metrics.timed("ipfs"):
            cid = ipfs.add(path)
        content.store(path, update_digest)
    return TrainedUpdate(update_digest, result.samples, cid, result.loss, time.perf_counter() - started, size)
