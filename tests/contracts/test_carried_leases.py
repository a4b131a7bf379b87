"""Leases that their delivery keeps for the next round, what makes them void, and payment of several rounds at once."""

from consortium_world import (
    ACCOUNTS,
    CAPACITIES,
    LEASE_BOND,
    NODES,
    ORGANISATIONS,
    STAKE,
    STRANGER,
    TERMS,
    VOTE_BOND,
    Verdict,
    World,
    digest,
    terms,
)

from chain.contracts.event_types import (
    EpochsLeased,
    LeaseMissed,
    RewardsSettled,
    RoundOpened,
    TrainerWaits,
    UpdateSubmitted,
    VotesPaid,
)
from chain.contracts.structs import to_events
from chain.contracts.types import JobStatus, LeaseState, Role

ALL = 0b10111
WAITING = ACCOUNTS[12]


def finish(world: World, job_id: int, invalid: int = 0) -> RoundOpened:
    """All vote alike on what was delivered; how the next round opened."""
    updates = world.scheduler.round(job_id).update_set
    verdict = Verdict(digest("model"), updates & ~invalid, invalid)
    for index in range(4):
        world.cast(job_id, index, verdict)
    (opened,) = world.scheduler.events_of(RoundOpened, world.finalize(job_id, verdict))
    return opened


def test_kept_leases_are_live_in_the_next_round_without_a_transaction(world: World) -> None:
    job_id = world.submit_job()
    world.train(job_id, keep=True)
    assert world.scheduler.round(job_id).kept_set == ALL
    opened = finish(world, job_id)
    assert (opened.round, opened.carried) == (2, ALL)
    now = world.scheduler.round(job_id)
    assert (now.taken, now.delivered, now.update_set) == (0xFF, 0, 0)
    for node, epochs in zip(NODES, (range(1), range(1, 2), range(2, 4), range(4, 8)), strict=True):
        held = world.scheduler.lease_of(job_id, node.address)
        assert (held.held, held.lease.state, held.lease.epochs) == (True, LeaseState.LIVE, epochs)
        assert (held.lease.round, held.lease.deadline) == (2, now.opened_at + TERMS.lease_time)
        assert world.lens.job_view(job_id, node.address).lease == held.lease
        assert world.scheduler.stored_lease(job_id, node.address).round == 1
    (update,) = world.scheduler.events_of(UpdateSubmitted, world.deliver(job_id, NODES[2]))
    assert (update.round, update.first, update.count, update.kept) == (2, 2, 2, False)


def test_two_rounds_of_one_claim_each_are_paid_by_one_settlement(world: World) -> None:
    job_id = world.submit_job()
    world.train(job_id, keep=True)
    finish(world, job_id)
    for node in NODES:
        world.deliver(job_id, node)
    world.agree(job_id)
    assert world.scheduler.job(job_id).status is JobStatus.COMPLETED
    leased = [e for e in to_events(world.consortium.events().read().events) if isinstance(e, EpochsLeased)]
    assert len(leased) == len(NODES)

    nodes, seats = world.settle_all(job_id)
    paid = {
        e.node: (e.epochs, e.reward, e.unlocked) for e in world.scheduler.events_of(RewardsSettled, nodes)
    }
    assert paid == {
        node.address: (2 * epochs, 2 * epochs * TERMS.epoch_price, epochs * LEASE_BOND)
        for node, epochs in zip(NODES, CAPACITIES, strict=True)
    }
    votes = {e.account: (e.votes, e.reward) for e in world.vote.events_of(VotesPaid, seats)}
    assert votes == {o.address: (2, 2 * TERMS.vote_price) for o in ORGANISATIONS}
    for organisation in ORGANISATIONS:
        account = world.vault.account(organisation.address)
        assert (account.free, account.locked) == (STAKE, 0)
    again, _ = world.settle_all(job_id)
    assert not world.scheduler.events_of(RewardsSettled, again)


def test_carried_lease_that_is_not_delivered_is_missed_like_any_other(world: World) -> None:
    job_id = world.submit_job()
    world.train(job_id, keep=True)
    finish(world, job_id)
    world.wait(TERMS.lease_time)
    assert world.lens.job_view(job_id, NODES[3].address).overdue == tuple(n.address for n in NODES)
    receipt = world.send(STRANGER, world.scheduler.expire(job_id, NODES[3].address))
    (missed,) = world.scheduler.events_of(LeaseMissed, receipt)
    assert (missed.round, missed.first, missed.count, missed.penalty) == (2, 4, 4, 4 * LEASE_BOND)
    assert world.scheduler.round(job_id).taken == 0x0F


def test_trainer_that_waits_has_the_next_round_leased_anew(world: World) -> None:
    job_id = world.submit_job(terms(rounds=3))
    world.train(job_id, keep=True)
    finish(world, job_id)
    world.register(ORGANISATIONS[0], WAITING, roles=Role.TRAINER)
    world.refused("SchedulerNoEpochsLeft", WAITING, world.scheduler.claim(job_id))
    receipt = world.send(WAITING, world.scheduler.enlist(job_id))
    (waits,) = world.scheduler.events_of(TrainerWaits, receipt)
    assert (waits.round, waits.node) == (2, WAITING.address)
    assert world.scheduler.round(job_id).awaited
    for node in NODES:
        world.deliver(job_id, node, keep=True)
    assert finish(world, job_id).carried == 0
    assert world.scheduler.round(job_id).taken == 0
    assert world.claim(job_id, WAITING) == 0


def test_node_with_a_lease_of_the_round_does_not_enlist(world: World) -> None:
    job_id = world.submit_job()
    world.refused("SchedulerEpochsLeft", NODES[0], world.scheduler.enlist(job_id))
    for node in NODES:
        world.claim(job_id, node)
    world.refused("SchedulerLeaseHeld", NODES[0], world.scheduler.enlist(job_id))
    world.refused("SchedulerNotTrainer", STRANGER, world.scheduler.enlist(job_id))


def test_departure_makes_kept_leases_void(world: World) -> None:
    job_id = world.submit_job()
    world.train(job_id, keep=True)
    world.register(ORGANISATIONS[1], WAITING)
    world.send(ORGANISATIONS[1], world.registry.retire_node(WAITING.address))
    assert finish(world, job_id).carried == 0
    assert not world.scheduler.lease_of(job_id, NODES[0].address).held
    assert world.claim(job_id, NODES[0]) == 0


def test_lease_of_an_invalid_update_is_not_carried(world: World) -> None:
    job_id = world.submit_job()
    world.train(job_id, keep=True)
    assert finish(world, job_id, invalid=0b100).carried == ALL & ~0b100
    assert world.scheduler.round(job_id).taken == 0b1111_0011
    assert not world.scheduler.lease_of(job_id, NODES[2].address).held
    world.send(STRANGER, world.scheduler.settle(job_id, [NODES[2].address]))
    account = world.vault.account(ORGANISATIONS[2].address)
    assert (account.free, account.locked) == (STAKE - 2 * LEASE_BOND - VOTE_BOND, VOTE_BOND)


def test_second_lease_of_a_round_has_a_slot_of_its_own_and_is_not_kept(world: World) -> None:
    job_id = world.submit_job()
    world.claim(job_id, NODES[0])
    world.deliver(job_id, NODES[0], keep=True)
    world.wait(TERMS.claim_window)
    assert world.claim(job_id, NODES[0]) == 1
    (second,) = world.scheduler.events_of(UpdateSubmitted, world.deliver(job_id, NODES[0], keep=True))
    assert (second.first, second.kept) == (1, False)
    assert world.scheduler.stored_lease(job_id, NODES[0].address, 0).first == 0
    assert world.scheduler.stored_lease(job_id, NODES[0].address, 1).first == 1
    held = world.scheduler.lease_of(job_id, NODES[0].address)
    assert (held.lease.first, held.lease.extra, held.share) == (1, 1, 2)
