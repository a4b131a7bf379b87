"""What a transaction is to the sender, and what nodes' words about one mean."""

from dataclasses import dataclass
from enum import Enum
from typing import Any, Self

from web3.types import TxReceipt

from chain.errors import ChainError
from chain.fees import Fees


class NotMinedError(ChainError):
    """The transaction did not enter a block before its deadline. The next one sent takes its nonce."""


class NonceGoneError(Exception):
    """The nonce was used up by another transaction."""


class UnexplainedError(Exception):
    """The transaction reverted in its block, yet its repetition passes: out of gas, most likely."""


class UnderpricedError(Exception):
    """The node holds a transaction with this nonce and wants more for replacing it."""


@dataclass(frozen=True)
class Receipt:
    """A successful transaction in its block; hashes are 0x hexadecimal, the gas price is in wei.

    ``raw`` is web3's receipt, for ``contract.events.Name().process_receipt(receipt.raw)``.
    """

    tx_hash: str
    block_number: int
    block_hash: str
    gas_used: int
    effective_gas_price: int
    contract_address: str | None
    raw: TxReceipt

    @classmethod
    def of(cls, raw: TxReceipt) -> Self:
        """From web3's receipt."""
        return cls(
            "0x" + bytes(raw["transactionHash"]).hex(),
            int(raw["blockNumber"]),
            "0x" + bytes(raw["blockHash"]).hex(),
            int(raw["gasUsed"]),
            int(raw.get("effectiveGasPrice", 0)),
            raw.get("contractAddress"),
            raw,
        )


@dataclass(frozen=True)
class Plan:
    """One transaction, complete but for fees that may rise."""

    fields: dict[str, Any]
    fees: Fees
    head: int
    chain_time: int


class Refusal(Enum):
    """Why a node did not take a transaction. There is no code for it: each client has words of its own."""

    KNOWN = "it has this very transaction already"
    UNDERPRICED = "it has another with this nonce and wants more for replacing it"
    NONCE = "the nonce is used up, or too far ahead"
    FUNDS = "the account cannot pay"
    OTHER = "anything else, a revert for example"

    @classmethod
    def of(cls, reason: str) -> "Refusal":
        """The refusal that the node's ``reason`` means."""
        words = reason.lower().replace("unknown", "")  # it contains "known"
        return next((kind for kind, marks in _MARKS if any(mark in words for mark in marks)), cls.OTHER)


_MARKS = (
    (Refusal.KNOWN, ("already known", "known transaction", "already imported", "alreadyknown")),
    (Refusal.UNDERPRICED, ("underpriced", "to replace", "replacement")),
    (Refusal.NONCE, ("nonce",)),
    (Refusal.FUNDS, ("insufficient funds", "enough funds", "insufficient balance", "upfront cost")),
)
