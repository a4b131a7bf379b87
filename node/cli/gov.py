"""``milon gov``: what the members decide together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from chain.errors import MilonError
from node.cli.common import console, emit, examples, json_option, print_table, progress
from node.cli.propose import propose
from node.cli.session import Session, session_options

if TYPE_CHECKING:
    from chain.contracts.governor import ProposalState
    from node.governance.explain import Explained
    from node.governance.proposals import Motion, Standing

_ID = click.argument("proposal_id", metavar="ID")


@click.group(
    epilog=examples(
        "milon gov list",
        "milon gov show 0x3fa9c1b2",
        "milon gov vote 0x3fa9c1b2 for --keystore hospital-a-org",
        "milon gov propose pause --why 'the ruleset is being replaced' --keystore hospital-a-org",
    )
)
def gov() -> None:
    """Propose, vote, and carry out what the members have decided: one organisation, one vote.

    A proposal is named by the beginning of its id.
    """


gov.add_command(propose)


@gov.command("list", epilog=examples("milon gov list", "milon gov list --all --json"))
@click.option("--all", "everything", is_flag=True, help="Those that are over too.")
@json_option
@session_options()
def list_(session: Session, everything: bool, as_json: bool) -> None:
    """List the proposals that are not over yet, the newest first."""
    from node.cli import govtext
    from node.governance.explain import Explainer
    from node.governance.proposals import read_motions, read_standing

    consortium = session.consortium
    lines: list[str] = []
    facts, over = [], 0
    explainers = {live: Explainer(consortium, live=live) for live in (True, False)}
    with progress("reading proposals", quiet=as_json):
        for motion in reversed(read_motions(consortium)):
            standing = read_standing(consortium, motion)
            if govtext.is_over(standing) and not everything:
                over += 1
                continue
            explainer = explainers[not govtext.is_over(standing)]
            explained = [explainer.explain(call) for call in motion.calls.actions]
            facts.append({**govtext.motion_facts(motion, standing), "actions": govtext.call_facts(explained)})
            lines += ["", *govtext.row_lines(motion, standing, explained)]
    hidden = f"; {over} {'is' if over == 1 else 'are'} over, see `milon gov list --all`" if over else ""
    nothing = f"no proposal is {'there' if everything else 'open'}{hidden}"

    def people() -> None:
        out = console(soft_wrap=True)
        for line in lines[1:]:
            out.print(line, style="bold red" if line.lstrip().startswith("WARNING") else None)

    emit(as_json, facts, people if lines else nothing)


@gov.command(epilog=examples("milon gov show 0x3fa9c1b2"))
@_ID
@json_option
@session_options()
def show(session: Session, proposal_id: str, as_json: bool) -> None:
    """Show a proposal: what it would do, read from its calls; how the vote goes; and what comes next."""
    from node.cli import govtext
    from node.names import read_names

    consortium = session.consortium
    with progress("reading the proposal", quiet=as_json):
        motion, standing, explained, failing = _read(session, proposal_id)
        names = read_names(consortium)
        members = consortium.registry.organisations()
    facts = {
        **govtext.motion_facts(motion, standing),
        "actions": govtext.call_facts(explained, failing),
        "ballots": govtext.ballot_facts(motion),
    }

    def people() -> None:
        out = console(soft_wrap=True)
        out.print(f"proposal {motion.short} of {names.of(motion.proposer)}: {govtext.outcome(standing)}")
        for line in govtext.motion_lines(explained, failing):
            out.print(line, style="bold red" if line.lstrip().startswith("WARNING") else None)
        for line in govtext.vote_lines(motion, standing, names, members):
            out.print(line)
        out.print(f"time     {govtext.time_line(motion, standing)}")
        step = govtext.next_step(motion, standing)
        if step:
            out.print(f"next     {step}")
        out.print()
        for line in govtext.said_lines(motion, names):
            out.print(line)

    emit(as_json, facts, people)


@gov.command(
    epilog=examples(
        "milon gov vote 0x3fa9c1b2 for --keystore hospital-a-org",
        "milon gov vote 0x3fa9c1b2 against --why 'twice the bond is too much' --keystore hospital-a-org",
    )
)
@_ID
@click.argument("vote", type=click.Choice(["for", "against", "abstain"]))
@click.option("--why", default="", metavar="TEXT", help="Your reasons, for the record.")
@json_option
@session_options(key=True)
def vote(session: Session, proposal_id: str, vote: str, why: str, as_json: bool) -> None:
    """Vote for or against a proposal, or abstain, with the organisation's key. A vote cannot be changed."""
    from chain.contracts.governor import ProposalState, Support
    from node.cli.govtext import motion_lines, tally, when

    consortium, account = session.consortium, session.wallet.address
    motion, standing, explained, failing = _read(session, proposal_id)
    if standing.state == ProposalState.PENDING:
        raise MilonError(
            f"voting on {motion.short} begins {when(motion.vote_start, standing.now)}; vote then"
        )
    _require(motion, standing, ProposalState.ACTIVE, "be voted on")
    if not consortium.registry.is_member(account):
        raise MilonError(
            f"{account} is no member of this consortium, and only members vote; use a member's key"
        )
    if consortium.governor.has_voted(motion.id, account):
        raise MilonError(f"{account} has voted on {motion.short} before, and a vote cannot be changed")
    support = {"for": Support.FOR, "against": Support.AGAINST, "abstain": Support.ABSTAIN}[vote]
    with session.sender() as sender, progress("voting", quiet=as_json):
        receipt = sender.send(consortium.governor.cast_vote(motion.id, support, why.strip()))
    votes = consortium.governor.votes(motion.id)
    emit(
        as_json,
        {
            "id": str(motion.id), "vote": support, "account": account, "transaction": receipt.tx_hash,
            "votes": {"for": votes.in_favour, "against": votes.against, "abstain": votes.abstain},
        },
        "\n".join([*motion_lines(explained, failing), f"voted    {vote}; now {tally(votes)}"]),
    )  # fmt: skip


@gov.command(epilog=examples("milon gov queue 0x3fa9c1b2 --keystore hospital-a-org"))
@_ID
@json_option
@session_options(key=True)
def queue(session: Session, proposal_id: str, as_json: bool) -> None:
    """Queue a proposal that has passed, so that it can be executed after the timelock's delay. Anyone may."""
    from chain.contracts.governor import ProposalState
    from node.cli.govtext import when

    consortium = session.consortium
    motion, standing, _, _ = _read(session, proposal_id)
    if standing.state == ProposalState.QUEUED:
        raise MilonError(f"{motion.short} is queued already; next: milon gov execute {motion.short}")
    _require(motion, standing, ProposalState.SUCCEEDED, "be queued")
    with session.sender() as sender, progress("queueing", quiet=as_json):
        receipt = sender.send(consortium.governor.queue(_executable(motion)))
    eta = consortium.governor.eta(motion.id)
    emit(
        as_json,
        {"id": str(motion.id), "eta": eta, "transaction": receipt.tx_hash},
        f"queued   {motion.short}, to be executed from {when(eta, standing.now)} on\n"
        f"next     milon gov execute {motion.short}",
    )


@gov.command(epilog=examples("milon gov execute 0x3fa9c1b2 --keystore hospital-a-org"))
@_ID
@json_option
@session_options(key=True)
def execute(session: Session, proposal_id: str, as_json: bool) -> None:
    """Carry out a decision whose delay is over: all of its calls, or none of them. Anyone may."""
    from chain.contracts.governor import ProposalState
    from node.cli.govtext import call_facts, motion_lines, when

    consortium = session.consortium
    motion, standing, explained, _ = _read(session, proposal_id)
    if standing.state == ProposalState.SUCCEEDED:
        raise MilonError(f"{motion.short} has passed but is not queued; next: milon gov queue {motion.short}")
    _require(motion, standing, ProposalState.QUEUED, "be executed")
    if standing.eta > standing.now:
        raise MilonError(f"{motion.short} can be executed from {when(standing.eta, standing.now)} on; wait")
    with session.sender() as sender, progress("executing", quiet=as_json):
        receipt = sender.send(consortium.governor.execute(_executable(motion)))
    emit(
        as_json,
        {"id": str(motion.id), "actions": call_facts(explained), "transaction": receipt.tx_hash},
        "\n".join([*motion_lines(explained), f"executed {motion.short}"]),
    )


@gov.command(epilog=examples("milon gov cancel 0x3fa9c1b2 --keystore hospital-a-org"))
@_ID
@json_option
@session_options(key=True)
def cancel(session: Session, proposal_id: str, as_json: bool) -> None:
    """Take a proposal of your own back, before its vote begins."""
    from chain.contracts.governor import ProposalState

    consortium = session.consortium
    motion, standing, _, _ = _read(session, proposal_id)
    _require(motion, standing, ProposalState.PENDING, "be taken back")
    if motion.proposer != session.wallet.address:
        raise MilonError(f"{motion.short} is of {motion.proposer}, and only its proposer can take it back")
    with session.sender() as sender, progress("taking it back", quiet=as_json):
        receipt = sender.send(consortium.governor.cancel(_executable(motion)))
    emit(as_json, {"id": str(motion.id), "transaction": receipt.tx_hash}, f"took {motion.short} back")


@gov.command(epilog=examples("milon gov parameters", "milon gov parameters --json"))
@json_option
@session_options()
def parameters(session: Session, as_json: bool) -> None:
    """Show every parameter that the members can set, with its value now, and who may do what without a vote."""
    from node.governance.settings import SETTINGS, read_settings
    from node.names import read_names

    consortium = session.consortium
    registry = consortium.registry
    values, symbol = read_settings(consortium), consortium.token.symbol()
    names = read_names(consortium)
    governance, paused = registry.governance(), consortium.scheduler.paused()
    releasers = consortium.models.releasers()
    treasury = "timelock" if values["treasury"] == consortium.timelock.address else None
    facts: dict[str, Any] = {
        **values,
        "paused": paused,
        "governance": governance,
        "members": registry.organisation_count(),
        "releasers": releasers,
    }

    def people() -> None:
        rows = [
            [key, (treasury if key == "treasury" else None) or one.show(values[key], symbol),
             f"{one.title.removeprefix('the ')}, {one.about}"]
            for key, one in SETTINGS.items()
        ]  # fmt: skip
        print_table(["parameter", "now", "what it is"], rows)
        by_members = governance == consortium.timelock.address
        click.echo(f"\ngovernance  {'the members, by the timelock ' if by_members else ''}{governance}")
        click.echo(f"members     {facts['members']}")
        click.echo(f"paused      {'yes' if paused else 'no'}")
        click.echo(f"releasers   {', '.join(names.of(account) for account in releasers) or 'none'}")

    emit(as_json, facts, people)


def _read(session: Session, proposal_id: str) -> tuple[Motion, Standing, list[Explained], list[str | None]]:
    """A proposal, where it stands, what its calls do, and which of them would fail now."""
    from node.cli.govtext import is_over
    from node.governance.explain import Explainer
    from node.governance.proposals import find_motion, read_motions, read_standing

    consortium = session.consortium
    motion = find_motion(read_motions(consortium), proposal_id)
    standing = read_standing(consortium, motion)
    live = not is_over(standing)
    explainer = Explainer(consortium, live=live)
    calls = motion.calls.actions
    return (
        motion,
        standing,
        [explainer.explain(call) for call in calls],
        explainer.trials(calls) if live else [None] * len(calls),
    )


def _require(motion: Motion, standing: Standing, wanted: ProposalState, what: str) -> None:
    if standing.state != wanted:
        from node.cli.govtext import outcome

        raise MilonError(
            f"{motion.short} cannot {what}: it is {outcome(standing)}; see `milon gov show {motion.short}`"
        )


def _executable(motion: Motion) -> Any:
    if motion.proposal is None:
        raise MilonError(
            f"the description of {motion.short} is not text, so that Milon cannot name it to the governor; "
            "it has to be proposed again"
        )
    return motion.proposal
