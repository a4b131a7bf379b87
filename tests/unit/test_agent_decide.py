"""What an agent decides, from views made by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chain.contracts.types import (
    Account,
    AgentView,
    Attempt,
    Ballot,
    BallotState,
    Job,
    JobStatus,
    JobView,
    Lease,
    LeaseState,
    Node,
    NodeRecord,
    Organisation,
    Phase,
    Role,
    Round,
    Terms,
    VoteRecord,
)
from node.agent.cycle import has_left, holds
from node.agent.decide import (
    Claim,
    Enlist,
    Expire,
    FreeShare,
    Prefetch,
    Reopen,
    Reveal,
    Settle,
    Train,
    Vote,
    claim_bond,
    decide,
    keeps,
    rank,
    vote_reserve,
)
from node.leases import NO_LEASE

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
NO_BALLOT = Ballot(bytes(16), 0, 0, 0, 0, BallotState.NONE, 0, 0, 0)


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
        kept_set=0,
        awaited=False,
        paused=False,
        accumulator=bytes(24),
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
        max_epochs=8,
        spec_digest=bytes(32),
        terms=TERMS,
    )
    base = JobView(
        job_id=7,
        phase=phase,
        job=job,
        round=a_round(),
        lease_held=False,
        lease=NO_LEASE,
        share=0,
        quota=2,
        attempt=Attempt(round=1, attempt=1, voted=0, quorum_at=0, leading=bytes(16)),
        revealable_from=2**256 - 1,
        voted=False,
        ballot=NO_BALLOT,
        overdue=(),
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
        record=NodeRecord(0, 0, 0, 0, 0, 10_000),
        votes=VoteRecord(0, 0, 0, 0),
        account=Account(100, 0, 0, 0, 0),
        paused=False,
        jobs=jobs,
    )


def a_lease(state: LeaseState, **changes: object) -> Lease:
    base = replace(
        NO_LEASE, first=3, count=2, round=1, attempt=1, state=state, deadline=OPENED + 30, bonded=2
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def a_ballot(**changes: object) -> Ballot:
    base = replace(NO_BALLOT, round=1, attempt=1, state=BallotState.CAST, cast=1)
    return replace(base, **changes)  # type: ignore[arg-type]


FULL = 0xFF


def test_decide_when_epochs_are_free_then_claims() -> None:
    assert decide(a_view(a_job())) == [Claim(7)]


@pytest.mark.parametrize(
    "view",
    [
        a_view(a_job(), active=False),
        a_view(a_job(), roles=2),
        a_view(a_job(round=a_round(taken=0xFF))),
        a_view(a_job(), now=OPENED + 55),
        a_view(a_job(lease_held=True, lease=a_lease(LeaseState.MISSED))),
        a_view(a_job(round=a_round(paused=True))),
        a_view(a_job(lease_held=True, lease=a_lease(LeaseState.DELIVERED))),
    ],
    ids=["inactive", "no-trainer", "all-taken", "too-late", "missed", "pause", "in-claim-window"],
)
def test_decide_when_a_claim_would_be_refused_then_does_not_claim(view: AgentView) -> None:
    assert not [action for action in decide(view) if isinstance(action, Claim)]


def test_decide_when_delivered_and_the_claim_window_is_over_then_claims_again() -> None:
    job = a_job(lease_held=True, lease=a_lease(LeaseState.DELIVERED))
    assert Claim(7) in decide(a_view(job, now=OPENED + 10))


def test_decide_when_a_live_lease_is_held_then_trains_it() -> None:
    job = a_job(lease_held=True, lease=a_lease(LeaseState.LIVE))
    assert Train(7, 1, 1, 3, 2, OPENED + 30) in decide(a_view(job))


def test_decide_when_the_lease_is_overdue_then_does_not_train_and_expires_it() -> None:
    job = a_job(lease_held=True, lease=a_lease(LeaseState.LIVE), overdue=(ME,))
    actions = decide(a_view(job, now=OPENED + 30))
    assert [a for a in actions if isinstance(a, Train | Expire)] == [Expire(7, 1, ME, rank(job, 0))]


def test_decide_when_updates_arrive_in_training_then_prefetches_them() -> None:
    assert Prefetch(7, 1) in decide(a_view(a_job(round=a_round(updates=1))))


def test_decide_when_voting_and_not_voted_then_votes() -> None:
    job = a_job(Phase.VOTING, round=a_round(updates=4, delivered_epochs=8))
    assert decide(a_view(job)) == [Vote(7, 1, 1)]


def test_decide_when_the_seat_is_not_eligible_then_does_not_vote() -> None:
    job = a_job(Phase.VOTING, round=a_round(updates=4, delivered_epochs=8, eligible=0b1110))
    assert not decide(a_view(job))


def test_decide_when_an_organisation_came_later_than_the_round_then_does_not_vote() -> None:
    job = a_job(Phase.VOTING, round=a_round(updates=4, delivered_epochs=8))
    view = a_view(job)
    late = replace(view, organisation=replace(view.organisation, since=OPENED + 1))
    assert not decide(late)


def test_decide_when_all_voted_then_reveals_by_turn() -> None:
    attempt = Attempt(round=1, attempt=1, voted=0b1111, quorum_at=OPENED + 9, leading=bytes(16))
    job = a_job(Phase.VOTING, voted=True, attempt=attempt, revealable_from=OPENED + 9)
    turns = {}
    for seat in range(4):
        (action,) = decide(a_view(job, now=OPENED + 9, seat=seat))
        assert isinstance(action, Reveal) and action.all_voted
        turns[seat] = action.turn
    assert sorted(turns.values()) == [0, 1, 2, 3]


def test_decide_when_not_revealable_yet_then_waits() -> None:
    attempt = Attempt(round=1, attempt=1, voted=0b0111, quorum_at=OPENED + 9, leading=bytes(16))
    job = a_job(Phase.VOTING, voted=True, attempt=attempt, revealable_from=OPENED + 14)
    assert not decide(a_view(job, now=OPENED + 13))
    (action,) = decide(a_view(job, now=OPENED + 14))
    assert isinstance(action, Reveal) and not action.all_voted


def test_decide_when_all_voted_without_quorum_then_closes_the_vote() -> None:
    attempt = Attempt(round=1, attempt=1, voted=0b1111, quorum_at=0, leading=bytes(16))
    job = a_job(Phase.VOTING, voted=True, attempt=attempt)
    assert [a for a in decide(a_view(job)) if isinstance(a, Reopen)] == [Reopen(7, 1, 1, True, rank(job, 0))]


@pytest.mark.parametrize(
    ("changes", "voting"),
    [({"updates": 1, "delivered_epochs": 2}, False), ({"updates": 4, "delivered_epochs": 8}, True)],
)
def test_decide_when_stalled_then_closes_the_phase_that_failed(changes: dict[str, int], voting: bool) -> None:
    job = a_job(Phase.STALLED, round=a_round(**changes))
    (action,) = decide(a_view(job, now=OPENED + 130))
    assert isinstance(action, Reopen) and action.voting is voting


def test_rank_when_the_round_changes_then_rotates() -> None:
    first = a_job()
    second = a_job(round=a_round(number=2))
    assert [rank(first, seat) for seat in range(4)] != [rank(second, seat) for seat in range(4)]
    assert rank(a_job(round=a_round(eligible=0b0001)), 3) == 1


def test_decide_when_all_epochs_are_leased_by_others_then_asks_for_a_share() -> None:
    assert decide(a_view(a_job(round=a_round(taken=FULL)))) == [Enlist(7, 1)]
    assert decide(a_view(a_job(Phase.VOTING, round=a_round(taken=FULL)), roles=1)) == [Enlist(7, 1)]


@pytest.mark.parametrize(
    "view",
    [
        a_view(a_job(round=a_round(taken=FULL, awaited=True))),
        a_view(a_job(round=a_round(taken=FULL, number=3))),
        a_view(a_job(round=a_round(taken=FULL, paused=True))),
        a_view(a_job(round=a_round(taken=FULL)), now=OPENED + 55),
        a_view(a_job(round=a_round(taken=FULL)), roles=2),
        a_view(a_job(round=a_round(taken=FULL), lease_held=True, lease=a_lease(LeaseState.DELIVERED))),
        a_view(a_job(round=a_round(taken=FULL, attempt=2), lease=a_lease(LeaseState.MISSED))),
    ],
    ids=["awaited", "last-round", "pause", "too-late", "no-trainer", "delivered", "missed-before"],
)
def test_decide_when_asking_for_a_share_gains_nothing_then_does_not(view: AgentView) -> None:
    assert not [action for action in decide(view) if isinstance(action, Enlist)]


def test_decide_when_the_share_is_used_up_then_settles_instead_of_claiming() -> None:
    assert decide(a_view(a_job(quota=0, share=4))) == [FreeShare(7, 1, 4)]
    full = a_job(quota=0, share=4, round=a_round(taken=FULL))
    assert decide(a_view(full)) == [FreeShare(7, 1, 4)]


def test_decide_when_draining_then_trains_and_takes_on_nothing_new() -> None:
    live = a_job(lease_held=True, lease=a_lease(LeaseState.LIVE))
    assert [type(a) for a in decide(a_view(live), draining=True)] == [Train]
    assert decide(a_view(a_job()), draining=True) == []


@pytest.mark.parametrize(("rounds", "due"), [(9, False), (10, True)])
def test_decide_when_enough_rounds_are_closed_then_settles_them_while_a_lease_is_held(
    rounds: int, due: bool
) -> None:
    lease = a_lease(LeaseState.LIVE, accepted=rounds - 1, outliers=1)
    held, idle = a_job(lease_held=True, lease=lease), a_job(lease=replace(lease, state=LeaseState.SETTLED))
    assert (Settle(7, votes=False) in decide(a_view(held), 10)) is due
    assert Settle(7, votes=False) not in decide(a_view(idle), 10)


@pytest.mark.parametrize(("cast", "due"), [(10, False), (11, True)])
def test_decide_when_enough_votes_are_counted_then_settles_them_after_the_next(cast: int, due: bool) -> None:
    job = a_job(Phase.VOTING, voted=True, ballot=a_ballot(cast=cast))
    assert (Settle(7, votes=True) in decide(a_view(job), 10)) is due
    assert Settle(7, votes=True) not in decide(a_view(replace(job, voted=False)), 10)


def test_decide_when_the_node_was_retired_then_trains_what_it_holds_and_does_not_vote() -> None:
    held = a_job(lease_held=True, lease=a_lease(LeaseState.LIVE))
    assert [type(action) for action in decide(a_view(held, active=False))] == [Train]
    assert not decide(a_view(a_job(Phase.VOTING, round=a_round(updates=4)), active=False))


def test_decide_when_the_organisation_left_in_the_attempt_then_its_vote_is_still_cast() -> None:
    job = a_job(Phase.VOTING, round=a_round(updates=4, delivered_epochs=8))
    view = replace(a_view(job), active=False)
    during = replace(view, organisation=replace(view.organisation, until=OPENED + 5))
    before = replace(view, organisation=replace(view.organisation, until=OPENED - 1))
    assert decide(during) == [Vote(7, 1, 1)]
    assert not decide(before)


def test_claim_bond_when_epochs_are_leased_again_then_is_that_of_the_further_ones_alone() -> None:
    job = replace(a_job(), job=replace(a_job().job, lease_bond=5))
    assert claim_bond(job) == 2 * 5
    kept = replace(job, round=a_round(number=2), lease=a_lease(LeaseState.SETTLED, bonded=1))
    assert claim_bond(kept) == 1 * 5
    missed = replace(job, round=a_round(number=2), lease=a_lease(LeaseState.MISSED, bonded=1))
    assert claim_bond(missed) == 2 * 5
    scarce = replace(job, round=a_round(taken=0xFE))
    assert claim_bond(scarce) == 1 * 5


def test_vote_reserve_is_the_bond_of_every_open_job_whose_vote_has_none_locked() -> None:
    job = replace(a_job(), job=replace(a_job().job, vote_bond=7))
    locked = replace(job, ballot=a_ballot())
    elsewhere = replace(job, round=a_round(eligible=0b1110))
    assert vote_reserve(a_view(job, job, locked, elsewhere)) == 2 * 7
    assert vote_reserve(a_view(job, roles=1)) == 0


def test_keeps_unless_there_is_no_next_round_for_the_node() -> None:
    def kept(job: JobView, *, wanted: bool = True, active: bool = True, carried: bool = False) -> bool:
        return keeps(job, wanted=wanted, active=active, carried=carried)

    job = a_job(lease_held=True, lease=a_lease(LeaseState.LIVE))
    assert kept(job)
    assert not kept(job, wanted=False)
    assert not kept(job, active=False)
    assert not kept(replace(job, round=a_round(number=3)))
    assert not kept(replace(job, job=replace(job.job, cancel_requested=True)))
    assert not kept(replace(job, lease=replace(job.lease, extra=1)))


def test_keeps_when_the_lease_was_carried_over_and_epochs_lie_idle_then_the_next_round_is_leased_anew() -> (
    None
):
    job = a_job(lease_held=True, lease=a_lease(LeaseState.LIVE), round=a_round(number=2, taken=0b11000))
    assert not keeps(job, wanted=True, active=True, carried=True)
    assert keeps(job, wanted=True, active=True, carried=False)
    full = replace(job, round=a_round(number=2, taken=FULL))
    assert keeps(full, wanted=True, active=True, carried=True)
    # Nobody here may take them, so leasing anew would change nothing.
    assert keeps(replace(job, quota=0), wanted=True, active=True, carried=True)


@pytest.mark.parametrize(
    ("job", "draining", "leaving"),
    [
        (a_job(lease_held=True, lease=a_lease(LeaseState.LIVE)), True, True),
        (a_job(lease_held=True, lease=a_lease(LeaseState.DELIVERED, kept=True)), True, True),
        (a_job(lease_held=True, lease=a_lease(LeaseState.DELIVERED)), False, True),
        (a_job(Phase.REVEAL, lease=a_lease(LeaseState.SETTLED)), False, False),
        (a_job(Phase.VOTING, voted=True, ballot=a_ballot()), False, True),
        (a_job(Phase.VOTING), False, True),
        (a_job(Phase.VOTING, round=a_round(eligible=0b1110)), False, False),
    ],
    ids=["live", "kept", "delivered", "settled", "voted", "may-vote", "not-eligible"],
)
def test_holds_what_an_agent_waits_for_before_it_ends(job: JobView, draining: bool, leaving: bool) -> None:
    view = a_view(job)
    assert holds(view, job, votes=False) is draining
    assert holds(view, job, votes=True) is leaving


def test_has_left_when_the_organisation_was_a_member_and_is_none() -> None:
    view = a_view()
    assert not has_left(view)
    assert has_left(replace(view, organisation=replace(view.organisation, until=5)))
    assert not has_left(replace(view, organisation=replace(view.organisation, since=0)))
