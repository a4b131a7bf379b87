"""When blocks were."""

from collections.abc import Iterable

from web3 import Web3

from chain.errors import ChainError
from chain.transport import rpc_all


def block_times(w3: Web3, blocks: Iterable[int]) -> dict[int, int]:
    """Chain time of each of these blocks, seconds, by number. Raises ChainError, also for a block that is not shown."""
    wanted = sorted(set(blocks))
    headers = rpc_all(w3, [("eth_getBlockByNumber", [hex(number), False]) for number in wanted])
    times = {}
    for number, header in zip(wanted, headers, strict=True):
        if header is None:
            raise ChainError(
                f"the chain's node does not show block {number}; use one that keeps them all, or try again"
            )
        times[number] = int(header["timestamp"], 16)
    return times
