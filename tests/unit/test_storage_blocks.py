"""The block store on disk: whole blocks or nothing, and never a byte that its name does not promise."""

import errno
import hashlib
from pathlib import Path

import pytest

from node.errors import StorageError
from node.storage.blocks import BlockStore


def digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def test_block_when_put_then_is_got_and_listed(tmp_path: Path) -> None:
    store = BlockStore(tmp_path)
    store.put(digest(b"weights"), b"weights")
    assert store.get(digest(b"weights")) == b"weights"
    assert store.size(digest(b"weights")) == 7
    assert list(store.digests()) == [digest(b"weights")]


def test_block_when_absent_then_is_none(tmp_path: Path) -> None:
    store = BlockStore(tmp_path)
    assert store.get(digest(b"other")) is None
    assert store.size(digest(b"other")) is None
    store.delete(digest(b"other"))


@pytest.mark.parametrize("damage", [b"Weights", b"weight", b"weights and more", b""])
def test_block_when_damaged_on_disk_then_is_not_served_and_can_be_replaced(
    tmp_path: Path, damage: bytes
) -> None:
    store = BlockStore(tmp_path)
    store.put(digest(b"weights"), b"weights")
    assert store.get(digest(b"weights")) == b"weights"
    store.path(digest(b"weights")).write_bytes(damage)
    assert store.get(digest(b"weights")) is None
    store.put(digest(b"weights"), b"weights")
    assert store.get(digest(b"weights")) == b"weights"


def test_block_when_damaged_before_it_is_put_again_then_is_repaired(tmp_path: Path) -> None:
    store = BlockStore(tmp_path)
    store.put(digest(b"weights"), b"weights")
    store.path(digest(b"weights")).write_bytes(b"Weights")
    store.put(digest(b"weights"), b"weights")
    assert store.get(digest(b"weights")) == b"weights"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_block_when_the_disk_is_full_then_error_says_so_and_nothing_is_left(
    tmp_path: Path, number: int
) -> None:
    full = [False]

    def write(path: Path, data: bytes | memoryview) -> None:
        path.write_bytes(bytes(data[: len(data) // 2]) if full[0] else data)
        if full[0]:
            raise OSError(number, "disk full")

    store = BlockStore(tmp_path, write=write)
    store.put(digest(b"before"), b"before")
    full[0] = True
    with pytest.raises(StorageError, match=r"no space left.*milon ipfs gc"):
        store.put(digest(b"weights"), b"weights")
    assert store.get(digest(b"weights")) is None
    assert store.get(digest(b"before")) == b"before"
    assert list((tmp_path / "tmp").iterdir()) == []


def test_store_when_a_killed_process_left_half_a_block_then_starts_without_it(tmp_path: Path) -> None:
    BlockStore(tmp_path)
    (tmp_path / "tmp" / "half").write_bytes(b"wei")
    assert list(BlockStore(tmp_path).digests()) == []
    assert list((tmp_path / "tmp").iterdir()) == []
