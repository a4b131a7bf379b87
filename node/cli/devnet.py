"""``milon devnet``: the local chain on this machine."""

import json
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import click
from eth_utils.address import is_address, to_checksum_address

from chain.devnet import (
    BACKENDS,
    DEFAULT_PORT,
    Devnet,
    DevnetError,
    find_devnet,
    fund,
    list_devnets,
    start_devnet,
    stop_devnet,
)
from chain.devtime import ETHER
from chain.provider import rpc
from chain.wallet import find


@click.group(epilog="Example: milon devnet up")
def devnet() -> None:
    """Start, find and stop a local chain for trying things out.

    Its accounts are public and its money is worthless; everything is lost when it stops.
    """


@devnet.command(epilog="Example: milon devnet up --port 8546 --json")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True, help="0: a free one."
)
@click.option("--backend", type=click.Choice(BACKENDS), default="hardhat", show_default=True)
@click.option(
    "--detach/--foreground", default=True, show_default=True, help="Return at once, or stay until Ctrl-C."
)
@click.option(
    "--project",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder in which the backend is installed with npm.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def up(port: int, backend: str, detach: bool, project: Path | None, as_json: bool) -> None:
    """Start the local chain."""
    interrupted = None if detach else _on_interrupt()
    chain = start_devnet(port, backend=backend, project=project, detach=detach)
    if as_json:
        click.echo(json.dumps(_facts(chain)))
    else:
        click.echo(f"devnet ({chain.backend}) at {chain.url}, process {chain.pid}, log {chain.log}")
        click.echo(f"{len(chain.accounts)} funded accounts, the first: {chain.accounts[0].address}")
        click.echo(
            "stop it with Ctrl-C" if not detach else f"stop it with: milon devnet down --port {chain.port}"
        )
    if interrupted is not None:
        _stay(chain, interrupted)


@devnet.command(epilog="Example: milon devnet down")
@click.option("--port", type=click.IntRange(1, 65535), help="Which one, if there are several.")
@click.option("--all", "every", is_flag=True, help="Every one of this user.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def down(port: int | None, every: bool, as_json: bool) -> None:
    """Stop the local chain."""
    chosen = list_devnets() if every else [stop_devnet(port)]
    for chain in chosen:
        chain.stop()
    if as_json:
        click.echo(json.dumps({"stopped": [chain.port for chain in chosen]}))
        return
    for chain in chosen:
        click.echo(f"stopped the devnet at {chain.url}")


@devnet.command(epilog="Example: milon devnet status --json")
@click.option("--port", type=click.IntRange(1, 65535), help="Which one, if there are several.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(port: int | None, as_json: bool) -> None:
    """Show whether the local chain runs; exit code 1 if not."""
    chain = find_devnet(port)
    if chain is None:
        if as_json:
            click.echo(json.dumps({"running": False}))
            raise click.exceptions.Exit(1)
        raise DevnetError("no devnet runs; start one with `milon devnet up`")
    block = int(rpc(chain.connect(), "eth_blockNumber"), 16)
    if as_json:
        click.echo(json.dumps({**_facts(chain), "running": True, "block": block}))
    else:
        click.echo(
            f"devnet ({chain.backend}) at {chain.url}, process {chain.pid}, block {block}, log {chain.log}"
        )


@devnet.command("fund", epilog="Example: milon devnet fund client --coins 10")
@click.argument("account")
@click.option("--coins", type=click.IntRange(1, 10**6), default=10, show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), help="Which one, if there are several.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def fund_(account: str, coins: int, port: int | None, as_json: bool) -> None:
    """Set how many of the local chain's coins, which pay for gas, an account has.

    ACCOUNT is an address, or a key: its label in ~/.milon/keys, or its keystore's path.
    """
    chain = find_devnet(port)
    if chain is None:
        raise DevnetError("no devnet runs; start one with `milon devnet up`")
    address = str(to_checksum_address(account)) if is_address(account) else find(account).address
    fund(chain.connect(), [address], coins * ETHER)
    if as_json:
        click.echo(json.dumps({"account": address, "coins": coins}))
    else:
        click.echo(f"{address} has {coins} coins for gas")


def _facts(chain: Devnet) -> dict[str, Any]:
    return {
        "url": chain.url,
        "port": chain.port,
        "pid": chain.pid,
        "backend": chain.backend,
        "log": str(chain.log),
        "accounts": [{"address": account.address, "key": account.key} for account in chain.accounts],
    }


def _on_interrupt() -> threading.Event:
    """An event that Ctrl-C or SIGTERM sets."""
    interrupted = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        interrupted.set()

    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    return interrupted


def _stay(chain: Devnet, interrupted: threading.Event) -> None:
    """Keep the chain until it ends or someone interrupts us."""
    try:
        while not interrupted.wait(0.5):
            if not chain.alive():
                raise DevnetError(f"the devnet ended by itself; see {chain.log}")
    finally:
        chain.stop()
