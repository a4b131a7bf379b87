"""ConsortiumToken: the ERC-20 in which stake, budgets and rewards are counted."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import cast

from web3.contract.contract import ContractFunction

from chain.calls import BlockRef
from chain.contracts.binding import Contract
from chain.errors import ChainError

DECIMALS = 18


def to_units(tokens: Decimal | int | str) -> int:
    """Base units of an amount in tokens. Raises ChainError for what is no amount or has over 18 decimals."""
    try:
        amount = Decimal(tokens)
        units = amount.scaleb(DECIMALS)
        if amount.is_finite() and amount >= 0 and units == units.to_integral_value():
            return int(units)
    except InvalidOperation:
        pass
    raise ChainError(f"{str(tokens)!r} is not an amount of tokens: 0 or more, at most {DECIMALS} decimals")


def format_units(units: int) -> str:
    """An amount in base units as tokens, without needless zeros: `1500000000000000000` is `1.5`."""
    whole, part = divmod(abs(units), 10**DECIMALS)
    text = f"{whole}.{part:0{DECIMALS}d}".rstrip("0").rstrip(".")
    return f"-{text}" if units < 0 else text


class ConsortiumToken(Contract):
    """An OpenZeppelin ERC-20 that the registry's governance mints. Amounts are in base units."""

    def mint(self, recipient: str, amount: int) -> ContractFunction:
        """By governance."""
        return self._transaction("mint", recipient, amount)

    def approve(self, spender: str, amount: int) -> ContractFunction:
        return self._transaction("approve", spender, amount)

    def transfer(self, recipient: str, amount: int) -> ContractFunction:
        return self._transaction("transfer", recipient, amount)

    def balance_of(self, owner: str, block: BlockRef = "latest") -> int:
        return cast(int, self._read("balanceOf", owner, block=block))

    def allowance(self, owner: str, spender: str, block: BlockRef = "latest") -> int:
        return cast(int, self._read("allowance", owner, spender, block=block))

    def total_supply(self, block: BlockRef = "latest") -> int:
        return cast(int, self._read("totalSupply", block=block))

    def symbol(self, block: BlockRef = "latest") -> str:
        return cast(str, self._read("symbol", block=block))

    def decimals(self, block: BlockRef = "latest") -> int:
        return cast(int, self._read("decimals", block=block))
