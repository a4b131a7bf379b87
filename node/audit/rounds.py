"""Replays how a job is submitted, and how its rounds and attempts open, close and end."""

from __future__ import annotations

from chain.contracts import event_types as ev
from chain.contracts.types import JobStatus, Parameters, Phase
from node.audit.ledger import Ledger
from node.audit.members import Members
from node.audit.report import Book, Check, Where
from node.audit.state import AttemptRecord, JobState, RoundRecord

# Ten-thousandths.
_ALL = 10_000


class RoundReplay:
    """Checks each opening, closing and ending against the terms and what came before it."""

    def __init__(self, state: JobState, members: Members, ledger: Ledger, book: Book) -> None:
        self._state, self._members, self._ledger, self._book = state, members, ledger, book
        self._parameters = Parameters(0, 0, _ALL)
        self._paused = False
        self._next: tuple[int, int, bool] | None = None
        self._end: JobStatus | None = None

    def feed(self, event: ev.ChainEvent, at: int) -> None:
        """Take in the next event of the job, or of what governance sets for all jobs, at chain time `at`."""
        match event:
            case ev.ParametersSet():
                self._parameters = Parameters(event.lease_bond, event.vote_bond, event.max_share)
            case ev.PauseSet():
                self._paused = event.paused
            case ev.JobSubmitted():
                self._submitted(event)
            case ev.RoundOpened():
                self._opened(event, at)
            case ev.RoundClosed():
                self._closed(event, at)
            case ev.AttemptFailed():
                self._failed(event, at)
            case ev.JobCancelRequested():
                self._state.cancel_requested = True
            case ev.JobEnded():
                self._ended(event)

    def end_transaction(self, where: Where) -> None:
        """What has to follow within one transaction must have followed."""
        if self._next is not None:
            number, attempt, _ = self._next
            self._book.expect(
                Check.ROUNDS, False, f"round {number}, attempt {attempt} had to open here", where
            )
        if self._end is not None:
            self._book.expect(Check.ROUNDS, False, f"the job had to end as {self._end.name.lower()}", where)
        self._next = self._end = None

    def _submitted(self, event: ev.JobSubmitted) -> None:
        job, book, where = self._state.facts.job, self._book, Where.of(event)
        book.expect(Check.JOB, self._state.submitted is None, "the job was submitted twice", where)
        self._state.submitted, self._state.status = event, JobStatus.OPEN
        book.equal(Check.JOB, "the client", job.client, event.client, where)
        book.equal(Check.JOB, "the contract's spec digest", job.spec_digest, event.spec_digest, where)
        book.equal(Check.JOB, "the number of voters", job.voters, self._members.count(), where)
        given = self._parameters
        bonds = (given.lease_bond, given.vote_bond)
        book.equal(Check.JOB, "the bonds of epochs and votes", (job.lease_bond, job.vote_bond), bonds, where)
        most = max(job.terms.epochs_per_round * given.max_share // _ALL, 1)
        book.equal(Check.JOB, "the most epochs of one organisation", job.max_epochs, most, where)
        book.expect(Check.JOB, not self._paused, "the job was submitted in a pause", where)
        book.equal(Check.JOB, "the budget", event.budget, job.budget, where)
        self._ledger.expect_escrow(event.client, job.budget)
        self._next = (1, 1, False)

    def _opened(self, event: ev.RoundOpened, at: int) -> None:
        state, book, where, terms = self._state, self._book, Where.of(event), self._state.facts.job.terms
        number, attempt, vote_only = self._next or (0, 0, False)
        book.equal(
            Check.ROUNDS,
            "what opens (round, attempt)",
            (event.round, event.attempt),
            (number, attempt),
            where,
        )
        self._next = None
        voting = self._members.voting_seats()
        book.equal(Check.ROUNDS, "the set of eligible seats", event.eligible, voting, where)
        seats = event.eligible.bit_count()
        book.equal(Check.ROUNDS, "the quorum", event.quorum, 2 * seats // 3 + 1, where)
        waits = 0 if vote_only and seats >= terms.min_validators else terms.training_window
        training = at + waits
        vote = training + terms.vote_window
        book.equal(
            Check.ROUNDS,
            "the deadlines (training, vote, reveal)",
            (event.training_deadline, event.vote_deadline, event.reveal_deadline),
            (training, vote, vote + terms.reveal_window),
            where,
        )
        book.equal(
            Check.ROUNDS, "the model that it starts from", event.model_digest, self._start(event.round), where
        )
        state.attempts[event.round, event.attempt] = AttemptRecord(event, at)
        known = state.rounds.get(event.round)
        carried = 0
        if known is None:
            carried = self._carried(state.round)
            state.rounds[event.round] = self._new_round(event)
        else:
            # What was leased and not delivered in the failed attempt is free again.
            known.taken, known.last_attempt = known.delivered, event.attempt
        book.equal(Check.LEASES, "the set of carried leases", event.carried, carried, where)
        state.rounds[event.round].paused = self._paused

    def _carried(self, last: RoundRecord | None) -> int:
        """First epochs of the leases that go on from the last round into the next one."""
        if last is None or last.awaited or self._paused or last.departures != self._members.departures:
            return 0
        return last.kept & ~last.invalid

    def _new_round(self, event: ev.RoundOpened) -> RoundRecord:
        last = self._state.round
        capacity = last.claimed_capacity if last is not None else 0
        opened = RoundRecord(
            number=event.round,
            start=event.model_digest,
            before=last.start if last is not None else None,
            quota_capacity=max(capacity or self._members.training_capacity(), 1),
            departures=self._members.departures,
            shared=last is not None and last.awaited,
        )
        if last is not None and event.carried:
            opened.taken = last.epochs_of(event.carried)
            opened.claimed_capacity = capacity * opened.taken.bit_count() // max(last.taken.bit_count(), 1)
        return opened

    def _start(self, number: int) -> bytes | None:
        before = self._state.rounds.get(number - 1)
        if before is not None:
            return before.closed.model_digest if before.closed is not None else None
        return self._state.submitted.model_digest if self._state.submitted is not None else None

    def _closed(self, event: ev.RoundClosed, at: int) -> None:
        state, book, where, job = self._state, self._book, Where.of(event), self._state.facts.job
        round_ = state.rounds.get(event.round)
        is_open = state.is_open(event.round, event.attempt)
        if (
            not book.expect(Check.ROUNDS, is_open, "an attempt closed that was not open", where)
            or round_ is None
        ):
            return
        book.expect(
            Check.ROUNDS,
            state.phase(at) in (Phase.VOTING, Phase.REVEAL),
            f"it closed in phase {state.phase(at).name.lower()}",
            where,
        )
        stray = (event.accepted | event.invalid) & ~round_.update_set
        book.expect(Check.ROUNDS, not stray, f"it judges updates {stray:b} that nobody delivered", where)
        both = event.accepted & event.invalid
        book.expect(Check.ROUNDS, not both, f"updates {both:b} are both accepted and invalid", where)
        round_.closed, round_.closed_at, round_.over = event, at, True
        verdict = state.attempts[event.round, event.attempt].verdict
        matching = verdict.matching.bit_count() if verdict is not None else 0
        payment = min(job.terms.vote_price, job.voters * job.terms.vote_price // max(matching, 1))
        book.equal(Check.PAYMENTS, "the payment of a matching vote", event.vote_payment, payment, where)
        self._ledger.expect_owed(round_.paid_epochs() * job.terms.epoch_price + matching * payment)
        if event.round == job.terms.rounds:
            self._end = JobStatus.COMPLETED
        elif state.cancel_requested:
            self._end = JobStatus.CANCELLED
        else:
            self._next = (event.round + 1, 1, False)

    def _failed(self, event: ev.AttemptFailed, at: int) -> None:
        state, book, where = self._state, self._book, Where.of(event)
        is_open = state.is_open(event.round, event.attempt)
        if not book.expect(Check.ROUNDS, is_open, "an attempt failed that was not open", where):
            return
        attempt = state.attempts[event.round, event.attempt]
        if not event.voting:
            # A stalled attempt with a vote to close belongs to the vote contract.
            stalled = state.phase(at) == Phase.STALLED and not state.votable(at)
            book.expect(Check.ROUNDS, stalled, "its training was given up before it had failed", where)
        else:
            judged = attempt.verdict is not None
            book.expect(Check.VOTES, judged, "its vote was given up without a verdict", where)
        if state.cancel_requested or event.attempt == state.facts.job.terms.max_attempts:
            state.rounds[event.round].over = True
            self._end = JobStatus.CANCELLED if state.cancel_requested else JobStatus.FAILED
        else:
            self._next = (event.round, event.attempt + 1, event.voting)

    def _ended(self, event: ev.JobEnded) -> None:
        where = Where.of(event)
        expected = self._end.name.lower() if self._end is not None else "still open"
        self._book.equal(Check.ROUNDS, "the job's end", event.status.name.lower(), expected, where)
        self._end = None
        self._state.status = event.status
        refund = self._ledger.expect_refund(self._state.facts.job.client)
        self._book.equal(Check.PAYMENTS, "the refund", event.refund, refund, where)
