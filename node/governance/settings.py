"""Everything that the members can set: what it is called, its unit, who holds it, and its value now."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import TYPE_CHECKING

from chain.contracts.token import format_units, to_units
from chain.errors import MilonError
from node.governance.typed import parse_address

if TYPE_CHECKING:
    from chain.consortium import Consortium

Value = int | str
MONTH = 30 * 86_400  # the longest delay or period of governance, seconds

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_UINT96, _UINT40 = 2**96 - 1, 2**40 - 1


class Unit(Enum):
    """How a value is written by people, and what it is on the chain."""

    TOKENS = "an amount of tokens"  # base units
    TIME = "a time"  # seconds
    SHARE = "a share"  # ten-thousandths
    PERCENT = "a percentage"  # whole percent
    ADDRESS = "an address"


@dataclass(frozen=True)
class Setting:
    """One value that members can set.

    Attributes:
        title: what it is called in a sentence. about: what it does.
        contract: who holds it. function: what sets it there, with the others of this function in their order here.
        least, most: bounds, in the chain's unit.
    """

    key: str
    title: str
    about: str
    unit: Unit
    contract: str
    function: str
    least: int = 0
    most: int = _UINT96

    def parse(self, text: str) -> Value:
        """The chain's value of what a person wrote, such as `2`, `12h`, `50%`. Raises MilonError."""
        try:
            value = _PARSERS[self.unit](text.strip())
        except (ValueError, InvalidOperation, MilonError):
            raise MilonError(
                f"{self.key}: {text!r} is not {self.unit.value}; write {_EXAMPLES[self.unit]}"
            ) from None
        if isinstance(value, int) and not self.least <= value <= self.most:
            raise MilonError(
                f"{self.key}: {text!r} is out of bounds; {self.show(self.least)} to {self.show(self.most)} is allowed"
            )
        return value

    def show(self, value: Value, symbol: str = "tokens") -> str:
        """A value for people."""
        if isinstance(value, str):
            return value
        match self.unit:
            case Unit.TOKENS:
                return f"{format_units(value)} {symbol}"
            case Unit.TIME:
                return duration(value)
            case Unit.SHARE:
                return f"{Decimal(value) / 100:f} %"
            case _:
                return f"{value} %"


def parse_time(text: str) -> int:
    """Seconds of `90`, `90s`, `15m`, `12h` or `3d`. Raises ValueError."""
    match = re.fullmatch(r"(\d{1,12})\s*([smhd]?)", text, re.ASCII)
    if match is None:
        raise ValueError(text)
    return int(match[1]) * _SECONDS[match[2] or "s"]


def duration(seconds: int) -> str:
    """A length of time in its two largest units: `3 d 4 h`, `90 s` as `1 min 30 s`."""
    parts = []
    for name, length in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, length)
        if count:
            parts.append(f"{count} {name}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0 s"


def setting(key: str) -> Setting:
    """The setting of a name. Raises MilonError, which lists them all."""
    found = SETTINGS.get(key)
    if found is None:
        raise MilonError(f"there is no parameter {key!r}; there are {', '.join(SETTINGS)}")
    return found


def read_settings(consortium: Consortium) -> dict[str, Value]:
    """The values now, in the chain's units, by key. Raises ChainError."""
    scheduler, vault = consortium.scheduler.parameters(), consortium.vault
    governor = consortium.governor
    return {
        "lease_bond": scheduler.lease_bond,
        "vote_bond": scheduler.vote_bond,
        "max_share": scheduler.max_share,
        "minimum_stake": vault.minimum_stake(),
        "unbonding_period": vault.unbonding_period(),
        "treasury": str(vault.treasury()),
        "voting_delay": governor.voting_delay(),
        "voting_period": governor.voting_period(),
        "quorum": governor.quorum_percent(),
        "timelock_delay": consortium.timelock.min_delay(),
    }


def set_together(contract: str, function: str) -> list[Setting]:
    """The settings that one call sets all at once, in the order of its arguments."""
    return [one for one in SETTINGS.values() if (one.contract, one.function) == (contract, function)]


def parse_assignments(pairs: Iterable[str]) -> dict[str, Value]:
    """Values by key from `key=value` words. Raises MilonError for what is mistyped or given twice."""
    values: dict[str, Value] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise MilonError(f"{pair!r} is not PARAMETER=VALUE, such as lease_bond=2")
        key = key.strip()
        if key in values:
            raise MilonError(f"{key} is given twice; give one value")
        values[key] = setting(key).parse(text)
    return values


def _share(text: str) -> int:
    return _whole(_fraction(text) * 10_000)


def _percent(text: str) -> int:
    return _whole(_fraction(text) * 100)


def _fraction(text: str) -> Decimal:
    return Decimal(text[:-1].strip()) / 100 if text.endswith("%") else Decimal(text)


def _whole(number: Decimal) -> int:
    if not number.is_finite() or number != number.to_integral_value():
        raise ValueError(number)
    return int(number)


def _address(text: str) -> str:
    address = parse_address(text)
    if not int(address, 16):
        raise ValueError(text)
    return address


_PARSERS: Mapping[Unit, Callable[[str], Value]] = {
    Unit.TOKENS: to_units,
    Unit.TIME: parse_time,
    Unit.SHARE: _share,
    Unit.PERCENT: _percent,
    Unit.ADDRESS: _address,
}
_EXAMPLES = {
    Unit.TOKENS: "100 or 0.5, with at most 18 decimals",
    Unit.TIME: "seconds, or 30m, 12h, 7d",
    Unit.SHARE: "50% or 0.5, to the hundredth of a percent",
    Unit.PERCENT: "50% or 0.5, in whole percent",
    Unit.ADDRESS: "0x and 40 hexadecimal digits, with the right checksum",
}
_SCHEDULER = ("EpochScheduler", "setParameters")
_VAULT = ("StakeVault", "setParameters")

_ALL = (
    # key, title, about, unit, contract and function, bounds in the chain's unit
    Setting("lease_bond", "the lease bond", "locked for each leased epoch", Unit.TOKENS, *_SCHEDULER),
    Setting("vote_bond", "the vote bond", "locked for each vote on a result", Unit.TOKENS, *_SCHEDULER),
    Setting("max_share", "the largest share", "of a round's epochs that one organisation may hold", Unit.SHARE,
            *_SCHEDULER, 1, 10_000),
    Setting("minimum_stake", "the minimum stake", "that an organisation needs to vote on results", Unit.TOKENS,
            *_VAULT),
    Setting("unbonding_period", "the unbonding period", "that stake waits before it can be withdrawn", Unit.TIME,
            *_VAULT, 0, _UINT40),
    Setting("treasury", "the treasury", "that penalties are credited to", Unit.ADDRESS, *_VAULT),
    Setting("voting_delay", "the voting delay", "from a proposal to the beginning of its vote", Unit.TIME,
            "ConsortiumGovernor", "setVotingDelay", 0, MONTH),
    Setting("voting_period", "the voting period", "during which members vote on a proposal", Unit.TIME,
            "ConsortiumGovernor", "setVotingPeriod", 1, MONTH),
    Setting("quorum", "the quorum", "the part of the members that votes for or abstaining have to exceed",
            Unit.PERCENT, "ConsortiumGovernor", "updateQuorumNumerator", 0, 100),
    Setting("timelock_delay", "the timelock's delay", "from queueing a decision to its execution", Unit.TIME,
            "ConsortiumTimelock", "updateDelay", 0, MONTH),
)  # fmt: skip
SETTINGS: Mapping[str, Setting] = {one.key: one for one in _ALL}
