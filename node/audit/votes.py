"""Replays sealed votes: ballots, tallies, reveals, verdicts and settlements."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from chain.contracts import event_types as ev
from chain.contracts.seals import hash_result
from chain.contracts.types import Ballot, BallotState, Phase, SeatBallot, Validator, Verdict, VerdictState
from node.audit.ledger import Ledger
from node.audit.members import Members
from node.audit.report import Book, Check, Outstanding, Where
from node.audit.state import BallotRecord, JobState
from node.rewards import ballot_due

_MAX_SCORE = 1_000_000
# So many votes are counted in a ballot at most; one more has them paid first.
_MOST_COUNTED = 255
NO_VERDICT: Final = Verdict(VerdictState.NONE, 0, 0, 0, 0)


@dataclass
class Seat:
    """A seat's ballot as the contract holds it; `far` is not kept up here.

    `told`: what became of the last vote was told in an event already.
    """

    held: SeatBallot
    told: bool = False


@dataclass(frozen=True)
class _Final:
    """A revealed result that has to be recorded in the same transaction, with its median score."""

    revealed: ev.ResultRevealed
    score: int


class VoteReplay:
    """Checks each vote against who may cast it, and each verdict against the seals, formed anew from the result."""

    def __init__(self, state: JobState, members: Members, ledger: Ledger, book: Book) -> None:
        self._state, self._members, self._ledger, self._book = state, members, ledger, book
        self._quorum_due: bytes | None = None
        self._final: _Final | None = None
        self._false_seals: int | None = None
        self.seats: dict[int, Seat] = {}

    def feed(self, event: ev.ChainEvent, at: int) -> None:
        """Take in the next event of the job, at chain time `at`."""
        match event:
            case ev.VoteCast():
                self._cast(event, at)
            case ev.QuorumReached():
                where = Where.of(event)
                self._book.equal(
                    Check.VOTES, "the candidate with a quorum", event.candidate, self._quorum_due, where
                )
                self._quorum_due = None
            case ev.ResultRevealed():
                self._revealed(event, at)
            case ev.VoteFailed():
                self._failed(event, at)
            case ev.RoundClosed():
                self._closed(event)
            case ev.VotePenalised():
                self._penalised(event)
            case ev.VotesPaid():
                self._paid(event)

    def end_transaction(self, where: Where) -> None:
        """What has to follow within one transaction must have followed."""
        expect = self._book.expect
        expect(Check.VOTES, self._quorum_due is None, "a quorum was reached and not said", where)
        expect(Check.VOTES, self._final is None, "a result with a quorum of seals was not recorded", where)
        expect(
            Check.VOTES,
            self._false_seals is None,
            "a reveal without a quorum did not fail the attempt",
            where,
        )
        self._quorum_due = self._final = self._false_seals = None

    def outstanding(self) -> list[Outstanding]:
        """What settlement would bring to every seat that something is due for."""
        found = []
        for number, seat in self.seats.items():
            reward, penalty, _ = self._due(number, seat)
            if reward or penalty:
                ballot = seat.held.ballot
                found.append(Outstanding("votes", ballot.round, seat.held.account, reward, penalty))
        return found

    def _cast(self, event: ev.VoteCast, at: int) -> None:
        state, book, where = self._state, self._book, Where.of(event)
        attempt = state.attempts.get((event.round, event.attempt))
        is_open = state.is_open(event.round, event.attempt)
        if (
            not book.expect(Check.VOTES, is_open, "a vote for an attempt that is not open", where)
            or not attempt
        ):
            return
        book.equal(Check.VOTES, "the phase of a vote", state.phase(at), Phase.VOTING, where)
        voter = self._members.validator(event.node, attempt.opened_at)
        problem = "a vote by a node that is no validator, or whose organisation was no member when the attempt opened"
        book.expect(Check.VOTES, voter.may_vote, problem, where)
        book.equal(Check.VOTES, "the organisation of the voting node", event.account, voter.account, where)
        eligible = bool(attempt.opened.eligible >> voter.seat & 1)
        book.expect(Check.VOTES, eligible, f"a vote from seat {voter.seat}, which is not eligible", where)
        book.expect(Check.VOTES, event.score <= _MAX_SCORE, f"a score of {event.score} millionths", where)
        first = event.account not in attempt.ballots and not attempt.voted >> voter.seat & 1
        if not book.expect(Check.VOTES, first, "a second vote of one organisation in one attempt", where):
            return
        attempt.ballots[event.account] = BallotRecord(event, voter.seat)
        self._fill(event, voter, attempt.opened_at)
        supporters = attempt.supporters(event.candidate).bit_count()
        if attempt.quorum_at is None and supporters >= attempt.opened.quorum:
            attempt.quorum_at, attempt.leading = at, event.candidate
            self._quorum_due = event.candidate

    def _fill(self, event: ev.VoteCast, voter: Validator, opened_at: int) -> None:
        """Put a vote into its seat's ballot, which counts what the votes before it have earned."""
        book, where, old = self._book, Where.of(event), self.seats.get(voter.seat)
        matched = cast = 0
        if old is not None:
            last = old.held.ballot
            reward, penalty, unlocked = self._due(voter.seat, old)
            book.expect(Check.VOTES, not penalty, "a vote's penalty was not told before the next vote", where)
            if last.opened_at < voter.since:
                left = reward or (unlocked and self._state.facts.job.vote_bond)
                problem = f"the seat's former holder {old.held.account} was not paid out"
                book.expect(Check.VOTES, not left, problem, where)
            else:
                cast, matched = last.cast, last.matched + self._counts(voter.seat, old, where)
        ballot = Ballot(
            event.seal,
            event.score,
            event.round,
            event.attempt,
            opened_at,
            BallotState.CAST,
            matched,
            cast + 1,
            0,
        )
        book.expect(Check.VOTES, cast < _MOST_COUNTED, "a ballot counts more votes than it can", where)
        self.seats[voter.seat] = Seat(SeatBallot(event.account, ballot))

    def _counts(self, number: int, seat: Seat, where: Where) -> int:
        """1 if the last vote of a seat is counted among the matching ones when the next is cast."""
        verdict = self._verdict_on(seat)
        if not verdict.matching >> number & 1 or seat.told:
            return 0
        full = verdict.state == VerdictState.FINAL
        self._book.expect(
            Check.VOTES, full, "a vote of a reduced payment was not paid before the next", where
        )
        return int(full)

    def _revealed(self, event: ev.ResultRevealed, at: int) -> None:
        state, book, where = self._state, self._book, Where.of(event)
        attempt = state.attempts.get((event.round, event.attempt))
        is_open = state.is_open(event.round, event.attempt)
        if (
            not book.expect(Check.VOTES, is_open, "a reveal in an attempt that is not open", where)
            or not attempt
        ):
            return
        phase, opened = state.phase(at), attempt.opened
        book.expect(
            Check.VOTES,
            phase in (Phase.VOTING, Phase.REVEAL),
            f"a reveal in phase {phase.name.lower()}",
            where,
        )
        result = hash_result(event.model_digest, event.accepted, event.invalid)
        ballots = state.facts.ballots(event.round, event.attempt)
        candidate = ballots.candidate(result)
        book.equal(Check.VOTES, "the candidate of the revealed result", candidate, attempt.leading, where)
        grace = state.facts.job.terms.grace
        all_voted = attempt.voted == opened.eligible
        waited = attempt.quorum_at is not None and at >= attempt.quorum_at + grace
        book.expect(
            Check.VOTES,
            all_voted or waited or at >= opened.vote_deadline,
            "a reveal before all have voted, the grace is over, or the vote deadline has passed",
            where,
        )
        true = [b for b in attempt.ballots.values() if b.cast.seal == ballots.seal(result, b.cast.account)]
        matching = sum(1 << b.seat for b in true)
        false_seals = attempt.supporters(attempt.leading) & ~matching
        book.equal(Check.VOTES, "the set of seats with matching seals", event.matching, matching, where)
        book.equal(Check.VOTES, "the set of seats with false seals", event.penalised, false_seals, where)
        if len(true) >= opened.quorum:
            job = state.facts.job
            payment = min(job.terms.vote_price, job.voters * job.terms.vote_price // len(true))
            scores = sorted(b.cast.score for b in true)
            score = scores[(len(scores) - 1) // 2]
            kind = VerdictState.FINAL if payment == job.terms.vote_price else VerdictState.FINAL_REDUCED
            attempt.verdict = Verdict(kind, matching, false_seals, payment, score)
            self._final = _Final(event, score)
        else:
            late = at >= opened.vote_deadline or all_voted
            book.expect(Check.VOTES, late, "a reveal failed the attempt before its vote was over", where)
            self._false_seals = false_seals

    def _closed(self, event: ev.RoundClosed) -> None:
        book, where, final = self._book, Where.of(event), self._final
        if not book.expect(
            Check.VOTES,
            final is not None
            and (final.revealed.round, final.revealed.attempt) == (event.round, event.attempt),
            "a round closed without a quorum of matching seals for a revealed result",
            where,
        ):
            return
        if final is None:
            return
        book.equal(
            Check.VOTES,
            "the recorded result (digest, accepted, invalid)",
            (event.model_digest.hex(), event.accepted, event.invalid),
            (final.revealed.model_digest.hex(), final.revealed.accepted, final.revealed.invalid),
            where,
        )
        book.equal(Check.VOTES, "the lower median of the matching scores", event.score, final.score, where)
        self._final = None

    def _failed(self, event: ev.VoteFailed, at: int) -> None:
        state, book, where = self._state, self._book, Where.of(event)
        attempt = state.attempts.get((event.round, event.attempt))
        is_open = state.is_open(event.round, event.attempt)
        problem = "a vote failed in an attempt that is not open"
        if not book.expect(Check.VOTES, is_open, problem, where) or attempt is None:
            return
        if self._false_seals is not None:
            penalised = self._false_seals
        else:
            phase, quorum = state.phase(at), attempt.quorum_at is not None
            over = phase == Phase.STALLED or (not quorum and phase == Phase.REVEAL)
            over = over or (not quorum and phase == Phase.VOTING and attempt.voted == attempt.opened.eligible)
            book.expect(
                Check.VOTES, over and state.votable(at), "a vote was given up before it had failed", where
            )
            penalised = attempt.supporters(attempt.leading) if quorum else 0
        book.equal(Check.VOTES, "the set of penalised seats", event.penalised, penalised, where)
        attempt.verdict = Verdict(VerdictState.FAILED, 0, penalised, 0, 0)
        self._false_seals = None

    def _penalised(self, event: ev.VotePenalised) -> None:
        book, where, bond = self._book, Where.of(event), self._state.facts.job.vote_bond
        place = (event.account, event.round, event.attempt)
        for number, seat in self.seats.items():
            ballot = seat.held.ballot
            same = (seat.held.account, ballot.round, ballot.attempt) == place
            if same and ballot.state == BallotState.CAST and self._verdict_on(seat).penalised >> number & 1:
                seat.held = replace(seat.held, ballot=replace(ballot, state=BallotState.SETTLED))
                book.equal(Check.PAYMENTS, "the penalty of a vote", event.penalty, bond, where)
                self._ledger.expect_settlement(event.account, 0, bond)
                return
        book.expect(Check.PAYMENTS, False, "a vote was penalised twice, or did not deserve it", where)

    def _paid(self, event: ev.VotesPaid) -> None:
        """Rewards of any number of votes; a vote that is paid less than the full price is told for itself."""
        book, where, found = self._book, Where.of(event), (event.votes, event.reward, event.unlocked)
        mine = [(n, seat) for n, seat in self.seats.items() if seat.held.account == event.account]
        for number, seat in mine:
            verdict = self._verdict_on(seat)
            reduced = verdict.state == VerdictState.FINAL_REDUCED and verdict.matching >> number & 1
            if reduced and not seat.told and found == (1, verdict.payment, 0):
                seat.told = True
                self._ledger.expect_settlement(event.account, event.reward, 0)
                return
        choices = [(self._payment(n, seat, event.unlocked), seat) for n, seat in mine]
        if not book.expect(Check.PAYMENTS, bool(choices), "an organisation was paid that never voted", where):
            return
        expected, seat = next((choice for choice in choices if choice[0] == found), choices[0])
        votes, reward, unlocked = expected
        problem = "votes were settled that nothing was due for"
        book.expect(Check.PAYMENTS, bool(votes or unlocked), problem, where)
        book.equal(Check.PAYMENTS, "the number of votes paid", event.votes, votes, where)
        book.equal(Check.PAYMENTS, "the reward of votes", event.reward, reward, where)
        book.equal(Check.PAYMENTS, "the bond that is free again", event.unlocked, unlocked, where)
        self._ledger.expect_settlement(event.account, reward, 0)
        state = BallotState.SETTLED if unlocked else seat.held.ballot.state
        seat.held = replace(seat.held, ballot=replace(seat.held.ballot, matched=0, cast=0, state=state))
        seat.told = seat.told or self._verdict_on(seat) != NO_VERDICT

    def _payment(self, number: int, seat: Seat, told: int) -> tuple[int, int, int]:
        """Votes, reward and unlocked bond of a settlement now, of which an event told that `told` was unlocked."""
        verdict, ballot = self._verdict_on(seat), seat.held.ballot
        count = not seat.told and verdict.state == VerdictState.FINAL and verdict.matching >> number & 1
        votes = ballot.matched + count
        _, _, unlocked = self._due(number, seat)
        if not told and ballot.cast == _MOST_COUNTED:
            # Paid because no more votes can be counted: the bond stays locked for the next one.
            unlocked = 0
        return votes, votes * self._state.facts.job.terms.vote_price, unlocked

    def _due(self, number: int, seat: Seat) -> tuple[int, int, int]:
        """Reward, penalty and unlocked bond that settling a seat brings."""
        job = self._state.facts.job
        verdict = self._verdict_on(seat)
        if seat.told:
            verdict = replace(verdict, matching=0)
        return ballot_due(seat.held, verdict, number, job.terms.vote_price, job.vote_bond)

    def _verdict_on(self, seat: Seat) -> Verdict:
        ballot = seat.held.ballot
        attempt = self._state.attempts.get((ballot.round, ballot.attempt))
        return (attempt.verdict if attempt is not None else None) or NO_VERDICT
