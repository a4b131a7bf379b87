"""The main job from submission to the last payment, and a job on private data, with four members."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from network_kit import Start, World, all_bytes, assert_nothing_twice, small_job, updates, votes

from chain.contracts import event_types as ev
from node.audit import verify_job
from node.client import JobPlan
from node.data.dataset import Dataset
from node.data.shards import decode_shard
from node.data.sources import load_source
from node.joblog import JobHistory
from node.localnet import MemberSpec
from node.tensors import digest
from node.training.evaluate import evaluate
from node.training.local import train

NAMES, CAPACITIES = ("aurora", "borealis", "cygnus", "draco"), (4, 3, 2, 1)
ROUNDS, EPOCHS = 3, 10
State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A file of samples for each member; the last has none there."""
    folder = tmp_path_factory.mktemp("private")
    digits, rng = load_source("digits"), np.random.default_rng(7)
    paths = [folder / f"{name}.npz" for name in NAMES]
    for index, path in enumerate(paths[:-1]):
        rows = np.arange(index, len(digits), 10)
        # Values that occur nowhere else.
        np.savez(path, x=digits.x[rows] + rng.normal(0, 0.01, digits.x[rows].shape), y=digits.y[rows])
    return paths


@pytest.fixture(scope="module")
def world(start: Start, private: list[Path]) -> World:
    """Four agents of different capacity, each with an IPFS daemon and a data path of its own."""
    members = zip(NAMES, CAPACITIES, private, strict=True)
    return start(*(MemberSpec(name, capacity, private_data=str(path)) for name, capacity, path in members))


def test_job_when_four_members_work_then_all_agree_with_a_plain_loop_and_everything_is_paid(
    world: World,
) -> None:
    plan = small_job(
        data__source="digits",
        data__standardise="true",
        model__kind="cnn",
        model__params="{channels = [8, 16], hidden = 0}",
        training__momentum=0.9,
        training__local_passes=2,
        schedule__rounds=ROUNDS,
        schedule__epochs_per_round=EPOCHS,
        schedule__min_validators=3,
        schedule__grace=20,
    )
    job_id = world.submit(plan)
    history = world.finish(job_id)
    assert_nothing_twice(history, ROUNDS, EPOCHS)
    plain_loop(plan, job_id, history)
    assert all(history.results()[number].invalid == 0 for number in range(1, ROUNDS + 1))
    assert history.results()[ROUNDS].score > 850_000
    assert len({vote.candidate for vote in votes(history)}) == ROUNDS
    assert world.settled(job_id)
    assert world.chain.vault.escrow_of(job_id) == 0
    with world.network.ipfs() as ipfs:
        report = verify_job(world.chain, ipfs, job_id, work_dir=world.network.root)
    assert report.ok, report.findings
    # By capacity: of ten epochs, four, three, two and one, where nobody had to wait for anybody.
    counts = {update.node: update.count for update in updates(history) if update.round == ROUNDS}
    assert sorted(counts.values()) == [1, 2, 3, 4]
    for index in range(len(NAMES)):
        assert not [line for line in world.log(index) if line.get("level") in ("warning", "error")]
        assert world.health(index)[0] == 200


def test_private_job_when_each_has_data_of_its_own_then_it_never_leaves_the_node(
    world: World, private: list[Path]
) -> None:
    classes = json.dumps([str(label) for label in range(10)])
    plan = small_job(
        data__source=None,
        data__mode="private",
        data__input_shape="[1, 8, 8]",
        data__classes=classes,
        schedule__epochs_per_round=3,
        schedule__claim_window=1,
        schedule__rounds=2,
    )
    job_id = world.submit(plan)
    history = world.finish(job_id)
    assert_nothing_twice(history, 2, 3)
    (refused,) = world.log(3, "job.refused", job=job_id)
    assert str(private[3]) in refused["reason"]
    assert world.network.agents[3].address not in {update.node for update in updates(history)}
    published = b"".join(all_bytes(world.network.root / f"ipfs{index}") for index in range(len(NAMES)))
    update = updates(history)[0].digest.hex()
    kept = (world.network.root / NAMES[0] / "cache" / update).read_bytes()
    assert kept in published, "this test does not see what is published"
    for path in private[:-1]:
        with np.load(path) as arrays:
            rows = arrays["x"].reshape(len(arrays["x"]), -1)
        for row in rows:
            for form in (row, row.astype(np.float32), (row / 16).astype(np.float32)):
                assert form[8:16].tobytes() not in published


def plain_loop(plan: JobPlan, job_id: int, history: JobHistory) -> None:
    """Train every lease and average every round again in this process: each digest must be the recorded one."""
    prepared, state = plan.prepared, dict(plan.state)
    shards = [_dataset(prepared, part.content, part.samples) for part in prepared.shards]
    assert prepared.holdout is not None
    holdout = _dataset(prepared, prepared.holdout.content, prepared.holdout.samples)
    for number, closed in sorted(history.results().items()):
        trained: list[tuple[int, int, State]] = []
        for record in history.updates(number):
            work = [(epoch, shards[epoch]) for epoch in range(record.first, record.first + record.count)]
            result = train(
                prepared.architecture,
                state,
                work,
                prepared.job.training,
                job=job_id,
                round=number,
                device="cpu",
                threads=1,
            )
            assert (digest(result.state), result.samples) == (record.digest, record.samples)
            trained.append((record.first, result.samples, dict(result.state)))
        state = federated_average(trained)
        assert digest(state) == closed.model_digest
        assert evaluate(prepared.architecture, state, holdout, device="cpu").millionths == closed.score


def federated_average(trained: list[tuple[int, int, State]]) -> State:
    """The mean weighted by samples (McMahan et al. 2017), summed in float64 in the order of epochs."""
    trained.sort(key=lambda update: update[0])
    total = sum(samples for _, samples, _ in trained)
    return {
        name: (sum(samples * state[name].double() for _, samples, state in trained) / total).float()
        for name in trained[0][2]
    }


def _dataset(prepared: object, content: bytes, samples: int) -> Dataset:
    shape, classes = prepared.input_shape, prepared.classes  # type: ignore[attr-defined]
    return decode_shard(content, input_shape=shape, classes=classes, max_samples=samples)


def test_events_of_the_job_when_counted_then_match_what_agents_say_of_themselves(world: World) -> None:
    """What the metrics endpoint shows is what the chain has."""
    sent = world.chain.events().read().events
    for index, agent in enumerate(world.network.agents):
        metrics = world.network.metrics(index)
        mine = [event for event in sent if event.args.get("node") == agent.address]
        recorded = [event for event in mine if event.name == ev.UpdateSubmitted.__name__]
        assert metrics["milon_updates_delivered_total"] == len(recorded)
        assert metrics["milon_epochs_trained_total"] == sum(event.args["count"] for event in recorded)
        assert metrics["milon_votes_cast_total"] == len([e for e in mine if e.name == ev.VoteCast.__name__])
