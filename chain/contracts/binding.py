"""What typed contract classes are made of: reads as dataclasses, transactions as web3 functions, events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, cast

from eth_typing import ABI, ChecksumAddress
from eth_utils.address import to_checksum_address
from web3 import Web3
from web3.contract.contract import ContractFunction

from chain.calls import BlockRef, call
from chain.codec import Abi
from chain.contracts.event_types import ChainEvent
from chain.contracts.structs import to_event
from chain.events import EventDecoder
from chain.reverts import ErrorDecoder
from chain.sender import Receipt

E = TypeVar("E", bound=ChainEvent)


class Contract:
    """A deployed contract seen through its ABI. Subclasses give it typed methods.

    Methods that change the chain return a bound function for `Sender.send`. Reads take `block` (number,
    0x hash or tag) to pin them; they raise ContractError when the contract refuses, ChainError when the
    chain does not answer.
    """

    def __init__(self, w3: Web3, address: str, abi: Abi, decoder: ErrorDecoder | None = None) -> None:
        self.w3 = w3
        self.address: ChecksumAddress = to_checksum_address(address)
        self.abi = abi
        self._decoder = decoder or ErrorDecoder([abi])
        self._functions = w3.eth.contract(address=self.address, abi=cast(ABI, list(abi))).functions
        self._events = EventDecoder({self.address: abi})

    def decode_events(self, source: Receipt | Iterable[Mapping[str, Any]]) -> list[ChainEvent]:
        """The typed events of this contract in a receipt or among logs (raw or web3's), in their order."""
        logs = source.raw["logs"] if isinstance(source, Receipt) else source
        decoded = (self._events.decode(_raw(log)) for log in logs)
        return [typed for event in decoded if event and (typed := to_event(event))]

    def events_of(self, kind: type[E], source: Receipt | Iterable[Mapping[str, Any]]) -> list[E]:
        """As `decode_events`, of one kind only."""
        return [event for event in self.decode_events(source) if isinstance(event, kind)]

    def _read(self, name: str, *arguments: Any, block: BlockRef = "latest") -> Any:
        return call(self._transaction(name, *arguments), block=block, decoder=self._decoder)

    def _transaction(self, name: str, *arguments: Any) -> ContractFunction:
        return self._functions[name](*arguments)


def _raw(log: Mapping[str, Any]) -> dict[str, Any]:
    """A log as the node gives it, whether or not web3 has dressed it up."""
    return {
        "address": log["address"],
        "topics": [_hex(topic) for topic in log["topics"]],
        "data": _hex(log["data"]),
        "blockNumber": _hex(log["blockNumber"]),
        "blockHash": _hex(log["blockHash"]),
        "transactionHash": _hex(log["transactionHash"]),
        "logIndex": _hex(log["logIndex"]),
    }


def _hex(value: str | int | bytes) -> str:
    if isinstance(value, int):
        return hex(value)
    return value if isinstance(value, str) else "0x" + bytes(value).hex()
