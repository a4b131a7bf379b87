"""What has become of a lease since its record was last written: the scheduler's own rule, in Python.

The scheduler keeps one record per node and job and brings it up to date whenever it is touched; who reads one, or
replays one from events, has to do the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from chain.contracts.types import Lease, LeaseState, Outcome

NO_LEASE: Final = Lease(0, 0, 0, 0, LeaseState.NONE, False, 0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a job stands. `open`: it is; `round` and `attempt` are its newest.

    `outcome` gives what became of a round that is over, None where it says nothing of its updates: the job ended in
    it without a result. `carried_until`: deadline of the leases that were carried into the round, chain time.
    """

    open: bool
    round: int
    attempt: int
    outcome: Callable[[int], Outcome | None]
    carried_until: int = 0


@dataclass(frozen=True, slots=True)
class Fate:
    """What bringing a lease up to date has found, to be acted upon: at most one of the two penalties.

    `round` is that of what is penalised; `released` are epochs that the organisation holds no more.
    """

    rejected: bool = False
    missed: bool = False
    round: int = 0
    released: int = 0


def brought_up_to_date(lease: Lease, now: Standing) -> tuple[Lease, Fate]:
    """A stored lease as it is now: its round's outcome counted, what it was kept for begun, and missed if that is over.

    Bonds stay as they are: taking or freeing them is for whoever touches the record.
    """
    fate = Fate()
    if lease.state == LeaseState.DELIVERED and not (now.open and lease.round == now.round):
        lease, fate, carried = _counted(lease, now.outcome(lease.round))
        if carried:
            lease = replace(
                lease,
                round=lease.round + 1,
                attempt=1,
                state=LeaseState.LIVE,
                kept=False,
                deadline=now.carried_until,
                extra=0,
            )
        else:
            lease = replace(lease, state=LeaseState.SETTLED, kept=False)
            fate = replace(fate, released=lease.count)
    if lease.state == LeaseState.LIVE and not is_current(lease, now):
        lease = replace(lease, state=LeaseState.MISSED)
        fate = Fate(missed=True, round=lease.round, released=lease.count)
    return lease, fate


def is_current(lease: Lease, now: Standing) -> bool:
    """Whether a lease is one of the open attempt."""
    return now.open and (lease.round, lease.attempt) == (now.round, now.attempt)


def _counted(lease: Lease, outcome: Outcome | None) -> tuple[Lease, Fate, bool]:
    """A delivered lease with its round's outcome, and whether it went on into the next round."""
    if outcome is None:
        return lease, Fate(), False
    if outcome.invalid >> lease.first & 1:
        return lease, Fate(rejected=True, round=lease.round), False
    if outcome.unpaid >> lease.first & 1:
        lease = replace(lease, outliers=lease.outliers + 1)
    else:
        lease = replace(lease, due=lease.due + lease.count, accepted=lease.accepted + 1)
    return lease, Fate(), lease.kept and outcome.carried
