"""What the nodes hold in one job: the scheduler's lease records, kept by its own rule from the job's events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from chain.contracts import event_types as ev
from chain.contracts.types import Lease, LeaseState
from node.audit.course import Course
from node.leases import NO_LEASE, Fate, brought_up_to_date, is_current

AccountOf = Callable[[str], str | None]


@dataclass(frozen=True)
class Claimant:
    """A node that is about to lease: its first lease of the round, its last one, and the slot that the next takes."""

    main: Lease
    last: Lease
    slot: int


@dataclass(frozen=True)
class Settlement:
    """What a settlement of one node does, in epochs and updates."""

    due: int = 0
    unlocked: int = 0
    accepted: int = 0
    outliers: int = 0


@dataclass(frozen=True)
class Penalty:
    """A lease whose bond pays: a missed one, or that of an invalid update. `bonded` epochs pay.

    `slot`: which of its node's it is. `expired`: it was live until now.
    """

    lease: Lease
    slot: int
    bonded: int
    expired: bool


class Holdings:
    """Lease records by node and slot; `shares` are the epochs that each organisation's nodes hold, by its account.

    The contract tells of a penalty in an event before it tells of what brought the record up to date. `untold` are
    those that it did not tell, since `take_untold` was called last.
    """

    def __init__(self, course: Course, account_of: AccountOf) -> None:
        self.course = course
        self.shares: defaultdict[str, int] = defaultdict(int)
        self.records: dict[tuple[str, int], Lease] = {}
        self._account_of = account_of
        self._untold: list[tuple[str, Lease, Fate]] = []

    def feed(self, event: ev.ChainEvent) -> None:
        """Take in the next event of a job that is not audited: it is believed."""
        match event:
            case ev.EpochsLeased():
                self.claim(event, self.claimant(event.node))
            case ev.UpdateSubmitted():
                self.deliver(event)
            case ev.LeaseMissed() | ev.UpdateRejected():
                self.penalise(event)
            case ev.TrainerWaits():
                self.waiting(event.node)

    def waiting(self, node: str) -> Lease:
        """Brings up to date what the request of a node for a share looks at: its first lease of the round."""
        return self._bring(node, 0)

    def claimant(self, node: str) -> Claimant:
        """Brings up to date what the claim of a node looks at."""
        main = self._bring(node, 0)
        if main.round != self.course.round:
            return Claimant(main, main, 0)
        slot, last = main.extra, main
        if slot:
            last = self._bring(node, slot)
        # A lease that was missed in an earlier attempt gives its slot up.
        if last.state == LeaseState.DELIVERED:
            slot += 1
            self._bring(node, slot)
        return Claimant(main, last, slot)

    def claim(self, event: ev.EpochsLeased, by: Claimant) -> None:
        """Records a lease. `by`: as `claimant` gave it."""
        slot = by.slot
        main = self._record(event.node, 0)
        self.records[event.node, slot] = replace(
            self._record(event.node, slot),
            first=event.first,
            count=event.count,
            bonded=event.count,
            round=event.round,
            attempt=event.attempt,
            deadline=event.deadline,
            state=LeaseState.LIVE,
            kept=False,
        )
        extras = max(main.extras, slot)
        self.records[event.node, 0] = replace(
            self.records.get((event.node, 0), main), extra=slot, extras=extras
        )
        self.shares[self._account(event.node)] += event.count

    def deliverable(self, node: str) -> tuple[int, Lease]:
        """The slot and the lease that an update of a node would be for."""
        main = self._record(node, 0)
        if main.round != self.course.round:
            return 0, brought_up_to_date(main, self.course.standing())[0]
        return main.extra, self._record(node, main.extra)

    def deliver(self, event: ev.UpdateSubmitted) -> None:
        """Records the delivery of a lease."""
        slot, _ = self.deliverable(event.node)
        if slot == 0 and self._record(event.node, 0).round != self.course.round:
            self._bring(event.node, 0)
        lease = self._record(event.node, slot)
        self.records[event.node, slot] = replace(lease, state=LeaseState.DELIVERED, kept=event.kept)

    def penalise(self, event: ev.LeaseMissed | ev.UpdateRejected) -> Penalty | None:
        """Applies a penalty that was told; None if no lease of the node deserves it."""
        now = self.course.standing()
        rejected = isinstance(event, ev.UpdateRejected)
        live: int | None = None
        for slot, stored in self._of(event.node):
            lease, fate = brought_up_to_date(stored, now)
            due = fate.rejected if rejected else fate.missed
            if due and (fate.round, lease.first) == (event.round, event.first):
                self.records[event.node, slot] = replace(lease, bonded=0)
                self._release(event.node, fate)
                return Penalty(lease, slot, lease.bonded, expired=False)
            if lease.state == LeaseState.LIVE and is_current(lease, now) and lease.first == event.first:
                live = slot
        if rejected or live is None:
            return None
        lease = self._bring(event.node, live)
        self.records[event.node, live] = replace(lease, state=LeaseState.MISSED, bonded=0)
        self.shares[self._account(event.node)] -= lease.count
        return Penalty(lease, live, lease.bonded, expired=True)

    def settle(self, node: str) -> Settlement:
        """Settles all that a node is due."""
        total = Settlement()
        for slot, stored in list(self._of(node)):
            if stored.state == LeaseState.NONE:
                continue
            lease = self._bring(node, slot)
            over = lease.state in (LeaseState.SETTLED, LeaseState.MISSED)
            total = Settlement(
                total.due + lease.due,
                total.unlocked + (lease.bonded if over else 0),
                total.accepted + lease.accepted,
                total.outliers + lease.outliers,
            )
            bonded = 0 if over else lease.bonded
            self.records[node, slot] = replace(lease, due=0, accepted=0, outliers=0, bonded=bonded)
        return total

    def now(self) -> Iterator[tuple[str, int, Lease, Fate]]:
        """Every record as it is now: node, slot, lease, and the fate that nobody has told yet."""
        standing = self.course.standing()
        for (node, slot), stored in self.records.items():
            yield node, slot, *brought_up_to_date(stored, standing)

    def live(self) -> int:
        """Epochs on live leases of the open attempt; those on two of them count twice."""
        return sum(lease.count for _, _, lease, _ in self.now() if lease.state == LeaseState.LIVE)

    def take_untold(self) -> list[tuple[str, Lease, Fate]]:
        """Penalties that were due when a record was brought up to date, and that no event told."""
        untold, self._untold = self._untold, []
        return untold

    def _of(self, node: str) -> Iterator[tuple[int, Lease]]:
        for slot in range(self._record(node, 0).extras + 1):
            yield slot, self._record(node, slot)

    def _record(self, node: str, slot: int) -> Lease:
        return self.records.get((node, slot), NO_LEASE)

    def _bring(self, node: str, slot: int) -> Lease:
        lease, fate = brought_up_to_date(self._record(node, slot), self.course.standing())
        if fate.rejected or fate.missed:
            self._untold.append((node, lease, fate))
            lease = replace(lease, bonded=0)
        if fate.released:
            self._release(node, fate)
        if lease.state != LeaseState.NONE:
            self.records[node, slot] = lease
        return lease

    def _release(self, node: str, fate: Fate) -> None:
        self.shares[self._account(node)] -= fate.released

    def _account(self, node: str) -> str:
        return self._account_of(node) or ""


def bitmap_range(first: int, count: int) -> int:
    """The bits from `first` to `first + count - 1`."""
    return ((1 << count) - 1) << first
