"""``milon node run`` where something is wrong from the start: one line, a failing status, or patience."""

from __future__ import annotations

import json
import re
import resource
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from chain_kit import until

from chain.contracts.types import JobStatus
from node.client import JobPlan, prepare_job, submit_job
from node.localnet import CLIENT, LocalNetwork, MemberSpec
from node.spec import load_job

_JOB = {
    "name": "start",
    "model.kind": "logistic",
    "data.source": "digits",
    "schedule.rounds": "1",
    "schedule.epochs_per_round": "1",
    "schedule.min_validators": "1",
    "schedule.grace": "1",
}
_UNREGISTERED = 15


@pytest.fixture(scope="module")
def network(milon_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNetwork]:
    """One member, whose agent each test starts as it likes."""
    with LocalNetwork(tmp_path_factory.mktemp("net"), [MemberSpec("aurora", agent=False)]) as running:
        yield running


def command(network: LocalNetwork, *arguments: str, config: Path | None = None) -> list[str]:
    run = [sys.executable, "-m", "node.cli.main", "node", "run", "--json"]
    return [*run, "--config", str(config or network.agents[0].config), *arguments]


def refusal(network: LocalNetwork, *arguments: str, config: Path | None = None) -> str:
    """The one line with which an agent ends that cannot start."""
    ended = subprocess.run(
        command(network, *arguments, config=config), capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    (line,) = ended.stderr.splitlines()
    return str(json.loads(line)["error"])


class Running:
    """An agent's process. `ready` is what it said when it was."""

    def __init__(self, process: subprocess.Popen[str], log: Path, ready: dict[str, str]) -> None:
        self.process, self.log, self.ready = process, log, ready

    def said(self, event: str) -> list[dict[str, Any]]:
        lines = (json.loads(line) for line in self.log.read_text().splitlines())
        return [line for line in lines if line["event"] == event]

    def warnings(self) -> list[dict[str, Any]]:
        lines = (json.loads(line) for line in self.log.read_text().splitlines())
        return [line for line in lines if line["level"] == "warning"]

    def health(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.ready['health']}/healthz", timeout=10) as answer:  # noqa: S310
            document: dict[str, Any] = json.load(answer)
        return document


@contextmanager
def running(command: list[str], log: Path, file_limit: int | None = None) -> Iterator[Running]:
    """An agent that starts; `file_limit` is the most bytes that it can write into a file."""

    def limit() -> None:
        if file_limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, resource.RLIM_INFINITY))

    with log.open("w") as output:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=output, text=True, preexec_fn=limit
        )
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert ready, log.read_text()
        yield Running(process, log, json.loads(ready))
    finally:
        process.kill()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


def submit(network: LocalNetwork, plan: JobPlan | None = None) -> int:
    job = plan or prepare_job(load_job(None, _JOB))
    with network.sender(CLIENT) as sender, network.ipfs() as ipfs:
        return submit_job(job, network.consortium, sender, ipfs).job_id


def sent(network: LocalNetwork) -> int:
    """Transactions of the node's key so far."""
    return int(network.consortium.w3.eth.get_transaction_count(network.agents[0].address))  # type: ignore[arg-type]


def test_agent_when_a_second_one_starts_on_its_key_then_only_the_second_refuses(
    network: LocalNetwork, tmp_path: Path
) -> None:
    with running(command(network), tmp_path / "log") as first:
        line = refusal(network, "--set", f"node.data_dir={tmp_path / 'other'}")
        assert re.search(rf"already in use by process {first.process.pid}\b", line)
        assert first.health()["status"] == "ok"


def test_agent_when_the_port_of_its_health_is_taken_then_refuses(network: LocalNetwork) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        assert f"cannot listen on {where}" in refusal(network, "--set", f"health.listen={where}")


def test_agent_when_there_is_no_chain_then_refuses(network: LocalNetwork) -> None:
    assert "cannot reach the chain" in refusal(network, "--set", "chain.rpc=http://127.0.0.1:1")


def test_agent_when_the_deployment_is_of_another_chain_then_refuses(
    network: LocalNetwork, tmp_path: Path
) -> None:
    text = network.deployment_path.read_text()
    genesis = network.consortium.deployment.genesis_hash
    other = tmp_path / "31337.json"
    other.write_text(text.replace(genesis, "0x" + "11" * 32))
    assert "was reset" in refusal(network, "--set", f"chain.deployment={other}")


def test_agent_when_dry_then_says_what_it_would_do_and_sends_nothing(
    network: LocalNetwork, tmp_path: Path
) -> None:
    keyless = tmp_path / "node.toml"
    config = network.agents[0].config.read_text()
    keyless.write_text(re.sub(r"\[identity\]\ndevnet_key = \d+\n", "", config))
    before, job_id = sent(network), submit(network)
    blocks = network.consortium.w3.eth
    with (
        running(command(network, config=keyless), tmp_path / "keyless") as watcher,
        running(command(network, "--dry-run"), tmp_path / "dry") as dry,
    ):
        until(lambda: dry.said("claim.would"))
        until(lambda: str(job_id) in watcher.health()["jobs"])
        seen = blocks.block_number
        until(lambda: min(dry.health()["block"], watcher.health()["block"]) > seen)
        assert len(dry.said("claim.would")) == 1
        assert watcher.said("node.started")[0]["mode"] == "dry run"
    assert sent(network) == before
    assert network.consortium.scheduler.round(job_id).taken == 0
    assert network.consortium.scheduler.job(job_id).status == JobStatus.OPEN


def test_agent_when_its_node_is_not_registered_then_says_so_once_and_waits(
    network: LocalNetwork, tmp_path: Path
) -> None:
    stranger = tmp_path / "node.toml"
    config = network.agents[0].config.read_text()
    stranger.write_text(re.sub(r"devnet_key = \d+", f"devnet_key = {_UNREGISTERED}", config))
    submit(network)
    with running(command(network, config=stranger), tmp_path / "log") as agent:
        until(lambda: agent.said("node.unregistered"))
        seen = network.consortium.w3.eth.block_number
        until(lambda: agent.health().get("block", -1) > seen)
        (line,) = agent.said("node.unregistered")
        assert "milon node register" in line["hint"]
        assert agent.health()["status"] == "ok"
        assert network.consortium.w3.eth.get_transaction_count(agent.ready["address"]) == 0  # type: ignore[arg-type]


def test_agent_when_its_disk_is_full_then_says_so_and_goes_on_when_there_is_room(
    network: LocalNetwork, tmp_path: Path
) -> None:
    job_id = submit(network)
    data = ("--set", f"node.data_dir={tmp_path / 'data'}", "--set", f"node.jobs=[{job_id}]")
    # Enough for the job's spec, too little for its data.
    with running(command(network, *data), tmp_path / "log", file_limit=16_384) as agent:
        until(lambda: agent.warnings())
        reason = agent.warnings()[0]["reason"]
        assert "free some space" in reason and "\n" not in reason
        resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        until(lambda: network.consortium.scheduler.job(job_id).status == JobStatus.COMPLETED)
        assert not (tmp_path / "log").read_text().count("Traceback")
