"""Which chain, IPFS daemon and key a command works with: options, or environment variables."""

from __future__ import annotations

import functools
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chain.errors import ChainError

if TYPE_CHECKING:
    from chain.consortium import Consortium
    from chain.sender import Sender
    from chain.wallet import Wallet
    from node.keys import Key
    from node.storage.ipfs import IpfsClient

DEFAULT_RPC = "http://127.0.0.1:8545"
DEFAULT_IPFS = "http://127.0.0.1:5001"
_FILE = click.Path(dir_okay=False, path_type=Path)


class Session:
    """A command's way to chain and IPFS; connects when it is first asked to."""

    def __init__(self, rpc: str, deployment: Path | None, ipfs: str, key: Key) -> None:
        self.rpc, self.ipfs_api, self.key = rpc, ipfs, key
        self._deployment = deployment

    @cached_property
    def consortium(self) -> Consortium:
        """The contracts of the deployment, on the chain behind the URL. Raises ChainError."""
        from chain.consortium import Consortium

        return Consortium.connect(self.rpc, self.deployment_file)

    @property
    def deployment_file(self) -> Path:
        """The file that was named, else the newest ``deployments/<chain id>.json`` here."""
        if self._deployment is not None:
            return self._deployment
        found = newest_deployment()
        if found is None:
            raise ChainError(
                "there is no deployments/<chain id>.json here; give --deployment FILE, "
                "or deploy with scripts/deploy.py"
            )
        return found

    @property
    def has_key(self) -> bool:
        """Whether a key was named."""
        return self.key.given

    @cached_property
    def wallet(self) -> Wallet:
        """The key that signs. Raises WalletError, ChainError."""
        from node.keys import open_wallet

        if not self.has_key:
            raise ChainError("this needs a key; give --keystore NAME, or --devnet-key INDEX on a devnet")
        return open_wallet(self.key, self.consortium)

    def sender(self) -> Sender:
        """Sends with that key; a context manager. Raises KeyInUseError, ChainError."""
        return self.consortium.sender(self.wallet)

    def ipfs(self, timeout: float = 60.0) -> IpfsClient:
        """The IPFS daemon; a context manager. Raises StorageError."""
        from node.storage.ipfs import IpfsClient

        return IpfsClient(self.ipfs_api, timeout=timeout)


def newest_deployment() -> Path | None:
    """The newest ``deployments/<chain id>.json`` in the working directory."""
    found = [path for path in Path("deployments").glob("*.json") if path.stem.isdecimal()]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def session_options(
    *, key: bool = False, ipfs: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds the options of chain, and of key and IPFS where asked for; the command gets one ``session``."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def wrapped(
            *,
            rpc: str,
            deployment: Path | None,
            ipfs: str = DEFAULT_IPFS,
            keystore: str | None = None,
            password_file: Path | None = None,
            devnet_key: int | None = None,
            **rest: Any,
        ) -> Any:
            chosen = one_key(keystore, password_file, devnet_key)
            return command(session=Session(rpc, deployment, ipfs, chosen), **rest)

        options = [*_CHAIN_OPTIONS, *(_IPFS_OPTIONS if ipfs else []), *(_KEY_OPTIONS if key else [])]
        return functools.reduce(lambda inner, option: option(inner), reversed(options), wrapped)

    return decorate


def key_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options of a key alone; the command gets one ``key``."""

    @functools.wraps(command)
    def wrapped(
        *, keystore: str | None, password_file: Path | None, devnet_key: int | None, **rest: Any
    ) -> Any:
        return command(key=one_key(keystore, password_file, devnet_key), **rest)

    return functools.reduce(lambda inner, option: option(inner), reversed(_KEY_OPTIONS), wrapped)


def one_key(keystore: str | None, password_file: Path | None, devnet_key: int | None) -> Key:
    """The key that options name. Raises click.UsageError when they name two."""
    from node.keys import Key

    if keystore is not None and devnet_key is not None:
        raise click.UsageError("--keystore and --devnet-key exclude each other; give one")
    return Key(keystore, password_file, devnet_key)


_CHAIN_OPTIONS = [
    click.option(
        "--rpc", envvar="MILON_RPC", show_envvar=True, default=DEFAULT_RPC, show_default=True, metavar="URL",
        help="JSON-RPC endpoint of the chain.",
    ),
    click.option(
        "--deployment", envvar="MILON_DEPLOYMENT", show_envvar=True, type=_FILE,
        help="Deployment file; the newest deployments/<chain id>.json here when left out.",
    ),
]  # fmt: skip
_IPFS_OPTIONS = [
    click.option(
        "--ipfs", envvar="MILON_IPFS", show_envvar=True, default=DEFAULT_IPFS, show_default=True,
        metavar="URL", help="RPC API of the IPFS daemon.",
    ),
]  # fmt: skip
_KEY_OPTIONS = [
    click.option(
        "--keystore", envvar="MILON_KEYSTORE", show_envvar=True, metavar="NAME",
        help="Key that signs: a keystore's path, or its label or address in the folder of `milon account`.",
    ),
    click.option(
        "--password-file", envvar="MILON_PASSWORD_FILE", show_envvar=True, type=_FILE,
        help="File whose first line is the keystore's password; else MILON_PASSWORD, else asked for.",
    ),
    click.option(
        "--devnet-key", envvar="MILON_DEVNET_KEY", show_envvar=True, type=click.IntRange(0, 999),
        metavar="INDEX", help="Instead of a keystore: a well-known key, on a devnet only.",
    ),
]  # fmt: skip
