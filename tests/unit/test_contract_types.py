"""The dataclasses mirror the compiled interfaces: same names, same order, same kinds of values."""

import typing
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import pytest

from chain.artifacts import load_artifact
from chain.codec import signature
from chain.contracts import types
from chain.contracts.event_types import ChainEvent, JobEnded, VaultParametersSet
from chain.contracts.governance_events import ProposalVoteCast
from chain.contracts.governor import ProposalState, Support
from chain.contracts.structs import event_kind, snake_case, to_event, to_struct
from chain.contracts.token import format_units, to_units
from chain.contracts.types import Content, JobStatus, JobView, Role, Terms
from chain.deployment_file import CONTRACTS
from chain.errors import ChainError
from chain.events import Event

ACCOUNT = "0x" + "00" * 20
RENAMED = {"from": "sender", "to": "recipient", "digest_": "digest"}
TERMS = Terms(2, 8, 1, 1, 1, 0, 9, 1, 9, 9, 9, 0, 5, 7, 1, b"milon-1".ljust(32, b"\0"))


def entries(kind: str) -> Iterator[Mapping[str, Any]]:
    for name in CONTRACTS:
        yield from (entry for entry in load_artifact(name).abi if entry["type"] == kind)


def structs_of(parameters: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for parameter in parameters:
        if "components" in parameter:
            yield parameter
            yield from structs_of(parameter["components"])


def all_structs() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for entry in entries("function"):
        for struct in structs_of([*entry["inputs"], *entry["outputs"]]):
            name = struct["internalType"].removeprefix("struct ").split(".")[-1].removesuffix("[]")
            found[name] = struct
    return found


def fits(hint: Any, parameter: Mapping[str, Any]) -> bool:
    """Whether a field of this type can hold what the ABI says."""
    kind = parameter["type"]
    if kind.endswith("[]"):
        return typing.get_origin(hint) is tuple
    if kind == "tuple":
        return is_dataclass(hint)
    if kind.startswith(("uint", "int")):
        is_enum = parameter.get("internalType", "").startswith("enum ")
        return issubclass(hint, Enum) if is_enum else hint is int or issubclass(hint, Role)
    if kind == "address":
        return hint is types.ChecksumAddress
    return hint is {"bool": bool, "string": str}.get(kind, bytes)


def check(mirror: type[Any], parameters: list[dict[str, Any]]) -> None:
    hints = typing.get_type_hints(mirror)
    own = [field.name for field in fields(mirror) if not field.kw_only]
    names = [RENAMED.get(parameter["name"], snake_case(parameter["name"])) for parameter in parameters]
    assert own == names, mirror
    for name, parameter in zip(own, parameters, strict=True):
        assert fits(hints[name], parameter), (mirror, name)


def test_every_struct_of_the_contracts_has_its_mirror() -> None:
    structs = all_structs()
    expected = {"Terms", "Job", "Round", "Lease", "AgentView", "Verdict", "Account", "SignedVote", "Version"}
    assert expected <= set(structs)
    for name, struct in structs.items():
        check(getattr(types, name), struct["components"])


def test_every_event_of_the_contracts_has_its_mirror() -> None:
    seen = set()
    for entry in entries("event"):
        if entry["name"] == "EIP712DomainChanged":  # OpenZeppelin's, never emitted here
            continue
        mirror = event_kind(entry["name"], entry["inputs"][0]["name"])
        assert mirror is not None, entry["name"]
        check(mirror, entry["inputs"])
        seen.add(mirror)
    unused = set(ChainEvent.__subclasses__()) - seen
    assert not unused


def test_enums_have_the_contracts_order() -> None:
    assert [phase.name for phase in types.Phase] == [
        "NONE",
        "TRAINING",
        "VOTING",
        "REVEAL",
        "STALLED",
        "ENDED",
    ]
    assert [status.name for status in JobStatus] == ["NONE", "OPEN", "COMPLETED", "FAILED", "CANCELLED"]
    assert [state.name for state in types.LeaseState] == ["NONE", "LIVE", "DELIVERED", "SETTLED", "MISSED"]
    assert [state.name for state in types.BallotState] == ["NONE", "CAST", "SETTLED"]
    assert [state.name for state in types.VerdictState] == ["NONE", "FAILED", "FINAL", "FINAL_REDUCED"]
    assert [state.name for state in ProposalState] == [
        "PENDING",
        "ACTIVE",
        "CANCELED",
        "DEFEATED",
        "SUCCEEDED",
        "QUEUED",
        "EXPIRED",
        "EXECUTED",
    ]
    assert [support.name for support in Support] == ["AGAINST", "FOR", "ABSTAIN"]


@pytest.mark.parametrize(
    ("mirror", "contract", "function"),
    [
        (types.Trainer, "ConsortiumRegistry", "trainer"),
        (types.Validator, "ConsortiumRegistry", "validator"),
        (types.Snapshot, "ConsortiumRegistry", "snapshot"),
        (types.NodeLease, "IEpochScheduler", "leaseOf"),
        (types.BallotBox, "IEpochScheduler", "ballotBox"),
        (types.VoteTerms, "IEpochScheduler", "voteTerms"),
    ],
)
def test_every_tuple_that_is_read_has_its_mirror(mirror: type[Any], contract: str, function: str) -> None:
    (entry,) = (e for e in load_artifact(contract).abi if e.get("name") == function)
    check(mirror, [{**p, "name": p["name"].removesuffix("_")} for p in entry["outputs"]])


def test_scheduler_s_interface_is_what_its_two_parts_implement() -> None:
    def signatures(name: str) -> set[str]:
        return {signature(entry) for entry in load_artifact(name).abi if entry["type"] == "function"}

    rounds, books = signatures("EpochScheduler"), signatures("EpochBooks")
    assert signatures("IEpochScheduler") <= rounds | books
    # What both have is read off either: the fallback is never asked for it.
    assert rounds & books == {"REGISTRY()", "VAULT()"}


def test_struct_with_a_field_too_many_is_refused() -> None:
    assert to_struct(Content, (bytes(32), "bafy")) == Content(bytes(32), "bafy")
    with pytest.raises(ValueError, match="longer"):
        to_struct(Content, (bytes(32), "bafy", 1))


def test_events_become_typed_and_unknown_ones_none() -> None:
    def event(name: str, **args: Any) -> Event:
        return Event(name, ACCOUNT, args, 7, "0xb1", "0xf1", 3)

    ended = to_event(event("JobEnded", jobId=4, status=2, refund=5))
    place = {"contract": ACCOUNT, "block_number": 7, "transaction_hash": "0xf1", "log_index": 3}
    assert ended == JobEnded(4, JobStatus.COMPLETED, 5, **place)
    vault = to_event(event("ParametersSet", minimumStake=1, unbondingPeriod=2, treasury=ACCOUNT))
    assert vault == VaultParametersSet(1, 2, ACCOUNT, **place)
    vote = to_event(event("VoteCast", voter=ACCOUNT, proposalId=1, support=1, weight=1, reason="yes"))
    assert vote == ProposalVoteCast(ACCOUNT, 1, 1, 1, "yes", **place)
    assert to_event(event("EIP712DomainChanged")) is None
    assert to_event(event("JobStatus", jobId=1)) is None


def test_views_know_their_nested_enums_and_structs() -> None:
    hints = typing.get_type_hints(JobView)
    assert hints["phase"] is types.Phase and hints["lease"] is types.Lease


def test_budget_counts_epochs_and_votes_of_every_round() -> None:
    assert TERMS.round_budget(voters=3) == 8 * 5 + 3 * 7
    assert TERMS.budget(voters=3) == 2 * (8 * 5 + 3 * 7)
    assert TERMS.ruleset_name == "milon-1"


@pytest.mark.parametrize(
    ("tokens", "units"),
    [("1.5", 15 * 10**17), (0, 0), ("1e-18", 1), (10**9, 10**27), ("0.000000000000000001", 1)],
)
def test_amounts_convert_without_loss(tokens: str | int, units: int) -> None:
    assert to_units(tokens) == units
    assert to_units(format_units(units)) == units


@pytest.mark.parametrize("bad", ["", "abc", "-1", "1e-19", "NaN", "Infinity"])
def test_what_is_no_amount_is_refused(bad: str) -> None:
    with pytest.raises(ChainError, match="not an amount"):
        to_units(bad)


def test_amounts_read_without_needless_zeros() -> None:
    assert [format_units(u) for u in (0, 10**18, 15 * 10**17, -1)] == [
        "0",
        "1",
        "1.5",
        "-0.000000000000000001",
    ]
