"""Whole files over the block store: add, read, pin, measure, collect. Blocking; any thread may call it.

Blocks that are missing here are asked of the network a few groups ahead of the reader, so a file of any size
is streamed in bounded memory.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from node.errors import ContentError
from node.storage.bitswap import Session
from node.storage.blocks import MAX_BLOCK, BlockStore
from node.storage.cid import DAG_PB, RAW, Cid
from node.storage.repo import Repo
from node.storage.unixfs import CHUNK, MAX_DEPTH, Child, FileNode, decode, layout

GROUP = 8
"""Blocks fetched together."""
AHEAD = 3
"""Groups under way while the reader is at an earlier one."""

Fetch = Callable[[Sequence[Cid], Session, float], None]
"""Brings blocks into the store before a ``time.monotonic()`` deadline, or raises ContentError."""


@dataclass(frozen=True, slots=True)
class Added:
    """An added file: its root and its bytes on disk, nodes included."""

    cid: Cid
    size: int


class _Reading:
    """One pass over a file: its session, its deadline, its buffer, and the threads that fetch ahead of it."""

    def __init__(self, fetch: Fetch, blocks: BlockStore, session: Session, deadline: float) -> None:
        self.session = session
        self.deadline = deadline
        self.buffer = memoryview(bytearray(MAX_BLOCK))
        self._fetch = fetch
        self._blocks = blocks
        self._pool = ThreadPoolExecutor(AHEAD, thread_name_prefix="fetch")

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def ahead(self, children: list[tuple[Child, int]]) -> Iterator[tuple[Child, int]]:
        """Yield the children in order, each when it is in the store, while later ones are being fetched."""
        groups = [children[start : start + GROUP] for start in range(0, len(children), GROUP)]
        pending = deque(self._begin(group) for group in groups[:AHEAD])
        for index, group in enumerate(groups):
            future = pending.popleft()
            if future is not None:
                future.result()
            if index + AHEAD < len(groups):
                pending.append(self._begin(groups[index + AHEAD]))
            yield from group

    def _begin(self, group: list[tuple[Child, int]]) -> Future[None] | None:
        missing = [child.cid for child, _ in group if not self._blocks.has(child.cid.digest)]
        return self._pool.submit(self._fetch, missing, self.session, self.deadline) if missing else None


class Dag:
    """Files in one repository, completed from the network through ``fetch``."""

    def __init__(self, repo: Repo, fetch: Fetch) -> None:
        self._repo = repo
        self._blocks = repo.blocks
        self._fetch = fetch

    def add(self, pieces: Iterable[bytes | memoryview], *, pin: bool = True) -> Added:
        """Store a file that arrives in pieces of any size.

        Raises:
            StorageError: the disk is full; what was pinned before is untouched.
        """
        with self._repo.adding():
            leaves, total = [], 0
            for chunk in _rechunk(pieces):
                cid = Cid.of(chunk)
                self._blocks.put(cid.digest, chunk)
                leaves.append((cid, len(chunk)))
                total += len(chunk)
            root = leaves[0][0]
            for cid, block in layout(leaves):
                self._blocks.put(cid.digest, block)
                root, total = cid, total + len(block)
            if pin:
                self._repo.pin(root)
        return Added(root, total)

    def read(
        self, cid: Cid, *, offset: int = 0, length: int | None = None, deadline: float
    ) -> Iterator[bytes | memoryview]:
        """Yield the bytes of a file from ``offset``, at most ``length`` of them, fetching what is missing. A
        piece is valid until the next one is asked for.

        Raises:
            ContentError: nobody serves it in time, or it is not a file.
        """
        reading = _Reading(self._fetch, self._blocks, Session(), deadline)
        root = self._node(cid, reading.session, deadline)
        end = root.size if length is None else min(root.size, offset + length)
        try:
            yield from self._read(reading, root, 0, offset, end, 0)
        finally:
            reading.close()

    def pin(self, cid: Cid, deadline: float) -> None:
        """Fetch the whole of a file and protect it."""
        with self._repo.adding():
            for _ in self.walk(cid, deadline):
                pass
            self._repo.pin(cid)

    def walk(self, cid: Cid, deadline: float) -> Iterator[tuple[Cid, int]]:
        """Yield each different block of a file once, with its size, fetching what is missing."""
        session, seen, waiting = Session(), {cid.digest}, deque([(cid, 0)])
        while waiting:
            batch = [waiting.popleft() for _ in range(min(len(waiting), GROUP * AHEAD))]
            self._bring([block for block, _ in batch], session, deadline)
            for block, depth in batch:
                size = self._blocks.size(block.digest)
                yield block, size if size is not None else 0
                if block.codec == RAW:
                    continue
                if depth >= MAX_DEPTH:
                    raise ContentError(
                        f"{cid} is nested more than {MAX_DEPTH} levels deep; it is not fetched"
                    )
                for child in self._node(block, session, deadline).children:
                    if child.cid.digest not in seen:
                        seen.add(child.cid.digest)
                        waiting.append((child.cid, depth + 1))

    def root(self, cid: Cid, deadline: float) -> FileNode:
        """The decoded root of a file: its size and children."""
        return self._node(cid, Session(), deadline)

    def collect(self) -> Iterator[bytes]:
        """Delete every block that no pin protects; yields the digests that went."""
        with self._repo.collecting():
            keep: set[bytes] = set()
            waiting = self._repo.pins()
            while waiting:
                cid = waiting.pop()
                if cid.digest in keep:
                    continue
                keep.add(cid.digest)
                block = self._blocks.get(cid.digest) if cid.codec == DAG_PB else None
                if block is not None:
                    waiting.extend(child.cid for child in decode(cid, block).children)
            for digest in list(self._blocks.digests()):
                if digest not in keep:
                    self._blocks.delete(digest)
                    yield digest

    def _read(
        self, reading: _Reading, node: FileNode, start: int, offset: int, end: int, depth: int
    ) -> Iterator[bytes | memoryview]:
        """Yield the part of ``offset..end`` that lies in a node beginning at byte ``start`` of the file."""
        if depth > MAX_DEPTH:
            raise ContentError(f"the file is nested more than {MAX_DEPTH} levels deep; it is not read")
        own = node.data[max(0, offset - start) : max(0, end - start)]
        if own:
            yield own
        position = start + len(node.data)
        wanted: list[tuple[Child, int]] = []
        for child in node.children:
            if child.size and position < end and position + child.size > offset:
                wanted.append((child, position))
            position += child.size
        for child, position in reading.ahead(wanted):
            if child.cid.codec == RAW:
                leaf = self._leaf(reading, child.cid)
                _check_size(child, len(leaf))
                yield leaf[max(0, offset - position) : max(0, end - position)]
            else:
                below = self._node(child.cid, reading.session, reading.deadline)
                _check_size(child, below.size)
                yield from self._read(reading, below, position, offset, end, depth + 1)

    def _leaf(self, reading: _Reading, cid: Cid) -> memoryview:
        """A raw block in the reader's own buffer: fresh memory for every leaf would cost more than the
        copy."""
        for _ in range(2):
            view = self._blocks.read_into(cid.digest, reading.buffer)
            if view is not None:
                return view
            self._fetch([cid], reading.session, reading.deadline)
        raise ContentError(f"{cid} is damaged on disk and cannot be replaced; check the disk")

    def _node(self, cid: Cid, session: Session, deadline: float) -> FileNode:
        """One decoded block. A block that rotted on disk is fetched afresh."""
        for _ in range(2):
            block = self._blocks.get(cid.digest)
            if block is not None:
                return decode(cid, block)
            self._fetch([cid], session, deadline)
        raise ContentError(f"{cid} is damaged on disk and cannot be replaced; check the disk")

    def _bring(self, cids: list[Cid], session: Session, deadline: float) -> None:
        missing = [cid for cid in cids if not self._blocks.has(cid.digest)]
        if missing:
            self._fetch(missing, session, deadline)
        elif time.monotonic() > deadline:
            raise ContentError("the request took longer than its timeout; raise the timeout")


def _rechunk(pieces: Iterable[bytes | memoryview]) -> Iterator[memoryview]:
    """Leaves of exactly ``CHUNK`` bytes, the last one shorter; one empty leaf for an empty file."""
    buffer, filled, any_yet = bytearray(CHUNK), 0, False
    view = memoryview(buffer)
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            take = min(len(rest), CHUNK - filled)
            view[filled : filled + take] = rest[:take]
            filled += take
            rest = rest[take:]
            if filled == CHUNK:
                yield view
                any_yet, filled = True, 0
    if filled or not any_yet:
        yield view[:filled]


def _check_size(child: Child, size: int) -> None:
    if size != child.size:
        raise ContentError(f"{child.cid} holds {size} bytes where {child.size} were declared")
