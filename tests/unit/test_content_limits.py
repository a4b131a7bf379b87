"""What a fetch of a stranger's content may cost: the job's own numbers are a stranger's, too."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from node.content import JobContent, Limits
from node.errors import ContentMissing
from node.joblog import UpdateRecord
from node.storage.cache import ContentCache
from node.tensors import Schema, TensorSpec

SCHEMA = Schema({"w": TensorSpec("F32", (10,))})
DIGEST = b"d" * 32


class Nobody:
    """An IPFS client whose daemon finds nothing, and that remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int, float]] = []

    def fetch_to(self, path: Path, cid: str, *, max_bytes: int, timeout: float) -> int:
        self.asked.append((cid, max_bytes, timeout))
        raise ContentMissing(f"{cid} is not here")


def content(tmp_path: Path, nobody: Nobody, cids: list[str], limit: int) -> JobContent:
    job = SimpleNamespace(terms=SimpleNamespace(max_update_bytes=limit))
    history = SimpleNamespace(cids=lambda _: cids, model_cids=lambda _: cids)
    cache = ContentCache(tmp_path / "cache", 1 << 20)
    made = JobContent(
        cast(Any, job), cast(Any, history), cast(Any, nobody), cache, tmp_path, Limits(timeout=60.0)
    )
    made._schema = SCHEMA
    return made


def test_model_when_the_job_allows_a_terabyte_then_no_more_is_fetched_than_its_schema_can_hold(
    tmp_path: Path,
) -> None:
    nobody = Nobody()
    with pytest.raises(ContentMissing):
        content(tmp_path, nobody, ["a"], 1 << 40).model(DIGEST)
    assert nobody.asked == [("a", SCHEMA.max_file_bytes, 60.0)]


def test_model_when_many_name_a_place_then_all_are_asked_within_the_time_of_one(tmp_path: Path) -> None:
    nobody, cids = Nobody(), [f"c{i}" for i in range(20)]
    with pytest.raises(ContentMissing):
        content(tmp_path, nobody, cids, 100).model(DIGEST)
    assert [cid for cid, _, _ in nobody.asked] == cids
    assert sum(timeout for _, _, timeout in nobody.asked) <= 60.0


def test_update_when_time_is_short_then_its_places_share_it(tmp_path: Path) -> None:
    nobody = Nobody()
    record = UpdateRecord("0x" + "11" * 20, 0, 1, 5, DIGEST, "own")
    with pytest.raises(ContentMissing):
        content(tmp_path, nobody, ["b", "c", "d"], 100).update(record, timeout=8.0)
    assert [(cid, timeout) for cid, _, timeout in nobody.asked] == [
        (cid, 2.0) for cid in ("own", "b", "c", "d")
    ]
