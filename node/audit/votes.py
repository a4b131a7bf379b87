"""Replays sealed votes: ballots, tallies, reveals, verdicts and settlements."""

from __future__ import annotations

from dataclasses import dataclass

from chain.contracts import event_types as ev
from chain.contracts.seals import hash_result
from chain.contracts.types import BallotState, Phase, Verdict
from node.audit.ledger import Ledger
from node.audit.members import Members
from node.audit.report import Book, Check, Outstanding, Where
from node.audit.state import AttemptRecord, BallotRecord, JobState

_MAX_SCORE = 1_000_000


@dataclass(frozen=True)
class _Final:
    """A revealed result that has to be recorded in the same transaction, with its median score."""

    revealed: ev.ResultRevealed
    score: int


class VoteReplay:
    """Checks each vote against who may cast it, and each verdict against the seals, formed anew from the result."""

    def __init__(self, state: JobState, members: Members, ledger: Ledger, book: Book) -> None:
        self._state, self._members, self._ledger, self._book = state, members, ledger, book
        self._unsettled: list[tuple[AttemptRecord, BallotRecord]] = []
        self._displaced: list[BallotRecord] = []
        self._quorum_due: bytes | None = None
        self._final: _Final | None = None
        self._false_seals: int | None = None
        # The last vote of each seat: what the contract's slot holds.
        self.slots: dict[int, BallotRecord] = {}

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
            case ev.VoteSettled():
                self._settled(event)

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
        for ballot in self._displaced:
            done = ballot.state == BallotState.SETTLED
            problem = (
                f"the vote of {ballot.cast.account} in round {ballot.cast.round} was overwritten unsettled"
            )
            expect(Check.VOTES, done, problem, where)
        self._quorum_due = self._final = self._false_seals = None
        self._displaced.clear()

    def outstanding(self) -> list[Outstanding]:
        """Votes of closed attempts that are not settled, with what their settlement will bring."""
        found = []
        for attempt, ballot in self._unsettled:
            if attempt.verdict is not None:
                reward, penalty = self._due(attempt.verdict, ballot)
                found.append(Outstanding("vote", ballot.cast.round, ballot.cast.account, reward, penalty))
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
        ballot = BallotRecord(event, voter.seat)
        attempt.ballots[event.account] = ballot
        old = self.slots.get(voter.seat)
        if old is not None and old.state == BallotState.CAST:
            self._displaced.append(old)
        self.slots[voter.seat] = ballot
        self._unsettled.append((attempt, ballot))
        supporters = attempt.supporters(event.candidate).bit_count()
        if attempt.quorum_at is None and supporters >= attempt.opened.quorum:
            attempt.quorum_at, attempt.leading = at, event.candidate
            self._quorum_due = event.candidate

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
            attempt.verdict = Verdict(True, matching, false_seals, payment)
            scores = sorted(b.cast.score for b in true)
            self._final = _Final(event, scores[(len(scores) - 1) // 2])
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
        attempt.verdict = Verdict(True, 0, penalised, 0)
        self._false_seals = None

    def _settled(self, event: ev.VoteSettled) -> None:
        book, where = self._book, Where.of(event)
        entry = next(
            (
                (attempt, ballot)
                for attempt, ballot in self._unsettled
                if (ballot.cast.account, ballot.cast.round, ballot.cast.attempt)
                == (event.account, event.round, event.attempt)
            ),
            None,
        )
        if not book.expect(
            Check.PAYMENTS, entry is not None, "a vote was settled twice, or was never cast", where
        ):
            return
        if entry is None:
            return
        attempt, ballot = entry
        verdict = attempt.verdict
        problem = "a vote was settled before its attempt was closed"
        if not book.expect(Check.PAYMENTS, verdict is not None, problem, where) or verdict is None:
            return
        reward, penalty = self._due(verdict, ballot)
        book.equal(Check.PAYMENTS, "the reward of a vote", event.reward, reward, where)
        book.equal(Check.PAYMENTS, "the penalty of a vote", event.penalty, penalty, where)
        ballot.state = BallotState.SETTLED
        self._unsettled.remove(entry)
        self._ledger.expect_settlement(ballot.cast.account, reward, penalty)

    def _due(self, verdict: Verdict, ballot: BallotRecord) -> tuple[int, int]:
        if verdict.penalised >> ballot.seat & 1:
            return 0, self._state.facts.job.vote_bond
        return (verdict.payment if verdict.matching >> ballot.seat & 1 else 0), 0
