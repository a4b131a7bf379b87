"""What an agent does for the data plane besides its own work: it stays connected, and serves what others may miss."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import partial

from node.agent.tasks import Tasks, WorkError
from node.content import JobContent
from node.errors import ContentError, StorageError
from node.joblog import UpdateRecord
from node.storage.ipfs import IpfsClient


class Neighbours:
    """Connects the node's IPFS daemon to those of the other nodes, each once; the daemon keeps to them from then on.

    Runs on its own thread, since a peer that is gone takes its time to be found so. Used from one thread.
    """

    def __init__(self, ipfs: IpfsClient, tasks: Tasks) -> None:
        self._ipfs = ipfs
        self._tasks = tasks

    def meet(self, addresses: Iterable[str]) -> None:
        """Connect to multiaddresses; those that do not answer are tried again after growing pauses."""
        for address in addresses:
            try:
                self._tasks.result(("connect", address), partial(self._connect, address))
            except (ContentError, StorageError, WorkError):
                # Nobody there now: the pause before the next try has begun.
                continue

    def _connect(self, address: str) -> bool:
        self._ipfs.connect(address)
        return True


def stale_address(registered: str, peer_id: str, addresses: tuple[str, ...]) -> str | None:
    """The address that the registry should have instead of `registered`; None if it is right.

    An address with the daemon's own peer id stands, whatever it is: behind a gateway only its operator knows it.
    """
    if not addresses or registered.rpartition("/p2p/")[2] == peer_id:
        return None
    return next((a for a in addresses if "/127.0.0.1/" not in a and "/::1/" not in a), addresses[0])


class Keeper:
    """Keeps the updates that this node fetched as a validator, so that they are served until their round is final.

    A trainer that serves only some of the validators cannot split them: those give to the others.
    """

    def __init__(self, ipfs: IpfsClient) -> None:
        self._ipfs = ipfs
        self._kept: dict[str, tuple[int, int]] = {}

    def fetch(self, content: JobContent, record: UpdateRecord, place: tuple[int, int]) -> bool:
        """Fetch an update, verified, and keep it for its job and round. Raises as JobContent.update."""
        content.update(record)
        # What is pinned already is somebody else's to unpin: agents may share a daemon.
        if record.cid not in self._kept and not self._ipfs.is_pinned(record.cid):
            # The bytes that were verified, not the record's CID: below that there may be more than anyone looked at.
            self._kept[self._ipfs.add(content.path(record.digest))] = place
        return True

    def owes(self, open_rounds: Collection[tuple[int, int]]) -> bool:
        """Whether anything is kept that belongs to no open round."""
        return any(place not in open_rounds for place in list(self._kept.values()))

    def release(self, open_rounds: Collection[tuple[int, int]]) -> list[str]:
        """Let go of what belongs to no open round; the CIDs. Raises StorageError."""
        gone = [cid for cid, place in list(self._kept.items()) if place not in open_rounds]
        for cid in gone:
            self._ipfs.unpin(cid)
            self._kept.pop(cid, None)
        return gone
