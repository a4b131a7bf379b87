"""`milon model` on the registry: what a completed job becomes, who releases it, where it comes from."""

from pathlib import Path

import pytest
from cli_world import Shell, open_shell
from consortium_world import CLIENT, ORGANISATIONS, STRANGER, World, digest, terms

from chain.devnet import Devnet
from node.releases import find_version, parse_reference

NORTH, RELEASER = ORGANISATIONS[0], ORGANISATIONS[2]


@pytest.fixture
def shell(
    world: World,
    node: Devnet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Shell:
    return open_shell(world, node.url, tmp_path, monkeypatch, capsys)


def completed(world: World) -> int:
    job_id = world.submit_job(terms(rounds=1))
    world.play_round(job_id, f"model {job_id}")
    return job_id


def test_job_becomes_a_version_with_its_lineage(shell: Shell) -> None:
    assert "no model is registered" in shell.done("model", "list")
    job_id = completed(shell.world)
    made = shell.facts("model", "register", "digits", str(job_id), by=CLIENT)
    assert (made["version"], made["job_id"], made["score"]) == (1, job_id, 0.9)
    # The address that the reveal named, since no other was given.
    assert made["cid"] == "bafyresult"
    shown = shell.facts("model", "show", "digits")
    assert shown["digest"] == "0x" + digest("model 1").hex()
    assert (shown["client"], shown["owner"], shown["ruleset"]) == (CLIENT.address, CLIENT.address, "milon-1")
    assert shown["trained_from"] == "0x" + digest("initial model").hex()
    text = shell.done("model", "show", "digits@1")
    assert "digits@1: not promoted" in text and f"0x{digest('model 1').hex()}" in text
    (row,) = shell.facts("model", "list")
    assert (row["name"], row["versions"], row["promoted"]) == ("digits", 1, 0)


def test_register_when_it_may_not_be_then_says_why(shell: Shell) -> None:
    world = shell.world
    job_id, running = completed(world), world.submit_job()
    for words, by, said in (
        (("digits", str(running)), CLIENT, "is open; only a completed job's"),
        (("digits", "9"), CLIENT, "there is no job 9"),
        (("digits", str(job_id)), STRANGER, "its client registers its model"),
        (("Digits!", str(job_id)), CLIENT, "is not a model's name"),
    ):
        assert said in shell.refused("model", "register", *words, by=by)
    shell.done("model", "register", "digits", str(job_id), "--cid", "bafyelsewhere", by=CLIENT)
    assert "registered already, as digits@1" in shell.refused(
        "model", "register", "digits", str(job_id), by=CLIENT
    )


def test_releaser_promotes_and_rolls_back_and_others_are_told_to_propose(shell: Shell) -> None:
    world = shell.world
    for _ in range(2):
        shell.done("model", "register", "digits", str(completed(world)), by=CLIENT)
    refused = shell.refused("model", "promote", "digits@1", by=NORTH)
    assert "milon gov propose promote digits@1 --why TEXT" in refused
    world.decide(world.models.set_releaser(RELEASER.address, True))
    assert find_version(world.consortium, parse_reference("digits")).number == 2
    assert "digits@1 is promoted" in shell.done("model", "promote", "digits@1", by=RELEASER)
    assert "promoted already" in shell.refused("model", "promote", "digits@1", by=RELEASER)
    assert "versions 1 to 2" in shell.refused("model", "promote", "digits@3", by=RELEASER)
    assert find_version(world.consortium, parse_reference("digits")).number == 1
    assert "nothing was promoted before" in shell.refused("model", "rollback", "digits", by=RELEASER)
    shell.done("model", "promote", "digits@2", by=RELEASER)
    assert "propose rollback digits" in shell.refused("model", "rollback", "digits", by=CLIENT)
    assert "digits@1 is promoted again" in shell.done("model", "rollback", "digits", by=RELEASER)
    assert "no version of digits" in shell.done("model", "promote", "digits@0", by=RELEASER)
    history = shell.facts("model", "show", "digits@1")["history"]
    assert [entry["version"] for entry in history] == [1, 2, 1, 0]
    rows = shell.facts("model", "list", "digits")
    assert [(row["version"], row["promoted"]) for row in rows] == [(2, False), (1, False)]
    assert "there is no model 'letters'" in shell.refused("model", "list", "letters")


def test_proposal_to_promote_reads_what_it_would_change(shell: Shell) -> None:
    world = shell.world
    for _ in range(2):
        shell.done("model", "register", "digits", str(completed(world)), by=CLIENT)
    dry = ("--why", "x", "--dry-run")
    first = shell.facts("gov", "propose", "promote", "digits@1", *dry)["actions"][0]["does"]
    assert first == (
        "promote version 1 of model 'digits' (job 1, score 0.9000, digest "
        f"0x{digest('model 1').hex()}), instead of none"
    )
    world.decide(world.models.promote("digits", 1))
    world.decide(world.models.promote("digits", 2))
    back = shell.facts("gov", "propose", "rollback", "digits", *dry)["actions"][0]
    assert back["does"] == "undo the last promotion of model 'digits': from version 2 to version 1"
    none = shell.facts("gov", "propose", "promote", "digits@0", *dry)["actions"][0]
    assert none["does"] == "promote no version of model 'digits', instead of version 2"
    gone = shell.facts("gov", "propose", "promote", "digits@7", *dry)["actions"][0]
    assert "there is no such version yet" in gone["does"] and "ModelsUnknownVersion" in gone["would_fail"]


def test_fetch_when_the_name_is_unknown_then_says_so_before_ipfs_is_asked(shell: Shell) -> None:
    assert "there is no model 'letters'" in shell.refused("model", "fetch", "letters@1")
    assert "neither a job's number" in shell.refused("model", "fetch", "./letters", code=2)
