"""Replays leases of epochs: claims, reservations, updates, penalties and settlements."""

from __future__ import annotations

from chain.contracts import event_types as ev
from chain.contracts.types import Lease, LeaseState, Phase
from node.audit.conduct import trusted
from node.audit.consortium import AllJobs
from node.audit.holdings import Claimant, bitmap_range
from node.audit.ledger import Ledger
from node.audit.members import Members
from node.audit.report import Book, Check, Outstanding, Where
from node.audit.state import AttemptRecord, JobState, RoundRecord, lowest_free_run
from node.leases import is_current


class LeaseReplay:
    """Checks each lease against quota, share, deadlines and what is free, and each settlement against the outcomes."""

    def __init__(self, state: JobState, members: Members, ledger: Ledger, jobs: AllJobs, book: Book) -> None:
        self._state, self._members, self._ledger, self._book = state, members, ledger, book
        self._holdings, self._conducts = jobs.of(state.facts.job_id), jobs.conducts
        self._changed = False

    def feed(self, event: ev.ChainEvent, at: int) -> None:
        """Take in the next event of the job, at chain time `at`."""
        match event:
            case ev.EpochsLeased():
                self._leased(event, at)
            case ev.UpdateSubmitted():
                self._delivered(event, at)
            case ev.LeaseMissed() | ev.UpdateRejected():
                self._penalised(event, at)
            case ev.RewardsSettled():
                self._settled(event)
            case ev.TrainerWaits():
                self._waits(event, at)
            case ev.RoundOpened():
                pass
            case _:
                return
        self._changed = True
        for node, lease, _ in self._holdings.take_untold():
            self._book.expect(
                Check.LEASES,
                False,
                f"a record was brought up to date, and the penalty for epoch {lease.first} of round {lease.round} "
                f"by {node} was not told",
                Where.of(event),
            )

    def end_transaction(self, where: Where) -> None:
        """Unleased, live and delivered epochs of the newest round have to add up."""
        changed, self._changed = self._changed, False
        round_ = self._state.round
        if not changed or round_ is None or round_.over:
            return
        epochs = self._state.facts.job.terms.epochs_per_round
        free = epochs - round_.taken.bit_count()
        self._book.equal(
            Check.LEASES,
            "unleased + live + delivered epochs",
            free + self._holdings.live() + round_.delivered.bit_count(),
            epochs,
            where,
        )

    def outstanding(self) -> list[Outstanding]:
        """What settlement would bring to every node that something is due for."""
        found = []
        job = self._state.facts.job
        for node, _, lease, fate in self._holdings.now():
            account = self._members.account_of(node) or node
            if lease.due:
                reward = lease.due * job.terms.epoch_price
                found.append(Outstanding("accepted epochs", lease.round, account, reward, 0))
            if fate.rejected or fate.missed:
                kind = "missed lease" if fate.missed else "invalid update"
                found.append(Outstanding(kind, fate.round, account, 0, lease.bonded * job.lease_bond))
        return found

    def _leased(self, event: ev.EpochsLeased, at: int) -> None:
        state, book, where, terms = self._state, self._book, Where.of(event), self._state.facts.job.terms
        round_, attempt = state.rounds.get(event.round), state.attempt
        is_open = state.is_open(event.round, event.attempt)
        if not book.expect(Check.LEASES, is_open, "a lease of an attempt that is not open", where):
            return
        if round_ is None or attempt is None:
            return
        self._check_training(event, round_, attempt, at)
        deadline = min(at + terms.lease_time, attempt.opened.training_deadline)
        book.equal(Check.LEASES, "the lease's deadline", event.deadline, deadline, where)
        by = self._holdings.claimant(event.node)
        if by.main.round == round_.number:
            self._check_again(by, attempt, at, where)

        account = self._members.account_of(event.node) or ""
        declared = self._members.trainer(event.node).capacity
        capacity = trusted(declared, self._conducts.reliability(event.node, account))
        if by.main.round != round_.number:
            round_.claimed_capacity += capacity
        share = terms.epochs_per_round * capacity
        quota = share // round_.quota_capacity if round_.shared else -(-share // round_.quota_capacity)
        quota = min(max(quota, 1), terms.epochs_per_round)
        left = state.facts.job.max_epochs - self._holdings.shares[account]
        book.expect(
            Check.LEASES, left > 0, "an organisation leased more than its share of the round's epochs", where
        )
        free = lowest_free_run(round_.taken, terms.epochs_per_round, min(quota, max(left, 0)))
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
        self._holdings.claim(event, by)
        round_.taken |= epochs

    def _check_training(
        self, event: ev.EpochsLeased | ev.TrainerWaits, round_: RoundRecord, attempt: AttemptRecord, at: int
    ) -> None:
        """What a claim and a request for a share have in common."""
        book, where, terms = self._book, Where.of(event), self._state.facts.job.terms
        phase = self._state.phase(at)
        # Where all is delivered early there is nothing to claim, but a share of the next round to ask for.
        early = phase == Phase.VOTING and isinstance(event, ev.TrainerWaits)
        book.equal(
            Check.LEASES,
            "the phase of a claim",
            phase if not early else Phase.TRAINING,
            Phase.TRAINING,
            where,
        )
        book.expect(Check.LEASES, not round_.paused, "a claim in an attempt that opened in a pause", where)
        may = self._members.trainer(event.node).may_train
        book.expect(Check.LEASES, may, "a claim by a node that is no active trainer of a member", where)
        left = attempt.opened.training_deadline - at
        book.expect(
            Check.LEASES,
            left >= terms.min_lease_time,
            f"a claim with {left} s of training left, {terms.min_lease_time} s are needed",
            where,
        )

    def _check_again(self, by: Claimant, attempt: AttemptRecord, at: int, where: Where) -> None:
        same = by.last.attempt == attempt.opened.attempt
        free = by.last.state == LeaseState.DELIVERED or (by.last.state == LeaseState.MISSED and not same)
        problem = "a node claimed again that holds a lease or missed one in this attempt"
        self._book.expect(Check.LEASES, free, problem, where)
        wait = attempt.opened_at + self._state.facts.job.terms.claim_window - at if same else 0
        self._book.expect(
            Check.LEASES, wait <= 0, f"a node claimed again {wait} s before the claim window's end", where
        )

    def _delivered(self, event: ev.UpdateSubmitted, at: int) -> None:
        state, book, where = self._state, self._book, Where.of(event)
        round_ = state.rounds.get(event.round)
        slot, lease = self._holdings.deliverable(event.node)
        live = lease.state == LeaseState.LIVE and is_current(lease, self._holdings.course.standing())
        same = (lease.round, lease.first, lease.count) == (event.round, event.first, event.count)
        if not book.expect(
            Check.LEASES, live and same, "an update without a live lease of these epochs", where
        ):
            return
        if round_ is None:
            return
        late = at - lease.deadline
        book.expect(Check.LEASES, late < 0, f"an update came {late} s after its lease's deadline", where)
        book.expect(Check.LEASES, event.samples > 0, "an update without weight", where)
        epochs = bitmap_range(lease.first, lease.count)
        book.expect(Check.LEASES, not epochs & round_.delivered, "epochs were delivered twice", where)
        book.expect(Check.LEASES, not (event.kept and slot), "a further lease of a round was kept", where)
        self._holdings.deliver(event)
        round_.delivered |= epochs
        round_.update_set |= 1 << event.first
        round_.kept |= event.kept << event.first
        round_.updates.append(event)

    def _penalised(self, event: ev.LeaseMissed | ev.UpdateRejected, at: int) -> None:
        state, book, where = self._state, self._book, Where.of(event)
        penalty = self._holdings.penalise(event)
        what = "missed" if isinstance(event, ev.LeaseMissed) else "rejected"
        if not book.expect(
            Check.LEASES,
            penalty is not None,
            f"no lease of these epochs was {what}, or it was told before",
            where,
        ):
            return
        if penalty is None:
            return
        lease, account = penalty.lease, self._members.account_of(event.node) or ""
        book.equal(Check.LEASES, f"the {what} lease's count", event.count, lease.count, where)
        if penalty.expired:
            early = lease.deadline - at
            book.expect(Check.LEASES, early <= 0, f"a lease was missed {early} s before its deadline", where)
            state.rounds[lease.round].taken &= ~bitmap_range(lease.first, lease.count)
        if what == "missed":
            self._conducts.missed(event.node, account)
        else:
            self._conducts.rejected(event.node, account)
        bond = penalty.bonded * state.facts.job.lease_bond
        book.equal(Check.PAYMENTS, f"the penalty of a {what} lease", event.penalty, bond, where)
        self._ledger.expect_settlement(account, 0, bond)

    def _settled(self, event: ev.RewardsSettled) -> None:
        book, where, job = self._book, Where.of(event), self._state.facts.job
        account = self._members.account_of(event.node) or ""
        found = self._holdings.settle(event.node)
        reward, unlocked = found.due * job.terms.epoch_price, found.unlocked * job.lease_bond
        book.expect(
            Check.PAYMENTS,
            bool(found.due or found.unlocked or found.outliers),
            "rewards were settled for a node that nothing was due for",
            where,
        )
        book.equal(Check.PAYMENTS, "the organisation that is paid", event.account, account, where)
        book.equal(Check.PAYMENTS, "the number of epochs paid", event.epochs, found.due, where)
        book.equal(Check.PAYMENTS, "the reward of a node", event.reward, reward, where)
        book.equal(Check.PAYMENTS, "the bond that is free again", event.unlocked, unlocked, where)
        self._conducts.settled(event.node, account, found)
        self._ledger.expect_settlement(account, reward, 0)

    def _waits(self, event: ev.TrainerWaits, at: int) -> None:
        state, book, where = self._state, self._book, Where.of(event)
        round_, attempt = state.round, state.attempt
        is_open = attempt is not None and state.is_open(event.round, attempt.opened.attempt)
        if not book.expect(Check.LEASES, is_open, "a trainer waits in a round that is not open", where):
            return
        if round_ is None or attempt is None:
            return
        self._check_training(event, round_, attempt, at)
        epochs = bitmap_range(0, state.facts.job.terms.epochs_per_round)
        book.equal(Check.LEASES, "what is leased when a trainer waits", round_.taken, epochs, where)
        main = self._holdings.waiting(event.node)
        problem = "a trainer waits that has a lease of the round"
        book.expect(Check.LEASES, main.round != round_.number, problem, where)
        if not round_.awaited:
            # Counted once, whoever else asks: the next round's quotas leave room for one more.
            account = self._members.account_of(event.node) or ""
            reliability = self._conducts.reliability(event.node, account)
            capacity = trusted(self._members.trainer(event.node).capacity, reliability)
            round_.claimed_capacity += min(capacity, round_.claimed_capacity)
        round_.awaited = True


def held(lease: Lease) -> tuple[object, ...]:
    """What a lease is, apart from its bond and from a deadline that does not matter any more."""
    matters = lease.state in (LeaseState.LIVE, LeaseState.DELIVERED)
    deadline = lease.deadline if matters else 0
    where = (lease.first, lease.count, lease.round, lease.attempt, lease.state.name, lease.kept, deadline)
    return (*where, lease.due, lease.accepted, lease.outliers)
