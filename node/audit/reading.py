"""Reads what an audit stands on: the events of all contracts since the deployment, and when their blocks were."""

from __future__ import annotations

from dataclasses import dataclass

from chain.blocks import block_times
from chain.consortium import Consortium
from chain.contracts import event_types as ev
from chain.contracts.structs import to_events
from chain.provider import rpc


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
    events = tuple(to_events(batch.events))
    return ChainHistory(block, events, block_times(consortium.w3, [event.block_number for event in events]))
