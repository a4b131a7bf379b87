"""A node's key is rotated: the new one takes over with its own consent, and the old one is done for ever."""

import pytest
from consortium_world import ACCOUNTS, NODES, ORGANISATIONS, STRANGER, TERMS, World

from chain.contracts.event_types import NodeRegistered, NodeRotated
from chain.devaccounts import DevAccount

NORTH, OLD, NEW = ORGANISATIONS[0], NODES[0], ACCOUNTS[12]


@pytest.mark.parametrize("by", [NORTH, OLD])
def test_new_key_takes_over_what_the_old_one_declared(world: World, by: DevAccount) -> None:
    before, capacity = world.registry.node(OLD.address), world.registry.training_capacity()
    departures = world.registry.departures()
    fn = world.registry.rotate_node(OLD.address, NEW.address, world.consent(NEW, NORTH))
    receipt = world.send(by, fn)
    (rotated,) = world.registry.events_of(NodeRotated, receipt)
    assert (rotated.account, rotated.node, rotated.new_node) == (NORTH.address, OLD.address, NEW.address)
    (registered,) = world.registry.events_of(NodeRegistered, receipt)
    assert (registered.node, registered.capacity) == (NEW.address, before.capacity)
    after = world.registry.node(NEW.address)
    assert (after.account, after.roles, after.peer) == (before.account, before.roles, before.peer)
    assert world.registry.is_active(NEW.address) and not world.registry.is_active(OLD.address)
    assert world.registry.account_of(OLD.address) == NORTH.address
    assert world.registry.training_capacity() == capacity
    assert world.registry.departures() == departures + 1


def test_lease_of_the_old_key_is_delivered_by_it_and_later_ones_are_the_new_one_s(world: World) -> None:
    job_id = world.submit_job()
    world.claim(job_id, OLD)
    world.send(NORTH, world.registry.rotate_node(OLD.address, NEW.address, world.consent(NEW, NORTH)))
    world.deliver(job_id, OLD)
    world.refused("SchedulerNotTrainer", OLD, world.scheduler.claim(job_id))
    assert world.claim(job_id, NEW) == 1


def test_record_of_the_organisation_follows_it_to_the_new_key(world: World) -> None:
    job_id = world.submit_job()
    world.claim(job_id, OLD)
    world.wait(TERMS.lease_time)
    world.send(STRANGER, world.scheduler.expire(job_id, OLD.address))
    world.send(NORTH, world.registry.rotate_node(OLD.address, NEW.address, world.consent(NEW, NORTH)))
    assert world.scheduler.node_record(NEW.address).reliability == 5_000


def test_rotation_without_consent_or_to_a_known_key_or_by_others_is_refused(world: World) -> None:
    rotate = world.registry.rotate_node
    anothers = world.consent(NEW, ORGANISATIONS[1])
    world.refused("RegistryBadConsent", NORTH, rotate(OLD.address, NEW.address, anothers))
    world.refused("RegistryNodeKnown", NORTH, rotate(OLD.address, NODES[1].address))
    consent = world.consent(NEW, NORTH)
    world.refused("RegistryNotOperator", STRANGER, rotate(OLD.address, NEW.address, consent))
    world.send(NORTH, rotate(OLD.address, NEW.address, consent))
    world.refused("RegistryNodeRetired", NORTH, rotate(OLD.address, ACCOUNTS[13].address))
