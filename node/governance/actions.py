"""What members can propose, and the calls that the timelock makes to do it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from web3.contract.contract import ContractFunction

from chain.contracts.governor import Action as Call
from chain.contracts.token import format_units
from chain.errors import MilonError
from node.governance.settings import Value, read_settings

if TYPE_CHECKING:
    from chain.consortium import Consortium


@dataclass(frozen=True)
class Admit:
    """Admit an organisation under a name."""

    account: str
    name: str


@dataclass(frozen=True)
class Remove:
    """Remove an organisation."""

    account: str


@dataclass(frozen=True)
class Mint:
    """Mint new tokens to an account, base units."""

    account: str
    amount: int


@dataclass(frozen=True)
class Spend:
    """Pay base units out of the timelock's tokens, with what the vault owes to it."""

    account: str
    amount: int


@dataclass(frozen=True)
class SetValues:
    """Set parameters, by key, in the chain's units."""

    values: Mapping[str, Value]


@dataclass(frozen=True)
class Pause:
    """Begin or end a pause."""

    paused: bool


@dataclass(frozen=True)
class Promote:
    """Promote a version of a model, or none for 0."""

    name: str
    version: int


@dataclass(frozen=True)
class RollBack:
    """Undo the last promotion of a model."""

    name: str


@dataclass(frozen=True)
class SetReleaser:
    """Appoint or dismiss an account that may promote models."""

    account: str
    releases: bool


@dataclass(frozen=True)
class HandOver:
    """Name the next governance."""

    account: str


@dataclass(frozen=True)
class TakeOver:
    """Accept governance that was offered to the timelock."""


@dataclass(frozen=True)
class Raw:
    """Any call: the target (an address, or the name of a contract), a signature, its arguments as they are typed."""

    target: str
    signature: str
    arguments: tuple[str, ...]


Action: TypeAlias = (
    Admit
    | Remove
    | Mint
    | Spend
    | SetValues
    | Pause
    | Promote
    | RollBack
    | SetReleaser
    | HandOver
    | TakeOver
    | Raw
)


def build_calls(consortium: Consortium, actions: Sequence[Action]) -> list[Call]:
    """The calls of one proposal, in the order of its actions.

    Parameters that one function sets together become one call, whose other arguments keep their values of now. Payments
    out of the treasury begin with a withdrawal from the vault where the timelock does not hold enough itself.

    Raises:
        MilonError: an action cannot be done. ChainError: the chain does not answer.
    """
    if not actions:
        raise MilonError("a proposal needs at least one action; see `milon gov propose --help`")
    values = _all_values(actions)
    spent = sum(action.amount for action in actions if isinstance(action, Spend))
    calls: list[Call] = []
    for action in actions:
        match action:
            case SetValues():
                calls += [Call.of(fn) for fn in _setters(consortium, values)]
                values = {}
            case Spend(account, amount):
                if spent and _must_withdraw(consortium, spent):
                    calls.append(Call.of(consortium.vault.withdraw()))
                spent = 0
                calls.append(Call.of(consortium.token.transfer(account, amount)))
            case Raw():
                calls.append(raw_call(consortium, action))
            case _:
                calls.append(Call.of(_function(consortium, action)))
    return calls


def raw_call(consortium: Consortium, action: Raw) -> Call:
    """A call by its signature. Raises MilonError where target, signature or an argument is mistyped."""
    from eth_abi.abi import encode
    from eth_abi.exceptions import EncodingError, ParseError
    from eth_utils.abi import function_signature_to_4byte_selector

    from node.governance.typed import address_of, split_signature, typed

    target = address_of(consortium, action.target)
    name, types = split_signature(action.signature)
    if len(types) != len(action.arguments):
        raise MilonError(f"{action.signature} takes {len(types)} arguments, not {len(action.arguments)}")
    try:
        values: list[Any] = [typed(kind, text) for kind, text in zip(types, action.arguments, strict=True)]
        data = encode(types, values)
    except (EncodingError, ParseError) as error:
        raise MilonError(f"{action.signature}: an argument does not fit its type: {error}") from None
    return Call(target, bytes(function_signature_to_4byte_selector(f"{name}({','.join(types)})")) + data)


def _function(consortium: Consortium, action: Action) -> ContractFunction:
    registry, models = consortium.registry, consortium.models
    match action:
        case Admit(account, name):
            return registry.admit(account, name)
        case Remove(account):
            return registry.remove(account)
        case Mint(account, amount):
            return consortium.token.mint(account, amount)
        case Pause(paused):
            return consortium.scheduler.set_paused(paused)
        case Promote(name, version):
            return models.promote(name, version)
        case RollBack(name):
            return models.roll_back(name)
        case SetReleaser(account, releases):
            return models.set_releaser(account, releases)
        case HandOver(account):
            return registry.propose_governance(account)
        case TakeOver():
            return registry.accept_governance()
        case _:
            raise MilonError(f"{type(action).__name__} is no call of its own")


def _all_values(actions: Sequence[Action]) -> dict[str, Value]:
    merged: dict[str, Value] = {}
    for action in actions:
        if isinstance(action, SetValues):
            twice = merged.keys() & action.values.keys()
            if twice:
                raise MilonError(f"{min(twice)} is set twice in one proposal; set it once")
            merged |= action.values
    return merged


def _setters(consortium: Consortium, values: Mapping[str, Value]) -> Iterator[ContractFunction]:
    """One call for each contract whose parameters change."""
    if not values:
        return
    after: dict[str, Any] = {**read_settings(consortium), **values}
    if values.keys() & {"lease_bond", "vote_bond", "max_share"}:
        yield consortium.scheduler.set_parameters(after["lease_bond"], after["vote_bond"], after["max_share"])
    if values.keys() & {"minimum_stake", "unbonding_period", "treasury"}:
        yield consortium.vault.set_parameters(
            after["minimum_stake"], after["unbonding_period"], after["treasury"]
        )
    governor = consortium.governor
    if "voting_delay" in values:
        yield governor.set_voting_delay(after["voting_delay"])
    if "voting_period" in values:
        yield governor.set_voting_period(after["voting_period"])
    if "quorum" in values:
        yield governor.set_quorum_percent(after["quorum"])
    if "timelock_delay" in values:
        yield consortium.timelock.update_delay(after["timelock_delay"])


def _must_withdraw(consortium: Consortium, amount: int) -> bool:
    """Whether the timelock has to withdraw from the vault to pay so much. Raises MilonError if that is too little."""
    timelock = consortium.timelock.address
    held = consortium.token.balance_of(timelock)
    credit = consortium.vault.account(timelock).credit
    if held + credit < amount:
        raise MilonError(
            f"the timelock has {format_units(held)} tokens and {format_units(credit)} to withdraw from the vault, "
            f"less than {format_units(amount)}; spend less, or mint"
        )
    return held < amount
