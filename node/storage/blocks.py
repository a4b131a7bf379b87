"""The block store on disk: one file per block, named by the SHA2-256 digest of its bytes.

A block is written to a temporary file and renamed, so a killed process or a full disk leaves either the whole
block or nothing; it is hashed when it is read, so bytes that changed on disk are never served. The methods
block and may be called from any thread.
"""

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from node.errors import StorageError

MAX_BLOCK = 2 * 1024 * 1024
"""Bytes; the largest block that Bitswap implementations exchange."""

_MAX_CHECKED = 100_000
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _write_file(path: Path, data: bytes | memoryview) -> None:
    with path.open("wb", buffering=0) as file:
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]


class BlockStore:
    """Blocks under ``root/blocks``, addressed by 32-byte SHA2-256 digest.

    ``write`` puts bytes into a new file; a test passes one that fails as a full disk would.
    """

    def __init__(
        self, root: Path, *, write: Callable[[Path, bytes | memoryview], None] = _write_file
    ) -> None:
        self._root = root / "blocks"
        self._temporary = root / "tmp"
        self._write = write
        self._checked: dict[bytes, tuple[int, int, int]] = {}
        self._root.mkdir(parents=True, exist_ok=True)
        self._temporary.mkdir(exist_ok=True)
        for left_over in self._temporary.iterdir():
            left_over.unlink(missing_ok=True)

    def put(self, digest: bytes, data: bytes | memoryview) -> None:
        """Store one block whose digest the caller has just computed from ``data``.

        Raises:
            StorageError: the disk is full or refuses the write; nothing is left behind.
        """
        if self.get(digest) is not None:
            return
        path = self.path(digest)
        temporary = self._temporary / secrets.token_hex(16)
        try:
            self._write(temporary, data)
            path.parent.mkdir(exist_ok=True)
            temporary.replace(path)
        except OSError as error:
            raise explain(error, self._root) from error
        finally:
            temporary.unlink(missing_ok=True)

    def get(self, digest: bytes) -> bytes | None:
        """The bytes of a block, or None when it is not here."""
        size = self.size(digest)
        view = None if size is None else self.read_into(digest, memoryview(bytearray(size)))
        return None if view is None else bytes(view)

    def read_into(self, digest: bytes, buffer: memoryview) -> memoryview | None:
        """Read a block into the beginning of ``buffer`` and return that part, or None when the block is not
        here.

        A block that no longer matches its name is deleted. The hash of a file that did not change since this
        process last checked it is not computed again.
        """
        path = self.path(digest)
        try:
            with path.open("rb", buffering=0) as file:
                stat = os.fstat(file.fileno())
                view, filled = buffer[: stat.st_size], 0
                while filled < len(view) and (got := file.readinto(view[filled:])):
                    filled += got
        except FileNotFoundError:
            return None
        state = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        if filled == stat.st_size and self._checked.get(digest) == state:
            return view
        if hashlib.sha256(view).digest() != digest:
            path.unlink(missing_ok=True)
            return None
        while len(self._checked) >= _MAX_CHECKED:
            self._checked.pop(next(iter(self._checked)), None)
        self._checked[digest] = state
        return view

    def has(self, digest: bytes) -> bool:
        """Whether a block is here, without reading it."""
        return self.path(digest).exists()

    def size(self, digest: bytes) -> int | None:
        """Bytes of a block, or None when it is not here."""
        try:
            return self.path(digest).stat().st_size
        except FileNotFoundError:
            return None

    def delete(self, digest: bytes) -> None:
        """Remove a block; no error when it is not here."""
        self.path(digest).unlink(missing_ok=True)

    def digests(self) -> Iterator[bytes]:
        """Every digest in the store, in no order."""
        for folder in self._root.iterdir():
            for path in folder.iterdir():
                with suppress(ValueError):
                    yield bytes.fromhex(path.name)

    def free_bytes(self) -> int:
        """Bytes left on the disk."""
        return shutil.disk_usage(self._root).free

    def path(self, digest: bytes) -> Path:
        """Where the block of a digest lies, or would lie."""
        name = digest.hex()
        return self._root / name[:2] / name


def explain(error: OSError, place: Path) -> StorageError:
    """A failed write as one line that says what to do."""
    if error.errno in _NO_ROOM:
        return StorageError(
            f"no space left for blocks in {place}; free some space, or unpin content and run `milon ipfs gc`"
        )
    return StorageError(f"cannot write in {place}: {error.strerror or error}; check the disk")
