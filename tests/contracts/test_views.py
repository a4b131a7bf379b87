"""The lens and the seals: one call equals the many, Python equals Solidity."""

import pytest
from consortium_world import MODEL, NODES, ORGANISATIONS, STRANGER, TERMS, Verdict, World, digest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chain.contracts.seals import hash_result
from chain.contracts.types import AgentView, Attempt, JobView, LeaseState, Phase

BITMAPS = st.integers(0, 2**256 - 1)


def separate_job_view(world: World, job_id: int, node: str, block: int) -> JobView:
    """What `jobView` says, asked of the contracts one by one."""
    scheduler, vote, registry = world.scheduler, world.vote, world.registry
    now = scheduler.round(job_id, block)
    held = scheduler.lease_of(job_id, node, block)
    capacity = registry.trainer(node, block).capacity
    validator = registry.validator(node, now.opened_at, block)
    timestamp = world.w3.eth.get_block(block)["timestamp"]
    leases = {first: scheduler.lease(job_id, first, block) for first in range(TERMS.epochs_per_round)}
    overdue = sum(
        1 << first
        for first, lease in leases.items()
        if lease.state is LeaseState.LIVE
        and (lease.round, lease.attempt) == (now.number, now.attempt)
        and lease.deadline <= timestamp
    )
    attempt = vote.attempt(job_id, block)
    if (attempt.round, attempt.attempt) != (now.number, now.attempt):
        attempt = Attempt(0, 0, 0, 0, bytes(16))  # what the vote contract still has of an earlier attempt
    seen = world.lens.job_view(job_id, node, block)
    return JobView(
        job_id=job_id,
        phase=scheduler.phase(job_id, block),
        job=scheduler.job(job_id, block),
        round=now,
        lease_held=held is not None,
        lease_first=held.first if held else seen.lease_first,
        lease=held.lease if held else seen.lease,
        quota=scheduler.quota(job_id, capacity, block) if capacity else 0,
        attempt=attempt,
        revealable_from=vote.revealable_from(job_id, block),
        voted=validator.account in {o.address for o in ORGANISATIONS}
        and bool(attempt.voted >> validator.seat & 1),
        overdue=overdue,
    )


def separate_view(world: World, node: str, block: int) -> AgentView:
    known = world.registry.node(node, block)
    return AgentView(
        block_number=block,
        timestamp=world.w3.eth.get_block(block)["timestamp"],
        node=known,
        organisation=world.registry.organisation(known.account, block),
        active=world.registry.is_active(node, block),
        account=world.vault.account(known.account, block),
        jobs=tuple(separate_job_view(world, job, node, block) for job in world.scheduler.open_jobs(block)),
    )


def check_views(world: World) -> None:
    block = world.w3.eth.block_number
    for node in (*NODES[:2], STRANGER):
        assert world.lens.view_for(node.address, block) == separate_view(world, node.address, block)


def test_lens_equals_the_separate_views_at_every_step_of_a_round(world: World) -> None:
    check_views(world)
    world.submit_job()
    job_id = world.submit_job()
    check_views(world)
    world.claim(job_id, NODES[0])
    check_views(world)
    world.wait(TERMS.lease_time)
    check_views(world)
    assert world.lens.job_view(job_id, NODES[0].address).overdue == 1
    world.send(STRANGER, world.scheduler.expire(job_id, 0))
    world.claim(job_id, NODES[1])
    world.deliver(job_id, NODES[1])
    world.wait_until(world.scheduler.round(job_id).training_deadline)
    check_views(world)
    verdict = Verdict(digest("model"), world.scheduler.round(job_id).update_set)
    for index in range(4):
        world.cast(job_id, index, verdict)
        check_views(world)
    world.finalize(job_id, verdict)
    check_views(world)
    assert world.scheduler.round(job_id).number == 2


def test_view_pinned_to_a_block_stays_while_the_chain_moves_on(world: World) -> None:
    job_id = world.submit_job()
    block = world.w3.eth.block_number
    view = world.lens.view_for(NODES[0].address, block)
    world.claim(job_id, NODES[0])
    assert world.lens.view_for(NODES[0].address, block) == view
    assert view.jobs[0].phase is Phase.TRAINING and not view.jobs[0].lease_held
    later = world.lens.view_for(NODES[0].address)
    assert later.jobs[0].lease_held and later.jobs[0].lease.node == NODES[0].address
    assert view.jobs[0].round.model_digest == MODEL.digest


@pytest.mark.parametrize("page", [1, 2, 3, 4])
def test_view_when_there_are_several_pages_of_jobs_then_shows_each_job_once(
    world: World, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    jobs = [world.submit_job() for _ in range(3)]
    monkeypatch.setattr("chain.contracts.lens.PAGE", page)
    assert [job.job_id for job in world.lens.view_for(NODES[0].address).jobs] == jobs


def test_view_without_node_shows_the_jobs_alone(world: World) -> None:
    job_id = world.submit_job()
    view = world.lens.view_for()
    assert [job.job_id for job in view.jobs] == [job_id]
    assert (view.active, view.organisation.name, view.account.free) == (False, "", 0)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    model=st.binary(min_size=32, max_size=32),
    accepted=BITMAPS,
    invalid=BITMAPS,
    job_id=BITMAPS,
    round_number=st.integers(0, 2**16 - 1),
    attempt=st.integers(0, 255),
    member=st.sampled_from(ORGANISATIONS),
)
def test_seals_formed_in_python_equal_the_contract_s(
    world: World,
    model: bytes,
    accepted: int,
    invalid: int,
    job_id: int,
    round_number: int,
    attempt: int,
    member,
) -> None:
    result = hash_result(model, accepted, invalid)
    ballots = world.consortium.ballots(job_id, round_number, attempt)
    assert world.vote.hash_result(model, accepted, invalid) == result
    assert world.vote.candidate_of(job_id, round_number, attempt, result) == ballots.candidate(result)
    seal = world.vote.seal_of(job_id, round_number, attempt, result, member.address)
    assert seal == ballots.seal(result, member.address)
