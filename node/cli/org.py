"""``milon org``: the members, and a member's way out."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from node.cli.common import Address, chain_date, emit, examples, json_option, print_table, progress
from node.cli.session import Session, session_options

if TYPE_CHECKING:
    from node.leaving import Departure


@click.group(
    epilog=examples(
        "milon org list", "milon org show --keystore hospital-a-org", "milon org resign --devnet-key 1"
    )
)
def org() -> None:
    """The member organisations, and a member's way out."""


@org.command("list", epilog=examples("milon org list", "milon org list --json"))
@json_option
@session_options()
def list_(session: Session, as_json: bool) -> None:
    """List the members: stake, nodes, and how they have voted on results."""
    from chain.contracts.token import format_units
    from node.names import read_names

    consortium = session.consortium
    registry, names = consortium.registry, read_names(consortium)
    rows, facts = [], []
    for account in registry.organisations():
        fact = _organisation(session, account)
        active = [node for node, owner in names.organisations.items()
                  if owner == account and registry.is_active(node)]  # fmt: skip
        record, stake = fact["votes"], fact["stake"]
        rows.append(
            [fact["name"], str(fact["seat"]), format_units(stake), str(len(active)),
             f"{record.matched} of {record.cast}", str(record.penalised), str(record.far), account]
        )  # fmt: skip
        facts.append({**fact, "active_nodes": active})
    columns = [
        "organisation",
        "seat",
        "stake",
        "nodes",
        "votes matched",
        "penalised",
        "scores far off",
        "account",
    ]
    emit(as_json, facts, lambda: print_table(columns, rows, columns[1:-1], wrap=False))


@org.command(
    epilog=examples("milon org show --keystore hospital-a-org",
                    "milon org show 0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
)  # fmt: skip
@click.argument("account", required=False, type=Address())
@json_option
@session_options(key=True)
def show(session: Session, account: str | None, as_json: bool) -> None:
    """Show an organisation: its stake, its nodes and their records, its votes. The key's own when left out."""
    from chain.contracts.token import format_units
    from chain.errors import MilonError
    from node.rewards import nodes_of

    consortium = session.consortium
    address = account or session.wallet.address
    if not int(consortium.registry.organisation(address).account, 16):
        address = consortium.registry.account_of(address)
    if not int(address, 16):
        raise MilonError(
            f"{account or session.wallet.address} is no organisation of this consortium, nor a node of one"
        )
    fact = _organisation(session, address)
    registry, scheduler = consortium.registry, consortium.scheduler
    nodes: list[dict[str, Any]] = [
        {
            "node": node,
            "active": registry.is_active(node),
            "capacity": registry.node(node).capacity,
            "record": scheduler.node_record(node),
        }
        for node in nodes_of(consortium, address)
    ]

    def people() -> None:
        held, record = fact["vault"], fact["votes"]
        until = fact["until"]
        state = f"left {chain_date(until)}" if until else f"member since {chain_date(fact['since'])}"
        click.echo(f"{fact['name']}  {address}")
        click.echo(f"state      {state}, seat {fact['seat']}")
        click.echo(f"stake      {format_units(held.free)} free, {format_units(held.locked)} locked")
        if held.unbonding:
            click.echo(f"unbonding  {format_units(held.unbonding)}, from {chain_date(held.unbonding_at)} on")
        click.echo(f"credit     {format_units(held.credit)}")
        click.echo(
            f"votes      {record.cast}, {record.matched} matched the result, {record.penalised} penalised, "
            f"{record.far} with a score far from the others'"
        )
        if not nodes:
            return
        click.echo()
        rows = [
            [n["node"], "active" if n["active"] else "retired", str(n["capacity"]),
             f"{n['record'].reliability / 100:g} %", str(n["record"].delivered), str(n["record"].accepted),
             str(n["record"].outliers), str(n["record"].invalid), str(n["record"].expired)]
            for n in nodes
        ]  # fmt: skip
        columns = [
            "node",
            "state",
            "capacity",
            "reliability",
            "delivered",
            "accepted",
            "outliers",
            "invalid",
            "missed",
        ]
        print_table(columns, rows, columns[2:], wrap=False)

    emit(as_json, {**fact, "nodes": nodes}, people)


@org.command(
    epilog=examples("milon org resign --keystore hospital-a-org", "milon org resign --devnet-key 1 --yes")
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@session_options(key=True)
def resign(session: Session, yes: bool, as_json: bool) -> None:
    """Leave the consortium, and take the stake out: resign, settle, unbond, withdraw.

    Each run does what can be done now and says what is left, and when. Leave the nodes running until nothing is held
    any more: an epoch that is leased has still to be delivered, or its bond is lost.
    """
    from node.leaving import check_may_resign, leave

    consortium, account = session.consortium, session.wallet.address
    if check_may_resign(consortium, account) and not yes:
        name = consortium.registry.organisation(account).name
        if not sys.stdin.isatty():
            raise click.UsageError(f"{name} would cease to be a member at once; repeat with --yes")
        click.confirm(f"{name} ceases to be a member at once. Resign?", abort=True, err=True)
    with session.sender() as sender, progress("leaving", quiet=as_json) as tell:
        done = leave(consortium, sender, tell)
    emit(
        as_json,
        {
            "account": account,
            "resigned_now": done.resigned,
            "settled": done.settled,
            "unbonded": done.unbonded,
            "withdrawn": done.withdrawn,
            "vault": done.account,
            "held": done.held,
            "again_at": done.again_at,
            "done": done.done,
        },
        "\n".join(_departure_lines(done)),
    )


def _departure_lines(done: Departure) -> list[str]:
    from chain.contracts.token import format_units
    from node.cli.govtext import when

    left = done.account
    lines = ["resigned   the organisation is no member any more"] if done.resigned else []
    if done.settled:
        lines.append(
            f"settled    job{'s' if len(done.settled) > 1 else ''} {', '.join(map(str, done.settled))}"
        )
    if done.unbonded:
        lines.append(f"unbonding  {format_units(done.unbonded)} tokens began their wait")
    if done.withdrawn:
        lines.append(f"withdrew   {format_units(done.withdrawn)} tokens")
    if done.done:
        return [*lines, "done: nothing of it is left at this consortium"]
    if done.held:
        back = left.locked + left.free
        lines.append(f"held back  {format_units(back)} tokens, {format_units(left.locked)} of them locked:")
        lines += [f"  job {h.job_id}: {h.what}, by {when(h.until, done.now)}" for h in done.held]
    elif left.free:
        lines.append(f"free       {format_units(left.free)} tokens, to wait once those are out")
    if left.unbonding:
        lines.append(
            f"waiting    {format_units(left.unbonding)} tokens until {when(left.unbonding_at, done.now)}"
        )
    again = f"after {when(done.again_at, done.now)}" if done.again_at else "when these rounds are over"
    return [*lines, f"next       milon org resign, {again}"]


def _organisation(session: Session, account: str) -> dict[str, Any]:
    consortium = session.consortium
    organisation, held = consortium.registry.organisation(account), consortium.vault.account(account)
    return {
        "account": account,
        "name": organisation.name,
        "seat": organisation.seat,
        "since": organisation.since,
        "until": organisation.until or None,
        "stake": held.free + held.locked,
        "vault": held,
        "votes": consortium.vote.vote_record(account),
    }
