"""An organisation's keys and its way out: rotation of a node's key, resignation, and all of its stake withdrawn."""

import tomllib
from pathlib import Path

import pytest
from cli_world import Shell, open_shell
from consortium_world import ACCOUNTS, CAPACITIES, NODES, ORGANISATIONS, STAKE, TERMS, TOKEN, World

from chain.devaccounts import DevAccount
from chain.devnet import Devnet
from chain.wallet import find

NORTH, EAST, SOUTH, WEST = ORGANISATIONS
SUCCESSOR = ACCOUNTS[13]
CONFIG = """# ours
[chain]
rpc = "{url}"  # beside us
deployment = "deployments/31337.json"

[identity]  # the key
# node's key: the path of an encrypted keystore
# keystore = ""
devnet_key = {key}

[node]
name = "ward"
"""


@pytest.fixture
def shell(
    world: World,
    node: Devnet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Shell:
    shell = open_shell(world, node.url, tmp_path, monkeypatch, capsys)
    (tmp_path / "node.toml").write_text(CONFIG.format(url=node.url, key=ACCOUNTS.index(NODES[0])))
    return shell


def identity(folder: Path) -> dict[str, object]:
    found: dict[str, object] = tomllib.loads((folder / "node.toml").read_text())["identity"]
    return found


@pytest.mark.parametrize("by", [NORTH, None], ids=["organisation", "node"])
def test_rotate_when_a_key_is_given_then_it_takes_over_and_the_configuration_names_it(
    shell: Shell, tmp_path: Path, by: DevAccount | None
) -> None:
    registry = shell.world.registry
    before = registry.node(NODES[0].address)
    words = ("node", "rotate", "--new-devnet-key", str(ACCOUNTS.index(SUCCESSOR)))
    done = shell.facts(*words, by=by)
    assert (done["old"], done["new"], done["changed"]) == (NODES[0].address, SUCCESSOR.address, True)
    after = registry.node(SUCCESSOR.address)
    assert (after.account, after.capacity, after.roles, after.peer) == (
        before.account, before.capacity, before.roles, before.peer,
    )  # fmt: skip
    assert not registry.is_active(NODES[0].address) and registry.is_active(SUCCESSOR.address)
    assert identity(tmp_path) == {"devnet_key": ACCOUNTS.index(SUCCESSOR)}
    assert (tmp_path / "node.toml").read_text().startswith("# ours\n")


def test_rotate_when_it_was_interrupted_then_goes_on_with_the_same_key(shell: Shell, tmp_path: Path) -> None:
    before = (tmp_path / "node.toml").read_text()
    words = ("node", "rotate", "--new-devnet-key", str(ACCOUNTS.index(SUCCESSOR)))
    shell.done(*words, by=NORTH)
    (tmp_path / "node.toml").write_text(before)
    assert not shell.facts(*words, by=NORTH)["changed"]
    assert identity(tmp_path) == {"devnet_key": ACCOUNTS.index(SUCCESSOR)}
    (tmp_path / "node.toml").write_text(before)
    again = ("node", "rotate", "--new-devnet-key", "14")
    assert "nobody can take over from it" in shell.refused(*again, by=NORTH)
    assert "is a node of" in shell.refused(
        "node", "rotate", "--new-devnet-key", str(ACCOUNTS.index(NODES[1])), by=NORTH
    )


def test_rotate_when_no_key_is_given_then_makes_a_keystore_beside_the_configuration(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MILON_PASSWORD", "correct horse")
    text = shell.done("node", "rotate", "--devnet", by=NORTH)
    made = find(str(tmp_path / "keys" / "ward-2.json"))
    assert shell.world.registry.is_active(made.address)
    assert identity(tmp_path) == {"keystore": "keys/ward-2.json"}
    assert "has no coin to pay for gas" in text and "milon node run --config node.toml" in text
    # The next one is numbered on from it, and signed by the organisation since the new key has no coin.
    done = shell.facts("node", "rotate", "--devnet", by=NORTH)
    assert done["keystore"] == "keys/ward-3.json" and done["old"] == made.address


def test_rotate_when_a_lease_is_live_then_warns_that_the_old_key_has_to_deliver(shell: Shell) -> None:
    job_id = shell.world.submit_job()
    shell.world.claim(job_id, NODES[0])
    text = shell.done("node", "rotate", "--new-devnet-key", "13", by=NORTH)
    assert f"has still to deliver in job {job_id}" in text
    shell.world.deliver(job_id, NODES[0])


def test_resign_when_nothing_is_held_then_takes_all_stake_out_after_the_period(shell: Shell) -> None:
    world = shell.world
    before = world.token.balance_of(NORTH.address)
    assert "repeat with --yes" in shell.refused("org", "resign", by=NORTH, code=2)
    first = shell.facts("org", "resign", "--yes", by=NORTH)
    assert first["resigned_now"] and not first["done"] and first["unbonded"] == STAKE
    assert not world.registry.is_member(NORTH.address)
    assert shell.facts("org", "show", NORTH.address)["until"] is not None
    waiting = shell.facts("org", "resign", by=NORTH)
    assert (waiting["unbonded"], waiting["withdrawn"], waiting["again_at"]) == (0, 0, first["again_at"])
    world.wait_until(first["again_at"])
    assert "done: nothing of it is left" in shell.done("org", "resign", by=NORTH)
    assert world.token.balance_of(NORTH.address) == before + STAKE
    assert shell.facts("org", "resign", by=NORTH)["done"]


def test_resign_when_a_round_is_open_then_says_what_is_held_and_goes_on_when_it_is_over(shell: Shell) -> None:
    world = shell.world
    before = world.token.balance_of(WEST.address)
    job_id = world.submit_job()
    for node in NODES:
        world.claim(job_id, node)
    text = shell.done("org", "resign", "--yes", by=WEST)
    bond = CAPACITIES[3] * 2
    assert "resigned   the organisation is no member" in text
    assert f"held back  {bond + 3} tokens, {bond} of them locked" in text
    assert "has to deliver epochs of round 1" in text and "may still vote on round 1" in text
    for node in NODES:
        world.deliver(job_id, node)
    assert "round 1 is not voted on" in shell.done("org", "resign", by=WEST)
    world.agree(job_id)
    settled = shell.facts("org", "resign", by=WEST)
    assert settled["settled"] == [job_id] and settled["vault"]["locked"] == settled["vault"]["free"] == 0
    world.wait_until(settled["again_at"])
    assert shell.facts("org", "resign", by=WEST)["done"]
    # Its epochs and the vote that it cast after it had left are paid.
    paid = CAPACITIES[3] * TERMS.epoch_price + TERMS.vote_price
    assert world.token.balance_of(WEST.address) == before + STAKE + paid


def test_resign_when_more_is_freed_late_in_the_wait_then_what_waits_is_let_out_first(shell: Shell) -> None:
    world = shell.world
    job_id = world.submit_job()
    for node in NODES:
        world.claim(job_id, node)
    first = shell.facts("org", "resign", "--yes", by=WEST)
    out = first["vault"]["unbonding_at"]
    for node in NODES:
        world.deliver(job_id, node)
    world.wait_until(out - 100)
    world.agree(job_id)
    late = shell.facts("org", "resign", by=WEST)
    assert late["vault"]["locked"] == 0 and late["vault"]["unbonding_at"] == out == late["again_at"]
    assert late["vault"]["free"] == CAPACITIES[3] * 2 * TOKEN + 3 * TOKEN
    world.wait_until(out)
    rest = shell.facts("org", "resign", by=WEST)
    assert rest["unbonded"] == late["vault"]["free"] and rest["vault"]["unbonding_at"] > out


def test_resign_when_it_cannot_then_says_why(shell: Shell) -> None:
    for member in (EAST, SOUTH, WEST):
        shell.done("org", "resign", "--yes", by=member)
    assert "the last member cannot leave" in shell.refused("org", "resign", "--yes", by=NORTH)
    assert "never was a member" in shell.refused("org", "resign", "--yes", by=SUCCESSOR)


def test_members_are_listed_with_their_votes_and_records(shell: Shell) -> None:
    world = shell.world
    job_id = world.submit_job()
    world.play_round(job_id)
    world.settle_all(job_id)
    rows = shell.facts("org", "list")
    assert [row["name"] for row in rows] == ["North", "East", "South", "West"]
    assert rows[0]["votes"] == {"cast": 1, "matched": 1, "penalised": 0, "far": 0}
    assert rows[0]["active_nodes"] == [NODES[0].address]
    shown = shell.facts("org", "show", NODES[3].address)
    assert shown["name"] == "West" and shown["nodes"][0]["record"]["accepted"] == 1
    assert "West  " in shell.done("org", "show", by=WEST)
    assert "1 of 1" in shell.done("org", "list")
    assert "is no organisation" in shell.refused("org", "show", SUCCESSOR.address)
