"""What happened in each round of a job, gathered from its events: leases, updates, votes, score, pay.

Every number follows from events and the job's terms alone, so a round that is replayed later reads the same
as one that was watched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby

from chain.contracts import event_types as ev
from chain.contracts.types import JobStatus

MILLION = 1_000_000


@dataclass(frozen=True)
class RoundSummary:
    """A closed round.

    Attributes:
        attempt: the attempt in which it closed, from 1.
        digest: SHA-256 of the model, 32 bytes. cid: where it was published when the round closed.
        accuracy: lower median of the matching votes' scores, 0 to 1.
        seconds: from the opening of its first attempt to its end; train_seconds: to its last update. None
            when the events were fed without times.
        leases: epochs were leased so often, over all attempts, or carried over from the last round.
        expired: leases that were missed.
        updates: delivered; accepted: of those, the ones that are in the model.
        votes: cast in the closing attempt; matching: seals that agree with the result; quorum: seals needed.
        eligible: organisations that could vote.
        paid: what the round pays, base units of the token, by node (epochs) and by organisation (votes).
        penalties: bonds lost for missed leases so far, base units, by node address.
    """

    round: int
    attempt: int
    digest: bytes
    cid: str
    accuracy: float
    seconds: float | None
    train_seconds: float | None
    leases: int
    expired: int
    updates: int
    accepted: int
    votes: int
    matching: int
    quorum: int
    eligible: int
    paid: Mapping[str, int]
    penalties: Mapping[str, int]


@dataclass
class _Open:
    """A round that is going on."""

    opened: ev.RoundOpened
    began: float | None
    trained: float | None = None
    leases: int = 0
    expired: int = 0
    updates: dict[int, ev.UpdateSubmitted] = field(default_factory=dict)
    votes: list[ev.VoteCast] = field(default_factory=list)
    penalties: dict[str, int] = field(default_factory=dict)
    revealed: ev.ResultRevealed | None = None


class RoundTracker:
    """Turns the events of one job, in the order of the chain, into summaries of its rounds."""

    def __init__(self, epoch_price: int, seats: Mapping[str, int]) -> None:
        """`epoch_price` in base units; `seats` holds the seat of each organisation's account."""
        self._epoch_price = epoch_price
        self._seats = seats
        self._open: dict[int, _Open] = {}
        self.summaries: list[RoundSummary] = []
        self.status: JobStatus = JobStatus.OPEN

    def feed(self, event: ev.ChainEvent, at: float | None = None) -> RoundSummary | None:
        """Takes one event that happened ``at`` seconds of any one clock; returns the round that it closed.

        The reveal of a round has to be fed before its closing; `in_telling_order` sees to that.
        """
        if isinstance(event, ev.RoundOpened):
            self._opened(event, at)
        elif isinstance(event, ev.JobEnded):
            self.status = event.status
        elif isinstance(event, ev.RoundClosed):
            return self._closed(event, at)
        elif (state := self._open.get(getattr(event, "round", 0))) is not None:
            _note(state, event, at)
        return None

    def votes(self, round_number: int) -> tuple[int, int, int]:
        """Votes cast in the open attempt, the quorum, and how many organisations may vote."""
        state = self._open[round_number]
        return len(state.votes), state.opened.quorum, state.opened.eligible.bit_count()

    def delivered(self, round_number: int) -> int:
        """Epochs delivered so far."""
        return sum(update.count for update in self._open[round_number].updates.values())

    def knows(self, round_number: int) -> bool:
        """Whether the opening of this round was seen, and not yet its end."""
        return round_number in self._open

    def _opened(self, event: ev.RoundOpened, at: float | None) -> None:
        state = self._open.get(event.round)
        if state is None:
            self._open[event.round] = _Open(event, at, leases=event.carried.bit_count())
        else:
            # A new attempt keeps what was delivered; votes begin afresh.
            state.opened, state.votes = event, []

    def _closed(self, event: ev.RoundClosed, at: float | None) -> RoundSummary | None:
        state = self._open.pop(event.round, None)
        if state is None:
            return None
        revealed = state.revealed
        matching = revealed.matching if revealed is not None else 0
        summary = RoundSummary(
            round=event.round,
            attempt=event.attempt,
            digest=event.model_digest,
            cid=revealed.cid if revealed is not None else "",
            accuracy=event.score / MILLION,
            seconds=_difference(at, state.began),
            train_seconds=_difference(state.trained, state.began),
            leases=state.leases,
            expired=state.expired,
            updates=len(state.updates),
            accepted=sum(1 for first in state.updates if event.accepted >> first & 1),
            votes=len(state.votes),
            matching=matching.bit_count(),
            quorum=state.opened.quorum,
            eligible=state.opened.eligible.bit_count(),
            paid=self._pay(state, event, matching),
            penalties=dict(state.penalties),
        )
        self.summaries.append(summary)
        return summary

    def _pay(self, state: _Open, event: ev.RoundClosed, matching: int) -> dict[str, int]:
        paid: dict[str, int] = {}
        for first, update in state.updates.items():
            if event.accepted >> first & 1:
                paid[update.node] = paid.get(update.node, 0) + update.count * self._epoch_price
        for vote in state.votes:
            seat = self._seats.get(vote.account)
            if seat is not None and matching >> seat & 1:
                paid[vote.account] = paid.get(vote.account, 0) + event.vote_payment
        return paid


def in_telling_order(events: Iterable[ev.ChainEvent]) -> Iterator[ev.ChainEvent]:
    """The same events, with those of one transaction in the order in which a person tells them.

    The reveal of a result ends its round and opens the next in one transaction, in an order that suits the
    contracts.
    """
    for _, group in groupby(events, key=lambda event: event.transaction_hash):
        yield from sorted(group, key=_telling_rank)


def _telling_rank(event: ev.ChainEvent) -> int:
    if isinstance(event, ev.ResultRevealed):
        return 1
    if isinstance(event, ev.RoundClosed | ev.AttemptFailed):
        return 2
    if isinstance(event, ev.RoundOpened):
        return 3
    if isinstance(event, ev.JobEnded):
        return 4
    return 0


def _note(state: _Open, event: ev.ChainEvent, at: float | None) -> None:
    if isinstance(event, ev.EpochsLeased):
        state.leases += 1
    elif isinstance(event, ev.LeaseMissed):
        state.expired += 1
        state.penalties[event.node] = state.penalties.get(event.node, 0) + event.penalty
    elif isinstance(event, ev.UpdateSubmitted):
        state.updates[event.first] = event
        state.trained = at
    elif isinstance(event, ev.VoteCast) and event.attempt == state.opened.attempt:
        state.votes.append(event)
    elif isinstance(event, ev.ResultRevealed):
        state.revealed = event


def _difference(later: float | None, earlier: float | None) -> float | None:
    return None if later is None or earlier is None else max(0.0, later - earlier)
