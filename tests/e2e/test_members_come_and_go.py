"""Leases that go from round to round, and members that come, change keys, stop and leave while a job runs."""

from __future__ import annotations

import re
import signal

import pytest
from network_kit import Start, World, slow_job, small_job, updates

from chain.consent import sign_consent
from chain.contracts import event_types as ev
from chain.contracts.types import Phase, Role
from chain.devaccounts import dev_accounts
from chain.wallet import Wallet, from_plain_key
from node.audit import verify_job
from node.localnet import FIRST_ORGANISATION, MemberSpec

NEWCOMER, ROTATED, LEAVER, STOPPED = 3, 1, 2, 0
# A key of the devnet that nobody else has here.
SPARE_KEY = 15


@pytest.fixture(scope="module")
def world(start: Start) -> World:
    """Four agents, of which the last does not train yet."""
    names = ("aurora", "borealis", "cygnus")
    members = [*map(MemberSpec, names), MemberSpec("draco", roles=("validator",))]
    return start(*members, shared_ipfs=True, node__drain=60.0)


def assert_sound(world: World, job_id: int) -> None:
    """Nobody lost a lease, all is paid, and the audit finds nothing."""
    assert not world.events(job_id, ev.LeaseMissed)
    assert world.settled(job_id)
    with world.network.ipfs() as ipfs:
        report = verify_job(world.chain, ipfs, job_id, work_dir=world.network.root)
    assert report.ok, report.findings


def opened(world: World, job_id: int, number: int) -> ev.RoundOpened | None:
    """The first opening of a round, if that was yet."""
    return next((e for e in world.events(job_id, ev.RoundOpened) if e.round == number), None)


def test_leases_when_they_are_kept_then_are_claimed_once_and_delivered_in_every_round(world: World) -> None:
    rounds = 4
    job_id = world.submit(small_job(schedule__epochs_per_round=3, schedule__rounds=rounds))
    history = world.finish(job_id)
    assert [e.round for e in history.events if isinstance(e, ev.EpochsLeased)] == [1] * 3
    carried = [e.carried for e in history.events if isinstance(e, ev.RoundOpened)]
    assert carried == [0, *[0b111] * (rounds - 1)]
    assert sorted((u.round, u.first) for u in updates(history)) == [
        (number, first) for number in range(1, rounds + 1) for first in range(3)
    ]
    assert {u.round for u in updates(history) if not u.kept} == {rounds}
    assert_sound(world, job_id)
    # Rewards of all rounds come in one transaction each.
    settled = [e for e in world.events(job_id, ev.RewardsSettled) if e.reward]
    assert sorted(e.epochs for e in settled) == [rounds] * 3


def test_newcomer_when_all_epochs_go_from_round_to_round_then_asks_for_a_share_and_gets_one(
    world: World,
) -> None:
    network, registry, agent = world.network, world.chain.registry, world.network.agents[NEWCOMER]
    plan = slow_job(schedule__epochs_per_round=12, schedule__rounds=6, training__local_passes=6)
    job_id = world.submit(plan)
    world.until(lambda: opened(world, job_id, 2), "the second round opens", 60)
    first = opened(world, job_id, 2)
    assert first is not None and first.carried == 0b0001_0001_0001
    with network.sender(FIRST_ORGANISATION + NEWCOMER) as organisation:
        peer = registry.node(agent.address).peer
        organisation.send(registry.update_node(agent.address, Role.TRAINER | Role.VALIDATOR, 1, peer))
    world.finish(job_id, 120)
    (asked,) = world.sent(job_id, ev.TrainerWaits, NEWCOMER)
    anew = opened(world, job_id, asked.round + 1)
    assert anew is not None and anew.carried == 0
    # By four nodes of equal capacity; from then on its lease goes from round to round as well.
    (lease,) = world.sent(job_id, ev.EpochsLeased, NEWCOMER)
    assert (lease.round, lease.count) == (asked.round + 1, 3)
    delivered = [update.round for update in world.sent(job_id, ev.UpdateSubmitted, NEWCOMER)]
    assert delivered == list(range(asked.round + 1, 7))
    assert_sound(world, job_id)


def test_agent_when_told_to_stop_in_mid_job_then_delivers_what_it_holds_and_the_others_go_on(
    world: World,
) -> None:
    network = world.network
    job_id = world.submit(
        slow_job(schedule__epochs_per_round=4, schedule__rounds=3, schedule__claim_window=2)
    )
    world.until(lambda: world.lease(job_id, STOPPED), "it holds a lease")
    network.stop_agent(STOPPED)
    world.until(lambda: not network.agents[STOPPED].running, "it has stopped", 90)
    assert network.agents[STOPPED].exit_status == 0
    assert world.log(STOPPED, "node.draining")
    assert not world.log(STOPPED, "node.leaves_leases")
    assert world.sent(job_id, ev.UpdateSubmitted, STOPPED)
    world.finish(job_id, 120)
    network.start_agent(STOPPED)
    assert_sound(world, job_id)


def test_node_when_its_key_is_rotated_in_mid_job_then_the_old_one_finishes_and_the_new_one_goes_on(
    world: World,
) -> None:
    network, agent = world.network, world.network.agents[ROTATED]
    old, new = agent.address, spare_key(world)
    job_id = world.submit(
        slow_job(schedule__epochs_per_round=4, schedule__rounds=5, schedule__claim_window=2)
    )
    world.until(lambda: world.lease(job_id, ROTATED), "it holds a lease")
    # Without this one there is no quorum, so that the job is not over before the new key's agent works.
    network.signal_agent(NEWCOMER, signal.SIGSTOP)
    try:
        with network.sender(FIRST_ORGANISATION + ROTATED) as organisation:
            registry, account = world.chain.registry, network.organisation(ROTATED).address
            consent = sign_consent(new.account, account, registry.address, world.chain.deployment.chain_id)
            organisation.send(registry.rotate_node(old, new.address, consent))
        world.until(lambda: world.log(ROTATED, "node.inactive"), "the old key's agent says so")
        network.stop_agent(ROTATED)
        world.until(lambda: not agent.running, "the old key's agent has stopped", 50)
        assert agent.exit_status == 0
        config = re.sub(r"devnet_key = \d+", f"devnet_key = {SPARE_KEY}", agent.config.read_text())
        agent.config.write_text(config)
        agent.address = new.address
        network.start_agent(ROTATED)
    finally:
        network.signal_agent(NEWCOMER, signal.SIGCONT)
    history = world.finish(job_id, 120)
    assert {old, new.address} <= {update.node for update in updates(history)}
    last_of_old = max(update.round for update in updates(history) if update.node == old)
    first_of_new = min(update.round for update in updates(history) if update.node == new.address)
    assert last_of_old < first_of_new
    assert_sound(world, job_id)
    assert world.chain.vault.account(account).locked == 0


def test_organisation_when_it_resigns_in_mid_job_then_its_agent_finishes_and_its_stake_comes_out(
    world: World,
) -> None:
    """The last test of this network: the member does not come back."""
    network, chain, agent = world.network, world.chain, world.network.agents[LEAVER]
    account = network.organisation(LEAVER).address
    before = chain.token.balance_of(account)
    job_id = world.submit(
        slow_job(schedule__epochs_per_round=4, schedule__rounds=4, schedule__claim_window=2)
    )
    world.until(lambda: world.lease(job_id, LEAVER), "it holds a lease")
    with network.sender(FIRST_ORGANISATION + LEAVER) as organisation:
        organisation.send(chain.registry.resign())
    left_in = chain.scheduler.round(job_id).number
    world.until(lambda: not agent.running, "its agent has ended", 120)
    assert agent.exit_status == 0
    assert world.log(LEAVER, "node.finished")
    assert {update.round for update in world.sent(job_id, ev.UpdateSubmitted, LEAVER)} >= {left_in}
    assert max(vote.round for vote in world.events(job_id, ev.VoteCast) if vote.account == account) >= left_in
    held = chain.vault.account(account)
    assert held.locked == 0 and held.free
    world.finish(job_id, 120)
    assert chain.scheduler.phase(job_id) == Phase.ENDED
    assert_sound(world, job_id)
    with network.sender(FIRST_ORGANISATION + LEAVER) as organisation:
        organisation.send(chain.vault.unbond(held.free))
        world.skip_to(chain.vault.account(account).unbonding_at)
        organisation.send(chain.vault.withdraw())
    left = chain.vault.account(account)
    assert (left.free, left.locked, left.unbonding, left.credit) == (0, 0, 0, 0)
    assert chain.token.balance_of(account) == before + held.free + held.credit
    assert held.credit


def spare_key(world: World) -> Wallet:
    """A funded key that no member has."""
    return from_plain_key(dev_accounts(SPARE_KEY + 1)[SPARE_KEY].key, 31337, world.network.devnet.url)
