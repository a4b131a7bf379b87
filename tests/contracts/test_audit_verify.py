"""`verify_job` and `milon audit verify` over a real job: Hardhat, a real IPFS daemon, real models and data."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from consortium_world import CLIENT, NODES, STRANGER, Verdict, World

from chain.contracts.structs import to_event
from chain.contracts.types import Job, JobStatus
from node.audit import AuditReport, verify_job
from node.cli.main import run
from node.client import prepare_job, submit_job
from node.content import JobContent, Limits
from node.joblog import JobLog
from node.rounds import next_model
from node.spec import load_job
from node.storage.cache import ContentCache
from node.storage.cid import Cid
from node.storage.ipfs import IpfsClient
from node.storage.process import DaemonProcess, start_daemon
from node.tensors import StateFile, digest, save
from node.training.evaluate import evaluate

JOB = """
name = "wine"
[model]
kind = "logistic"
[data]
source = "wine"
[schedule]
rounds = 2
epochs_per_round = 8
min_validators = 3
[budget]
epoch_price = "1"
vote_price = "2"
"""
TIMEOUT = 1.0


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    folder = tmp_path_factory.mktemp("ipfs")
    with start_daemon(folder / "repo", log=folder / "log") as process:
        yield process


class Federation:
    """A job whose nodes publish real updates, and whose validators recompute the model by the job's rule."""

    def __init__(self, world: World, ipfs: IpfsClient, folder: Path) -> None:
        self.world, self.ipfs, self.folder = world, ipfs, folder
        path = folder / "job.toml"
        path.write_text(JOB)
        plan = prepare_job(load_job(path))
        world.send(CLIENT, world.token.approve(world.vault.address, plan.terms.budget(64)))
        wallet_sender = world._senders[CLIENT.address]
        self.job_id = submit_job(plan, world.consortium, wallet_sender, ipfs).job_id
        self.job: Job = world.scheduler.job(self.job_id)
        self.content = self._content()

    def play(
        self,
        *,
        update: Callable[[int, bytes, str], tuple[bytes, str]] = lambda first, made, cid: (made, cid),
        verdict: Callable[[Verdict], Verdict] = lambda honest: honest,
        score: int | None = None,
        cid: str | None = None,
    ) -> None:
        """One round. The arguments let its participants lie about updates, the result, the score, the model's CID."""
        world, number = self.world, self.world.scheduler.round(self.job_id).number
        for node in NODES:
            first = world.claim(self.job_id, node)
            lease = world.scheduler.lease_of(self.job_id, node.address).lease
            made, where = update(first, *self._train(number, first))
            samples = sum(self.content.spec.shard(epoch).samples for epoch in lease.epochs)
            world.send(node, world.scheduler.submit_update(self.job_id, made, samples, where))
        honest, model_cid, accuracy = self._aggregate(number)
        agreed = verdict(honest)
        for index in range(4):
            world.cast(self.job_id, index, agreed, accuracy if score is None else score)
        where = model_cid if cid is None else cid
        fn = world.vote.finalize(self.job_id, agreed.model, agreed.accepted, agreed.invalid, where)
        world.send(STRANGER, fn)

    def audit(self) -> AuditReport:
        report = verify_job(
            self.world.consortium, self.ipfs, self.job_id, work_dir=self.folder, timeout=TIMEOUT
        )
        assert not list(self.folder.glob("audit-*"))
        return report

    def _train(self, number: int, first: int) -> tuple[bytes, str]:
        state = self.content.model(self.world.scheduler.round(self.job_id).model_digest)
        noise = np.random.default_rng([number, first])
        trained = {
            name: state.tensor(name) + noise.normal(size=spec.shape).astype(np.float32) / 100
            for name, spec in state.schema.items()
        }
        path = self.folder / "update.safetensors"
        save(trained, path)
        return digest(trained), self.ipfs.add(path)

    def _aggregate(self, number: int) -> tuple[Verdict, str, int]:
        self.content = self._content()
        history, round_ = self._history().job(self.job_id), self.world.scheduler.round(self.job_id)
        valid, invalid = [], 0
        for record in history.updates(number):
            try:
                valid.append((record, self.content.update(record)))
            except Exception:  # noqa: BLE001 - whatever is wrong with it, it is invalid
                invalid |= 1 << record.first
        before = None
        if number == 2:
            assert history.submitted is not None
            before = self.content.model(history.submitted.model_digest)
        previous = self.content.model(round_.model_digest)
        made, accepted = next_model(self.content, valid, previous, before, self.folder)
        path = self.content.cached_path(made)
        assert path is not None
        model = StateFile(path, self.content.schema)
        score = evaluate(self.content.spec.architecture, model.state_dict(), self.content.holdout())
        return Verdict(made, accepted, invalid), self.ipfs.add(path), score.millionths

    def _history(self) -> JobLog:
        log = JobLog()
        events = self.world.consortium.events().read().events
        log.add(typed for event in events if (typed := to_event(event)) is not None)
        return log

    def _content(self) -> JobContent:
        cache = ContentCache(Path(tempfile.mkdtemp(dir=self.folder)), 1 << 30)
        limits = Limits(timeout=TIMEOUT)
        return JobContent(self.job, self._history().job(self.job_id), self.ipfs, cache, self.folder, limits)


@pytest.fixture
def federation(world: World, daemon: DaemonProcess, tmp_path: Path) -> Iterator[Federation]:
    with IpfsClient(daemon.api, timeout=TIMEOUT) as ipfs:
        yield Federation(world, ipfs, tmp_path)


def failures(report: AuditReport) -> dict[str, int]:
    return {check.name: check.failures for check in report.checks if check.failures}


def test_audit_of_an_honest_job_makes_every_check_and_finds_nothing(federation: Federation) -> None:
    federation.play()
    federation.play()
    federation.world.settle_all(federation.job_id)
    told: list[str] = []
    report = verify_job(
        federation.world.consortium,
        federation.ipfs,
        federation.job_id,
        work_dir=federation.folder,
        on_progress=told.append,
        timeout=TIMEOUT,
    )
    assert report.findings == () and report.ok and report.verdict == "ok" and report.notes == ()
    assert all(check.comparisons for check in report.checks)
    assert (report.figures["rounds"], report.figures["updates"], report.figures["votes"]) == (2, 8, 8)
    assert report.figures["paid"] == report.figures["budget"] == 2 * (8 + 8) * 10**18
    assert report.outstanding == () and any("round 2" in line for line in told)


def test_audit_when_an_update_is_not_served_any_more_then_names_it(federation: Federation) -> None:
    absent = str(Cid.of(b"nobody has this"))
    federation.play(update=lambda first, made, cid: (made, absent if first == 1 else cid))
    # The verdict says invalid, so far all is well.
    assert failures(federation.audit()) == {}
    federation.play(
        update=lambda first, made, cid: (made, absent if first == 1 else cid),
        verdict=lambda honest: Verdict(honest.model, honest.accepted | 0b10),
    )
    report = federation.audit()
    assert failures(report) == {"updates": 1, "aggregates": 1}
    place = report.findings[0].where
    assert (place.round, place.epoch, place.node, place.cid) == (2, 1, NODES[1].address, absent)


def test_audit_when_an_update_is_not_what_its_digest_says_then_names_it(federation: Federation) -> None:
    other = federation.ipfs.add(b"something else")
    federation.play(
        update=lambda first, made, cid: (made, other if first == 0 else cid),
        verdict=lambda honest: Verdict(honest.model, honest.accepted | 1),
    )
    report = federation.audit()
    assert failures(report) == {"updates": 1, "aggregates": 1}
    assert report.findings[0].where.epoch == 0 and report.verdict.startswith("updates: an update was taken")


def test_audit_when_validators_agreed_on_a_wrong_model_then_shows_the_right_one(
    federation: Federation,
) -> None:
    initial = federation.world.scheduler.round(federation.job_id).model_digest
    federation.play(verdict=lambda honest: Verdict(initial, honest.accepted))
    report = federation.audit()
    assert failures(report) == {"aggregates": 1}
    assert initial.hex() in report.findings[0].problem


def test_audit_when_a_sound_update_was_judged_invalid_or_left_out_then_fails(federation: Federation) -> None:
    federation.play(verdict=lambda honest: Verdict(honest.model, honest.accepted & ~1, invalid=1))
    found = failures(federation.audit())
    assert found["updates"] == 1 and "aggregates" in found


def test_audit_when_scores_were_made_up_then_fails_unless_scores_are_skipped(federation: Federation) -> None:
    federation.play(score=12_345)
    assert failures(federation.audit()) == {"scores": 1}
    report = verify_job(
        federation.world.consortium,
        federation.ipfs,
        federation.job_id,
        work_dir=federation.folder,
        timeout=TIMEOUT,
        scores=False,
    )
    assert report.ok


def test_audit_when_one_of_two_announced_cids_leads_nowhere_then_notes_it(federation: Federation) -> None:
    federation.play()
    world, made = federation.world, federation.world.scheduler.outcome(federation.job_id, 1).model_digest
    absent = str(Cid.of(b"nobody has this either"))
    world.send(NODES[0], world.vote.announce(federation.job_id, made, absent))
    report = federation.audit()
    assert report.ok and any(absent in note for note in report.notes)


def test_audit_when_the_model_is_nowhere_then_fails(federation: Federation) -> None:
    federation.play(cid=str(Cid.of(b"nor this")))
    assert failures(federation.audit()) == {"models": 1}


def test_audit_when_nothing_is_served_then_says_so_and_still_replays_the_chain(
    federation: Federation, tmp_path: Path
) -> None:
    federation.play()
    with start_daemon(tmp_path / "empty", log=tmp_path / "log") as other, IpfsClient(other.api) as ipfs:
        report = verify_job(
            federation.world.consortium, ipfs, federation.job_id, work_dir=tmp_path, timeout=TIMEOUT
        )
    assert failures(report) == {"job": 1} and "spec" in report.findings[0].problem
    assert {check.name: check.comparisons for check in report.checks}["payments"] >= 5


def test_command_when_audited_then_exits_0_and_with_a_finding_4_and_without_a_job_1(
    federation: Federation, daemon: DaemonProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = federation.world
    deployment = tmp_path / "deployment.json"
    deployment.write_text(world.consortium.deployment.to_json())
    url = str(world.w3.provider.endpoint_uri)  # type: ignore[attr-defined]
    common = ["--rpc", url, "--ipfs", daemon.api, "--deployment", str(deployment), "--timeout", "2"]
    assert run(["audit", "verify", str(federation.job_id), *common]) == 0
    text = capsys.readouterr().out
    assert f"audit of job {federation.job_id} at block" in text and text.rstrip().endswith("ok")
    federation.play(score=1)
    assert run(["audit", "verify", str(federation.job_id), *common]) == 4
    text = capsys.readouterr().out
    assert "FAILED scores: the recorded score is 0.0000" in text and "to settle: votes of" in text
    assert run(["audit", "verify", str(federation.job_id), *common, "--json"]) == 4
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False and report["findings"][0]["where"]["round"] == 1
    assert run(["audit", "verify", "99", *common]) == 1
    assert "there is no job 99" in capsys.readouterr().err
    assert world.scheduler.job(federation.job_id).status is JobStatus.OPEN
