"""The agents' way to IPFS: an ``ipfshttpclient`` against the embedded daemon or Kubo, with limits on all of
it.

Content comes from strangers: a CID is checked by its form before it is used, a fetch stops as soon as it
passes its limit, ends at its deadline whatever the peer does, and is compared with the digest that the caller
expects.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import ipfshttpclient
import requests
from ipfshttpclient import exceptions

from node.errors import ContentError, ContentMissing, StorageError
from node.storage.cid import Cid

# ipfshttpclient 0.7 passes urllib3 an argument that it no longer needs.
warnings.filterwarnings(
    "ignore", message="The 'strict' parameter is no longer needed", category=FutureWarning
)

_CHUNK = 1024 * 1024
_CONNECT_TIMEOUT = 5.0
_GRACE = 2.0
"""Seconds beyond the deadline that the daemon is given to say itself what is missing."""
_DAEMON_TROUBLE = ("no space left", "cannot write", "no such file or directory", "permission denied")


@dataclass(frozen=True)
class PeerIdentity:
    """A daemon's libp2p identity and the multiaddrs under which it is dialled."""

    peer_id: str
    addresses: tuple[str, ...]


class IpfsClient:
    """One daemon's RPC. It keeps no connection between calls, so any number of threads may share it.

    ``api`` is a multiaddr or a URL; ``timeout`` is the default in seconds for a whole call, transfer
    included.
    """

    def __init__(self, api: str = "/ip4/127.0.0.1/tcp/5001", *, timeout: float = 30.0) -> None:
        self.api = api
        self.timeout = timeout
        try:
            self._client = ipfshttpclient.Client(_multiaddr(api), chunk_size=_CHUNK)
        except Exception as error:
            raise StorageError(
                f"not an IPFS API address: {api!r}; expected http://127.0.0.1:5001 or /ip4/127.0.0.1/tcp/5001"
            ) from error

    def add(self, source: bytes | Path, *, timeout: float | None = None) -> str:
        """Store and pin bytes or a file; returns its CID. Equal bytes have equal CIDs on every daemon.

        Raises:
            StorageError: the daemon is unreachable, or its disk is full.
        """
        limit = self.timeout if timeout is None else timeout
        with self._translated():
            reply = self._client.add(
                io.BytesIO(source) if isinstance(source, bytes) else str(source),
                pin=True,
                raw_leaves=True,
                cid_version=1,
                chunker=f"size-{_CHUNK}",
                timeout=(_CONNECT_TIMEOUT, limit),
            )
        return str(Cid.parse(str(reply["Hash"])))

    def fetch(
        self, cid: str, *, max_bytes: int, timeout: float | None = None, sha256: bytes | None = None
    ) -> bytes:
        """Content as bytes, at most ``max_bytes`` of it, of digest ``sha256`` (32 bytes) when that is given.

        Raises:
            ContentError: the CID is malformed; the content is missing, oversized, or another than expected.
            StorageError: the daemon is unreachable.
        """
        buffer = io.BytesIO()
        self._fetch(cid, buffer.write, max_bytes, timeout, sha256)
        return buffer.getvalue()

    def fetch_to(
        self,
        path: Path,
        cid: str,
        *,
        max_bytes: int,
        timeout: float | None = None,
        sha256: bytes | None = None,
    ) -> int:
        """Content into a file, which appears only when it is whole and right; returns its size. Raises as
        ``fetch``."""
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                size = self._fetch(cid, file.write, max_bytes, timeout, sha256)
            Path(name).replace(path)
        except OSError as error:
            raise StorageError(f"cannot write {path}: {error.strerror}; free some space") from error
        finally:
            Path(name).unlink(missing_ok=True)
        return size

    def pin(self, cid: str, *, timeout: float | None = None) -> None:
        """Keep content and serve it to others from now on; what is missing is fetched first.

        Raises:
            ContentError: nobody serves it in time.
            StorageError: the daemon is unreachable, or its disk is full.
        """
        wanted = str(Cid.parse(cid))
        with self._translated(wanted):
            self._client.pin.add(wanted, **self._limits(timeout))

    def is_pinned(self, cid: str) -> bool:
        """Whether the daemon keeps this content, for whoever asked it to.

        Raises:
            StorageError: the daemon is unreachable.
        """
        wanted = str(Cid.parse(cid))
        with self._translated(wanted):
            try:
                self._client.pin.ls(wanted, **self._limits(None))
            except exceptions.ErrorResponse as error:
                if "not pinned" not in str(error):
                    raise
                return False
        return True

    def unpin(self, cid: str) -> None:
        """Let content be collected. Content that is not pinned is no error.

        Raises:
            StorageError: the daemon is unreachable.
        """
        wanted = str(Cid.parse(cid))
        with self._translated(wanted):
            try:
                self._client.pin.rm(wanted, **self._limits(None))
            except exceptions.ErrorResponse as error:
                if "not pinned" not in str(error):
                    raise

    def connect(self, multiaddr: str, *, timeout: float | None = None) -> None:
        """Connect the daemon to another node, ``/ip4/.../tcp/.../p2p/ID``.

        Raises:
            StorageError: nobody answers there, or the daemon is unreachable.
        """
        with self._translated():
            # ipfshttpclient 0.7's own swarm.connect sends every character of the address as a
            # further argument.
            self._client._client.request(
                "/swarm/connect", (multiaddr,), decoder="json", **self._limits(timeout)
            )

    def peers(self) -> list[str]:
        """Peer ids that the daemon is connected to.

        Raises:
            StorageError: the daemon is unreachable.
        """
        with self._translated():
            reply = self._client.swarm.peers(**self._limits(None))
            return [str(peer["Peer"]) for peer in reply["Peers"] or ()]

    def identity(self) -> PeerIdentity:
        """Who the daemon is, and where other nodes dial it.

        Raises:
            StorageError: the daemon is unreachable.
        """
        with self._translated():
            reply = self._client.id(**self._limits(None))
            return PeerIdentity(str(reply["ID"]), tuple(str(address) for address in reply["Addresses"] or ()))

    def collect(self) -> int:
        """Delete unpinned blocks from the daemon's disk; returns how many went.

        Raises:
            StorageError: the daemon is unreachable.
        """
        with self._translated():
            return len(self._client.repo.gc(timeout=(_CONNECT_TIMEOUT, 600.0)))

    def close(self) -> None:
        """Give up what the client holds."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _fetch(
        self,
        cid: str,
        write: Callable[[bytes], object],
        max_bytes: int,
        timeout: float | None,
        sha256: bytes | None,
    ) -> int:
        wanted = str(Cid.parse(cid))
        limit = self.timeout if timeout is None else timeout
        deadline = time.monotonic() + limit
        digest, size = hashlib.sha256(), 0
        with self._translated(wanted):
            stream = self._client.cat(wanted, length=max_bytes + 1, stream=True, **self._limits(limit))
            with stream:
                for piece in stream:
                    size += len(piece)
                    if size > max_bytes:
                        raise ContentError(
                            f"{wanted} is larger than the {max_bytes} bytes allowed; it is not fetched"
                        )
                    if time.monotonic() > deadline:
                        raise ContentMissing(
                            f"{wanted} was not fetched within {limit:g} s ({size} bytes came); "
                            "check that its publisher is connected, or raise the timeout"
                        )
                    if sha256 is not None:
                        digest.update(piece)
                    write(piece)
        if sha256 is not None and digest.digest() != sha256:
            raise ContentError(
                f"{wanted} has SHA-256 {digest.hexdigest()}, expected {sha256.hex()}; its publisher sent "
                f"another file"
            )
        return size

    def _limits(self, timeout: float | None) -> dict[str, Any]:
        """The deadline as the daemon knows it (``timeout``) and as the socket does."""
        limit = self.timeout if timeout is None else timeout
        return {"timeout": (_CONNECT_TIMEOUT, limit + _GRACE), "opts": {"timeout": f"{limit * 1000:.0f}ms"}}

    @contextmanager
    def _translated(self, cid: str | None = None) -> Iterator[None]:
        """Every failure of the transport as one of Milon's errors; about ``cid`` when the call is about
        content."""
        try:
            yield
        except exceptions.ErrorResponse as error:
            message = str(error.args[0]) if error.args else str(error)
            if cid is None or any(sign in message.lower() for sign in _DAEMON_TROUBLE):
                raise StorageError(f"the IPFS daemon at {self.api} refused: {message}") from error
            raise ContentMissing(
                f"{cid} cannot be fetched: {message}; check that a node that serves it is connected"
            ) from error
        except (exceptions.TimeoutError, requests.exceptions.Timeout) as error:
            if cid is None:
                raise StorageError(
                    f"the IPFS daemon at {self.api} did not answer in time; restart it"
                ) from error
            raise ContentMissing(
                f"{cid} was not fetched in time; check that a node that serves it is connected, or raise "
                f"the timeout"
            ) from error
        except exceptions.StatusError as error:
            raise StorageError(
                f"{self.api} does not answer as an IPFS daemon: {error}; check the URL"
            ) from error
        except (exceptions.ConnectionError, requests.exceptions.ConnectionError) as error:
            if cid is not None and "Read timed out" in str(error):
                raise ContentMissing(f"{cid} was not fetched in time; raise the timeout") from error
            raise self._unreachable() from error
        except (exceptions.ProtocolError, requests.exceptions.ChunkedEncodingError) as error:
            if cid is None:
                raise self._unreachable() from error
            raise ContentMissing(
                f"{cid} broke off while it was fetched; check that a node that serves it is connected"
            ) from error
        except (exceptions.Error, requests.exceptions.RequestException) as error:
            raise StorageError(f"the IPFS daemon at {self.api} cannot be used: {error}") from error
        except OSError as error:
            with suppress(AttributeError):
                if error.filename:
                    raise StorageError(f"cannot read {error.filename}: {error.strerror}") from error
            raise

    def _unreachable(self) -> StorageError:
        return StorageError(
            f"no IPFS daemon answers at {self.api}; start one with `milon ipfs daemon`, or correct the URL"
        )


def _multiaddr(api: str) -> str:
    """``http://host:port`` as the multiaddr that ipfshttpclient takes."""
    if not api.startswith(("http://", "https://")):
        return api
    url = urlsplit(api)
    host = url.hostname or ""
    port = url.port or (443 if url.scheme == "https" else 80)
    if ":" in host:
        family = "ip6"
    elif host.replace(".", "").isdigit():
        family = "ip4"
    else:
        family = "dns"
    return f"/{family}/{host}/tcp/{port}/{url.scheme}"
