"""The cache of fetched content: least recently used goes first, nothing half-written is ever found."""

import hashlib
import os
import time
from pathlib import Path

import pytest

from node.storage.cache import ContentCache


def key(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def test_content_when_put_as_bytes_or_file_then_is_got(tmp_path: Path) -> None:
    cache = ContentCache(tmp_path / "cache", 1000)
    assert cache.get(key("a")) is None
    assert cache.put(key("a"), b"alpha").read_bytes() == b"alpha"
    source = tmp_path / "source"
    source.write_bytes(b"beta")
    cache.put(key("b"), source)
    found = cache.get(key("b"))
    assert found is not None
    assert found.read_bytes() == b"beta"
    assert not source.exists()
    assert cache.size() == 9


def test_content_when_the_cache_is_full_then_the_least_recently_used_goes(tmp_path: Path) -> None:
    cache = ContentCache(tmp_path, 250)
    for age, name in enumerate("abc"):
        path = cache.put(key(name), b"x" * 80)
        os.utime(path, ns=(age, age))
    assert cache.get(key("a")) is not None
    cache.put(key("d"), b"x" * 80)
    assert [name for name in "abcd" if cache.get(key(name))] == ["a", "c", "d"]


def test_content_when_in_use_then_is_not_evicted(tmp_path: Path) -> None:
    cache = ContentCache(tmp_path, 100)
    cache.put(key("a"), b"x" * 80)
    with cache.using(key("a")) as path:
        cache.put(key("b"), b"x" * 80)
        assert path is not None
        assert path.exists()
    cache.put(key("c"), b"x" * 80)
    assert [name for name in "abc" if cache.get(key(name))] == ["c"]


def test_content_when_larger_than_the_cache_then_stays_until_the_next(tmp_path: Path) -> None:
    cache = ContentCache(tmp_path, 10)
    assert cache.put(key("a"), b"x" * 80).exists()
    cache.put(key("b"), b"x")
    assert cache.get(key("a")) is None


def test_cache_when_a_killed_process_left_half_a_file_then_starts_without_it(tmp_path: Path) -> None:
    for name, age in (("tmp.abandoned", 7200), ("tmp.of_a_living_process", 0)):
        (tmp_path / name).write_bytes(b"al")
        os.utime(tmp_path / name, (time.time() - age, time.time() - age))
    assert ContentCache(tmp_path, 100).size() == 0
    assert [path.name for path in tmp_path.iterdir()] == ["tmp.of_a_living_process"]


def test_key_when_not_a_digest_then_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        ContentCache(tmp_path, 100).get(b"../../etc/passwd")
