"""What only a development chain allows: money from nothing, moving the clock, going back."""

from collections.abc import Iterable

from web3 import Web3

from chain.errors import ChainError
from chain.transport import RpcError, rpc

_SET_BALANCE = ("hardhat_setBalance", "anvil_setBalance", "evm_setAccountBalance")
ETHER = 10**18


def fund(w3: Web3, addresses: Iterable[str], amount: int = 1000 * ETHER) -> None:
    """Set the native balance of each address to ``amount`` wei. Raises ChainError on a chain that is no
    devnet."""
    for address in addresses:
        for method in _SET_BALANCE:
            try:
                rpc(w3, method, address, hex(amount))
            except RpcError:
                continue
            break
        else:
            raise ChainError(
                f"cannot fund {address}: this chain is no devnet; send it coin from a funded account"
            )


def increase_time(w3: Web3, seconds: int) -> int:
    """Move the chain's clock on by ``seconds`` and mine a block there; the block's timestamp."""
    rpc(w3, "evm_increaseTime", seconds)
    return mine(w3)


def mine(w3: Web3) -> int:
    """Mine one block; its timestamp in chain seconds."""
    rpc(w3, "evm_mine")
    return int(rpc(w3, "eth_getBlockByNumber", "latest", False)["timestamp"], 16)


def set_mining(w3: Web3, *, auto: bool, interval_ms: int) -> None:
    """Mine on demand (``auto``), every ``interval_ms`` milliseconds (0: not by the clock), or both. Hardhat
    only."""
    rpc(w3, "evm_setAutomine", auto)
    rpc(w3, "evm_setIntervalMining", interval_ms)


def snapshot(w3: Web3) -> str:
    """Remember the chain's state; an id for ``revert``."""
    return str(rpc(w3, "evm_snapshot"))


def revert(w3: Web3, snapshot_id: str) -> None:
    """Go back to a snapshot, which is used up by it. Raises ChainError if there is no such snapshot."""
    if rpc(w3, "evm_revert", snapshot_id) is not True:
        raise ChainError(f"the chain has no snapshot {snapshot_id}; take a new one")
