"""What a consortium decides before its contracts are deployed, from a TOML file."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, Self

from eth_typing import ChecksumAddress
from eth_utils.address import is_checksum_address, to_checksum_address
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic import model_validator as whole

from chain.contracts.token import to_units
from chain.errors import ChainError

SEATS = 64
_UINT96 = 2**96 - 1
_UINT40 = 2**40 - 1
_MONTH = 30 * 86_400


class DeploymentConfigError(ChainError):
    """The file says something that cannot be deployed; `mistakes` has one line each, key first."""

    def __init__(self, where: str, mistakes: Iterable[str]) -> None:
        self.mistakes = tuple(mistakes)
        count = f"{len(self.mistakes)} mistake{'s' if len(self.mistakes) > 1 else ''}"
        super().__init__(f"{where}: {count}: " + "; ".join(self.mistakes))


def _address(value: object) -> ChecksumAddress:
    digits = value[2:] if isinstance(value, str) and value.startswith("0x") else ""
    if len(digits) != 40 or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
        raise ValueError("must be an address: 0x and 40 hexadecimal digits, in quotes")
    if digits not in (digits.lower(), digits.upper()) and not is_checksum_address(f"0x{digits}"):
        raise ValueError(f"0x{digits} has a wrong checksum, so a digit is mistyped")
    if int(digits, 16) == 0:
        raise ValueError("must not be the zero address")
    return to_checksum_address(f"0x{digits}")


def _tokens(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise ValueError("must be a number of tokens, such as 100 or 0.5")
    try:
        units = to_units(value)
    except ChainError as error:
        raise ValueError(str(error)) from error
    if units > _UINT96:
        raise ValueError(f"must be at most {_UINT96 // 10**18} tokens")
    return Decimal(value)


def _fraction(parts: int) -> BeforeValidator:
    """A check for fractions of 1 that are whole numbers of `parts`."""

    def check(value: object) -> Decimal:
        try:
            if isinstance(value, int | str | Decimal) and not isinstance(value, bool):
                scaled = Decimal(value) * parts
                if 0 <= scaled <= parts and scaled == scaled.to_integral_value():
                    return Decimal(value)
        except InvalidOperation:
            pass
        raise ValueError(f"must be a fraction from 0 to 1, such as 0.5, in steps of {Decimal(1) / parts}")

    return BeforeValidator(check)


def _some_share(value: Decimal) -> Decimal:
    if not value:
        raise ValueError("must be more than 0: no organisation could train")
    return value


def _name(value: str) -> str:
    if not 1 <= len(value.encode()) <= 64 or not value.isprintable() or value != value.strip():
        raise ValueError("must have 1 to 64 bytes, all printable, without spaces around")
    return value


Address = Annotated[ChecksumAddress, BeforeValidator(_address)]
Tokens = Annotated[Decimal, BeforeValidator(_tokens)]


Seconds = Annotated[int, Field(ge=0, le=_MONTH)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)


class Member(_Part):
    """An organisation to admit; `tokens` are minted to its account."""

    name: Annotated[str, AfterValidator(_name)]
    account: Address
    tokens: Tokens = Decimal(0)


class Mint(_Part):
    """Tokens for an account that is no organisation's, such as a client's."""

    account: Address
    tokens: Tokens


class Governance(_Part):
    """How the members decide; times in seconds of chain time.

    A proposal is voted on from `voting_delay` after it was made, for `voting_period`; it passes when more are for
    than against it and more than `quorum` of the members are for it or abstain (or all are), and may be executed
    `timelock` after it was queued.
    """

    voting_delay: Seconds = 3_600
    voting_period: Annotated[int, Field(ge=1, le=_MONTH)] = 3 * 86_400
    timelock: Seconds = 86_400
    quorum: Annotated[Decimal, _fraction(100)] = Decimal("0.5")


class DeploymentConfig(_Part):
    """What `deploy` needs. Amounts are in tokens, `unbonding_period` is in seconds of chain time.

    `lease_bond` is per leased epoch, `max_share` the fraction of a round's epochs that one organisation may hold.
    `treasury` is the members' timelock unless named.
    """

    organisations: Annotated[tuple[Member, ...], Field(min_length=1, max_length=SEATS, strict=False)]
    mints: Annotated[tuple[Mint, ...], Field(strict=False)] = ()
    governance: Governance = Governance()
    treasury: Address | None = None
    minimum_stake: Tokens = Decimal(100)
    lease_bond: Tokens = Decimal(1)
    vote_bond: Tokens = Decimal(1)
    max_share: Annotated[Decimal, _fraction(10_000), AfterValidator(_some_share)] = Decimal("0.5")
    unbonding_period: Annotated[int, Field(ge=0, le=_UINT40)] = 7 * 86_400

    @whole(mode="after")
    def _distinct(self) -> Self:
        for field in ("account", "name"):
            seen = Counter(getattr(member, field) for member in self.organisations)
            twice = [str(value) for value, count in seen.items() if count > 1]
            if twice:
                raise ValueError(f"organisations: {field} given more than once: {', '.join(twice)}")
        return self

    @classmethod
    def parse(cls, values: dict[str, Any], where: str = "configuration") -> Self:
        """Check values as they stand in TOML; raises DeploymentConfigError with every mistake."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise DeploymentConfigError(where, _mistakes(error)) from None

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read and check a TOML file; raises DeploymentConfigError with every mistake."""
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
        except OSError as error:
            raise ChainError(f"cannot read {path}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ChainError(f"{path} is not TOML: {error}") from error
        return cls.parse(values, str(path))


_SAID = {
    "missing": "is missing",
    "too_short": "must name at least one organisation",
    "too_long": f"must name at most {SEATS} organisations",
    "tuple_type": "must be a list of tables, each under its own [[...]] heading",
    "model_type": "must be a table",
    "string_type": "must be text in quotes",
    "int_type": "must be a whole number",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be at most {le}",
}
_PARTS: dict[str, type[_Part]] = {"organisations": Member, "mints": Mint, "governance": Governance}
_NO_GOVERNOR = (
    "names no account any more: the members govern; remove it, or put [governance] with "
    f"{', '.join(Governance.model_fields)} at the end of the file"
)


def _mistakes(error: ValidationError) -> list[str]:
    lines = []
    mistakes = error.errors(include_url=False)
    # pydantic does not count members that have mistakes of their own, and then misses them.
    inner = {mistake["loc"][0] for mistake in mistakes if len(mistake["loc"]) > 1}
    for mistake in mistakes:
        place = mistake["loc"]
        if mistake["type"] == "too_short" and place[0] in inner:
            continue
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
        known = _SAID.get(mistake["type"])
        message = mistake["msg"].removeprefix("Value error, ")
        said = known.format(**mistake.get("ctx", {})) if known else message
        if place == ("governance",) and mistake["type"] == "model_type":
            said = _NO_GOVERNOR
        if mistake["type"] == "extra_forbidden":
            part = _PARTS[str(place[0])] if len(place) > 1 else DeploymentConfig
            said = f"is unknown; known are {', '.join(part.model_fields)}"
        lines.append(f"{key} {said}".strip())
    return lines
