"""The chain is another one than it was, under a running agent: it says so in one line and stops."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from network_kit import Start, World, small_job, updates

from chain.devnet import start_devnet
from chain.devtime import revert, snapshot
from node.localnet import LocalNetwork, MemberSpec

# The second one trains nothing, so that what waits for it stays open; it has no vote.
MEMBERS = (MemberSpec("aurora"), MemberSpec("borealis", roles=("trainer",), agent=False))


class Remembering(LocalNetwork):
    """A network that can go back to the time before its contracts were deployed."""

    def _deploy(self) -> Path:
        self.undeployed = snapshot(self.devnet.connect())
        return super()._deploy()


@pytest.fixture
def world(start_own: Start) -> World:
    return start_own(*MEMBERS, network_class=Remembering, shared_ipfs=True)


def test_agent_when_the_chain_is_restarted_then_says_so_and_stops(world: World) -> None:
    world.network.devnet.stop()
    with start_devnet(world.network.devnet.port, log=world.network.root / "second.log"):
        assert_stops(world, "was reset: its genesis block is")


def test_agent_when_jobs_are_undone_then_works_on_those_that_take_their_place_until_the_contracts_go(
    world: World,
) -> None:
    w3 = world.chain.w3
    before_job = snapshot(w3)
    first = world.submit(small_job(schedule__epochs_per_round=2))
    world.until(lambda: world.delivered(first) == 1, "the agent has done its part and waits")
    # It sees the new job where it saw the old one, with nothing in between.
    world.network.signal_agent(0, signal.SIGSTOP)
    revert(w3, before_job)
    plan = small_job(
        schedule__epochs_per_round=2, schedule__claim_window=1, data__source="iris", model__kind="mlp"
    )
    assert world.submit(plan) == first
    world.network.signal_agent(0, signal.SIGCONT)
    history = world.finish(first)
    assert sorted(update.samples for update in updates(history)) == sorted(
        part.samples for part in plan.prepared.shards
    )
    assert world.settled(first)
    revert(w3, world.network.undeployed)  # type: ignore[attr-defined]
    assert_stops(world, "was reset to a block before the contracts were deployed")


def assert_stops(world: World, reason: str) -> None:
    """The agent ends by itself, with a failure's status and one line that says why."""
    agent = world.network.agents[0]
    assert agent.process is not None
    assert agent.process.wait(30) == 1
    last = agent.log.read_text().splitlines()[-1]
    assert reason in json.loads(last)["error"]
    assert "Traceback" not in agent.log.read_text()
