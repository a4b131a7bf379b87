"""Files as trees of blocks: the UnixFS layout that Kubo writes for CIDv1 with raw leaves.

Leaves are raw chunks of ``CHUNK`` bytes; above them are dag-pb nodes of at most ``LINKS`` links, balanced.
The same bytes therefore get the same CID here and from ``ipfs add --cid-version=1 --chunker=size-1048576``.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from google.protobuf.message import DecodeError
from libp2p.bitswap.dag_pb import Link, UnixFSData, encode_dag_pb
from libp2p.bitswap.pb.dag_pb_pb2 import PBNode
from libp2p.bitswap.pb.unixfs_pb2 import Data

from node.errors import ContentError
from node.storage.cid import DAG_PB, RAW, Cid

CHUNK = 1024 * 1024
"""Bytes per leaf."""
LINKS = 174
"""Links per node, as in go-unixfs' balanced layout."""
MAX_DEPTH = 16
"""Levels below the root; 174 links per level hold more than any disk within four."""


@dataclass(frozen=True, slots=True)
class Child:
    """A link inside a file: which block, and how many bytes of the file are below it."""

    cid: Cid
    size: int


@dataclass(frozen=True, slots=True)
class FileNode:
    """A decoded block of a file: its own bytes, its children in order, and the bytes of the file at and below
    it."""

    data: bytes
    children: tuple[Child, ...]
    size: int


@dataclass(frozen=True, slots=True)
class _Built:
    cid: Cid
    size: int
    blocks: int


def layout(leaves: Iterable[tuple[Cid, int]]) -> Iterator[tuple[Cid, bytes]]:
    """Yield the nodes above the leaves (CID and bytes of each in file order), the root last.

    One leaf needs no node: nothing is yielded and the leaf is the root.
    """
    level = [_Built(cid, size, size) for cid, size in leaves]
    while len(level) > 1:
        above: list[_Built] = []
        for start in range(0, len(level), LINKS):
            group = level[start : start + LINKS]
            size = sum(item.size for item in group)
            links = [Link(cid=item.cid.to_bytes(), name="", size=item.blocks) for item in group]
            block = encode_dag_pb(
                links, UnixFSData(type="file", filesize=size, blocksizes=[item.size for item in group])
            )
            cid = Cid.of(block, DAG_PB)
            above.append(_Built(cid, size, len(block) + sum(item.blocks for item in group)))
            yield cid, block
        level = above


def decode(cid: Cid, block: bytes) -> FileNode:
    """Read one block of a file. The sizes come from a stranger: they are compared with each other, never
    trusted.

    Raises:
        ContentError: not a file, or a node whose sizes contradict each other.
    """
    if cid.codec == RAW:
        return FileNode(block, (), len(block))
    node, data = PBNode(), Data()
    try:
        node.ParseFromString(block)
        data.ParseFromString(node.Data)
    except DecodeError as error:
        raise ContentError(f"{cid} is not a file: {error}; ask its publisher for the right CID") from error
    if not node.Data or data.Type not in (Data.File, Data.Raw):
        raise ContentError(f"{cid} is a directory or another special node, not a file")
    if len(node.Links) != len(data.blocksizes):
        raise ContentError(f"{cid} is malformed: {len(node.Links)} links with {len(data.blocksizes)} sizes")
    children = tuple(
        Child(Cid.from_bytes(link.Hash), size) for link, size in zip(node.Links, data.blocksizes, strict=True)
    )
    size = len(data.Data) + sum(child.size for child in children)
    if data.HasField("filesize") and data.filesize != size:
        raise ContentError(f"{cid} is malformed: it declares {data.filesize} bytes and links to {size}")
    return FileNode(data.Data, children, size)
