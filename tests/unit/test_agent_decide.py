"""What an agent decides, from views made by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chain.contracts.types import (
    Account,
    AgentView,
    Attempt,
    Job,
    JobStatus,
    JobView,
    Lease,
    LeaseState,
    Node,
    Organisation,
    Phase,
    Role,
    Round,
    Terms,
)
from node.agent.decide import Claim, Expire, Prefetch, Reopen, Reveal, Train, Vote, decide, rank

ME, OTHER, ACCOUNT = "0x" + "11" * 20, "0x" + "22" * 20, "0x" + "33" * 20
OPENED = 1_000
TERMS = Terms(
    rounds=3,
    epochs_per_round=8,
    min_updates=2,
    min_validators=1,
    max_attempts=3,
    claim_window=10,
    lease_time=30,
    min_lease_time=5,
    training_window=60,
    vote_window=30,
    reveal_window=30,
    grace=5,
    epoch_price=1,
    vote_price=1,
    max_update_bytes=1000,
    ruleset=b"milon-1".ljust(32, b"\0"),
)
NO_LEASE = Lease(node="0x" + "00" * 20, round=0, attempt=0, count=0, deadline=0, state=LeaseState.NONE)  # type: ignore[arg-type]


def a_round(**changes: object) -> Round:
    base = Round(
        number=1,
        attempt=1,
        opened_at=OPENED,
        training_deadline=OPENED + 60,
        vote_deadline=OPENED + 90,
        reveal_deadline=OPENED + 120,
        delivered_epochs=0,
        updates=0,
        claimed_capacity=0,
        quota_capacity=4,
        eligible=0b1111,
        quorum=3,
        taken=0,
        delivered=0,
        update_set=0,
        accumulator=bytes(32),
        model_digest=bytes(32),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def a_job(phase: Phase = Phase.TRAINING, **changes: object) -> JobView:
    job = Job(
        client=ACCOUNT,  # type: ignore[arg-type]
        status=JobStatus.OPEN,
        cancel_requested=False,
        voters=4,
        lease_bond=1,
        vote_bond=1,
        spec_digest=bytes(32),
        terms=TERMS,
    )
    base = JobView(
        job_id=7,
        phase=phase,
        job=job,
        round=a_round(),
        lease_held=False,
        lease_first=0,
        lease=NO_LEASE,
        quota=2,
        attempt=Attempt(round=1, attempt=1, voted=0, quorum_at=0, leading=bytes(16)),
        revealable_from=2**256 - 1,
        voted=False,
        overdue=0,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def a_view(
    *jobs: JobView, now: int = OPENED + 1, roles: int = 3, active: bool = True, seat: int = 0
) -> AgentView:
    return AgentView(
        block_number=5,
        timestamp=now,
        node=Node(account=ACCOUNT, capacity=1, roles=Role(roles), active=active, since=1, peer=""),  # type: ignore[arg-type]
        organisation=Organisation(account=ACCOUNT, since=1, until=0, seat=seat, name="a"),  # type: ignore[arg-type]
        active=active,
        account=Account(0, 0, 0, 0, 0),
        jobs=jobs,
    )


def a_lease(state: LeaseState, node: str = ME, deadline: int = OPENED + 30) -> Lease:
    return Lease(node=node, round=1, attempt=1, count=2, deadline=deadline, state=state)  # type: ignore[arg-type]


def test_decide_when_epochs_are_free_then_claims() -> None:
    assert decide(a_view(a_job()), ME) == [Claim(7)]


@pytest.mark.parametrize(
    "view",
    [
        a_view(a_job(), active=False),
        a_view(a_job(), roles=2),
        a_view(a_job(round=a_round(taken=0xFF))),
        a_view(a_job(), now=OPENED + 55),
        a_view(a_job(lease_held=True, lease=a_lease(LeaseState.MISSED))),
        a_view(a_job(lease_held=True, lease=a_lease(LeaseState.LIVE, node=OTHER))),
        a_view(a_job(lease_held=True, lease=a_lease(LeaseState.DELIVERED))),
    ],
    ids=["inactive", "no-trainer", "all-taken", "too-late", "missed", "lost-to-another", "in-claim-window"],
)
def test_decide_when_a_claim_would_be_refused_then_does_not_claim(view: AgentView) -> None:
    assert not [action for action in decide(view, ME) if isinstance(action, Claim)]


def test_decide_when_delivered_and_the_claim_window_is_over_then_claims_again() -> None:
    job = a_job(lease_held=True, lease=a_lease(LeaseState.DELIVERED))
    assert Claim(7) in decide(a_view(job, now=OPENED + 10), ME)


def test_decide_when_a_live_lease_is_held_then_trains_it() -> None:
    job = a_job(lease_held=True, lease_first=3, lease=a_lease(LeaseState.LIVE))
    assert Train(7, 1, 1, 3, 2, OPENED + 30) in decide(a_view(job), ME)


def test_decide_when_the_lease_is_overdue_then_does_not_train_and_expires_it() -> None:
    job = a_job(lease_held=True, lease_first=3, lease=a_lease(LeaseState.LIVE), overdue=1 << 3)
    actions = decide(a_view(job, now=OPENED + 30), ME)
    assert [type(action) for action in actions if isinstance(action, Train | Expire)] == [Expire]


def test_decide_when_updates_arrive_in_training_then_prefetches_them() -> None:
    assert Prefetch(7, 1) in decide(a_view(a_job(round=a_round(updates=1))), ME)


def test_decide_when_voting_and_not_voted_then_votes() -> None:
    job = a_job(Phase.VOTING, round=a_round(updates=4, delivered_epochs=8))
    assert decide(a_view(job), ME) == [Vote(7, 1, 1)]


def test_decide_when_the_seat_is_not_eligible_then_does_not_vote() -> None:
    job = a_job(Phase.VOTING, round=a_round(updates=4, delivered_epochs=8, eligible=0b1110))
    assert not decide(a_view(job), ME)


def test_decide_when_an_organisation_came_later_than_the_round_then_does_not_vote() -> None:
    job = a_job(Phase.VOTING, round=a_round(updates=4, delivered_epochs=8))
    view = a_view(job)
    late = replace(view, organisation=replace(view.organisation, since=OPENED + 1))
    assert not decide(late, ME)


def test_decide_when_all_voted_then_reveals_by_turn() -> None:
    attempt = Attempt(round=1, attempt=1, voted=0b1111, quorum_at=OPENED + 9, leading=bytes(16))
    job = a_job(Phase.VOTING, voted=True, attempt=attempt, revealable_from=OPENED + 9)
    turns = {}
    for seat in range(4):
        (action,) = decide(a_view(job, now=OPENED + 9, seat=seat), ME)
        assert isinstance(action, Reveal) and action.all_voted
        turns[seat] = action.turn
    assert sorted(turns.values()) == [0, 1, 2, 3]


def test_decide_when_not_revealable_yet_then_waits() -> None:
    attempt = Attempt(round=1, attempt=1, voted=0b0111, quorum_at=OPENED + 9, leading=bytes(16))
    job = a_job(Phase.VOTING, voted=True, attempt=attempt, revealable_from=OPENED + 14)
    assert not decide(a_view(job, now=OPENED + 13), ME)
    (action,) = decide(a_view(job, now=OPENED + 14), ME)
    assert isinstance(action, Reveal) and not action.all_voted


def test_decide_when_all_voted_without_quorum_then_closes_the_vote() -> None:
    attempt = Attempt(round=1, attempt=1, voted=0b1111, quorum_at=0, leading=bytes(16))
    job = a_job(Phase.VOTING, voted=True, attempt=attempt)
    assert [a for a in decide(a_view(job), ME) if isinstance(a, Reopen)] == [
        Reopen(7, 1, 1, True, rank(job, 0))
    ]


@pytest.mark.parametrize(
    ("changes", "voting"),
    [({"updates": 1, "delivered_epochs": 2}, False), ({"updates": 4, "delivered_epochs": 8}, True)],
)
def test_decide_when_stalled_then_closes_the_phase_that_failed(changes: dict[str, int], voting: bool) -> None:
    job = a_job(Phase.STALLED, round=a_round(**changes))
    (action,) = decide(a_view(job, now=OPENED + 130), ME)
    assert isinstance(action, Reopen) and action.voting is voting


def test_rank_when_the_round_changes_then_rotates() -> None:
    first = a_job()
    second = a_job(round=a_round(number=2))
    assert [rank(first, seat) for seat in range(4)] != [rank(second, seat) for seat in range(4)]
    assert rank(a_job(round=a_round(eligible=0b0001)), 3) == 1
