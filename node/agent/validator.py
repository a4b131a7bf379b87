"""Recompute a round's result from its recorded updates: what a validator votes for."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from chain.errors import ChainError
from node.agent.metrics import Metrics
from node.content import JobContent
from node.data.dataset import Dataset
from node.joblog import UpdateRecord, accumulate
from node.rounds import check_update, next_model
from node.tensors import StateFile
from node.training.evaluate import evaluate

# What even a late validator gives a fetch, in seconds.
LEAST_S = 1.0


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


def compute_result(
    inputs: RoundInputs,
    content: JobContent,
    metrics: Metrics,
    *,
    holdout: Dataset,
    device: str,
    work_dir: Path,
    patience: float | None = None,
) -> RoundResult:
    """Fetch and check every update, aggregate by the job's rule, evaluate on `holdout`; the model goes to the cache.

    With too few valid updates for the rule, the model stays as it was and nothing is accepted. With `patience`, an
    update that nobody serves is invalid, and looking for all of them takes about so many seconds at most.

    Raises:
        ChainError: the updates are not those that the chain's accumulator binds.
        ContentMissing, StorageError: as `node.rounds.check_update`.
    """
    if accumulate(inputs.updates) != inputs.accumulator:
        raise ChainError(
            f"job {inputs.job_id}, round {inputs.round}: the events do not add up to the chain's accumulator; "
            "the RPC node leaves some out or is still behind"
        )
    give_up_at = time.monotonic() + (patience or 0.0)
    valid: list[tuple[UpdateRecord, StateFile]] = []
    reasons: dict[int, str] = {}
    with metrics.timed("ipfs"):
        for place, record in enumerate(inputs.updates):
            timeout = None
            if patience is not None:
                timeout = max(LEAST_S, (give_up_at - time.monotonic()) / (len(inputs.updates) - place))
            checked = check_update(content, record, give_up=patience is not None, timeout=timeout)
            if isinstance(checked, str):
                reasons[record.first] = checked
            else:
                valid.append((record, checked))
        previous = content.model(inputs.previous)
        before = content.model(inputs.before_previous) if inputs.before_previous is not None else None
    with metrics.timed("aggregate"):
        model_digest, accepted = next_model(content, valid, previous, before, work_dir)
    with metrics.timed("evaluate"):
        state = content.model(model_digest).state_dict()
        score = evaluate(content.spec.architecture, state, holdout, device=device)
    invalid = sum(1 << first for first in reasons)
    return RoundResult(model_digest, accepted, invalid, score.millionths, score.loss, reasons)
