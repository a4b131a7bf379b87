"""Read events in order, page by page, and notice when the chain takes some of them back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from eth_utils.address import to_checksum_address
from web3 import Web3

from chain.codec import Abi, decode_values, topic
from chain.errors import ChainError
from chain.transport import RpcError, rpc, rpc_batch

_DYNAMIC = ("string", "bytes", "tuple")


@dataclass(frozen=True)
class Event:
    """One decoded event. Indexed strings, bytes, arrays and structs are only their 32-byte Keccak-256, as
    on chain."""

    name: str
    address: str
    args: dict[str, Any]
    block_number: int
    block_hash: str
    tx_hash: str
    log_index: int


@dataclass(frozen=True)
class EventBatch:
    """What one ``read`` found.

    ``events`` are new, in chain order, of blocks up to and including ``block``. Where the chain was
    reorganised, ``undone_from`` is the first block whose earlier events are void: forget every event with
    ``block_number >= undone_from`` before taking in ``events``.
    """

    events: tuple[Event, ...]
    block: int
    undone_from: int | None = None


class EventDecoder:
    """Decodes logs of known contracts; ``contracts`` maps address to ABI."""

    def __init__(self, contracts: Mapping[str, Abi]) -> None:
        self.addresses = [to_checksum_address(address) for address in contracts]
        self._entries = {
            (address.lower(), "0x" + topic(entry).hex()): entry
            for address, abi in contracts.items()
            for entry in abi
            if entry.get("type") == "event" and not entry.get("anonymous")
        }

    def decode(self, log: Mapping[str, Any]) -> Event | None:
        """The event in a raw log (hexadecimal strings, as the node gives it); None if the ABIs do not know
        it."""
        topics = log["topics"]
        entry = self._entries.get((log["address"].lower(), topics[0])) if topics else None
        if entry is None:
            return None
        plain = [p for p in entry["inputs"] if not p["indexed"]]
        indexed = [p for p in entry["inputs"] if p["indexed"]]
        values = dict(
            zip((p["name"] for p in plain), decode_values(plain, bytes.fromhex(log["data"][2:])), strict=True)
        )
        for parameter, raw in zip(indexed, topics[1:], strict=True):
            kind = parameter["type"]
            hashed = kind in _DYNAMIC or kind.endswith("]")
            words = [{"type": "bytes32"}] if hashed else [parameter]
            values[parameter["name"]] = decode_values(words, bytes.fromhex(raw[2:]))[0]
        return Event(
            name=entry["name"],
            address=to_checksum_address(log["address"]),
            args={p["name"]: values[p["name"]] for p in entry["inputs"]},
            block_number=int(log["blockNumber"], 16),
            block_hash=log["blockHash"],
            tx_hash=log["transactionHash"],
            log_index=int(log["logIndex"], 16),
        )


class EventReader:
    """Reads all events of ``contracts`` (address to ABI) from block ``from_block`` on.

    It remembers the hash of the last ``keep`` blocks that it saw, nothing on disk: an agent that restarts
    reads again from the block of the deployment. ``chunk`` is the most blocks asked for at once; it shrinks
    by itself where a provider refuses. Not for several threads at a time.
    """

    def __init__(
        self, w3: Web3, contracts: Mapping[str, Abi], from_block: int, *, chunk: int = 2000, keep: int = 128
    ) -> None:
        self._w3 = w3
        self._decoder = EventDecoder(contracts)
        self._from, self._chunk, self._keep = from_block, chunk, keep
        self._page = chunk
        self._next = from_block
        self._seen: dict[int, str] = {}  # block number -> hash, of blocks that events were delivered up to

    @property
    def next_block(self) -> int:
        """The first block not read yet."""
        return self._next

    def read(self, to_block: int | None = None) -> EventBatch:
        """Everything new up to ``to_block``, by default the newest block.

        Raises ChainError when the chain is unreachable or refuses even a single block; nothing is lost
        then: the next call delivers what this one would have.
        """
        head = self._header("latest" if to_block is None else hex(to_block))
        if head is None:
            raise ChainError(f"the chain has no block {to_block} yet")
        number = int(head["number"], 16)
        fork = self._fork(head, number)
        start = self._next if fork is None else fork
        seen = {n: block_hash for n, block_hash in self._seen.items() if n < start}
        found = self._events(start, number)
        seen |= {event.block_number: event.block_hash for event in found}
        if number >= start:
            seen[number] = head["hash"]
        self._seen = {n: seen[n] for n in sorted(seen)[-self._keep :]}
        self._next = max(start, number + 1)
        return EventBatch(tuple(found), number, fork)

    def _events(self, first: int, last: int) -> list[Event]:
        """The events of blocks ``first`` to ``last``, in pages as large as the provider lets through."""
        found: list[Event] = []
        while first <= last:
            end = min(first + self._page - 1, last)
            try:
                logs = self._logs(first, end)
            except RpcError:
                if end == first:
                    raise
                self._page = (end - first + 1) // 2
                continue
            found += [event for log in logs if (event := self._decoder.decode(log)) is not None]
            self._page = min(self._page * 2, self._chunk)
            first = end + 1
        return found

    def _header(self, block: str) -> Any:
        return rpc(self._w3, "eth_getBlockByNumber", block, False)

    def _logs(self, first: int, last: int) -> Iterable[Any]:
        query = {"address": self._decoder.addresses, "fromBlock": hex(first), "toBlock": hex(last)}
        logs: list[Any] = rpc(self._w3, "eth_getLogs", query)
        return sorted(logs, key=lambda log: (int(log["blockNumber"], 16), int(log["logIndex"], 16)))

    def _fork(self, head: Any, number: int) -> int | None:
        """The first block to read again if the chain left the one that was read, else None."""
        if not self._seen:
            return None
        newest = max(self._seen)
        if number == newest + 1 and head["parentHash"] == self._seen[newest]:
            return None
        if number >= newest:
            header = head if number == newest else self._header(hex(newest))
            if header is not None and header["hash"] == self._seen[newest]:
                return None
        elif self._header(hex(newest)) is not None:
            return None  # an older block was asked for; the chain still reaches beyond what was read
        numbers = sorted(self._seen, reverse=True)
        headers = rpc_batch(self._w3, [("eth_getBlockByNumber", [hex(n), False]) for n in numbers])
        for n, header in zip(numbers, headers, strict=True):
            if isinstance(header, RpcError):
                raise header
            if header is not None and header["hash"] == self._seen[n]:
                return n + 1
        return self._from
