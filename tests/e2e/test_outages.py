"""What an agent needs goes away in the middle of a round and comes back: no restart is needed."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from network_kit import Relay, Start, World, assert_nothing_twice, slow_job

from node.localnet import MemberSpec
from node.storage.process import start_daemon

MEMBERS = tuple(MemberSpec(name, agent=False) for name in ("aurora", "borealis", "cygnus"))
PLAN = slow_job(schedule__epochs_per_round=3)


@pytest.fixture(scope="module")
def relay() -> Relay:
    """The agents' way to the chain."""
    return Relay()


@pytest.fixture(scope="module")
def world(start: Start, relay: Relay) -> Iterator[World]:
    """Three agents, all of which a quorum needs."""
    with relay:
        world = start(*MEMBERS, chain__rpc=relay.url)
        relay.target = world.network.devnet.port
        for index in range(len(MEMBERS)):
            world.network.start_agent(index, wait=False)
        for index in range(len(MEMBERS)):
            world.network.await_agent(index)
        yield world


def test_agents_when_the_chain_is_away_in_mid_round_then_say_so_and_recover(
    world: World, relay: Relay
) -> None:
    members = range(len(MEMBERS))
    job_id = world.submit(PLAN)
    await_leases(world, job_id)
    relay.cut()
    try:
        world.until(lambda: all(world.health(index)[0] == 503 for index in members), "all are unwell")
    finally:
        relay.restore()
    world.until(lambda: all(world.health(index)[0] == 200 for index in members), "all are well again")
    assert_nothing_twice(world.finish(job_id), 1, 3)
    for index in members:
        # One line by who watches the blocks, and one by who wanted something of the chain, if it came to that.
        said = [line for line in world.log(index) if "cannot reach the chain" in json.dumps(line)]
        assert 1 <= len(said) <= 2
        assert world.network.agents[index].running


def test_agents_when_the_chain_comes_back_at_once_then_nothing_is_done_twice(
    world: World, relay: Relay
) -> None:
    job_id = world.submit(slow_job(schedule__epochs_per_round=3, schedule__rounds=2))
    for seen in (1, 4, 8):
        world.until(lambda n=seen: len(world.history(job_id).events) > n, "the job goes on")
        relay.cut()
        relay.restore()
    assert_nothing_twice(world.finish(job_id), 2, 3)
    assert world.settled(job_id)


def test_agent_when_its_ipfs_daemon_is_killed_in_mid_round_then_publishes_after_its_return(
    world: World,
) -> None:
    network, index = world.network, 2
    job_id = world.submit(PLAN)
    world.until(lambda: world.lease(job_id, index), "it holds a lease")
    lease = world.lease(job_id, index)
    assert lease is not None
    cache = network.agents[index].config.parent / "cache"
    needed = (PLAN.prepared.shards[lease.first].sha256, PLAN.model_digest.hex())
    world.until(lambda: all((cache / name).exists() for name in needed), "it has what it trains on")
    daemon = network.daemons[index]
    before = world.trained(index)
    daemon.kill()
    world.until(lambda: world.log(index, "train.failed", job=job_id), "it cannot publish")
    assert "no IPFS daemon answers" in world.log(index, "train.failed", job=job_id)[0]["reason"]
    spent = world.trained(index)
    port = int(daemon.api.rsplit(":", 1)[1])
    listen = int(daemon.addresses[0].split("/tcp/")[1].split("/")[0])
    with start_daemon(
        network.root / f"ipfs{index}",
        api_port=port,
        listen_port=listen,
        bootstrap=network.daemons[0].addresses,
        log=network.root / f"ipfs{index}.log",
    ) as again:
        assert (again.api, again.peer_id) == (daemon.api, daemon.peer_id)
        assert_nothing_twice(world.finish(job_id), 1, 3)
        assert spent > before
        assert world.trained(index) == spent, "it trained again what it had only to publish"


def await_leases(world: World, job_id: int) -> None:
    """Wait until every agent holds a live lease."""

    members = range(len(world.network.agents))
    world.until(lambda: all(world.lease(job_id, index) for index in members), "all hold leases")
