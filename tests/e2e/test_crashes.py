"""Agents are killed at the worst moments and started again: they go on, and do nothing twice."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from network_kit import Start, World, assert_nothing_twice, slow_job, small_job, updates, votes

from node.localnet import FIRST_ORGANISATION, MemberSpec

VICTIM = 2


@pytest.fixture(scope="module")
def world(start: Start) -> World:
    """Three agents, all of which a quorum needs, so that nothing ends without the one that is killed."""
    return start(*map(MemberSpec, ("aurora", "borealis", "cygnus")), shared_ipfs=True)


def test_agent_when_killed_in_a_lease_and_restarted_then_delivers_it_in_time(world: World) -> None:
    network = world.network
    job_id = world.submit(slow_job(schedule__epochs_per_round=3, schedule__rounds=2))
    victim = network.agents[VICTIM].address
    world.until(lambda: world.lease(job_id, VICTIM), "it holds a lease")
    network.signal_agent(VICTIM, signal.SIGSTOP)
    held = world.lease(job_id, VICTIM)
    assert held is not None, "the job is too quick for this test"
    network.kill_agent(VICTIM)
    network.start_agent(VICTIM)
    history = world.finish(job_id)
    assert (1, victim, held.first) in {(u.round, u.node, u.first) for u in updates(history)}
    assert_nothing_twice(history, 2, 3)
    assert world.settled(job_id)


def test_agent_when_killed_between_update_and_vote_then_votes_and_trains_nothing_again(world: World) -> None:
    network = world.network
    victim = network.agents[VICTIM].address
    with paused(world, 0, 1) as (job_id, resume):
        world.until(lambda: victim in {u.node for u in updates(world.history(job_id))}, "it has delivered")
        network.kill_agent(VICTIM)
        network.start_agent(VICTIM)
        resume()
        history = world.finish(job_id)
        assert_nothing_twice(history, 1, 3)
        assert {vote.node for vote in votes(history)} == {agent.address for agent in network.agents}
        assert world.trained(VICTIM) == 0


def test_agent_when_killed_after_its_vote_then_does_not_vote_again(world: World) -> None:
    network = world.network
    victim = network.agents[VICTIM].address
    job_id = world.submit(small_job(schedule__epochs_per_round=3, schedule__grace=20))
    first = network.agents[0].address
    world.until(lambda: first in {u.node for u in updates(world.history(job_id))}, "the first has delivered")
    network.signal_agent(0, signal.SIGSTOP)
    try:
        world.until(lambda: victim in {vote.node for vote in votes(world.history(job_id))}, "it has voted")
        network.kill_agent(VICTIM)
        network.start_agent(VICTIM)
    finally:
        network.signal_agent(0, signal.SIGCONT)
    assert_nothing_twice(world.finish(job_id), 1, 3)
    assert world.trained(VICTIM) == 0


def test_members_when_one_retires_and_one_is_removed_then_both_say_so_and_the_rest_goes_on(
    world: World,
) -> None:
    """The last test of this network: membership does not come back."""
    network, registry = world.network, world.chain.registry
    network.decide(registry.remove(network.organisation(VICTIM).address), why="it does not answer")
    with network.sender(FIRST_ORGANISATION + 1) as organisation:
        organisation.send(registry.retire_node(network.agents[1].address))
    world.until(lambda: not network.agents[VICTIM].running, "the removed member's agent ends")
    world.until(lambda: world.log(1, "node.inactive"), "the retired node's agent says so")
    assert "no member" in world.log(VICTIM, "node.inactive")[-1]["reason"]
    assert world.log(VICTIM, "node.finished") and network.agents[VICTIM].exit_status == 0
    assert "retired" in world.log(1, "node.inactive")[-1]["reason"]
    history = world.finish(world.submit(small_job(schedule__epochs_per_round=3, schedule__claim_window=1)))
    assert {update.node for update in updates(history)} == {network.agents[0].address}
    assert len(world.log(VICTIM, "node.inactive")) == 1


@contextmanager
def paused(world: World, *others: int) -> Iterator[tuple[int, Callable[[], None]]]:
    """A job in which `others` hold leases and stand still until the second value is called."""
    network = world.network
    for index in others:
        network.signal_agent(index, signal.SIGSTOP)

    def resume() -> None:
        for index in others:
            network.signal_agent(index, signal.SIGCONT)

    try:
        yield world.submit(small_job(schedule__epochs_per_round=3)), resume
    finally:
        resume()
