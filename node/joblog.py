"""What the chain's events say of each job: updates, results, and where content can be fetched.

Kept in memory alone and rebuilt from the deployment's first block: an agent that restarts loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from chain.contracts import event_types as ev


@dataclass(frozen=True)
class UpdateRecord:
    """A delivered update. `first`: first epoch, which names it; `samples`: its weight; `digest`: 32 bytes."""

    node: str
    first: int
    count: int
    samples: int
    digest: bytes
    cid: str


@dataclass
class JobHistory:
    """The events of one job, in the order of the chain."""

    job_id: int
    submitted: ev.JobSubmitted | None = None
    events: list[ev.ChainEvent] = field(default_factory=list)

    def updates(self, round_number: int) -> list[UpdateRecord]:
        """The updates of a round in the order in which the chain recorded them."""
        return [
            UpdateRecord(e.node, e.first, e.count, e.samples, e.digest, e.cid)
            for e in self.events
            if isinstance(e, ev.UpdateSubmitted) and e.round == round_number
        ]

    def votes(self, round_number: int, attempt: int) -> list[ev.VoteCast]:
        """The votes of one attempt."""
        return [
            e
            for e in self.events
            if isinstance(e, ev.VoteCast) and e.round == round_number and e.attempt == attempt
        ]

    def firsts_of(self, node: str) -> list[int]:
        """The first epochs of all leases that a node ever had in the job."""
        return sorted({e.first for e in self.events if isinstance(e, ev.EpochsLeased) and e.node == node})

    def results(self) -> dict[int, ev.RoundClosed]:
        """The final result of each closed round, by round."""
        return {e.round: e for e in self.events if isinstance(e, ev.RoundClosed)}

    def cids(self, digest: bytes) -> list[str]:
        """Where a state of this digest was said to be, as a model or as an update of any node."""
        updates = [e.cid for e in self.events if isinstance(e, ev.UpdateSubmitted) and e.digest == digest]
        return [*updates, *self.model_cids(digest)]

    def model_cids(self, digest: bytes) -> list[str]:
        """Where a model of this digest was said to be, without repetition: by its client, at its reveals (the newest
        first), and by whoever announced it since. A node has one word in that, its last, since announcing costs little.
        """
        hints: list[str] = []
        announced: dict[str, str] = {}
        for event in self.events:
            match event:
                case ev.ResultRevealed(model_digest=d, cid=cid) if d == digest:
                    hints.insert(0, cid)
                case ev.ModelAnnounced(digest=d, by=node, cid=cid) if d == digest:
                    announced[node] = cid
        if self.submitted is not None and self.submitted.model_digest == digest:
            hints.insert(0, self.submitted.model_cid)
        return list(dict.fromkeys(filter(None, [*hints, *announced.values()])))


class JobLog:
    """The histories of all jobs, fed with decoded events."""

    def __init__(self) -> None:
        self._jobs: dict[int, JobHistory] = {}

    def job(self, job_id: int) -> JobHistory:
        """The history of a job, empty when no event of it was seen."""
        return self._jobs.setdefault(job_id, JobHistory(job_id))

    def add(self, events: Iterable[ev.ChainEvent]) -> None:
        """Append events that follow those already here."""
        for event in events:
            job_id = getattr(event, "job_id", None)
            if job_id is None:
                continue
            history = self.job(job_id)
            history.events.append(event)
            if isinstance(event, ev.JobSubmitted):
                history.submitted = event

    def ended(self) -> set[int]:
        """Jobs that are over."""
        return {
            job_id
            for job_id, history in self._jobs.items()
            if any(isinstance(event, ev.JobEnded) for event in history.events)
        }

    def undo_from(self, block: int) -> set[int]:
        """Forget what happened in this block and later: the chain was reorganised.

        Returns the jobs that were never submitted then: their ids may come again for other jobs.
        """
        undone = set()
        for history in self._jobs.values():
            history.events = [e for e in history.events if e.block_number < block]
            if history.submitted is not None and history.submitted.block_number >= block:
                history.submitted = None
                undone.add(history.job_id)
        return undone


def accumulate(updates: Iterable[UpdateRecord]) -> bytes:
    """The accumulator that the chain keeps over a round's updates, recomputed from their events.

    keccak256(abi.encode(previous, node, first, count, samples, digest)) in order, from 32 zero bytes.
    """
    value = bytes(32)
    for u in updates:
        value = keccak(
            encode(
                ["bytes32", "address", "uint8", "uint16", "uint64", "bytes32"],
                [value, u.node, u.first, u.count, u.samples, u.digest],
            )
        )
    return value
