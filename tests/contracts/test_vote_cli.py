"""`milon vote carry`: signed votes of many, cast in one transaction by anyone."""

import json
from pathlib import Path
from typing import Any

import pytest
from cli_world import Shell, open_shell
from consortium_world import NODES, ORGANISATIONS, STRANGER, Verdict, World, digest, terms
from eth_account import Account

from chain.devaccounts import DevAccount
from chain.devnet import Devnet
from chain.signed_votes import sign_vote
from node.ballots import PortableVote

KEYS = [Account.from_key(node.key) for node in NODES]


@pytest.fixture
def shell(
    world: World,
    node: Devnet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Shell:
    return open_shell(world, node.url, tmp_path, monkeypatch, capsys)


@pytest.fixture
def job_id(world: World) -> int:
    """A job whose first round is voted on."""
    number = world.submit_job(terms(rounds=2))
    world.train(number)
    return number


def vote(world: World, job_id: int, index: int, key: Any = None, name: str = "model") -> dict[str, Any]:
    now = world.scheduler.round(job_id)
    place = world.consortium.ballots(job_id, now.number, now.attempt)
    result = Verdict(digest(name), now.update_set).hash
    signed = sign_vote(key or KEYS[index], place, result, ORGANISATIONS[index].address, 900_000)
    return PortableVote(place, NODES[index].address, signed).facts()


def write(name: str, document: Any) -> str:
    Path(name).write_text(document if isinstance(document, str) else json.dumps(document))
    return name


def test_carry_when_votes_are_good_then_casts_all_in_one_transaction(shell: Shell, job_id: int) -> None:
    world = shell.world
    files = [write(f"{index}.json", vote(world, job_id, index)) for index in range(2)]
    lines = write("more.json", "\n".join(json.dumps(vote(world, job_id, index)) for index in (2, 3)))
    before = world.w3.eth.get_transaction_count(STRANGER.address)
    done = shell.facts("vote", "carry", str(job_id), *files, lines, by=STRANGER)
    assert done["cast"] == [organisation.address for organisation in ORGANISATIONS]
    assert done["passed_over"] == []
    assert world.w3.eth.get_transaction_count(STRANGER.address) == before + 1
    world.finalize(job_id, Verdict(digest("model"), world.scheduler.round(job_id).update_set))
    assert world.scheduler.round(job_id).number == 2


def test_carry_when_some_may_not_be_cast_then_says_why_and_casts_the_others(
    shell: Shell, job_id: int
) -> None:
    world = shell.world
    world.cast(job_id, 3, Verdict(digest("model"), world.scheduler.round(job_id).update_set))
    good = vote(world, job_id, 0)
    file = write(
        "votes.json",
        [
            good,
            good,
            vote(world, job_id, 1, key=KEYS[2]),
            {**vote(world, job_id, 2), "attempt": 2},
            vote(world, job_id, 3),
            {**vote(world, job_id, 1), "score": 1},
        ],
    )
    done = shell.facts("vote", "carry", str(job_id), file, by=STRANGER)
    assert done["cast"] == [ORGANISATIONS[0].address]
    assert [(node, why.split(";")[0]) for node, why in done["passed_over"]] == [
        (NODES[0].address, "its organisation has voted"),
        (NODES[1].address, "its signature is not this node's"),
        (NODES[2].address, "it is for round 1, attempt 2"),
        (NODES[3].address, "its organisation has voted"),
        (NODES[1].address, "its signature is not this node's"),
    ]


def test_carry_when_the_bond_cannot_be_locked_then_says_what_the_contract_did(
    shell: Shell, job_id: int
) -> None:
    world = shell.world
    world.send(ORGANISATIONS[1], world.vault.unbond(world.vault.account(ORGANISATIONS[1].address).free))
    file = write("votes.json", [vote(world, job_id, 0), vote(world, job_id, 1)])
    text = shell.done("vote", "carry", str(job_id), file, by=STRANGER)
    assert "cast     1: North" in text and "passed over East: the contract passed it over" in text


def test_carry_when_none_can_be_cast_then_sends_nothing_and_says_why(shell: Shell, job_id: int) -> None:
    world, node = shell.world, NODES[0]
    good = vote(world, job_id, 0)
    job = str(job_id)
    here, key = world.consortium.ballots(job_id, 1, 1), Account.from_key(STRANGER.key)
    stranger = PortableVote(here, STRANGER.address, sign_vote(key, here, bytes(32), STRANGER.address, 1))
    for document, said in (
        ({**good, "job_id": job_id + 1}, f"is for job {job_id + 1} at"),
        ({**good, "chain_id": 1}, "on chain 1, not for job"),
        ({**good, "round": 2}, f"{node.address}: it is for round 2"),
        ({**good, "r": "0x" + "00" * 32}, "its signature is not this node's"),
        (stranger.facts(), "it may not vote on this round"),
        ([], "there are none"),
        ({**good, "more": 1}, "is not a vote"),
        ({**good, "seal": "0x12"}, "is not a vote"),
        ({**good, "score": 1_000_001}, "is not a vote"),
        ("[[]]", "is not a vote"),
        ("hello", "is not a vote"),
    ):
        assert said in shell.refused("vote", "carry", job, write("v.json", document), by=STRANGER)
    assert world.vote.attempt(job_id).voted == 0
    world.wait_until(world.scheduler.round(job_id).vote_deadline)
    assert "is in phase" in shell.refused("vote", "carry", job, write("v.json", good), by=STRANGER)


def test_sign_when_the_node_may_not_vote_now_then_says_why(shell: Shell, job_id: int) -> None:
    def config(account: DevAccount, index: int) -> None:
        Path("node.toml").write_text(
            f'[chain]\nrpc = "{shell.world.w3.provider.endpoint_uri}"\n[identity]\ndevnet_key = {index}\n'  # type: ignore[attr-defined]
        )

    world = shell.world
    config(NODES[0], 6)
    assert "job 9 is not open" in shell.refused("vote", "sign", "9")
    world.cast(job_id, 0, Verdict(digest("model"), world.scheduler.round(job_id).update_set))
    assert "has voted on round 1" in shell.refused("vote", "sign", str(job_id))
    config(STRANGER, 11)
    assert "may not vote on round 1" in shell.refused("vote", "sign", str(job_id))
    other = world.submit_job()
    assert "is in phase training" in shell.refused("vote", "sign", str(other))
