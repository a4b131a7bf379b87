"""One process per key: a second sender would take the same nonces and lose both their transactions."""

import os
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from chain.errors import ChainError
from chain.paths import home, private_directory


class KeyInUseError(ChainError):
    """Another sender, usually another agent, already uses this key on this chain. ``pid`` is its process,
    or 0."""

    def __init__(self, address: str, pid: int) -> None:
        who = f"process {pid}" if pid else "another process"
        super().__init__(f"key {address} is already in use by {who}; stop it, or use another key")
        self.pid = pid


class KeyLock:
    """Held from construction until ``release``; the system frees it when the process dies, however it dies.

    The lock is of one key on one chain (``genesis_hash``): a key may serve on several chains at a time.
    """

    def __init__(self, address: str, genesis_hash: str, directory: Path | None = None) -> None:
        directory = private_directory(directory or home() / "locks")
        base = directory / f"{address.lower()}-{genesis_hash.removeprefix('0x')[:16]}"
        self._owner = base.with_suffix(".pid")
        self._lock = FileLock(
            base.with_suffix(".lock"), timeout=0, thread_local=False, preserve_lock_file=True
        )
        try:
            self._lock.acquire()
        except Timeout:
            raise KeyInUseError(address, _read_pid(self._owner)) from None
        except OSError as error:
            raise ChainError(f"cannot lock key {address} in {directory}: {error.strerror}") from error
        self._owner.write_text(str(os.getpid()))

    def release(self) -> None:
        """Let another process have the key."""
        if self._lock.is_locked:
            with suppress(OSError):
                self._owner.unlink()
            self._lock.release()


def _read_pid(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0
