"""The outgoing half of a Bitswap connection to one peer, and the reader of its messages."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import trio
from libp2p.abc import IHost, INetStream
from libp2p.bitswap.pb.bitswap_pb2 import Message
from libp2p.custom_types import TProtocol
from libp2p.network.stream.exceptions import StreamEOF, StreamError
from libp2p.peer.id import ID

from node.storage.blocks import BlockStore
from node.storage.cid import Cid

log = logging.getLogger("milon.ipfs")

PROTOCOL = TProtocol("/ipfs/bitswap/1.2.0")
MAX_MESSAGE = 4 * 1024 * 1024
"""Bytes; the limit of the Bitswap specification."""
_READ = 512 * 1024
_OPEN_TIMEOUT = 10.0
_SEND_TIMEOUT = 60.0
_MAX_QUEUE = 1024
_BATCH = 256


class Link:
    """What this node has to say to one peer, in the order of urgency: wants, presences, blocks.

    Blocks wait as identifiers and are read from disk one at a time, so a slow peer costs no memory. A peer
    that asks for more than ``_MAX_QUEUE`` things at once loses the rest: it will ask again.
    """

    def __init__(self, host: IHost, peer: ID, store: BlockStore, window: int) -> None:
        self.peer = peer
        self.asked = 0
        self.slots = trio.CapacityLimiter(window)
        self._host = host
        self._store = store
        self._wants: dict[Cid, tuple[bool, bool]] = {}
        self._presences: dict[Cid, bool] = {}
        self._blocks: deque[Cid] = deque()
        self._wake = trio.Event()
        self._scope = trio.CancelScope()

    def want(self, cid: Cid, *, have: bool) -> None:
        """Ask for a block, or only whether the peer has it."""
        self._wants[cid] = (have, False)
        self._wake.set()

    def cancel(self, cid: Cid) -> None:
        """Tell the peer that a block is no longer wanted."""
        self._wants[cid] = (False, True)
        self._wake.set()

    def presence(self, cid: Cid, *, have: bool) -> None:
        """Tell the peer whether a block is here."""
        if len(self._presences) < _MAX_QUEUE:
            self._presences[cid] = have
            self._wake.set()

    def block(self, cid: Cid) -> None:
        """Send a block."""
        if len(self._blocks) < _MAX_QUEUE and cid not in self._blocks:
            self._blocks.append(cid)
            self._wake.set()

    def forget(self, cid: Cid) -> None:
        """The peer cancelled its want."""
        if cid in self._blocks:
            self._blocks.remove(cid)

    @contextmanager
    def owing(self) -> Iterator[None]:
        """Count a block that the peer is being asked for, so that several holders share the load."""
        self.asked += 1
        try:
            yield
        finally:
            self.asked -= 1

    def close(self) -> None:
        """Stop; what is queued is dropped."""
        self._scope.cancel()

    async def run(self, read: Callable[[INetStream, ID], Awaitable[None]]) -> None:
        """Send what is queued until closed or until the peer cannot be reached."""
        with self._scope:
            stream: INetStream | None = None
            try:
                with trio.fail_after(_OPEN_TIMEOUT):
                    stream = await self._host.new_stream(self.peer, [PROTOCOL])
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._listen, read, stream)
                    await self._send_forever(stream)
            except Exception as error:  # noqa: BLE001 - libp2p raises exceptions of many kinds when a peer is gone
                log.debug("the link to %s ended: %s", self.peer, error)
            finally:
                if stream is not None:
                    with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                        await stream.reset()

    async def _listen(self, read: Callable[[INetStream, ID], Awaitable[None]], stream: INetStream) -> None:
        try:
            await read(stream, self.peer)
        except (StreamError, OSError):
            self._scope.cancel()

    async def _send_forever(self, stream: INetStream) -> None:
        while True:
            while (message := await self._next_message()) is not None:
                body = message.SerializeToString()
                with trio.fail_after(_SEND_TIMEOUT):
                    await stream.write(_varint(len(body)) + body)
            await self._wake.wait()

    async def _next_message(self) -> Message | None:
        message = Message()
        self._wake = trio.Event()
        for cid in list(self._wants)[:_BATCH]:
            have, cancel = self._wants.pop(cid)
            entry = message.wantlist.entries.add(block=cid.to_bytes(), priority=1, cancel=cancel)
            entry.wantType = Message.Wantlist.Have if have else Message.Wantlist.Block
            entry.sendDontHave = not cancel
        for cid in list(self._presences)[:_BATCH]:
            kind = Message.Have if self._presences.pop(cid) else Message.DontHave
            message.blockPresences.add(cid=cid.to_bytes(), type=kind)
        if self._blocks:
            cid = self._blocks.popleft()
            data = await trio.to_thread.run_sync(self._store.get, cid.digest)
            if data is None:
                message.blockPresences.add(cid=cid.to_bytes(), type=Message.DontHave)
            else:
                message.payload.add(prefix=cid.prefix, data=data)
        if message.wantlist.entries or message.blockPresences or message.payload:
            return message
        return None


class MessageReader:
    """Length-prefixed messages from a stream; ``heard`` is called whenever bytes arrive."""

    def __init__(self, stream: INetStream, heard: Callable[[], None]) -> None:
        self._stream = stream
        self._heard = heard
        self._buffer = bytearray()

    async def next(self) -> bytes | None:
        """The next message body, or None when the stream ended or broke the limit."""
        length = shift = 0
        while True:
            if not self._buffer and not await self._more():
                return None
            byte = self._buffer.pop(0)
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
            if shift > 28:
                return None
        if length > MAX_MESSAGE:
            return None
        while len(self._buffer) < length:
            if not await self._more():
                return None
        body = bytes(memoryview(self._buffer)[:length])
        del self._buffer[:length]
        return body

    async def _more(self) -> bool:
        try:
            data = await self._stream.read(_READ)
        except StreamEOF:
            return False
        self._heard()
        self._buffer += data
        return bool(data)


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
