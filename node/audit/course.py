"""Where each job stands, as far as what its nodes hold depends on it; and the terms that were fixed for it."""

from __future__ import annotations

from dataclasses import dataclass, field

from chain.contracts import event_types as ev
from chain.contracts.types import Outcome, Parameters
from node.leases import Standing

_NOTHING = bytes(32)


@dataclass
class Course:
    """One job, replayed from its events. `parameters`: what governance had set when it was submitted.

    `lease_time`: of the job's terms, seconds; None for a job of which only the events are known, whose carried
    leases then have no deadline.
    """

    parameters: Parameters = field(default_factory=lambda: Parameters(0, 0, 10_000))
    lease_time: int | None = None
    open: bool = False
    round: int = 0
    attempt: int = 0
    opened_at: int = 0
    training_deadline: int = 0
    _updates: int = 0
    _outcomes: dict[int, Outcome] = field(default_factory=dict)

    def feed(self, event: ev.ChainEvent, at: int) -> None:
        """Take in the next event of the job, at chain time `at`."""
        match event:
            case ev.JobSubmitted():
                self.open = True
            case ev.RoundOpened():
                self._opened(event, at)
            case ev.UpdateSubmitted():
                self._updates |= 1 << event.first
            case ev.RoundClosed():
                unpaid = self._updates & ~event.accepted
                self._outcomes[event.round] = Outcome(
                    event.model_digest, unpaid, event.invalid, at, event.score, event.attempt, False
                )
            case ev.JobEnded():
                self.open = False
                unpaid = self._updates
                failed = Outcome(_NOTHING, unpaid, 0, at, 0, self.attempt, False)
                self._outcomes.setdefault(self.round, failed)

    def outcome(self, number: int) -> Outcome | None:
        """What became of a round; None while it is open, or if it has no result."""
        found = self._outcomes.get(number)
        return found if found is not None and any(found.model_digest) else None

    def ended(self, number: int) -> Outcome | None:
        """As `outcome`, also of the round in which the job failed."""
        return self._outcomes.get(number)

    def standing(self) -> Standing:
        """What leases are brought up to date by."""
        until = 0
        if self.lease_time is not None:
            until = min(self.opened_at + self.lease_time, self.training_deadline)
        return Standing(self.open, self.round, self.attempt, self.outcome, until)

    def _opened(self, event: ev.RoundOpened, at: int) -> None:
        last = self._outcomes.get(event.round - 1)
        if event.round > self.round:
            self._updates = 0
            if last is not None:
                last = Outcome(
                    last.model_digest,
                    last.unpaid,
                    last.invalid,
                    last.closed_at,
                    last.score,
                    last.attempt,
                    carried=event.carried != 0,
                )
                self._outcomes[event.round - 1] = last
        self.round, self.attempt = event.round, event.attempt
        self.opened_at, self.training_deadline = at, event.training_deadline
