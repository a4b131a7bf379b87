"""Fetched content on disk, found by the digest that the caller knows it by.

Files appear by rename, so a killed process leaves nothing half-written; the least recently used go when the
cache passes its size. Several processes may share one directory: a file that another one evicted is simply
not there, and whoever has it open goes on reading it.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from node.errors import StorageError

_ABANDONED = 3600.0
"""Seconds after which an unfinished file belongs to no living process."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


class ContentCache:
    """At most about ``max_bytes`` of content under ``root``; the keys are 32-byte digests, of which the
    caller chooses the kind. What ``put`` is given must have been compared with its digest already."""

    def __init__(self, root: Path, max_bytes: int) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._in_use: dict[str, int] = {}
        self._lock = threading.Lock()
        try:
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StorageError(
                f"cannot use {root} as a cache: {error.strerror}; choose another folder"
            ) from error
        for left_over in root.glob("tmp.*"):
            with suppress(FileNotFoundError):
                if time.time() - left_over.stat().st_mtime > _ABANDONED:
                    left_over.unlink()

    def get(self, digest: bytes) -> Path | None:
        """The file of a digest, which counts as used now, or None."""
        path = self._path(digest)
        try:
            os.utime(path)
        except FileNotFoundError:
            return None
        return path

    def put(self, digest: bytes, content: bytes | Path) -> Path:
        """Keep content; a file is moved when it lies on the same disk, and copied otherwise.

        Raises:
            StorageError: the disk is full; nothing is left behind.
        """
        path = self._path(digest)
        descriptor, name = tempfile.mkstemp(dir=self._root, prefix="tmp.")
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                if isinstance(content, bytes):
                    file.write(content)
                else:
                    temporary.unlink()
                    _link_or_copy(content, temporary)
            temporary.replace(path)
            os.utime(path)
        except OSError as error:
            raise StorageError(
                f"cannot keep content in {self._root}: {error.strerror}; free some space"
            ) from error
        finally:
            temporary.unlink(missing_ok=True)
        if isinstance(content, Path) and content != path:
            content.unlink(missing_ok=True)
        self._evict(keep=path.name)
        return path

    @contextmanager
    def using(self, digest: bytes) -> Iterator[Path | None]:
        """The file of a digest, safe from eviction by this object until the block ends, or None."""
        name = digest.hex()
        with self._lock:
            self._in_use[name] = self._in_use.get(name, 0) + 1
        try:
            yield self.get(digest)
        finally:
            with self._lock:
                self._in_use[name] -= 1
                if not self._in_use[name]:
                    del self._in_use[name]

    def size(self) -> int:
        """Bytes in the cache."""
        return sum(size for _, size, _ in self._entries())

    def _evict(self, keep: str) -> None:
        with self._lock:
            entries = sorted(self._entries())
            total = sum(size for _, size, _ in entries)
            for _, size, path in entries:
                if total <= self._max_bytes:
                    return
                if path.name != keep and path.name not in self._in_use:
                    path.unlink(missing_ok=True)
                    total -= size

    def _entries(self) -> Iterator[tuple[int, int, Path]]:
        for path in self._root.iterdir():
            if _DIGEST.fullmatch(path.name):
                with suppress(FileNotFoundError):
                    stat = path.stat()
                    yield stat.st_mtime_ns, stat.st_size, path

    def _path(self, digest: bytes) -> Path:
        if len(digest) != 32:
            raise ValueError(f"a cache key has 32 bytes, not {len(digest)}")
        return self._root / digest.hex()


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:
        with source.open("rb") as reader, target.open("wb") as writer:
            while piece := reader.read(1024 * 1024):
                writer.write(piece)
