"""What a validator keeps for others: the bytes that it verified, whatever else a record's CID leads to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from ipfs_kit import absent_cid, noise

from node.agent.sharing import Keeper
from node.joblog import UpdateRecord
from node.storage.ipfs import IpfsClient
from node.storage.process import start_daemon

PLACE = (1, 1)


class Verified:
    """A job's content of which every update is in the cache already, such as one that copies another's digest."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def update(self, record: UpdateRecord) -> None:
        """It was verified under another CID."""

    def path(self, digest: bytes) -> Path:
        return self._path


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IpfsClient]:
    folder = tmp_path_factory.mktemp("ipfs")
    with start_daemon(folder / "repo", log=folder / "log") as daemon, IpfsClient(daemon.api) as client:
        yield client


def test_keeper_when_the_recorded_cid_is_not_what_was_verified_then_only_what_was_is_kept(
    client: IpfsClient, tmp_path: Path
) -> None:
    path, false_cid = tmp_path / "update", absent_cid("anything, of any size")
    path.write_bytes(noise(3, 5000))
    keeper = Keeper(client)
    record = UpdateRecord("0x" + "11" * 20, 0, 1, 5, bytes(32), false_cid)
    assert keeper.fetch(cast(Any, Verified(path)), record, PLACE)
    assert not client.is_pinned(false_cid)
    (kept,) = keeper.release([])
    assert client.fetch(kept, max_bytes=5000) == path.read_bytes()


def test_keeper_when_the_recorded_cid_is_right_then_it_is_what_is_kept_until_its_round_is_over(
    client: IpfsClient, tmp_path: Path
) -> None:
    path = tmp_path / "update"
    path.write_bytes(noise(4, 5000))
    cid = client.add(path)
    client.unpin(cid)
    keeper = Keeper(client)
    keeper.fetch(cast(Any, Verified(path)), UpdateRecord("0x" + "11" * 20, 0, 1, 5, bytes(32), cid), PLACE)
    assert client.is_pinned(cid)
    assert keeper.owes([]) and not keeper.owes([PLACE])
    assert keeper.release([]) == [cid]
    assert not client.is_pinned(cid)
