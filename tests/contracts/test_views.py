"""The lens and the seals: one call equals the many, Python equals Solidity."""

import pytest
from consortium_world import MODEL, NODES, ORGANISATIONS, STRANGER, TERMS, Verdict, World, digest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chain.calls import BlockRef
from chain.contracts.seals import hash_result
from chain.contracts.types import AgentView, Attempt, Ballot, BallotState, JobView, LeaseState, Phase
from chain.transport import RpcError

BITMAPS = st.integers(0, 2**256 - 1)
NO_BALLOT = Ballot(bytes(16), 0, 0, 0, 0, BallotState.NONE, 0, 0, 0)


def separate_job_view(world: World, job_id: int, node: str, block: int) -> JobView:
    """What `jobView` says, asked of the contracts one by one."""
    scheduler, vote, registry = world.scheduler, world.vote, world.registry
    now = scheduler.round(job_id, block)
    held = scheduler.lease_of(job_id, node, block)
    validator = registry.validator(node, now.opened_at, block)
    timestamp = world.w3.eth.get_block(block)["timestamp"]
    leases = {other: scheduler.lease_of(job_id, other, block) for other in registry.nodes(block=block)}
    overdue = tuple(
        other
        for other, theirs in leases.items()
        if theirs.held
        and theirs.lease.state is LeaseState.LIVE
        and theirs.lease.deadline <= timestamp < now.training_deadline
    )
    attempt = vote.attempt(job_id, block)
    if (attempt.round, attempt.attempt) != (now.number, now.attempt):
        attempt = Attempt(0, 0, 0, 0, bytes(16))  # what the vote contract still has of an earlier attempt
    seat = vote.ballot(job_id, validator.seat, block)
    own = seat.account == validator.account
    return JobView(
        job_id=job_id,
        phase=scheduler.phase(job_id, block),
        job=scheduler.job(job_id, block),
        round=now,
        lease_held=held.held,
        lease=held.lease,
        share=held.share,
        quota=scheduler.quota(job_id, node, block),
        attempt=attempt,
        revealable_from=vote.revealable_from(job_id, block),
        voted=own and bool(attempt.voted >> validator.seat & 1),
        ballot=seat.ballot if own else NO_BALLOT,
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
        record=world.scheduler.node_record(node, block),
        votes=world.vote.vote_record(known.account, block),
        account=world.vault.account(known.account, block),
        paused=world.scheduler.paused(block),
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
    assert world.lens.job_view(job_id, NODES[0].address).overdue == (NODES[0].address,)
    world.send(STRANGER, world.scheduler.expire(job_id, NODES[0].address))
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
    world.settle_all(job_id)
    check_views(world)
    world.decide(world.scheduler.set_paused(True))
    check_views(world)
    assert world.lens.view_for().paused
    assert world.scheduler.round(job_id).number == 2


def test_view_pinned_to_a_block_stays_while_the_chain_moves_on(world: World) -> None:
    job_id = world.submit_job()
    block = world.w3.eth.block_number
    view = world.lens.view_for(NODES[0].address, block)
    world.claim(job_id, NODES[0])
    assert world.lens.view_for(NODES[0].address, block) == view
    assert view.jobs[0].phase is Phase.TRAINING and not view.jobs[0].lease_held
    later = world.lens.view_for(NODES[0].address)
    assert later.jobs[0].lease_held and later.jobs[0].lease.epochs == range(1)
    assert view.jobs[0].round.model_digest == MODEL.digest


@pytest.mark.parametrize("page", [1, 2, 3, 4])
def test_view_when_there_are_several_pages_of_jobs_then_shows_each_job_once(
    world: World, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    jobs = [world.submit_job() for _ in range(3)]
    monkeypatch.setattr("chain.contracts.lens.PAGE", page)
    assert [job.job_id for job in world.lens.view_for(NODES[0].address).jobs] == jobs


def test_view_when_jobs_cost_more_gas_than_a_call_gets_then_is_read_in_smaller_pages(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [world.submit_job() for _ in range(5)]
    asked, read = [], world.lens._read

    def limited(name: str, node: str, start: int, page: int, *, block: BlockRef) -> object:
        asked.append(page)
        if page > 2:
            raise RpcError("eth_call", {"code": -32000, "message": "out of gas"})
        return read(name, node, start, page, block=block)

    monkeypatch.setattr("chain.contracts.lens.PAGE", 8)
    monkeypatch.setattr(world.lens, "_read", limited)
    assert [job.job_id for job in world.lens.view_for(NODES[0].address).jobs] == jobs
    assert asked == [8, 4, 2, 2, 2]


def test_view_that_the_chain_refuses_at_any_size_is_an_error(world: World) -> None:
    with pytest.raises(RpcError):
        world.lens.view_for(block=10**9)


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
