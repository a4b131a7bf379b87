"""What has become of a lease since its record was written: the scheduler's rule, case by case."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chain.contracts.types import Lease, LeaseState, Outcome
from node.leases import NO_LEASE, Fate, Standing, brought_up_to_date, is_current

HELD = replace(NO_LEASE, first=2, count=3, round=4, attempt=1, bonded=3, deadline=100)
DELIVERED = replace(HELD, state=LeaseState.DELIVERED)
FINAL = Outcome(b"m" * 32, unpaid=0, invalid=0, closed_at=0, score=0, attempt=1, carried=False)


def standing(
    number: int = 5, attempt: int = 1, outcome: Outcome | None = FINAL, *, is_open: bool = True
) -> Standing:
    return Standing(is_open, number, attempt, lambda _: outcome, carried_until=777)


@pytest.mark.parametrize("state", [LeaseState.LIVE, LeaseState.DELIVERED])
def test_lease_of_the_open_attempt_is_what_it_was(state: LeaseState) -> None:
    lease, now = replace(HELD, state=state), standing(4)
    assert brought_up_to_date(lease, now) == (lease, Fate())
    assert is_current(lease, now)


@pytest.mark.parametrize("now", [standing(4, 2), standing(5), standing(4, is_open=False)])
def test_live_lease_when_its_attempt_is_over_then_was_missed(now: Standing) -> None:
    lease, fate = brought_up_to_date(replace(HELD, state=LeaseState.LIVE), now)
    assert lease.state is LeaseState.MISSED and lease.bonded == 3
    assert fate == Fate(missed=True, round=4, released=3)


def test_delivered_lease_when_only_the_attempt_is_over_then_stays_delivered() -> None:
    assert brought_up_to_date(DELIVERED, standing(4, 3)) == (DELIVERED, Fate())


@pytest.mark.parametrize(
    ("outcome", "due", "accepted", "outliers"),
    [(FINAL, 3, 1, 0), (replace(FINAL, unpaid=0b100), 0, 0, 1), (None, 0, 0, 0)],
    ids=["accepted", "outlier", "job-failed"],
)
def test_delivered_lease_when_its_round_is_over_then_counts_what_it_earned(
    outcome: Outcome | None, due: int, accepted: int, outliers: int
) -> None:
    lease, fate = brought_up_to_date(DELIVERED, standing(outcome=outcome))
    assert lease.state is LeaseState.SETTLED
    assert (lease.due, lease.accepted, lease.outliers) == (due, accepted, outliers)
    assert fate == Fate(released=3)


def test_delivered_lease_when_its_update_was_invalid_then_ends_although_it_was_kept() -> None:
    outcome = replace(FINAL, unpaid=0b100, invalid=0b100, carried=True)
    lease, fate = brought_up_to_date(replace(DELIVERED, kept=True), standing(outcome=outcome))
    assert (lease.state, lease.due) == (LeaseState.SETTLED, 0)
    assert fate == Fate(rejected=True, round=4, released=3)


def kept(number: int, attempt: int = 1, **outcome: object) -> tuple[Lease, Fate]:
    lease = replace(DELIVERED, kept=True, due=6, accepted=2, extra=0, extras=1)
    found = replace(FINAL, **{"carried": True, **outcome})  # type: ignore[arg-type]
    return brought_up_to_date(lease, standing(number, attempt, found))


def test_kept_lease_when_the_next_round_is_open_then_is_the_lease_of_that_one() -> None:
    lease, fate = kept(5)
    assert (lease.round, lease.attempt, lease.state, lease.kept) == (5, 1, LeaseState.LIVE, False)
    assert (lease.deadline, lease.due, lease.accepted, lease.bonded) == (777, 9, 3, 3)
    assert fate == Fate()


def test_kept_lease_of_an_outlier_goes_on_without_pay() -> None:
    lease, _ = kept(5, unpaid=0b100)
    assert (lease.state, lease.due, lease.outliers) == (LeaseState.LIVE, 6, 1)


@pytest.mark.parametrize(("number", "attempt"), [(5, 2), (6, 1)])
def test_kept_lease_when_the_attempt_it_was_carried_into_is_over_then_was_missed_there(
    number: int, attempt: int
) -> None:
    lease, fate = kept(number, attempt)
    assert (lease.state, lease.due) == (LeaseState.MISSED, 9)
    assert fate == Fate(missed=True, round=5, released=3)


def test_kept_lease_when_nothing_was_carried_over_then_is_settled() -> None:
    lease, fate = kept(5, carried=False)
    assert (lease.state, lease.kept, fate) == (LeaseState.SETTLED, False, Fate(released=3))
