"""What time it is on the chain, which is the only time that counts there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chain.transport import rpc

if TYPE_CHECKING:
    from chain.consortium import Consortium


def chain_time(consortium: Consortium) -> int:
    """Timestamp of the newest block, seconds. Raises ChainError."""
    return int(rpc(consortium.w3, "eth_getBlockByNumber", "latest", False)["timestamp"], 16)
