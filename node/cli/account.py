"""``milon account``: the keys of this user."""

import json
from pathlib import Path

import click

from chain import wallet


@click.group(epilog="Example: milon account new --label hospital-a")
def account() -> None:
    """Make and list keys. They are kept encrypted, in ~/.milon/keys unless told otherwise."""


_keys = click.option(
    "--keys",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the keystores.  [default: ~/.milon/keys]",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@account.command(epilog="Example: milon account new --label hospital-a --password-file secret.txt")
@_keys
@click.option("--label", default="", help="A name to call the key by, instead of its address.")
@click.option(
    "--password-file",
    type=click.Path(path_type=Path),
    help=f"File whose first line is the password; else ${wallet.PASSWORD_VARIABLE}, else asked for.",
)
@click.option(
    "--devnet", is_flag=True, help="Weak, fast encryption; such a key works on the local devnet alone."
)
@_json
def new(directory: Path | None, label: str, password_file: Path | None, devnet: bool, as_json: bool) -> None:
    """Make a new key and print its address."""
    password = wallet.read_password(password_file, prompt="Password for the new key", confirm=True)
    made = wallet.create(directory or wallet.default_directory(), password, label, light=devnet)
    if as_json:
        click.echo(json.dumps(_facts(made)))
    else:
        click.echo(f"{made.address}  {made.path}")
        click.echo("keep the file and its password: neither can be recovered")


@account.command("list", epilog="Example: milon account list --json")
@_keys
@_json
def list_(directory: Path | None, as_json: bool) -> None:
    """List the keys."""
    found = wallet.list_accounts(directory)
    if as_json:
        click.echo(json.dumps([_facts(key) for key in found]))
        return
    for key in found:
        click.echo(f"{key.address}  {key.label or '-'}  {key.path}")
    if not found:
        click.echo("no keys yet; make one with: milon account new")


def _facts(key: wallet.KeyFile) -> dict[str, str]:
    return {"address": key.address, "label": key.label, "path": str(key.path)}
