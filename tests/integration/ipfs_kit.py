"""What the IPFS tests share."""

import random
import time
from collections.abc import Callable
from pathlib import Path

from node.storage.cid import Cid
from node.storage.ipfs import IpfsClient
from node.storage.process import DaemonProcess


def noise(seed: int, size: int) -> bytes:
    """Content that does not compress and differs by seed."""
    return random.Random(seed).randbytes(size)  # noqa: S311 - test content


def absent_cid(name: str) -> str:
    """The CID of content that nobody has."""
    return str(Cid.of(f"absent {name}".encode()))


def vm_high_water(daemon: DaemonProcess) -> int:
    """Bytes of memory that a daemon has needed at most so far."""
    for line in Path(f"/proc/{daemon.process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    """Poll a condition of another process until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


def wait_connected(client: IpfsClient, *others: DaemonProcess) -> None:
    """Wait until a daemon is connected to others."""
    wait_until(lambda: {other.peer_id for other in others} <= set(client.peers()), "connected")
