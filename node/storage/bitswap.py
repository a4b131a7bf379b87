"""Bitswap 1.2.0 over libp2p streams: asking peers for blocks and answering what they ask.

The messages are libp2p's; the exchange is written here because a stranger's blocks are stored only when they
were asked for, a request goes to one holder at a time and moves on when that peer refuses, falls silent or
leaves, and neither side ever holds more than a few blocks in memory (Bitswap specification, IPFS, 2021).
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import trio
from google.protobuf.message import DecodeError
from libp2p.abc import IHost, INetStream
from libp2p.bitswap.pb.bitswap_pb2 import Message
from libp2p.peer.id import ID

from chain.errors import MilonError
from node.errors import ContentError
from node.storage.bitswap_link import PROTOCOL, Link, MessageReader
from node.storage.blocks import MAX_BLOCK, BlockStore
from node.storage.cid import Cid

SILENCE = 8.0
"""Seconds without a byte from a peer that owes a block before another one is asked."""
WINDOW = 16
"""Blocks asked of one peer at a time."""
_RETRY = 1.0
_STREAMS_PER_PEER = 8


class Session:
    """The blocks of one file share the peers that were found to hold some of it."""

    def __init__(self) -> None:
        self.holders: dict[ID, None] = {}


class _Want:
    def __init__(self, cid: Cid, session: Session) -> None:
        self.cid = cid
        self.session = session
        self.lock = trio.Lock()
        self.done = trio.Event()
        self.news = trio.Event()
        self.refused: set[ID] = set()
        self.error: MilonError | None = None
        self.users = 0

    def tell(self) -> None:
        """Wake the task that waits for an answer."""
        self.news.set()
        self.news = trio.Event()


class Exchange:
    """One node's side of Bitswap. Everything runs in trio; blocks are read and written in threads."""

    def __init__(
        self, host: IHost, store: BlockStore, *, find_more: Callable[[Cid], Awaitable[None]] | None = None
    ) -> None:
        self._host = host
        self._store = store
        self._find_more = find_more
        self._wants: dict[bytes, _Want] = {}
        self._links: dict[ID, Link] = {}
        self._streams: dict[ID, int] = {}
        self._heard: dict[ID, float] = {}
        self._nursery: trio.Nursery | None = None
        self._arrival = trio.Event()

    async def run(self, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
        """Serve peers until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self._host.set_stream_handler(PROTOCOL, self._serve)
            task_status.started()
            await trio.sleep_forever()

    async def fetch(self, cids: Sequence[Cid], session: Session) -> None:
        """Bring blocks into the store; returns when all are there. The caller sets the deadline by a cancel
        scope.

        Raises:
            StorageError: the disk is full.
        """
        failures: list[MilonError] = []

        async def obtain(cid: Cid) -> None:
            try:
                await self._obtain(cid, session)
            except MilonError as error:
                failures.append(error)
                nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            for cid in cids:
                nursery.start_soon(obtain, cid)
        if failures:
            raise failures[0]

    def peer_joined(self, _peer: ID) -> None:
        """A connection opened: searches under way ask the newcomer too."""
        self._arrival.set()
        self._arrival = trio.Event()

    def peer_left(self, peer: ID) -> None:
        """The last connection to a peer closed: what it owed is asked of others at once."""
        link = self._links.pop(peer, None)
        if link is not None:
            link.close()
        self._heard.pop(peer, None)
        for want in self._wants.values():
            want.refused.discard(peer)
            want.session.holders.pop(peer, None)
            want.tell()

    async def _obtain(self, cid: Cid, session: Session) -> None:
        if await trio.to_thread.run_sync(self._store.has, cid.digest):
            return
        with self._wanting(cid, session) as want:
            async with want.lock:
                want.session = session
                while not want.done.is_set():
                    peer = self._choose(want, session)
                    if peer is None:
                        await self._discover(want)
                    else:
                        await self._ask(want, session, peer)
            if want.error is not None:
                raise want.error

    @contextmanager
    def _wanting(self, cid: Cid, session: Session) -> Iterator[_Want]:
        want = self._wants.setdefault(cid.digest, _Want(cid, session))
        want.users += 1
        try:
            yield want
        finally:
            want.users -= 1
            if not want.users:
                self._wants.pop(cid.digest, None)

    def _choose(self, want: _Want, session: Session) -> ID | None:
        connected = self._host.get_connected_peers()
        holders = [peer for peer in session.holders if peer not in want.refused and peer in connected]
        return min(holders, key=lambda peer: self._link(peer).asked, default=None)

    async def _ask(self, want: _Want, session: Session, peer: ID) -> None:
        """Ask one holder and wait until it delivers, refuses, leaves or falls silent."""
        link = self._link(peer)
        with link.owing():
            async with link.slots:
                link.want(want.cid, have=False)
                started = trio.current_time()
                try:
                    while not want.done.is_set() and peer not in want.refused and peer in session.holders:
                        deadline = max(self._heard.get(peer, 0.0), started) + SILENCE
                        if trio.current_time() >= deadline:
                            session.holders.pop(peer, None)
                            want.refused.add(peer)
                            return
                        news = want.news
                        with trio.move_on_at(deadline):
                            await news.wait()
                finally:
                    if not want.done.is_set() and peer not in want.refused:
                        link.cancel(want.cid)

    async def _discover(self, want: _Want) -> None:
        """Ask every connected peer whether it has the block; later rounds ask the DHT and whoever
        connects."""
        news, arrival = want.news, self._arrival
        asked = [peer for peer in self._host.get_connected_peers() if peer not in want.refused]
        for peer in asked:
            self._link(peer).want(want.cid, have=True)
        deadline = trio.current_time() + _RETRY
        while trio.current_time() < deadline and not all(peer in want.refused for peer in asked):
            with trio.move_on_at(deadline):
                await news.wait()
            news = want.news
            if want.done.is_set() or self._choose(want, want.session) is not None:
                return
        with trio.move_on_at(deadline + _RETRY):
            if self._find_more is not None:
                await self._find_more(want.cid)
        with trio.move_on_at(deadline):
            await arrival.wait()
        want.refused.clear()

    def _link(self, peer: ID) -> Link:
        link = self._links.get(peer)
        if link is None:
            if self._nursery is None:
                raise RuntimeError("the exchange is not running")
            link = Link(self._host, peer, self._store, WINDOW)
            self._links[peer] = link
            self._nursery.start_soon(self._drive, link)
        return link

    async def _drive(self, link: Link) -> None:
        """Run one peer's outgoing stream; when it cannot be opened or breaks, its wants go elsewhere."""
        try:
            await link.run(self._receive)
        finally:
            if self._links.get(link.peer) is link:
                self.peer_left(link.peer)

    async def _serve(self, stream: INetStream) -> None:
        peer: ID = stream.muxed_conn.peer_id
        if self._streams.get(peer, 0) >= _STREAMS_PER_PEER:
            await stream.reset()
            return
        self._streams[peer] = self._streams.get(peer, 0) + 1
        try:
            await self._receive(stream, peer)
            await stream.close()
        except Exception:  # noqa: BLE001 - libp2p raises exceptions of many kinds when a connection dies
            await stream.reset()
        finally:
            self._streams[peer] -= 1
            if not self._streams[peer]:
                del self._streams[peer]

    async def _receive(self, stream: INetStream, peer: ID) -> None:
        """Read messages until the stream ends. Some implementations answer on the stream that asked."""

        def heard() -> None:
            self._heard[peer] = trio.current_time()

        reader = MessageReader(stream, heard)
        while (body := await reader.next()) is not None:
            message = Message()
            try:
                message.ParseFromString(body)
            except DecodeError:
                return
            del body
            await self._handle(message, peer)

    async def _handle(self, message: Any, peer: ID) -> None:
        for entry in message.wantlist.entries:
            await self._answer(entry, peer)
        for presence in message.blockPresences:
            self._note(presence, peer)
        for data in [block.data for block in message.payload] + list(message.blocks):
            await self._accept(data, peer)

    async def _answer(self, entry: Any, peer: ID) -> None:
        try:
            cid = Cid.from_bytes(entry.block)
        except ContentError:
            return
        if entry.cancel:
            self._link(peer).forget(cid)
        elif not await trio.to_thread.run_sync(self._store.has, cid.digest):
            if entry.sendDontHave:
                self._link(peer).presence(cid, have=False)
        elif entry.wantType == Message.Wantlist.Have:
            self._link(peer).presence(cid, have=True)
        else:
            self._link(peer).block(cid)

    def _note(self, presence: Any, peer: ID) -> None:
        try:
            want = self._wants.get(Cid.from_bytes(presence.cid).digest)
        except ContentError:
            return
        if want is None:
            return
        if presence.type == Message.Have:
            want.session.holders[peer] = None
            want.refused.discard(peer)
        else:
            want.refused.add(peer)
        want.tell()

    async def _accept(self, data: bytes, peer: ID) -> None:
        if len(data) > MAX_BLOCK:
            return
        digest = await trio.to_thread.run_sync(_sha256, data)
        want = self._wants.get(digest)
        if want is None or want.done.is_set():
            return
        try:
            await trio.to_thread.run_sync(self._store.put, digest, data)
        except MilonError as error:
            want.error = error
        want.session.holders[peer] = None
        want.done.set()
        want.tell()


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
