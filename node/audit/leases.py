"""Replays leases of epochs: claims, updates, misses and settlements."""

from __future__ import annotations

from chain.contracts import event_types as ev
from chain.contracts.types import LeaseState, Phase
from node.audit.ledger import Ledger
from node.audit.members import Members
from node.audit.report import Book, Check, Outstanding, Where
from node.audit.state import AttemptRecord, JobState, LeaseRecord, RoundRecord, bitmap_range, lowest_free_run


class LeaseReplay:
    """Checks each lease against quota, deadlines and what is free, and each settlement against the round's result."""

    def __init__(self, state: JobState, members: Members, ledger: Ledger, book: Book) -> None:
        self._state, self._members, self._ledger, self._book = state, members, ledger, book
        self._displaced: list[LeaseRecord] = []
        # What a node claimed last, by round, attempt and node.
        self._last: dict[tuple[int, int, str], LeaseRecord] = {}
        # The last lease of each first epoch: what the contract's slot holds.
        self.slots: dict[int, LeaseRecord] = {}

    def feed(self, event: ev.ChainEvent, at: int) -> None:
        """Take in the next event of the job, at chain time `at`."""
        match event:
            case ev.EpochsLeased():
                self._leased(event, at)
            case ev.UpdateSubmitted():
                self._delivered(event, at)
            case ev.LeaseMissed():
                self._missed(event, at)
            case ev.LeaseSettled():
                self._settled(event)
            case _:
                return
        self._account(Where.of(event))

    def end_transaction(self, where: Where) -> None:
        """A slot that was used again must have been settled in the same transaction."""
        for lease in self._displaced:
            self._book.expect(
                Check.LEASES,
                lease not in self._state.leases,
                f"the lease of epoch {lease.claimed.first} in round {lease.claimed.round} by {lease.claimed.node} "
                "was overwritten and not settled",
                where,
            )
        self._displaced.clear()

    def outstanding(self) -> list[Outstanding]:
        """Leases that are over and not settled, with what their settlement will bring."""
        found = []
        for lease in self._state.leases:
            claim = lease.claimed
            if lease.state == LeaseState.LIVE and not self._state.is_open(claim.round, claim.attempt):
                bond = self._state.facts.job.lease_bond
                found.append(Outstanding("missed lease", claim.round, lease.account, 0, bond))
            elif lease.state == LeaseState.DELIVERED and self._state.rounds[claim.round].over:
                reward, penalty = self._due(lease)
                found.append(Outstanding("delivered lease", claim.round, lease.account, reward, penalty))
        return found

    def _leased(self, event: ev.EpochsLeased, at: int) -> None:
        state, book, where, terms = self._state, self._book, Where.of(event), self._state.facts.job.terms
        round_, attempt = state.rounds.get(event.round), state.attempt
        is_open = state.is_open(event.round, event.attempt)
        if not book.expect(Check.LEASES, is_open, "a lease of an attempt that is not open", where):
            return
        if round_ is None or attempt is None:
            return
        phase = state.phase(at)
        book.equal(Check.LEASES, "the phase of a claim", phase, Phase.TRAINING, where)
        trainer = self._members.trainer(event.node)
        book.expect(
            Check.LEASES, trainer.may_train, "a claim by a node that is no active trainer of a member", where
        )
        deadline = min(at + terms.lease_time, attempt.opened.training_deadline)
        book.equal(Check.LEASES, "the lease's deadline", event.deadline, deadline, where)
        left = attempt.opened.training_deadline - at
        book.expect(
            Check.LEASES,
            left >= terms.min_lease_time,
            f"a claim with {left} s of training left, {terms.min_lease_time} s are needed",
            where,
        )
        last = self._last.get((event.round, event.attempt, event.node))
        if event.node not in round_.claimants:
            round_.claimants.add(event.node)
            round_.claimed_capacity += trainer.capacity
        if last is not None:
            self._check_again(last, attempt, at, where)

        quota = -(-terms.epochs_per_round * trainer.capacity // round_.quota_capacity)
        quota = min(max(quota, 1), terms.epochs_per_round)
        free = lowest_free_run(round_.taken, terms.epochs_per_round, quota)
        book.equal(Check.LEASES, "the range leased (first, count)", (event.first, event.count), free, where)
        epochs = bitmap_range(event.first, event.count)
        book.expect(
            Check.LEASES, not epochs & round_.taken, "epochs were leased that are live or delivered", where
        )
        book.expect(
            Check.LEASES,
            event.first + event.count <= terms.epochs_per_round,
            f"epochs beyond the round's {terms.epochs_per_round} were leased",
            where,
        )
        self._displaced += [lease for lease in state.leases if lease.claimed.first == event.first]
        lease = LeaseRecord(event, trainer.account)
        state.leases.append(lease)
        self._last[event.round, event.attempt, event.node] = self.slots[event.first] = lease
        round_.taken |= epochs

    def _check_again(self, last: LeaseRecord, attempt: AttemptRecord, at: int, where: Where) -> None:
        delivered = last.state == LeaseState.DELIVERED
        problem = "a node claimed again that holds a lease or missed one in this attempt"
        self._book.expect(Check.LEASES, delivered, problem, where)
        wait = attempt.opened_at + self._state.facts.job.terms.claim_window - at
        self._book.expect(
            Check.LEASES, wait <= 0, f"a node claimed again {wait} s before the claim window's end", where
        )

    def _delivered(self, event: ev.UpdateSubmitted, at: int) -> None:
        state, book, where = self._state, self._book, Where.of(event)
        attempt, round_ = state.attempt, state.rounds.get(event.round)
        number = attempt.opened.attempt if attempt is not None else 0
        lease = self._last.get((event.round, number, event.node))
        if not book.expect(
            Check.LEASES,
            lease is not None
            and lease.state == LeaseState.LIVE
            and (lease.claimed.first, lease.claimed.count) == (event.first, event.count)
            and state.is_open(lease.claimed.round, lease.claimed.attempt),
            "an update without a live lease of these epochs",
            where,
        ):
            return
        if lease is None or round_ is None:
            return
        late = at - lease.claimed.deadline
        book.expect(Check.LEASES, late < 0, f"an update came {late} s after its lease's deadline", where)
        book.expect(Check.LEASES, event.samples > 0, "an update without weight", where)
        book.expect(Check.LEASES, not lease.epochs & round_.delivered, "epochs were delivered twice", where)
        lease.state = LeaseState.DELIVERED
        round_.delivered |= lease.epochs
        round_.update_set |= 1 << event.first
        round_.updates.append(event)

    def _missed(self, event: ev.LeaseMissed, at: int) -> None:
        state, book, where = self._state, self._book, Where.of(event)
        lease = self._find(event, LeaseState.LIVE)
        if not book.expect(
            Check.LEASES, lease is not None, "no such lease was live when it was missed", where
        ):
            return
        if lease is None:
            return
        claim, bond = lease.claimed, state.facts.job.lease_bond
        still_open = state.is_open(claim.round, claim.attempt) and lease not in self._displaced
        book.expect(
            Check.LEASES,
            not still_open or at >= claim.deadline,
            f"a lease was missed {claim.deadline - at} s before its deadline",
            where,
        )
        book.equal(Check.LEASES, "the missed lease's count", event.count, claim.count, where)
        book.equal(Check.PAYMENTS, "the penalty of a missed lease", event.penalty, bond, where)
        if still_open:
            state.rounds[claim.round].taken &= ~lease.epochs
        lease.state = LeaseState.MISSED
        state.leases.remove(lease)
        self._ledger.expect_settlement(lease.account, 0, bond)

    def _settled(self, event: ev.LeaseSettled) -> None:
        state, book, where = self._state, self._book, Where.of(event)
        lease = self._find(event, LeaseState.DELIVERED)
        if not book.expect(
            Check.PAYMENTS, lease is not None, "a lease was settled twice, or was never delivered", where
        ):
            return
        if lease is None:
            return
        book.expect(
            Check.PAYMENTS,
            state.rounds[event.round].over,
            "a lease was settled before its round was over",
            where,
        )
        reward, penalty = self._due(lease)
        book.equal(Check.PAYMENTS, "the reward of a lease", event.reward, reward, where)
        book.equal(Check.PAYMENTS, "the penalty of a lease", event.penalty, penalty, where)
        lease.state = LeaseState.SETTLED
        state.leases.remove(lease)
        self._ledger.expect_settlement(lease.account, reward, penalty)

    def _due(self, lease: LeaseRecord) -> tuple[int, int]:
        job, round_, bit = self._state.facts.job, self._state.rounds[lease.claimed.round], lease.claimed.first
        if round_.invalid >> bit & 1:
            return 0, job.lease_bond
        return (lease.claimed.count * job.terms.epoch_price if round_.accepted >> bit & 1 else 0), 0

    def _find(self, event: ev.LeaseMissed | ev.LeaseSettled, state: LeaseState) -> LeaseRecord | None:
        """The oldest such lease: where a slot was used again, it is the one to settle."""
        return next(
            (
                lease
                for lease in self._state.leases
                if lease.state == state
                and (lease.claimed.round, lease.claimed.node, lease.claimed.first)
                == (event.round, event.node, event.first)
            ),
            None,
        )

    def _account(self, where: Where) -> None:
        """Unleased, live and delivered epochs of the newest round have to add up."""
        round_ = self._state.round
        if round_ is None or round_.over:
            return
        epochs = self._state.facts.job.terms.epochs_per_round
        live = self._live(round_)
        free = epochs - round_.taken.bit_count()
        self._book.equal(
            Check.LEASES,
            "unleased + live + delivered epochs",
            free + live + round_.delivered.bit_count(),
            epochs,
            where,
        )

    def _live(self, round_: RoundRecord) -> int:
        return sum(
            lease.claimed.count
            for lease in self._state.leases
            if lease.state == LeaseState.LIVE
            and lease.claimed.round == round_.number
            and lease.claimed.attempt == round_.last_attempt
        )
