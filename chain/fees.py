"""What a transaction offers for gas: EIP-1559 where the chain has a base fee, a plain gas price elsewhere."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Fees:
    """Wei per unit of gas. ``tip`` is None on a chain without a base fee, where ``limit`` is the gas
    price."""

    limit: int
    tip: int | None

    @classmethod
    def offer(cls, gas_price: int, base_fee: int | None) -> "Fees":
        """What to offer when the node suggests ``gas_price``: room for the base fee to double (six full
        blocks)."""
        if base_fee is None:
            return cls(gas_price, None)
        tip = max(gas_price - base_fee, 0)
        return cls(2 * base_fee + tip, tip)

    def raised(self) -> "Fees":
        """A quarter more, and at least a wei: nodes replace a transaction only for a tenth more of both."""
        return Fees(_more(self.limit), None if self.tip is None else _more(self.tip))

    def at_least(self, floor: "Fees | None") -> "Fees":
        """These fees, or ``floor``'s where those are higher."""
        if floor is None:
            return self
        tip = self.tip if self.tip is None else max(self.tip, floor.tip or 0)
        return Fees(max(self.limit, floor.limit, tip or 0), tip)

    def fields(self) -> dict[str, Any]:
        """The transaction's fee fields."""
        if self.tip is None:
            return {"gasPrice": self.limit}
        return {"type": 2, "maxFeePerGas": self.limit, "maxPriorityFeePerGas": self.tip}


def _more(wei: int) -> int:
    return wei + max(wei // 4, 1)
