"""What the chain's events say of each job: updates, results, and where content can be fetched.

Kept in memory alone and rebuilt from the deployment's first block: an agent that restarts loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from chain.contracts import event_types as ev

ACCUMULATOR_BYTES = 24


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
class _RoundEvents:
    """What of a round is asked for again and again."""

    updates: list[ev.UpdateSubmitted] = field(default_factory=list)
    votes: list[ev.VoteCast] = field(default_factory=list)
    claimants: set[str] = field(default_factory=set)
    closed: ev.RoundClosed | None = None


class JobHistory:
    """The events of one job, in the order of the chain, and an index of them by round."""

    def __init__(self, job_id: int) -> None:
        self.job_id = job_id
        self.events: list[ev.ChainEvent] = []
        self._clear()

    def _clear(self) -> None:
        self.submitted: ev.JobSubmitted | None = None
        self.ended = False
        self._rounds: dict[int, _RoundEvents] = {}
        self._update_cids: dict[bytes, list[str]] = {}
        self._hints: dict[bytes, list[ev.ResultRevealed | ev.ModelAnnounced | ev.VersionRegistered]] = {}
        self._lessees: set[str] = set()
        self._voters: set[str] = set()

    def add(self, event: ev.ChainEvent) -> None:
        """Append an event of this job that follows those already here."""
        self.events.append(event)
        self._index(event)

    def undo_from(self, block: int) -> None:
        """Forget what happened in this block and later."""
        kept = [event for event in self.events if event.block_number < block]
        if len(kept) == len(self.events):
            return
        self.events = kept
        self._clear()
        for event in kept:
            self._index(event)

    def updates(self, round_number: int) -> list[UpdateRecord]:
        """The updates of a round in the order in which the chain recorded them."""
        return [
            UpdateRecord(e.node, e.first, e.count, e.samples, e.digest, e.cid)
            for e in self._of_round(round_number).updates
        ]

    def votes(self, round_number: int, attempt: int) -> list[ev.VoteCast]:
        """The votes of one attempt."""
        return [vote for vote in self._of_round(round_number).votes if vote.attempt == attempt]

    def result(self, round_number: int) -> ev.RoundClosed | None:
        """The final result of a round; None while there is none."""
        return self._of_round(round_number).closed

    def results(self) -> dict[int, ev.RoundClosed]:
        """The final result of each closed round, by round."""
        return {number: r.closed for number, r in self._rounds.items() if r.closed is not None}

    def claimed(self, round_number: int, node: str) -> bool:
        """Whether a node leased epochs in this round itself; else its lease was carried over, if it has one."""
        return node in self._of_round(round_number).claimants

    def lessees(self) -> set[str]:
        """The nodes that ever leased epochs in the job."""
        return set(self._lessees)

    def voters(self) -> set[str]:
        """The accounts of the organisations that ever voted in the job."""
        return set(self._voters)

    def cids(self, digest: bytes) -> list[str]:
        """Where a state of this digest was said to be, as a model or as an update of any node."""
        return [*self._update_cids.get(digest, ()), *self.model_cids(digest)]

    def model_cids(self, digest: bytes) -> list[str]:
        """Where a model of this digest was said to be, without repetition: by its client, at its reveals (the newest
        first), and by whoever announced it since. A node has one word in that, its last, since announcing costs little.
        """
        hints: list[str] = []
        announced: dict[str, str] = {}
        for event in self._hints.get(digest, ()):
            if isinstance(event, ev.ResultRevealed):
                hints.insert(0, event.cid)
            else:
                announced[event.by] = event.cid
        if self.submitted is not None and self.submitted.model_digest == digest:
            hints.insert(0, self.submitted.model_cid)
        return list(dict.fromkeys(filter(None, [*hints, *announced.values()])))

    def _of_round(self, number: int) -> _RoundEvents:
        return self._rounds.get(number) or _RoundEvents()

    def _index(self, event: ev.ChainEvent) -> None:
        match event:
            case ev.JobSubmitted():
                self.submitted = event
            case ev.JobEnded():
                self.ended = True
            case ev.EpochsLeased():
                self._rounds.setdefault(event.round, _RoundEvents()).claimants.add(event.node)
                self._lessees.add(event.node)
            case ev.UpdateSubmitted():
                self._rounds.setdefault(event.round, _RoundEvents()).updates.append(event)
                self._update_cids.setdefault(event.digest, []).append(event.cid)
            case ev.VoteCast():
                self._rounds.setdefault(event.round, _RoundEvents()).votes.append(event)
                self._voters.add(event.account)
            case ev.RoundClosed():
                self._rounds.setdefault(event.round, _RoundEvents()).closed = event
            case ev.ResultRevealed():
                self._hints.setdefault(event.model_digest, []).append(event)
            case ev.ModelAnnounced() | ev.VersionRegistered():
                self._hints.setdefault(event.digest, []).append(event)


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
            self.job(job_id).add(event)

    def ended(self) -> set[int]:
        """Jobs that are over."""
        return {job_id for job_id, history in self._jobs.items() if history.ended}

    def undo_from(self, block: int) -> set[int]:
        """Forget what happened in this block and later: the chain was reorganised.

        Returns the jobs that were never submitted then: their ids may come again for other jobs.
        """
        undone = set()
        for history in self._jobs.values():
            known = history.submitted is not None
            history.undo_from(block)
            if known and history.submitted is None:
                undone.add(history.job_id)
        return undone


def accumulate(updates: Iterable[UpdateRecord]) -> bytes:
    """The accumulator that the chain keeps over a round's updates, recomputed from their events.

    The first 24 bytes of keccak256(abi.encode(previous, node, first, count, samples, digest)) in order, from zeros.
    """
    value = bytes(ACCUMULATOR_BYTES)
    for u in updates:
        value = keccak(
            encode(
                ["bytes24", "address", "uint8", "uint16", "uint64", "bytes32"],
                [value, u.node, u.first, u.count, u.samples, u.digest],
            )
        )[:ACCUMULATOR_BYTES]
    return value
