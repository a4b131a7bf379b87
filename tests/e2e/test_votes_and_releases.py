"""What people do beside their agents: sign votes for others to carry, and release what was trained under a name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from network_kit import Start, World, small_job

from chain.contracts import event_types as ev
from chain.contracts.types import Phase
from node.cli.main import run
from node.localnet import CLIENT, MemberSpec
from node.tensors import StateFile, digest, schema_of
from node.training.models import skeleton

SIGNERS = (1, 2)


@pytest.fixture(scope="module")
def world(start: Start) -> World:
    """One agent that trains and validates; two members whose validators send nothing."""
    validators = (MemberSpec(name, roles=("validator",), agent=False) for name in ("borealis", "cygnus"))
    return start(MemberSpec("aurora", 4), *validators, shared_ipfs=True)


def milon(world: World, capsys: pytest.CaptureFixture[str], *words: str, key: int | None = None) -> Any:
    """What a command prints for machines."""
    signer = () if key is None else ("--devnet-key", str(key))
    network = world.network
    target = ("--rpc", network.devnet.url, "--deployment", str(network.deployment_path))
    capsys.readouterr()
    assert run([*words, *(() if "--config" in words else target), *signer, "--json"]) == 0, (
        capsys.readouterr()
    )
    return json.loads(capsys.readouterr().out)


def test_votes_when_signed_by_some_and_carried_by_anyone_then_make_the_round_final_and_the_model_is_released(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chain, plan = world.chain, small_job(schedule__vote_window=300)
    job_id = world.submit(plan)
    world.until(lambda: chain.scheduler.phase(job_id) == Phase.VOTING, "all is delivered", 60)
    files, digests = [], set()
    for index in SIGNERS:
        file = tmp_path / f"{index}.vote.json"
        config = str(world.network.agents[index].config)
        signed = milon(world, capsys, "vote", "sign", str(job_id), "--config", config, "--out", str(file))
        digests.add(signed["model_digest"])
        files.append(str(file))
    done = milon(world, capsys, "vote", "carry", str(job_id), *files, key=CLIENT)
    assert done["cast"] == [world.network.organisation(index).address for index in SIGNERS]
    history = world.finish(job_id)
    assert len({event.candidate for event in history.events if isinstance(event, ev.VoteCast)}) == 1
    (result,) = history.results().values()
    assert digests == {"0x" + result.model_digest.hex()}

    assert milon(world, capsys, "model", "register", "wine", str(job_id), key=CLIENT)["version"] == 1
    world.network.decide(chain.models.promote("wine", 1), why="the first that we serve")
    ipfs = ("--ipfs", world.network.daemons[0].api)
    out = tmp_path / "wine.safetensors"
    fetched = milon(world, capsys, "model", "fetch", "wine", "--out", str(out), *ipfs)
    assert (fetched["version"], fetched["digest"]) == ("wine@1", "0x" + result.model_digest.hex())
    state = StateFile(out, schema_of(skeleton(plan.prepared.architecture).state_dict()))
    assert digest(state.state_dict()) == result.model_digest
    scored = milon(world, capsys, "model", "evaluate", "wine@1", *ipfs)
    assert scored["accuracy"] == pytest.approx(result.score / 1e6)
    assert len(milon(world, capsys, "model", "predict", "wine", "--input", "wine", *ipfs)) == 178
