"""A daemon's directory: lock, identity, blocks, pins, and the address of its API.

A pin is an empty file named by the root's CID, so that it survives a killed process and costs no rewriting.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout
from libp2p.crypto.ed25519 import Ed25519PrivateKey, create_new_key_pair
from libp2p.crypto.keys import KeyPair

from node.errors import ContentError, StorageError
from node.storage.blocks import BlockStore, explain
from node.storage.cid import Cid

_SWARM_KEY_HEAD = ["/key/swarm/psk/1.0.0/", "/base16/"]


class Repo:
    """Everything a daemon keeps under one directory. One daemon at a time holds it."""

    def __init__(self, root: Path) -> None:
        """Take the directory, making it when it is new.

        Raises:
            StorageError: another daemon holds it, or it cannot be written.
        """
        self.root = root
        try:
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = FileLock(root / "repo.lock")
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise StorageError(
                f"another IPFS daemon is running on {root}; stop it, or give this one another --repo"
            ) from error
        except OSError as error:
            raise StorageError(
                f"cannot use {root} as a repository: {error.strerror}; choose another --repo"
            ) from error
        self.blocks = BlockStore(root)
        self._pins = root / "pins"
        self._pins.mkdir(exist_ok=True)
        self._gate = threading.Condition()
        self._adding = 0
        self._collecting = False

    def keys(self) -> KeyPair:
        """The node's Ed25519 key pair, made on the first start and readable by its owner alone.

        Raises:
            StorageError: the key file is damaged or open to others.
        """
        path = self.root / "identity.key"
        if not path.exists():
            descriptor = os.open(path.with_suffix(".tmp"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(create_new_key_pair().private_key.to_bytes().hex())
            path.with_suffix(".tmp").replace(path)
        if path.stat().st_mode & 0o077:
            raise StorageError(f"{path} can be read by others; run `chmod 600 {path}`")
        try:
            private = Ed25519PrivateKey.from_bytes(bytes.fromhex(path.read_text().strip()))
        except Exception as error:
            raise StorageError(
                f"{path} does not hold an Ed25519 key; restore it, or delete it for a new identity"
            ) from error
        return KeyPair(private, private.get_public_key())

    def write_api(self, address: str) -> None:
        """Leave the API's multiaddr in ``api``, as Kubo does."""
        (self.root / "api").write_text(address + "\n")

    def pin(self, cid: Cid) -> None:
        """Protect a file from garbage collection."""
        try:
            (self._pins / str(cid)).touch()
        except OSError as error:
            raise explain(error, self._pins) from error

    def unpin(self, cid: Cid) -> None:
        """Give a file free for garbage collection.

        Raises:
            ContentError: it is not pinned.
        """
        try:
            (self._pins / str(cid)).unlink()
        except FileNotFoundError as error:
            raise ContentError(f"{cid} is not pinned") from error

    def is_pinned(self, cid: Cid) -> bool:
        """Whether exactly this root is pinned."""
        return (self._pins / str(cid)).exists()

    def pins(self) -> list[Cid]:
        """Every pinned root."""
        return [Cid.parse(path.name) for path in sorted(self._pins.iterdir())]

    @contextmanager
    def adding(self) -> Iterator[None]:
        """Held while blocks are written that a pin will protect: collection waits."""
        with self._gate:
            self._gate.wait_for(lambda: not self._collecting)
            self._adding += 1
        try:
            yield
        finally:
            with self._gate:
                self._adding -= 1
                self._gate.notify_all()

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Held while unpinned blocks are deleted: nothing is being added."""
        with self._gate:
            self._gate.wait_for(lambda: not self._adding and not self._collecting)
            self._collecting = True
        try:
            yield
        finally:
            with self._gate:
                self._collecting = False
                self._gate.notify_all()

    def close(self) -> None:
        """Give the directory free."""
        with suppress(OSError):
            (self.root / "api").unlink(missing_ok=True)
        self._lock.release()


def read_swarm_key(path: Path) -> str:
    """The 64 hexadecimal digits of a private-swarm key file in Kubo's format.

    Raises:
        StorageError: the file is missing or has another form.
    """
    try:
        lines = path.read_text().split()
    except OSError as error:
        raise StorageError(f"cannot read the swarm key {path}: {error.strerror}") from error
    if lines[:2] == _SWARM_KEY_HEAD and len(lines) == 3:
        with suppress(ValueError):
            if len(bytes.fromhex(lines[2])) == 32:
                return lines[2].lower()
    raise StorageError(
        f"{path} is not a swarm key; expected the lines {' '.join(_SWARM_KEY_HEAD)} and 64 hexadecimal digits"
    )
