"""Whether an organisation's stake covers what its node would lock."""

from __future__ import annotations

from consortium_world import LEASE_BOND, ORGANISATIONS, VOTE_BOND, World

from chain.contracts.types import Role
from node.membership import missing_for_bonds


def test_missing_for_bonds_is_what_one_epoch_and_one_vote_lack(world: World) -> None:
    stranger = "0x" + "12" * 20
    both = Role.TRAINER | Role.VALIDATOR
    assert missing_for_bonds(world.consortium, stranger, both) == LEASE_BOND + VOTE_BOND
    assert missing_for_bonds(world.consortium, stranger, Role.TRAINER) == LEASE_BOND
    assert missing_for_bonds(world.consortium, stranger, Role.PREDICTOR) == 0
    # Locked stake counts: its bonds stay locked from lease to lease.
    job_id = world.submit_job()
    world.train(job_id)
    account = ORGANISATIONS[3].address
    held = world.vault.account(account)
    assert held.locked and missing_for_bonds(world.consortium, account, both) == 0
    world.send(ORGANISATIONS[3], world.vault.unbond(held.free))
    assert world.vault.account(account).free == 0
    assert missing_for_bonds(world.consortium, account, both) == 0
