"""A job as its events tell it so far: rounds, attempts, leases and ballots."""

from __future__ import annotations

from dataclasses import dataclass, field

from chain.contracts import event_types as ev
from chain.contracts.seals import Ballots
from chain.contracts.types import Job, JobStatus, Phase, Verdict
from node.audit.holdings import bitmap_range
from node.joblog import UpdateRecord


@dataclass(frozen=True)
class Facts:
    """What the contracts hold for a job's whole life, and what its seals are bound to.

    Of `job` only what never changes is used. `vote` is the address of the vote contract.
    """

    job_id: int
    job: Job
    chain_id: int
    vote: str

    def ballots(self, round_number: int, attempt: int) -> Ballots:
        """Forms the candidates and seals of one attempt."""
        return Ballots(self.chain_id, self.vote, self.job_id, round_number, attempt)


@dataclass
class BallotRecord:
    """A vote as it was cast in an attempt."""

    cast: ev.VoteCast
    seat: int


@dataclass
class AttemptRecord:
    """An attempt of a round, with its votes by account. `verdict` is the audit's own, once the vote is over."""

    opened: ev.RoundOpened
    opened_at: int
    ballots: dict[str, BallotRecord] = field(default_factory=dict)
    quorum_at: int | None = None
    leading: bytes | None = None
    verdict: Verdict | None = None

    @property
    def voted(self) -> int:
        """Bitmap of the seats that have voted."""
        return sum(1 << ballot.seat for ballot in self.ballots.values())

    def supporters(self, candidate: bytes | None) -> int:
        """Bitmap of the seats whose vote names this candidate."""
        return sum(1 << b.seat for b in self.ballots.values() if b.cast.candidate == candidate)


@dataclass
class RoundRecord:
    """A round over all its attempts; bitmaps as in the contract.

    Attributes:
        start: digest of the model that it starts from. before: of the final model before that; None in round 1.
        claimed_capacity: of the nodes that claimed in it, each once, in part of those whose leases were carried, and
            of the first that asked for a share.
        departures: of the registry when it opened. kept: first epochs of updates whose lease is kept.
        awaited: a trainer waits for a share. shared: one did in the round before, so quotas are rounded down.
        paused: nothing is leased in its last attempt.
        updates: in the order of the chain. closed: its result, once it is final, with chain time `closed_at`.
        over: it is final, or the job ended in it.
    """

    number: int
    start: bytes
    before: bytes | None
    quota_capacity: int
    claimed_capacity: int = 0
    departures: int = 0
    taken: int = 0
    delivered: int = 0
    update_set: int = 0
    kept: int = 0
    awaited: bool = False
    shared: bool = False
    paused: bool = False
    updates: list[ev.UpdateSubmitted] = field(default_factory=list)
    closed: ev.RoundClosed | None = None
    closed_at: int = 0
    last_attempt: int = 1
    over: bool = False

    def records(self) -> tuple[UpdateRecord, ...]:
        """Its updates, in the order of the chain."""
        return tuple(UpdateRecord(u.node, u.first, u.count, u.samples, u.digest, u.cid) for u in self.updates)

    @property
    def accepted(self) -> int:
        """First epochs of the updates that it pays for."""
        return self.closed.accepted if self.closed is not None else 0

    @property
    def invalid(self) -> int:
        """First epochs of the updates that cost their bonds."""
        return self.closed.invalid if self.closed is not None else 0

    def epochs_of(self, starts: int) -> int:
        """Bitmap of the epochs of the updates that start where `starts` is set."""
        return sum(bitmap_range(u.first, u.count) for u in self.updates if starts >> u.first & 1)

    def paid_epochs(self) -> int:
        """Epochs of accepted updates."""
        return sum(u.count for u in self.updates if self.accepted >> u.first & 1)


@dataclass
class JobState:
    """The whole job. `round` and `attempt` are the newest ones."""

    facts: Facts
    submitted: ev.JobSubmitted | None = None
    status: JobStatus = JobStatus.NONE
    cancel_requested: bool = False
    rounds: dict[int, RoundRecord] = field(default_factory=dict)
    attempts: dict[tuple[int, int], AttemptRecord] = field(default_factory=dict)

    @property
    def round(self) -> RoundRecord | None:
        """The newest round."""
        return next(reversed(self.rounds.values()), None)

    @property
    def attempt(self) -> AttemptRecord | None:
        """The newest attempt."""
        return next(reversed(self.attempts.values()), None)

    def phase(self, at: int) -> Phase:
        """As `EpochScheduler.phase` at chain time `at`."""
        round_, attempt = self.round, self.attempt
        if self.status != JobStatus.OPEN:
            return Phase.NONE if self.status == JobStatus.NONE else Phase.ENDED
        if round_ is None or attempt is None or round_.over:
            return Phase.NONE
        if not self.votable(at):
            return Phase.STALLED if at >= attempt.opened.training_deadline else Phase.TRAINING
        if at < attempt.opened.vote_deadline:
            return Phase.VOTING
        return Phase.REVEAL if at < attempt.opened.reveal_deadline else Phase.STALLED

    def votable(self, at: int) -> bool:
        """Whether at chain time `at` there is something to vote on and enough to vote on it."""
        round_, attempt, terms = self.round, self.attempt, self.facts.job.terms
        if round_ is None or attempt is None or attempt.opened.eligible.bit_count() < terms.min_validators:
            return False
        trained = at >= attempt.opened.training_deadline
        whole = round_.delivered.bit_count() == terms.epochs_per_round
        return whole or (trained and len(round_.updates) >= terms.min_updates)

    def is_open(self, round_number: int, attempt: int) -> bool:
        """Whether this attempt is the open one."""
        newest = self.attempt
        return (
            self.status == JobStatus.OPEN
            and newest is not None
            and (newest.opened.round, newest.opened.attempt) == (round_number, attempt)
            and not self.rounds[round_number].over
        )


def lowest_free_run(taken: int, epochs: int, limit: int) -> tuple[int, int]:
    """First and length of the lowest run of clear bits below `epochs`, cut to `limit`; length 0 when there is none."""
    free = ~taken & bitmap_range(0, epochs)
    if not free:
        return 0, 0
    first = (free & -free).bit_length() - 1
    run = free >> first
    return first, min((~run & (run + 1)).bit_length() - 1, limit)
