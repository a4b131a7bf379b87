"""Reads what an audit stands on: the events of all contracts since the deployment, and when their blocks were."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from web3 import Web3

from chain.consortium import Consortium
from chain.contracts import event_types as ev
from chain.contracts.structs import to_event
from chain.errors import ChainError
from chain.provider import RpcError, rpc, rpc_batch

_PAGE = 200


@dataclass(frozen=True)
class ChainHistory:
    """All events up to the end of `block`, in the order of the chain, and the times of their blocks, seconds."""

    block: int
    events: tuple[ev.ChainEvent, ...]
    times: dict[int, int]


def read_history(consortium: Consortium) -> ChainHistory:
    """Everything from the deployment's first block to the newest one.

    Raises:
        ChainError: the chain does not answer, or its node does not keep all blocks since the deployment.
    """
    block = int(rpc(consortium.w3, "eth_blockNumber"), 16)
    batch = consortium.events().read(block)
    events = tuple(typed for event in batch.events if (typed := to_event(event)) is not None)
    return ChainHistory(block, events, _times(consortium.w3, {event.block_number for event in events}))


def _times(w3: Web3, blocks: Iterable[int]) -> dict[int, int]:
    wanted = sorted(blocks)
    times = {}
    for start in range(0, len(wanted), _PAGE):
        page = wanted[start : start + _PAGE]
        headers = rpc_batch(w3, [("eth_getBlockByNumber", [hex(number), False]) for number in page])
        for number, header in zip(page, headers, strict=True):
            if isinstance(header, RpcError):
                raise header
            if header is None:
                raise ChainError(
                    f"the chain's node does not show block {number}; use one that keeps them all"
                )
            times[number] = int(header["timestamp"], 16)
    return times
