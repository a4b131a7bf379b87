"""Trained models as their users see them: fetched from a job, kept as two files, scored, asked.

A model on disk is a safetensors file; beside it lies the job's spec (`<name>.spec.json`), which says what the model is
and how its inputs are scaled.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from chain.consortium import Consortium
from chain.contracts.event_types import RoundClosed
from chain.errors import ChainError
from node.content import JobContent, Limits
from node.data.dataset import Dataset
from node.data.private import load_for_job
from node.data.scaling import scaled
from node.errors import ContentError, StorageError
from node.joblog import JobHistory
from node.spec import JobSpec
from node.storage.cache import ContentCache
from node.storage.ipfs import IpfsClient
from node.tensors import StateFile, schema_of
from node.training.models import skeleton

_CACHE_BYTES = 4 << 30
_MAX_SPEC_BYTES = 4 << 20


@dataclass(frozen=True)
class Model:
    """A verified model.

    Attributes:
        spec: the job that trained it. state: its weights. path: its file.
        round: after which round, 0 for the initial weights; None when it was read from a file.
        score: what the chain recorded for it, 0 to 1, where that is known.
    """

    spec: JobSpec
    state: StateFile
    path: Path
    round: int | None = None
    score: float | None = None


def fetch_model(
    consortium: Consortium,
    history: JobHistory,
    ipfs: IpfsClient,
    folder: Path,
    round_number: int | None = None,
    timeout: float = 60.0,
) -> Model:
    """Fetches the model of a round, by default the last that was closed, from any CID that was announced.

    Args:
        history: all events of the job.
        folder: where content is kept; what lies there already is not fetched again.
        round_number: 0 for the initial weights.
        timeout: seconds for each attempt.

    Raises:
        ChainError: the job has no such round yet.
        ContentError: nobody serves the model, or what came is not what the chain recorded.
        StorageError: IPFS or the folder cannot be used.
    """
    content = job_content(consortium, history, ipfs, folder, timeout)
    number, digest, score = _closed(history, round_number)
    state = content.model(digest)
    if state.digest() != digest:
        raise ContentError(f"the copy in {content.path(digest)} is damaged: delete it and fetch again")
    state.check_finite()
    return Model(content.spec, state, content.path(digest), number, score)


def job_content(
    consortium: Consortium, history: JobHistory, ipfs: IpfsClient, folder: Path, timeout: float = 60.0
) -> JobContent:
    """The content of a job, kept under ``folder``. Raises ChainError, StorageError."""
    job = consortium.scheduler.job(history.job_id)
    cache = ContentCache(folder / "content", max_bytes=_CACHE_BYTES)
    work = folder / "work"
    work.mkdir(parents=True, exist_ok=True)
    return JobContent(job, history, ipfs, cache, work, Limits(timeout=timeout))


def save_model(model: Model, out: Path) -> Path:
    """Writes the model to ``out`` and its spec beside it; returns the spec's path. Raises StorageError."""
    beside = spec_path(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        part = out.with_name(out.name + ".part")
        shutil.copyfile(model.path, part)
        part.replace(out)
        beside.write_bytes(model.spec.to_bytes())
    except OSError as error:
        raise StorageError(f"cannot write {out}: {error.strerror}; choose another place") from error
    return beside


def read_model(path: Path) -> Model:
    """A model that `save_model` wrote.

    Raises:
        ContentError: it is no model, or not that of its spec. StorageError: it, or its spec, cannot be read.
    """
    beside = spec_path(path)
    try:
        if beside.stat().st_size > _MAX_SPEC_BYTES:
            raise ContentError(f"{beside} is larger than a job spec can be; fetch the model again")
        spec = JobSpec.from_bytes(beside.read_bytes())
    except FileNotFoundError:
        raise StorageError(
            f"there is no {beside}, which says what the model is; `milon model fetch` writes both"
        ) from None
    except OSError as error:
        raise StorageError(f"cannot read {beside}: {error.strerror}") from error
    state = StateFile(path, schema_of(skeleton(spec.architecture).state_dict()))
    state.check_finite()
    return Model(spec, state, path)


def spec_path(model: Path) -> Path:
    """Where the spec of a model's file lies."""
    return model.with_name(f"{model.stem}.spec.json")


def labelled(source: str, spec: JobSpec) -> Dataset:
    """Data to score a model on: any data set of the job's shape and classes, on the job's scale.

    Raises:
        DataError: missing, malformed, of another shape, or with other classes.
    """
    return scaled(load_for_job(source, spec), spec.standardisation)


def _closed(history: JobHistory, number: int | None) -> tuple[int, bytes, float | None]:
    """Round, digest and recorded score of the model that is meant."""
    closed: dict[int, RoundClosed] = history.results()
    if number == 0 and history.submitted is not None:
        return 0, history.submitted.model_digest, None
    if not closed:
        raise ChainError(
            f"job {history.job_id} has not closed a round yet; see `milon job watch {history.job_id}`"
        )
    wanted = max(closed) if number is None else number
    if wanted not in closed:
        raise ChainError(
            f"job {history.job_id} has no model of round {wanted}; rounds 0 to {max(closed)} have one"
        )
    event = closed[wanted]
    return wanted, event.model_digest, event.score / 1_000_000
