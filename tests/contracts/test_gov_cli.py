"""`milon gov` as members use it: what is proposed can be read, voted on, and carried out."""

from pathlib import Path

import pytest
from cli_world import Shell, open_shell
from consortium_world import ACCOUNTS, NODES, ORGANISATIONS, STRANGER, TOKEN, TREASURY, World

from chain.contracts.governor import Action, Proposal
from chain.devaccounts import DevAccount
from chain.devnet import Devnet
from node.governance.proposals import read_motions

NORTH, EAST, SOUTH, WEST = ORGANISATIONS
NEWCOMER = ACCOUNTS[12].address


@pytest.fixture
def shell(
    world: World,
    node: Devnet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Shell:
    return open_shell(world, node.url, tmp_path, monkeypatch, capsys)


def propose(shell: Shell, *words: str) -> str:
    """A proposal of North's, on which votes are taken now; its short id."""
    made = shell.facts("gov", "propose", *words, "--why", "we talked about it", by=NORTH)
    shell.world.wait_until(made["vote_start"] + 1)
    return str(made["short"])


def carry_out(shell: Shell, short: str, members: tuple[DevAccount, ...] = (EAST, SOUTH, WEST)) -> None:
    """These members vote for it, and it is queued and executed."""
    for member in members:
        shell.done("gov", "vote", short, "for", by=member)
    shell.world.wait_until(shell.facts("gov", "show", short)["vote_end"] + 1)
    shell.world.wait_until(shell.facts("gov", "queue", short, by=STRANGER)["eta"])
    shell.done("gov", "execute", short, by=STRANGER)


def asked(shell: Shell, short: str) -> list[str]:
    """What a proposal asks to, in sentences."""
    return [action["does"] for action in shell.facts("gov", "show", short)["actions"]]


def test_proposal_goes_from_its_making_to_its_execution(shell: Shell) -> None:
    made = shell.done(
        "gov", "propose", "admit", NEWCOMER, "--name", "Clinic East", "--why", "It brings\n4,000 scans.",
        by=NORTH,
    )  # fmt: skip
    assert f"asks to  admit organisation {NEWCOMER} as 'Clinic East'" in made
    short = made.split("proposed as ")[1].split()[0]
    assert "begins" in shell.refused("gov", "vote", short, "for", by=NORTH)
    facts = shell.facts("gov", "show", short)
    assert (facts["state"], facts["why"], facts["quorum"]) == ("pending", "It brings\n4,000 scans.", 3)
    assert facts["proposer"] == NORTH.address and facts["next"] is None

    shell.world.wait_until(facts["vote_start"] + 1)
    assert "cannot be queued: it is active" in shell.refused("gov", "queue", short, by=STRANGER)
    shell.done("gov", "vote", short, "for", "--why", "we know them", by=NORTH)
    assert "has voted" in shell.refused("gov", "vote", short, "against", by=NORTH)
    shell.done("gov", "vote", short, "against", by=EAST)
    assert "now 2 for, 1 against, 0 abst" in shell.done("gov", "vote", short[:6], "for", by=SOUTH)
    shown = shell.done("gov", "show", short)
    for line in (
        f"proposal {short} of North: active",
        "for      2: North, South",
        "against  1: East",
        "silent   1: West",
        "quorum   2 of 3 for or abstaining: not reached",
        f"next     milon gov vote {short} for|against|abstain",
        "North says:\n  | It brings\n  | 4,000 scans.\n",
        "North, for:\n  | we know them",
    ):
        assert line in shown
    shell.done("gov", "vote", short, "abstain", by=WEST)

    shell.world.wait_until(facts["vote_end"] + 1)
    assert f"next: milon gov queue {short}" in shell.refused("gov", "execute", short, by=STRANGER)
    queued = shell.facts("gov", "queue", short, by=STRANGER)
    assert "is queued already" in shell.refused("gov", "queue", short, by=STRANGER)
    assert "can be executed from" in shell.refused("gov", "execute", short, by=STRANGER)
    assert short in shell.done("gov", "list")
    shell.world.wait_until(queued["eta"])
    assert shell.facts("gov", "show", short)["next"] == f"milon gov execute {short}"
    assert f"executed {short}" in shell.done("gov", "execute", short, by=STRANGER)
    assert shell.world.registry.organisation(NEWCOMER).name == "Clinic East"
    assert shell.done("gov", "list") == "no proposal is open; 1 is over, see `milon gov list --all`\n"
    assert shell.facts("gov", "list", "--all")[0]["state"] == "executed"


def test_several_actions_are_one_proposal_and_read_with_the_values_of_now(shell: Shell) -> None:
    world = shell.world
    short = propose(
        shell, "set", "lease_bond=4", "unbonding_period=2h", "--and", "set max_share=40% quorum=60%",
        "--and", f"mint {STRANGER.address} 12.5", "--and", "pause", "--and", "set voting_period=1d",
    )  # fmt: skip
    assert asked(shell, short) == [
        "set the lease bond from 2 MLN to 4 MLN and the largest share from "
        f"{world.scheduler.parameters().max_share / 100:g} % to 40 % (the vote bond as now)",
        "set the unbonding period from 16 min 40 s to 2 h (the minimum stake and the treasury as now)",
        "set the voting period from 20 s to 1 d",
        "set the quorum from 50 % to 60 %",
        f"mint 12.5 MLN to {STRANGER.address}",
        "pause: no new jobs, and no leases in attempts that open in the pause",
    ]
    carry_out(shell, short)
    now = shell.facts("gov", "parameters")
    assert (now["lease_bond"], now["vote_bond"], now["max_share"]) == (4 * TOKEN, 3 * TOKEN, 4_000)
    assert (now["unbonding_period"], now["minimum_stake"]) == (7_200, 100 * TOKEN)
    assert (now["quorum"], now["voting_period"], now["paused"]) == (60, 86_400, True)
    assert now["treasury"] == TREASURY.address
    assert world.token.balance_of(STRANGER.address) == 25 * TOKEN // 2
    assert "set the quorum to 60 %" in asked(shell, short)


def test_treasury_is_spent_with_what_the_vault_owes_to_it(shell: Shell) -> None:
    world, timelock = shell.world, shell.world.consortium.timelock.address
    assert "mint" in shell.refused(
        "gov", "propose", "spend", STRANGER.address, "5", "--why", "an audit", by=NORTH
    )
    carry_out(shell, propose(shell, "mint", timelock, "10", "--and", f"set treasury={timelock}"))
    short = propose(shell, "spend", STRANGER.address, "4", "--and", f"spend {NEWCOMER} 6")
    assert asked(shell, short) == [f"pay 4 MLN to {STRANGER.address}", f"pay 6 MLN to {NEWCOMER}"]
    carry_out(shell, short)
    assert world.token.balance_of(NEWCOMER) == 6 * TOKEN

    # A missed lease pays the treasury, which the vault keeps as its credit.
    job_id = world.submit_job()
    world.claim(job_id, NODES[0])
    world.wait(world.scheduler.job(job_id).terms.lease_time)
    world.send(STRANGER, world.scheduler.expire(job_id, NODES[0].address))
    assert world.vault.account(timelock).credit == 2 * TOKEN
    short = propose(shell, "spend", STRANGER.address, "2")
    assert asked(shell, short)[0] == "withdraw what the vault owes to the timelock, 2 MLN now"
    carry_out(shell, short)
    assert world.token.balance_of(STRANGER.address) == 6 * TOKEN


def test_members_govern_roles_and_governance_by_proposals(shell: Shell) -> None:
    world = shell.world
    carry_out(
        shell,
        propose(shell, "releaser", SOUTH.address, "--and", f"remove {WEST.address}", "--and", "unpause"),
    )
    assert world.models.releasers() == (SOUTH.address,) and not world.registry.is_member(WEST.address)
    assert "releasers   South" in shell.done("gov", "parameters")
    short = propose(
        shell, "releaser", SOUTH.address, "--revoke", "--and", f"governance {STRANGER.address}", "--and",
        f"raw StakeVault 'refreshBond(address)' {EAST.address}",
    )  # fmt: skip
    actions = shell.facts("gov", "show", short)["actions"]
    assert actions[0]["does"] == f"take the right to promote models from 'South' ({SOUTH.address})"
    assert actions[1]["does"] == f"hand the governance over to {STRANGER.address}, once it accepts"
    assert any("plain key" in warning for warning in actions[1]["warnings"])
    assert actions[2]["does"] == f"call StakeVault.refreshBond(owner={EAST.address})"
    carry_out(shell, short, (EAST, SOUTH))
    assert world.models.releasers() == () and world.registry.proposed_governance() == STRANGER.address


def test_calls_that_cannot_be_read_are_shown_raw_with_a_warning(shell: Shell) -> None:
    world = shell.world
    token, registry = world.token, world.registry
    hidden = Action.of(token.mint(STRANGER.address, 5))
    proposal = Proposal(
        (
            Action(STRANGER.address, b"\xde\xad\xbe\xef", 3),  # type: ignore[arg-type]
            Action(token.address, b"\xde\xad\xbe\xef" + bytes(100)),
            Action(hidden.target, hidden.data + bytes(32)),
            Action(registry.address, Action.of(registry.remove(EAST.address)).data[:20]),
        ),
        "Nothing to see here.\x1b[2J\r\nasks to  do good\u202e",
    )
    world.send(NORTH, world.governor.propose(proposal))
    facts = shell.facts("gov", "show", f"{proposal.id:064x}")
    first, second, third, fourth = facts["actions"]
    assert first["does"] == f"call {STRANGER.address} with 3 wei with 4 bytes: 0xdeadbeef"
    assert "no contract stands there" in first["warnings"][0] and first["function"] is None
    assert "ConsortiumToken has no such function" in second["warnings"][0] and second["does"].endswith("…")
    assert third["does"].startswith("mint") and "bytes are hidden in it" in third["warnings"][0]
    assert fourth["function"] is None
    assert "\x1b" not in facts["why"] and "\u202e" not in facts["why"]
    shown = shell.done("gov", "show", f"{proposal.id:064x}")
    assert "  | asks to  do good" in shown and shown.count("WARNING") >= 4


def test_name_cannot_go_on_as_if_its_words_were_ours(shell: Shell) -> None:
    name = "A'; pay 1 MLN to 'B"
    made = shell.facts("gov", "propose", "admit", NEWCOMER, "--name", name, "--why", "x", "--dry-run")
    assert made["actions"][0]["does"] == f"admit organisation {NEWCOMER} as 'A\\'; pay 1 MLN to \\'B'"


def test_description_of_any_text_can_be_queued_and_executed(shell: Shell) -> None:
    world = shell.world
    why = "Line one\r\n\tline two \u200b\x07"
    proposal = Proposal((Action.of(world.scheduler.set_paused(True)),), why)
    world.send(NORTH, world.governor.propose(proposal))
    short = f"0x{proposal.id:064x}"[:10]
    world.wait_until(world.governor.snapshot(proposal.id) + 1)
    carry_out(shell, short)
    assert world.scheduler.paused()


def test_what_would_fail_is_refused_before_it_costs_the_members_time(shell: Shell) -> None:
    again = ("gov", "propose", "admit", EAST.address, "--name", "East again", "--why", "oversight")
    assert "RegistryAlreadyMember" in shell.refused(*again, by=NORTH)
    assert shell.facts("gov", "list", "--all") == []
    dry = shell.facts(*again, "--dry-run")
    assert not dry["proposed"] and "RegistryAlreadyMember" in dry["actions"][0]["would_fail"]
    short = str(shell.facts(*again, "--anyway", by=NORTH)["short"])
    assert "as things stand this would fail" in shell.done("gov", "show", short)
    assert "just this before" in shell.refused(*again, "--anyway", by=NORTH)
    assert "members propose" in shell.refused("gov", "propose", "pause", "--why", "now", by=STRANGER)
    shell.world.wait_until(shell.facts("gov", "show", short)["vote_start"] + 1)
    assert "only members vote" in shell.refused("gov", "vote", short, "for", by=STRANGER)


def test_proposer_alone_takes_a_proposal_back_before_its_vote(shell: Shell) -> None:
    words = ("gov", "propose", "pause", "--why", "too early")
    short = str(shell.facts(*words, by=NORTH)["short"])
    assert "only its proposer" in shell.refused("gov", "cancel", short, by=EAST)
    assert f"took {short} back" in shell.done("gov", "cancel", short, by=NORTH)
    assert shell.facts("gov", "show", short)["state"] == "canceled"
    assert "cannot be voted on: it is taken back" in shell.refused("gov", "vote", short, "for", by=NORTH)


def test_proposal_is_tied_to_its_proposer_so_that_nobody_else_can_take_it_back(shell: Shell) -> None:
    world = shell.world
    shell.done("gov", "propose", "pause", "--why", "as agreed", by=NORTH)
    (motion,) = read_motions(world.consortium)
    assert motion.proposal is not None and motion.text == "as agreed"
    other = Proposal(motion.proposal.actions, motion.proposal.description.replace("agreed", "discussed"))
    refused = world.refused("GovernorRestrictedProposer", EAST, world.governor.propose(other))
    assert refused == {"proposer": EAST.address}


def test_proposal_from_a_file_does_what_its_lines_say(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "decision.toml"
    file.write_text(
        f"""why = '''First reason.
Second reason.'''
actions = ["set vote_bond=1.5", "mint {NEWCOMER} 2", "pause"]
"""
    )
    made = shell.facts("gov", "propose", "file", str(file), by=NORTH)
    assert made["why"] == "First reason.\nSecond reason." and len(made["actions"]) == 3
    file.write_text('why = "x"\nactions = ["abolish everything"]\n')
    assert "is no action" in shell.refused("gov", "propose", "file", str(file), by=NORTH, code=2)
    file.write_text('why = "x"\nthen = 1\nactions = ["pause"]\n')
    assert "unknown key then" in shell.refused("gov", "propose", "file", str(file), by=NORTH)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "0xffffffff"), "there is no proposal"),
        (("show", "nonsense"), "not a proposal's id"),
        (("propose", "set", "lease=1", "--why", "x", "--dry-run"), "there is no parameter 'lease'"),
        (("propose", "set", "voting_delay=31d", "--why", "x", "--dry-run"), "out of bounds"),
        (("propose", "set", "quorum=50.5%", "--why", "x", "--dry-run"), "not a percentage"),
        (
            ("propose", "set", "quorum=50%", "--and", "set quorum=60%", "--why", "x", "--dry-run"),
            "set twice",
        ),
        (("propose", "raw", "Nobody", "f()", "--why", "x", "--dry-run"), "neither an address nor one of"),
        (
            ("propose", "raw", "StakeVault", "unbond(uint256)", "--why", "x", "--dry-run"),
            "takes 1 arguments, not 0",
        ),
    ],
)
def test_mistyped_words_when_read_then_say_what_is_meant(
    shell: Shell, words: tuple[str, ...], said: str
) -> None:
    assert said in shell.refused("gov", *words)
