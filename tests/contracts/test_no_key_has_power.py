"""After deployment no key has power of its own: every role and owner, and every function that only some may call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from consortium_world import DEPLOYER, NODES, World
from eth_abi.abi import encode
from eth_utils.abi import collapse_if_tuple

from chain.artifacts import load_artifact
from chain.codec import decode_values, selector, signature
from chain.contracts.governance_events import RoleAdminChanged, RoleGranted, RoleRevoked
from chain.contracts.governor import TimelockRole
from chain.contracts.structs import to_events
from chain.deployment_file import CONTRACTS
from chain.reverts import ContractError
from chain.transport import RpcError, rpc

NOBODY = "0x" + "00" * 20

# What anybody may call, for themselves or for what is due: everything else has to refuse the deployer.
OPEN = {
    "ConsortiumRegistry": set(),
    "ConsortiumToken": {"approve", "transfer", "transferFrom"},
    "StakeVault": {"stake", "unbond", "withdraw", "refreshBond"},
    # Called at its own address it works on records of its own, that nobody reads.
    "EpochBooks": {"cancelJob", "enlist", "expire", "settle"},
    "EpochScheduler": {
        "submitJob",
        "cancelJob",
        "claim",
        "submitUpdate",
        "enlist",
        "expire",
        "reopen",
        "settle",
    },
    "AggregationVote": {"castVote", "castVotes", "finalize", "fail", "settle"},
    "ModelRegistry": {"register"},
    "AgentLens": set(),
    "ConsortiumTimelock": {
        "execute",
        "executeBatch",
        "renounceRole",
        "onERC721Received",
        "onERC1155Received",
        "onERC1155BatchReceived",
    },
    "ConsortiumGovernor": {"queue", "execute", "cancel"},
}

# How a contract says that the caller is not the one who may.
REFUSALS = {
    "RegistryNotGovernance",
    "RegistryNotFounder",
    "RegistryNotVault",
    "RegistryNotMember",
    "RegistryNotOperator",
    "RegistryNoDelegation",
    "RegistryFounding",
    "TokenNotGovernance",
    "VaultNotOperator",
    "VaultNotGovernance",
    "SchedulerNotGovernance",
    "SchedulerNotVote",
    "SchedulerNotHere",
    "VoteNotValidator",
    "ModelsNotGovernance",
    "ModelsNotReleaser",
    "AccessControlUnauthorizedAccount",
    "TimelockUnauthorizedCaller",
    "GovernorOnlyExecutor",
    "GovernorNotMember",
    "GovernorInvalidSignature",
    "GovernorDisabledDeposit",
}


def entries(name: str) -> list[dict[str, Any]]:
    """The functions that answer at a contract's address, those behind the scheduler's fallback included."""
    abi = load_artifact(name).abi + (load_artifact("EpochBooks").abi if name == "EpochScheduler" else [])
    return list({signature(e): e for e in abi if e["type"] == "function"}.values())


def writers(name: str) -> Iterator[dict[str, Any]]:
    return (entry for entry in entries(name) if entry["stateMutability"] not in ("view", "pure"))


def plausible(parameter: dict[str, Any]) -> Any:
    """A value that is not refused before the caller is looked at: an active node stands for every address."""
    kind = parameter["type"]
    if kind.endswith("[]"):
        return []
    if kind == "tuple":
        return tuple(plausible(part) for part in parameter["components"])
    if kind == "address":
        return NODES[0].address
    if kind.startswith("bytes"):
        return b"\1" * int(kind[5:] or 1)
    return {"string": "x", "bool": True}.get(kind, 1)


def call_as_deployer(world: World, name: str, entry: dict[str, Any]) -> bytes | ContractError:
    types = [collapse_if_tuple(parameter) for parameter in entry["inputs"]]
    data = selector(entry) + encode(types, [plausible(parameter) for parameter in entry["inputs"]])
    place = world.consortium.deployment.address(name)
    request = {"from": DEPLOYER.address, "to": place, "data": "0x" + data.hex()}
    try:
        return bytes.fromhex(str(rpc(world.w3, "eth_call", request, "latest"))[2:])
    except RpcError as error:
        explained = world.consortium.decoder.explain(error)
        assert isinstance(explained, ContractError), (name, signature(entry))
        return explained


def test_members_timelock_is_governance_and_nobody_else_has_a_say(world: World) -> None:
    timelock = world.consortium.timelock.address
    assert world.registry.governance() == timelock
    assert (world.registry.founder(), world.registry.proposed_governance()) == (NOBODY, NOBODY)
    assert world.governor.timelock() == timelock
    assert world.models.releasers() == ()
    assert not world.registry.is_member(DEPLOYER.address)
    assert world.registry.votes(DEPLOYER.address) == 0
    assert world.token.balance_of(DEPLOYER.address) == 0


def test_timelock_s_roles_are_the_governor_s_its_own_and_anyone_s_to_execute(world: World) -> None:
    timelock, governor = world.consortium.timelock, world.governor.address
    holders: dict[bytes, set[str]] = {}
    for event in to_events(world.consortium.events().read().events):
        assert not isinstance(event, RoleAdminChanged)
        if isinstance(event, RoleGranted):
            holders.setdefault(event.role, set()).add(event.account)
        elif isinstance(event, RoleRevoked):
            holders[event.role].discard(event.account)
    assert holders == {
        TimelockRole.ADMIN.id: {timelock.address},
        TimelockRole.PROPOSER.id: {governor},
        TimelockRole.CANCELLER.id: {governor},
        TimelockRole.EXECUTOR.id: {NOBODY},
    }
    for role in TimelockRole:
        assert timelock.role_admin(role) == TimelockRole.ADMIN.id
        assert all(timelock.has_role(role, holder) for holder in holders[role.id])
        assert not timelock.has_role(role, DEPLOYER.address)


@pytest.mark.parametrize("name", CONTRACTS)
def test_no_contract_names_the_deployer_as_anything(world: World, name: str) -> None:
    named = {}
    for entry in entries(name):
        if entry["inputs"] or entry["stateMutability"] not in ("view", "pure"):
            continue
        answer = call_as_deployer(world, name, entry)
        if isinstance(answer, bytes):
            named[entry["name"]] = str(decode_values(entry["outputs"], answer))
    assert not [getter for getter, said in named.items() if DEPLOYER.address in said]


@pytest.mark.parametrize("name", CONTRACTS)
def test_deployer_s_key_is_refused_wherever_not_everybody_may_call(world: World, name: str) -> None:
    closed = [entry for entry in writers(name) if entry["name"] not in OPEN[name]]
    answers = {signature(entry): call_as_deployer(world, name, entry) for entry in closed}
    wrong = {
        what: answer
        for what, answer in answers.items()
        if not isinstance(answer, ContractError) or answer.name not in REFUSALS
    }
    assert not wrong, "refuse the deployer, or list as open what everybody may call"


def test_functions_listed_as_open_are_those_of_the_contracts() -> None:
    assert set(OPEN) == set(CONTRACTS)
    for name, functions in OPEN.items():
        assert functions <= {entry["name"] for entry in writers(name)}, name


def test_every_function_of_governance_is_among_those_refused() -> None:
    closed = {(name, e["name"]) for name in CONTRACTS for e in writers(name) if e["name"] not in OPEN[name]}
    assert {
        ("ConsortiumRegistry", "admit"),
        ("ConsortiumRegistry", "remove"),
        ("ConsortiumRegistry", "endFounding"),
        ("ConsortiumRegistry", "proposeGovernance"),
        ("ConsortiumToken", "mint"),
        ("StakeVault", "setParameters"),
        ("StakeVault", "slash"),
        ("EpochScheduler", "setParameters"),
        ("EpochScheduler", "setPaused"),
        ("EpochScheduler", "closeRound"),
        ("ModelRegistry", "promote"),
        ("ModelRegistry", "setReleaser"),
        ("ConsortiumTimelock", "schedule"),
        ("ConsortiumTimelock", "grantRole"),
        ("ConsortiumGovernor", "relay"),
        ("ConsortiumGovernor", "updateQuorumNumerator"),
    } <= closed
