"""The job spec: canonical bytes, and what a stranger may not put into them."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from node.data.prepare import PreparedJob, prepare
from node.errors import ContentError
from node.spec import JobSpec, load_job
from node.spec.jobspec import MAX_SPEC_BYTES


def prepared(**overrides: str) -> PreparedJob:
    least = {"name": "iris", "model.kind": "mlp", "data.source": "iris", "schedule.epochs_per_round": "3"}
    return prepare(load_job(None, least | {key.replace("__", "."): text for key, text in overrides.items()}))


def spec_of(job: PreparedJob) -> JobSpec:
    cids = [f"bafy{i}" for i in range(len(job.shards))]
    return job.spec(cids, "bafyh" if job.holdout else None, 100_000)


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    tree = json.loads(spec_of(prepared()).to_bytes())
    change(tree)
    return json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def test_spec_when_written_and_read_is_the_same_bytes_and_the_same_spec() -> None:
    spec = spec_of(prepared())
    content = spec.to_bytes()
    assert JobSpec.from_bytes(content) == spec
    assert JobSpec.from_bytes(content).to_bytes() == content
    assert b" " not in content
    assert changed(lambda tree: None) == content


def test_spec_of_shared_data_describes_every_part() -> None:
    job = prepared()
    spec = spec_of(job)
    assert spec.shards is not None
    assert spec.holdout is not None
    assert [s.sha256 for s in spec.shards] == [hashlib.sha256(p.content).hexdigest() for p in job.shards]
    assert sum(s.samples for s in spec.shards) + spec.holdout.samples == 150
    assert spec.standardisation is not None
    assert spec.input_shape == (4,)
    assert spec.classes == ("setosa", "versicolor", "virginica")


def test_spec_of_private_data_has_no_manifest_and_its_epochs_name_no_shard() -> None:
    spec = spec_of(prepared(data__mode="private"))
    assert spec.shards is None
    assert spec.holdout is None
    assert JobSpec.from_bytes(spec.to_bytes()) == spec
    with pytest.raises(ValueError, match="private"):
        spec.shard_index(0)


def test_epoch_names_the_shard_of_its_index_modulo_their_number() -> None:
    spec = spec_of(prepared(data__shards="2"))
    assert [spec.shard_index(epoch) for epoch in range(5)] == [0, 1, 0, 1, 0]
    assert spec.shard(3).cid == "bafy1"


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.update(extra=1),
        lambda t: t.pop("training"),
        lambda t: t.update(format="milon-job/2"),
        lambda t: t.update(ruleset="x" * 32),
        lambda t: t["training"].update(lr=-1),
        lambda t: t["training"].update(lr=float("nan")),
        lambda t: t["training"].update(batch_size="16"),
        lambda t: t["model"].update(kind="os.system"),
        lambda t: t["model"]["params"].update(hidden=[1 << 40]),
        lambda t: t["model"]["params"].pop("hidden"),
        lambda t: t["aggregation"].update(rule="sum"),
        lambda t: t.update(input_shape=[1 << 30]),
        lambda t: t.update(input_shape=[8, 8]),
        lambda t: t.update(classes=["a", "a", "b"]),
        lambda t: t["standardisation"].update(std=[1, 1, 1, 0]),
        lambda t: t["standardisation"].update(mean=[0], std=[1]),
        lambda t: t["shards"][0].update(index=1),
        lambda t: t["shards"][0].update(cid="../../etc/passwd"),
        lambda t: t["shards"][0].update(sha256="00"),
        lambda t: t["shards"][0].update(samples=1),
        lambda t: t.update(shards=None),
        lambda t: t.update(holdout=None),
        lambda t: t["data"].update(mode="private"),
        lambda t: t.update(max_update_bytes=1 << 60),
    ],
)
def test_spec_from_a_stranger_when_wrong_is_refused_in_one_line(
    change: Callable[[dict[str, Any]], object],
) -> None:
    with pytest.raises(ContentError) as error:
        JobSpec.from_bytes(changed(change))
    assert str(error.value).startswith("job spec: ")
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda content: b" " + content,
        lambda content: content.replace(b'"name":', b'"name":"other","name":'),
        lambda content: content[:-1],
        lambda content: b"[" * 100_000,
        lambda content: b"\xff" + content,
        lambda content: b"",
        lambda content: content + b" " * MAX_SPEC_BYTES,
    ],
)
def test_spec_from_a_stranger_when_not_canonical_json_is_refused(rewrite: Callable[[bytes], bytes]) -> None:
    with pytest.raises(ContentError, match="job spec"):
        JobSpec.from_bytes(rewrite(spec_of(prepared()).to_bytes()))


def test_spec_when_a_shard_could_not_be_held_in_memory_then_is_refused() -> None:
    def swell(tree: dict[str, Any]) -> None:
        tree["holdout"]["samples"] = 1 << 30

    with pytest.raises(ContentError, match="larger than 4 GiB"):
        JobSpec.from_bytes(changed(swell))
