"""The Kubo RPC commands that Milon uses, each as Kubo 0.30 answers it."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from importlib.metadata import version
from typing import Any, TypeVar

import trio
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from node.errors import ContentError, StorageError
from node.storage.cid import Cid
from node.storage.dag import Dag
from node.storage.http import Reply, Request, RpcError
from node.storage.repo import Repo
from node.storage.swarm import Swarm

DEFAULT_TIMEOUT = 600.0
"""Seconds that a command may take when it names no ``timeout``."""
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|us|ns)")

T = TypeVar("T")


class Rpc:
    """Dispatches requests from HTTP threads; what needs the network is handed to trio."""

    def __init__(
        self, repo: Repo, dag: Dag, swarm: Swarm, token: trio.lowlevel.TrioToken, stop: Callable[[], None]
    ) -> None:
        self._repo = repo
        self._dag = dag
        self._swarm = swarm
        self._token = token
        self._stop = stop
        self._commands: dict[str, Callable[[Request], Reply]] = {
            "version": self._version,
            "id": self._id,
            "add": self._add,
            "cat": self._cat,
            "pin/add": self._pin_add,
            "pin/rm": self._pin_rm,
            "pin/ls": self._pin_ls,
            "block/stat": self._block_stat,
            "dag/stat": self._dag_stat,
            "swarm/connect": self._swarm_connect,
            "swarm/peers": self._swarm_peers,
            "routing/provide": self._provide,
            "routing/findprovs": self._find_providers,
            "repo/stat": self._repo_stat,
            "repo/gc": self._repo_gc,
            "shutdown": self._shutdown,
        }

    def __call__(self, request: Request) -> Reply:
        """Run one command."""
        command = self._commands.get(request.command)
        if command is None:
            raise RpcError(404, f"404 page not found: this daemon has no command {request.command[:80]!r}")
        return command(request)

    def _version(self, _request: Request) -> Reply:
        return {
            "Version": "0.30.0",
            "Commit": "",
            "Repo": "16",
            "System": f"milon/{version('milon')}",
            "Golang": "",
        }

    def _id(self, _request: Request) -> Reply:
        return {
            "ID": self._swarm.peer_id,
            "PublicKey": "",
            "Addresses": self._swarm.addresses(),
            "AgentVersion": f"milon/{version('milon')}",
            "Protocols": [],
        }

    def _add(self, request: Request) -> Reply:
        name: list[str] = []
        added = self._dag.add(_file_part(request, name), pin=request.flag("pin", default=True))
        self._swarm_soon(added.cid)
        cid = str(added.cid)
        return {"Name": (name[0] if name else "") or cid, "Hash": cid, "Size": str(added.size)}

    def _cat(self, request: Request) -> Reply:
        length = request.option("length")
        return self._dag.read(
            _cid(request),
            offset=_number(request.option("offset", "0")),
            length=_number(length) if length else None,
            deadline=_deadline(request),
        )

    def _pin_add(self, request: Request) -> Reply:
        for cid in _cids(request):
            self._dag.pin(cid, _deadline(request))
            self._swarm_soon(cid)
        return {"Pins": [str(cid) for cid in _cids(request)]}

    def _pin_rm(self, request: Request) -> Reply:
        for cid in _cids(request):
            self._repo.unpin(cid)
        return {"Pins": [str(cid) for cid in _cids(request)]}

    def _pin_ls(self, request: Request) -> Reply:
        if request.args:
            asked = _cids(request)
            for cid in asked:
                if not self._repo.is_pinned(cid):
                    raise ContentError(f"path '{cid}' is not pinned")
        else:
            asked = self._repo.pins()
        return {"Keys": {str(cid): {"Type": "recursive"} for cid in asked}}

    def _block_stat(self, request: Request) -> Reply:
        cid = _cid(request)
        self._dag.root(cid, _deadline(request))
        return {"Key": str(cid), "Size": self._repo.blocks.size(cid.digest) or 0}

    def _dag_stat(self, request: Request) -> Reply:
        cid = _cid(request)
        sizes = [size for _, size in self._dag.walk(cid, _deadline(request))]
        stat = {"Cid": {"/": str(cid)}, "Size": sum(sizes), "NumBlocks": len(sizes)}
        return {"TotalSize": sum(sizes), "UniqueBlocks": len(sizes), "DagStats": [stat]}

    def _swarm_connect(self, request: Request) -> Reply:
        if not request.args:
            raise RpcError(400, 'argument "address" is required')
        deadline = _deadline(request)
        peers = [
            self._in_trio(
                self._swarm.connect, address, deadline=deadline, late=f"cannot reach {address} in time"
            )
            for address in request.args
        ]
        return {"Strings": [f"connect {peer} success" for peer in peers]}

    def _swarm_peers(self, _request: Request) -> Reply:
        peers = trio.from_thread.run_sync(self._swarm.peers, trio_token=self._token)
        return {
            "Peers": [
                {"Addr": address, "Peer": peer, "Latency": "", "Muxer": "", "Direction": 0, "Streams": None}
                for peer, address in peers
            ]
        }

    def _provide(self, request: Request) -> Reply:
        for cid in _cids(request):
            if not self._repo.blocks.has(cid.digest):
                raise ContentError(f"block {cid} not found locally, cannot provide")
            self._swarm_soon(cid)
        return {"ID": "", "Type": 4, "Responses": None, "Extra": ""}

    def _find_providers(self, request: Request) -> Reply:
        async def find(cid: Cid) -> list[Any]:
            return await self._swarm.find_providers(cid, _number(request.option("num-providers", "20")))

        found = self._in_trio(
            find, _cid(request), deadline=_deadline(request), late="the DHT did not answer in time"
        )
        return [
            {"ID": "", "Type": 4, "Extra": "",
             "Responses": [{"ID": str(info.peer_id), "Addrs": [str(address) for address in info.addrs]}]}
            for info in found
        ]  # fmt: skip

    def _repo_stat(self, _request: Request) -> Reply:
        sizes = [self._repo.blocks.size(digest) or 0 for digest in self._repo.blocks.digests()]
        return {
            "RepoSize": sum(sizes),
            "NumObjects": len(sizes),
            "RepoPath": str(self._repo.root),
            "StorageMax": self._repo.blocks.free_bytes() + sum(sizes),
            "Version": "fs-repo@16",
        }

    def _repo_gc(self, _request: Request) -> Reply:
        return [{"Key": {"/": str(Cid(1, 0x55, digest))}} for digest in self._dag.collect()]

    def _shutdown(self, _request: Request) -> Reply:
        self._stop()
        return {}

    def _swarm_soon(self, cid: Cid) -> None:
        trio.from_thread.run_sync(self._swarm.provide, cid, trio_token=self._token)

    def _in_trio(self, call: Callable[..., Awaitable[T]], *args: object, deadline: float, late: str) -> T:
        async def bounded() -> T:
            with trio.move_on_after(max(0.0, deadline - time.monotonic())):
                return await call(*args)
            raise StorageError(late)

        return trio.from_thread.run(bounded, trio_token=self._token)


def fetcher(swarm: Swarm, token: trio.lowlevel.TrioToken) -> Callable[..., None]:
    """The network side of ``Dag``: brings blocks into the store from any thread."""

    def fetch(cids: list[Cid], session: Any, deadline: float) -> None:
        async def bounded() -> None:
            with trio.move_on_after(max(0.0, deadline - time.monotonic())):
                await swarm.exchange.fetch(cids, session)
                return
            peers = len(swarm.host.get_connected_peers())
            raise ContentError(
                f"{cids[0]} was not served by any of {peers} connected peers before the timeout"
            )

        trio.from_thread.run(bounded, trio_token=token)

    return fetch


def _file_part(request: Request, name: list[str]) -> Iterator[memoryview]:
    """The content of the first file of a multipart body; its name goes into ``name``."""
    kind, options = parse_options_header(request.content_type)
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise RpcError(400, "file argument 'path' is required, as multipart/form-data")
    pieces: list[memoryview] = []
    parts = [0]
    header = bytearray()

    def begin() -> None:
        parts[0] += 1
        header.clear()

    def data(buffer: bytes, start: int, end: int) -> None:
        pieces.append(memoryview(buffer)[start:end])

    def header_value(buffer: bytes, start: int, end: int) -> None:
        header.extend(buffer[start:end])

    def header_end() -> None:
        found = parse_options_header(bytes(header))[1].get(b"filename")
        if found is not None and not name:
            name.append(found.decode("utf-8", "replace")[:255])
        header.clear()

    parser = MultipartParser(
        options[b"boundary"],
        {
            "on_part_begin": begin,
            "on_part_data": data,
            "on_header_value": header_value,
            "on_header_end": header_end,
        },
        max_size=math.inf,
    )
    try:
        for piece in request.body():
            parser.write(bytes(piece))
            if parts[0] > 1:
                raise RpcError(400, "one file per request; add files one by one")
            yield from pieces
            pieces.clear()
        parser.finalize()
    except FormParserError as error:
        raise RpcError(400, f"malformed multipart body: {error}") from error
    if not parts[0]:
        raise RpcError(400, "file argument 'path' is required")


def _cids(request: Request) -> list[Cid]:
    if not request.args:
        raise RpcError(400, 'argument "ipfs-path" is required')
    return [Cid.parse(text) for text in request.args]


def _cid(request: Request) -> Cid:
    return _cids(request)[0]


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        raise RpcError(400, f"not a whole number: {text[:40]!r}")
    return int(text)


def _deadline(request: Request) -> float:
    """``time.monotonic()`` at which the command's ``timeout`` (a Go duration such as 1m30s) ends."""
    text = request.option("timeout")
    parts = _DURATION.findall(text)
    if text and "".join(number + unit for number, unit in parts) != text:
        raise RpcError(400, f"not a duration: {text[:40]!r}; expected for example 30s")
    return time.monotonic() + (
        sum(float(number) * _UNITS[unit] for number, unit in parts) if text else DEFAULT_TIMEOUT
    )
