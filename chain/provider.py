"""Connect to a chain, and make sure that it is the one that was meant."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from web3 import Web3
from web3.middleware import AttributeDictMiddleware, ExtraDataToPOAMiddleware

from chain.errors import ChainError
from chain.heads import HeadState, HeadWatcher
from chain.transport import (
    ChainUnreachableError,
    HttpTransport,
    RpcError,
    WebSocketTransport,
    rpc,
    rpc_batch,
)

__all__ = [
    "ChainIdentity",
    "ChainResetError",
    "ChainUnreachableError",
    "HeadState",
    "HeadWatcher",
    "RpcError",
    "check_identity",
    "connect",
    "genesis_hash",
    "identity",
    "is_devnet",
    "rpc",
    "rpc_batch",
]

_DEVNET_CHAIN_IDS = frozenset({1337, 31337})
_LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True)
class ChainIdentity:
    """Which chain this is. Every devnet has the same id, so the genesis block's hash (0x hexadecimal)
    decides."""

    chain_id: int
    genesis_hash: str


class ChainResetError(ChainError):
    """The chain behind the URL is not the one that was expected: it was reset, or the URL leads elsewhere."""


def connect(url: str, *, timeout: float = 10.0) -> Web3:
    """A web3 client of the JSON-RPC endpoint at ``url`` (http, https, ws or wss), which has answered once.

    Every request has ``timeout`` seconds. Only what proof-of-authority blocks and readable answers need is
    left of web3's middleware: the rest costs round trips per transaction. Raises ChainError, or
    ChainUnreachableError.
    """
    scheme = urlsplit(url).scheme
    if scheme not in ("http", "https", "ws", "wss"):
        raise ChainError(f"RPC URL {url!r} must begin with http://, https://, ws:// or wss://")
    transport = (HttpTransport if scheme.startswith("http") else WebSocketTransport)(url, timeout)
    w3 = Web3(transport, middleware=[AttributeDictMiddleware, ExtraDataToPOAMiddleware])
    rpc(w3, "eth_chainId")
    return w3


def genesis_hash(w3: Web3) -> str:
    """The hash of block 0 as 0x hexadecimal."""
    return identity(w3).genesis_hash


def identity(w3: Web3) -> ChainIdentity:
    """Ask the chain who it is. Raises ChainError."""
    chain_id, genesis = rpc_batch(w3, [("eth_chainId", []), ("eth_getBlockByNumber", ["0x0", False])])
    for answer in (chain_id, genesis):
        if isinstance(answer, RpcError):
            raise answer
    if genesis is None:
        raise ChainError("the chain does not show its genesis block; use a node that keeps the whole history")
    return ChainIdentity(int(chain_id, 16), str(genesis["hash"]).lower())


def check_identity(w3: Web3, expected: ChainIdentity) -> None:
    """Raise ChainResetError unless the chain is still ``expected``."""
    found = identity(w3)
    if found == expected:
        return
    if found.chain_id != expected.chain_id:
        raise ChainResetError(
            f"expected chain {expected.chain_id}, but the RPC URL leads to chain {found.chain_id}; "
            "correct the URL"
        )
    raise ChainResetError(
        f"chain {expected.chain_id} was reset: its genesis block is {found.genesis_hash}, not "
        f"{expected.genesis_hash}; deploy the contracts again and restart with the new deployment file"
    )


def is_devnet(chain_id: int, url: str) -> bool:
    """Whether this is a throw-away local chain: a development chain id, reached over loopback."""
    return chain_id in _DEVNET_CHAIN_IDS and urlsplit(url).hostname in _LOOPBACK_HOSTS
