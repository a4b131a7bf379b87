"""A member and a client who write what they like on the chain: nobody's agent stops for it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from network_kit import Participant, Start, World, small_job
from web3.contract.contract import ContractFunction

from chain.contracts import event_types as ev
from chain.contracts.types import Content, JobStatus
from node.localnet import CLIENT, MemberSpec
from node.storage.cid import Cid

HOSTILE, JOBS = 3, 12
NOWHERE = str(Cid.of(b"never published"))
# Not UTF-8, and it would clear a terminal.
RUDE = b"\xff\x1b[2J\nbafy"


@pytest.fixture(scope="module")
def world(start: Start) -> World:
    """Three agents, which are a quorum of the four members; the fourth is the test's."""
    names = ("aurora", "borealis", "cygnus")
    return start(*map(MemberSpec, names), MemberSpec("draco", agent=False))


def _raw(fn: ContractFunction, placeholder: str, content: bytes) -> ContractFunction:
    """The call with other bytes of equal length in place of a string, as no well-meaning client would encode it."""
    data = fn._encode_transaction_data().removeprefix("0x")
    wanted = data.replace(placeholder.encode().hex(), content.hex())
    assert wanted != data
    fn._encode_transaction_data = lambda: f"0x{wanted}"
    return fn


def test_job_when_strangers_write_what_is_no_text_and_flood_the_list_of_jobs_then_it_completes(
    world: World,
) -> None:
    chain, plan = world.chain, small_job(schedule__rounds=2, schedule__epochs_per_round=3)
    placeholder = "~" * len(RUDE)
    cheap = replace(plan.terms, rounds=1, epochs_per_round=1, min_updates=1, epoch_price=1, vote_price=0)
    with world.network.sender(CLIENT) as sender:
        sender.send(chain.token.approve(chain.vault.address, 10**24))
        for number in range(JOBS):
            spec = Content(number.to_bytes(32, "big") if number else b"\1" * 32, NOWHERE)
            fn = chain.scheduler.submit_job(cheap, spec, Content(b"\1" * 32, NOWHERE))
            sender.send(_raw(fn, NOWHERE[: len(RUDE)], RUDE) if number % 2 else fn)
    with Participant(world, HOSTILE) as hostile:
        fn = chain.vote.announce(JOBS + 1, plan.model_digest, placeholder)
        hostile._node.send(_raw(fn, placeholder, RUDE))
        job_id = world.submit(plan)
        assert job_id == JOBS + 1
        for _ in range(20):
            hostile._node.send(chain.vote.announce(job_id, plan.model_digest, NOWHERE))
        registry = chain.registry
        fn = registry.update_node(hostile.address, registry.node(hostile.address).roles, 1, placeholder)
        hostile._node.send(_raw(fn, placeholder, RUDE))
        world.until(lambda: chain.scheduler.job(job_id).status != JobStatus.OPEN, "the job ends", 120)
    assert chain.scheduler.job(job_id).status == JobStatus.COMPLETED, world.last_lines()
    assert not world.events(job_id, ev.LeaseMissed)
    assert len(chain.lens.view_for().jobs) == JOBS
    for index in range(HOSTILE):
        assert b"\x1b" not in world.network.agents[index].log.read_bytes()
        assert world.health(index)[0] == 200


def test_model_when_its_cid_leads_nowhere_then_who_has_the_model_says_once_where_it_is(world: World) -> None:
    # The fourth member is silent: its epoch is free when the claim window ends, so the job lasts for a while.
    chain, plan = world.chain, small_job(schedule__claim_window=8)
    told = world.finish(world.submit(plan)).submitted
    assert told is not None
    with world.network.sender(CLIENT) as sender:
        sender.send(chain.token.approve(chain.vault.address, 10**24))
        spec, model = Content(told.spec_digest, told.spec_cid), Content(told.model_digest, NOWHERE)
        sender.send(chain.scheduler.submit_job(plan.terms, spec, model))
    job_id = chain.scheduler.job_count()
    world.finish(job_id)
    hints = [event for event in world.events(job_id, ev.ModelAnnounced) if event.digest == told.model_digest]
    assert {hint.cid for hint in hints} == {told.model_cid}
    assert len(hints) == len({hint.by for hint in hints})
