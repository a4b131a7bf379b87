"""Recompute a round's result from its recorded updates: what a validator votes for."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chain.errors import ChainError
from node.agent.metrics import Metrics
from node.aggregation import RuleSpec, Update, aggregate, min_updates
from node.content import JobContent
from node.data.dataset import Dataset
from node.errors import ContentError, ContentMissing
from node.joblog import UpdateRecord, accumulate
from node.tensors import StateFile
from node.training.evaluate import evaluate


@dataclass(frozen=True)
class RoundInputs:
    """All that a round's result depends on. Digests have 32 bytes; `before_previous` is None in round 1."""

    job_id: int
    round: int
    updates: tuple[UpdateRecord, ...]
    accumulator: bytes
    previous: bytes
    before_previous: bytes | None


@dataclass(frozen=True)
class RoundResult:
    """A round's result. `accepted`, `invalid`: bitmaps by first epoch; `score`: accuracy in millionths.

    `reasons` says why each invalid update is invalid, by first epoch.
    """

    model_digest: bytes
    accepted: int
    invalid: int
    score: int
    loss: float
    reasons: dict[int, str]


def check_update(content: JobContent, record: UpdateRecord, *, give_up: bool) -> StateFile | str:
    """The update, or why it is invalid.

    Raises:
        ContentMissing: nobody serves it, and `give_up` is false: it may still come.
        StorageError: this node's own daemon is in trouble, which says nothing about the update.
    """
    expected = content.expected_samples(record)
    if expected is not None and record.samples != expected:
        return f"claims {record.samples} samples, its shards hold {expected}"
    try:
        return content.update(record)
    except ContentMissing as error:
        if not give_up:
            raise
        return str(error)
    except ContentError as error:
        return str(error)


def compute_result(
    inputs: RoundInputs,
    content: JobContent,
    metrics: Metrics,
    *,
    holdout: Dataset,
    device: str,
    work_dir: Path,
    give_up: bool,
) -> RoundResult:
    """Fetch and check every update, aggregate by the job's rule, evaluate on `holdout`; the model goes to the cache.

    With too few valid updates for the rule, the model stays as it was and nothing is accepted.

    Raises:
        ChainError: the updates are not those that the chain's accumulator binds.
        ContentMissing, StorageError: as `check_update`.
    """
    if accumulate(inputs.updates) != inputs.accumulator:
        raise ChainError(
            f"job {inputs.job_id}, round {inputs.round}: the events do not add up to the chain's accumulator; "
            "the RPC node leaves some out or is still behind"
        )
    valid: list[tuple[UpdateRecord, StateFile]] = []
    reasons: dict[int, str] = {}
    with metrics.timed("ipfs"):
        for record in inputs.updates:
            checked = check_update(content, record, give_up=give_up)
            if isinstance(checked, str):
                reasons[record.first] = checked
            else:
                valid.append((record, checked))
        previous = content.model(inputs.previous)
        before = content.model(inputs.before_previous) if inputs.before_previous is not None else None
    model_digest, accepted = _aggregate(content, valid, previous, before, metrics, work_dir)
    with metrics.timed("evaluate"):
        state = content.model(model_digest).state_dict()
        score = evaluate(content.spec.architecture, state, holdout, device=device)
    invalid = sum(1 << first for first in reasons)
    return RoundResult(model_digest, accepted, invalid, score.millionths, score.loss, reasons)


def _aggregate(
    content: JobContent,
    valid: Sequence[tuple[UpdateRecord, StateFile]],
    previous: StateFile,
    before: StateFile | None,
    metrics: Metrics,
    work_dir: Path,
) -> tuple[bytes, int]:
    """Digest of the next model and the bitmap of accepted updates; the model that was, and 0, if there is none."""
    rule = RuleSpec(content.spec.aggregation.rule, content.spec.aggregation.params)
    if len(valid) < min_updates(rule):
        return previous.digest(), 0
    updates = [Update(record.first, record.samples, state) for record, state in valid]
    with metrics.timed("aggregate"), tempfile.TemporaryDirectory(dir=work_dir) as folder:
        path = Path(folder) / "aggregate.safetensors"
        result = aggregate(rule, updates, previous, before, out=path)
        model = StateFile(path, content.schema)
        if not model.is_finite():
            # Finite updates near the largest float can average to infinity under server momentum.
            return previous.digest(), 0
        model_digest = model.digest()
        content.store(path, model_digest)
    return model_digest, result.accepted
