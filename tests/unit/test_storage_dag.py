"""Files as trees of blocks: the layout, reading ranges, hostile trees, pins and collection."""

import random
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from libp2p.bitswap.dag_pb import Link, UnixFSData, balanced_layout, encode_dag_pb

from node.errors import ContentError
from node.storage import unixfs
from node.storage.bitswap import Session
from node.storage.cid import DAG_PB, RAW, Cid
from node.storage.dag import Dag
from node.storage.repo import Repo
from node.storage.unixfs import CHUNK


def no_network(cids: Sequence[Cid], _session: Session, _deadline: float) -> None:
    raise ContentError(f"{cids[0]} is not here")


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path / "repo")


@pytest.fixture
def dag(repo: Repo) -> Dag:
    return Dag(repo, no_network)


def read(dag: Dag, cid: Cid, *, offset: int = 0, length: int | None = None) -> bytes:
    pieces = dag.read(cid, offset=offset, length=length, deadline=time.monotonic() + 5)
    return b"".join(bytes(piece) for piece in pieces)


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)  # noqa: S311 - test content


def put(repo: Repo, block: bytes, codec: int) -> Cid:
    cid = Cid.of(block, codec)
    repo.blocks.put(cid.digest, block)
    return cid


def node(children: Sequence[tuple[Cid, int]], *, declared: int | None = None) -> bytes:
    total = sum(size for _, size in children)
    block: bytes = encode_dag_pb(
        [Link(cid=cid.to_bytes(), size=size) for cid, size in children],
        UnixFSData(type="file", filesize=total if declared is None else declared,
                   blocksizes=[size for _, size in children]),
    )  # fmt: skip
    return block


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 17])
def test_file_when_added_in_odd_pieces_then_reads_back_whole_and_in_ranges(dag: Dag, size: int) -> None:
    data = noise(size)
    pieces = [data[start : start + 300_007] for start in range(0, size, 300_007)]
    added = dag.add(pieces)
    assert read(dag, added.cid) == data
    for offset, length in [(0, 10), (size // 2, 7), (size - 1, 5), (size + 3, 5), (CHUNK - 2, 4), (1, None)]:
        offset = max(0, offset)
        end = None if length is None else offset + length
        assert read(dag, added.cid, offset=offset, length=length) == data[offset:end]


def test_file_when_it_needs_two_levels_then_the_tree_is_that_of_libp2p_and_reads_back(
    dag: Dag, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unixfs, "LINKS", 3)
    data = noise(7 * CHUNK + 5)
    added = dag.add([data])
    leaves = [data[start : start + CHUNK] for start in range(0, len(data), CHUNK)]
    expected = balanced_layout([(Cid.of(leaf).to_bytes(), leaf, len(leaf)) for leaf in leaves], max_links=3)
    assert added.cid.to_bytes() == expected[0]
    assert read(dag, added.cid) == data
    assert read(dag, added.cid, offset=5 * CHUNK - 1, length=2 * CHUNK) == data[5 * CHUNK - 1 : 7 * CHUNK - 1]


def test_file_when_a_leaf_is_damaged_on_disk_then_is_not_read(dag: Dag, repo: Repo) -> None:
    added = dag.add([noise(2 * CHUNK)])
    leaf = dag.root(added.cid, time.monotonic() + 1).children[1].cid
    repo.blocks.path(leaf.digest).write_bytes(b"x" * CHUNK)
    with pytest.raises(ContentError, match="not here"):
        read(dag, added.cid)


def test_file_when_a_leaf_is_damaged_and_served_by_others_then_is_fetched_afresh(repo: Repo) -> None:
    data = noise(2 * CHUNK)

    def network(cids: Sequence[Cid], _session: Session, _deadline: float) -> None:
        for cid in cids:
            repo.blocks.put(
                cid.digest, next(half for half in (data[:CHUNK], data[CHUNK:]) if Cid.of(half) == cid)
            )

    dag = Dag(repo, network)
    added = dag.add([data])
    leaf = dag.root(added.cid, time.monotonic() + 1).children[1].cid
    repo.blocks.path(leaf.digest).write_bytes(b"x" * CHUNK)
    assert read(dag, added.cid) == data


def test_tree_when_sizes_contradict_each_other_then_is_refused(dag: Dag, repo: Repo) -> None:
    leaf = put(repo, b"12345", RAW)
    for root in (node([(leaf, 5)], declared=6), node([(leaf, 4)]), node([(leaf, 10**15)])):
        with pytest.raises(ContentError):
            read(dag, put(repo, root, DAG_PB))


def test_tree_when_it_is_a_directory_or_rubbish_then_is_refused(dag: Dag, repo: Repo) -> None:
    directory = encode_dag_pb([], UnixFSData(type="directory"))
    for block in (directory, b"\xff\xff\xff\xff", b""):
        with pytest.raises(ContentError):
            read(dag, put(repo, block, DAG_PB))


def test_tree_when_it_expands_without_end_then_only_what_was_asked_is_read(dag: Dag, repo: Repo) -> None:
    cid, size = put(repo, b"x" * 1000, RAW), 1000
    for _ in range(6):
        cid, size = put(repo, node([(cid, size)] * 170), DAG_PB), size * 170
    assert len(read(dag, cid, length=5000)) == 5000


def test_tree_when_empty_children_are_repeated_without_end_then_reading_ends(dag: Dag, repo: Repo) -> None:
    cid = put(repo, b"", RAW)
    for _ in range(12):
        cid = put(repo, node([(cid, 0)] * 170), DAG_PB)
    assert read(dag, cid) == b""
    assert len(list(dag.walk(cid, time.monotonic() + 5))) == 13


def test_tree_when_nested_too_deep_then_is_refused(dag: Dag, repo: Repo) -> None:
    cid = put(repo, b"x", RAW)
    for _ in range(unixfs.MAX_DEPTH + 2):
        cid = put(repo, node([(cid, 1)]), DAG_PB)
    with pytest.raises(ContentError, match="nested"):
        read(dag, cid)
    with pytest.raises(ContentError, match="nested"):
        dag.pin(cid, time.monotonic() + 5)
    assert repo.pins() == []


def test_collection_when_run_then_deletes_what_no_pin_protects(dag: Dag, repo: Repo) -> None:
    kept = dag.add([noise(3 * CHUNK)])
    dropped = dag.add([noise(2 * CHUNK)])
    unpinned = dag.add([b"never pinned"], pin=False)
    repo.unpin(dropped.cid)
    assert len(list(dag.collect())) == 4
    assert read(dag, kept.cid) == noise(3 * CHUNK)
    for cid in (dropped.cid, unpinned.cid):
        with pytest.raises(ContentError):
            read(dag, cid)


def test_pins_when_the_repository_is_opened_again_then_are_still_there(dag: Dag, repo: Repo) -> None:
    added = dag.add([b"model"])
    repo.close()
    again = Repo(repo.root)
    assert again.pins() == [added.cid]
    with pytest.raises(ContentError, match="not pinned"):
        again.unpin(Cid.of(b"another"))
    again.close()
