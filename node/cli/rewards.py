"""``milon rewards``: what an account has earned and staked, and getting it out."""

from __future__ import annotations

import click

from node.cli.common import Address, Tokens, chain_date, emit, examples, json_option, print_table, progress
from node.cli.session import Session, session_options


@click.group(
    epilog=examples("milon rewards show --devnet-key 1", "milon rewards withdraw --keystore hospital-a-org")
)
def rewards() -> None:
    """What an account has earned and staked, and getting it out."""


@rewards.command(
    epilog=examples("milon rewards show --keystore hospital-a-org",
                    "milon rewards show 0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
)  # fmt: skip
@click.argument("account", required=False, type=Address())
@json_option
@session_options(key=True)
def show(session: Session, account: str | None, as_json: bool) -> None:
    """Show an account's stake and credit, and what each job still has to settle with it.

    ACCOUNT is an organisation, a client, or a node (then its organisation is meant); the key's own when left out.
    """
    from chain.contracts.token import format_units
    from node.follow import read_log
    from node.names import read_names
    from node.rewards import unsettled

    consortium = session.consortium
    names = read_names(consortium)
    address = account or session.wallet.address
    owner = names.organisations.get(address, address)
    held, balance = consortium.vault.account(owner), consortium.token.balance_of(owner)
    open_items = unsettled(consortium, read_log(consortium), owner)

    def people() -> None:
        label = names.labels.get(owner)
        click.echo(f"account    {owner}{f' ({label})' if label else ''}")
        click.echo(f"stake      {format_units(held.free)} free, {format_units(held.locked)} locked")
        if held.unbonding:
            click.echo(
                f"unbonding  {format_units(held.unbonding)}, to be withdrawn from {chain_date(held.unbonding_at)} on"
            )
        click.echo(f"credit     {format_units(held.credit)}, to be withdrawn")
        click.echo(f"balance    {format_units(balance)}")
        if open_items:
            click.echo()
            rows = [[str(i.job_id), format_units(i.reward), format_units(i.penalty)] for i in open_items]
            print_table(
                ["to settle: job", "reward", "penalty"], rows, ["to settle: job", "reward", "penalty"]
            )

    facts = {"account": owner, "name": names.labels.get(owner), "vault": held, "balance": balance}
    emit(as_json, {**facts, "unsettled": open_items}, people)


@rewards.command(epilog=examples("milon rewards withdraw --keystore hospital-a-org"))
@json_option
@session_options(key=True)
def withdraw(session: Session, as_json: bool) -> None:
    """Settle what can be settled for the key's account, and send it all that it is owed."""
    from chain.contracts.token import format_units
    from node.follow import read_log
    from node.rewards import settle, unsettled
    from node.rewards import withdraw as take

    consortium = session.consortium
    with session.sender() as sender, progress("settling", quiet=as_json) as tell:
        open_items = unsettled(consortium, read_log(consortium), sender.address)
        for item in open_items:
            tell(f"settling job {item.job_id}")
            settle(consortium, sender, item)
        tell("withdrawing")
        amount = take(consortium, sender)
    balance = consortium.token.balance_of(session.wallet.address)
    settled = f"settled {len(open_items)} job{'' if len(open_items) == 1 else 's'}, " if open_items else ""
    told = f"withdrew {format_units(amount)} tokens" if amount else "there is nothing to withdraw"
    emit(
        as_json,
        {"account": session.wallet.address, "settled": open_items, "withdrawn": amount, "balance": balance},
        f"{settled}{told}; the balance is {format_units(balance)}",
    )


@rewards.command(epilog=examples("milon rewards unbond 100 --keystore hospital-a-org"))
@click.argument("amount", metavar="TOKENS", type=Tokens())
@json_option
@session_options(key=True)
def unbond(session: Session, amount: int, as_json: bool) -> None:
    """Ask for stake back: after the unbonding period `milon rewards withdraw` sends it.

    Below the consortium's minimum stake an organisation may not vote. All that is on its way out waits anew.
    """
    from chain.contracts.token import format_units
    from node.rewards import unbond as start

    if amount == 0:
        raise click.UsageError("give more than 0 tokens")
    consortium = session.consortium
    with session.sender() as sender, progress("unbonding", quiet=as_json):
        ready = start(consortium, sender, amount)
    account = session.wallet.address
    bonded = consortium.vault.is_bonded(account)
    text = f"{format_units(amount)} tokens can be withdrawn from {chain_date(ready)} on"
    if not bonded:
        text += "\nwarning: what is left is less than the minimum stake, so the organisation may not vote"
    emit(as_json, {"account": account, "amount": amount, "available_at": ready, "bonded": bonded}, text)
