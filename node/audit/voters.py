"""How organisations have voted in all jobs, and which of their vote bonds are locked: replayed from events alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from chain.contracts import event_types as ev
from chain.contracts.types import BallotState, SeatBallot

# Millionths; a matching vote whose score is farther from the median than this is counted as far.
FAR = 50_000


@dataclass
class VoteTotals:
    """As `VoteRecord`, with what is not settled yet."""

    cast: int = 0
    matched: int = 0
    penalised: int = 0
    far: int = 0


@dataclass(frozen=True)
class Judged:
    """A verdict of a job's attempt, as far as records depend on it: bitmaps of seats, the final score or None."""

    matching: int
    penalised: int
    score: int | None


@dataclass
class _Poll:
    """The votes of one job: who holds each seat's ballot, with what score, and whether its bond is locked."""

    cast: dict[int, ev.VoteCast] = field(default_factory=dict)
    bonded: set[int] = field(default_factory=set)
    revealed: ev.ResultRevealed | None = None
    judged: dict[tuple[int, int], Judged] = field(default_factory=dict)


class Voters:
    """Totals by account. `seat_of` gives the seat of an organisation's account when the event happens."""

    def __init__(self, seat_of: Callable[[str], int | None]) -> None:
        self.totals: defaultdict[str, VoteTotals] = defaultdict(VoteTotals)
        self._seat_of = seat_of
        self._polls: defaultdict[int, _Poll] = defaultdict(_Poll)

    def feed(self, event: ev.ChainEvent) -> None:
        """Take in the next event; those that are not about votes are passed over."""
        match event:
            case ev.VoteCast():
                self._cast(event)
            case ev.ResultRevealed():
                self._polls[event.job_id].revealed = event
            case ev.RoundClosed():
                revealed = self._polls[event.job_id].revealed
                if revealed is not None:
                    judged = Judged(revealed.matching, revealed.penalised, event.score)
                    self._judge(event.job_id, event.round, event.attempt, judged)
            case ev.VoteFailed():
                self._judge(event.job_id, event.round, event.attempt, Judged(0, event.penalised, None))
            case ev.VotePenalised():
                self._unlock(event.job_id, event.account)
            case ev.VotesPaid() if event.unlocked:
                self._unlock(event.job_id, event.account)

    def bonded(self, account: str) -> list[int]:
        """The jobs in which a vote bond of an organisation is locked, each as often as one is."""
        return [
            job_id
            for job_id, poll in self._polls.items()
            for seat in poll.bonded
            if poll.cast[seat].account == account
        ]

    def ballots(self, account: str) -> list[tuple[int, int]]:
        """Job and seat of every ballot that an organisation cast last."""
        return [
            (job_id, seat)
            for job_id, poll in self._polls.items()
            for seat, vote in poll.cast.items()
            if vote.account == account
        ]

    def pending(self, job_id: int, seat: int, held: SeatBallot) -> VoteTotals:
        """What a ballot as the contract holds it will still add to its organisation's record."""
        ballot = held.ballot
        found = VoteTotals(ballot.cast, ballot.matched, 0, ballot.far)
        judged = self._polls[job_id].judged.get((ballot.round, ballot.attempt))
        if ballot.state != BallotState.CAST or judged is None:
            return found
        _count(found, judged, seat, ballot.score)
        return found

    def _cast(self, event: ev.VoteCast) -> None:
        self.totals[event.account].cast += 1
        seat = self._seat_of(event.account)
        if seat is not None:
            poll = self._polls[event.job_id]
            poll.cast[seat] = event
            poll.bonded.add(seat)

    def _judge(self, job_id: int, number: int, attempt: int, judged: Judged) -> None:
        poll = self._polls[job_id]
        poll.judged[number, attempt], poll.revealed = judged, None
        for seat, vote in poll.cast.items():
            if (vote.round, vote.attempt) == (number, attempt):
                _count(self.totals[vote.account], judged, seat, vote.score)

    def _unlock(self, job_id: int, account: str) -> None:
        poll = self._polls[job_id]
        for seat in sorted(poll.bonded):
            if poll.cast[seat].account == account:
                poll.bonded.remove(seat)
                return


def _count(totals: VoteTotals, judged: Judged, seat: int, score: int) -> None:
    if judged.penalised >> seat & 1:
        totals.penalised += 1
    elif judged.matching >> seat & 1 and judged.score is not None:
        totals.matched += 1
        totals.far += abs(score - judged.score) > FAR
