"""``milon node``: set up and run an organisation's node."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli.common import (
    Address,
    Tokens,
    emit,
    examples,
    json_option,
    print_table,
    progress,
    set_option,
    to_json,
)
from node.cli.rotate import rotate
from node.cli.session import (
    DEFAULT_IPFS,
    DEFAULT_RPC,
    Session,
    key_options,
    newest_deployment,
    session_options,
)

if TYPE_CHECKING:
    from node.config import NodeConfig
    from node.keys import Key

_CONFIG = click.option(
    "--config",
    envvar="MILON_CONFIG",
    show_envvar=True,
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("node.toml"),
    show_default=True,
    help="The node's configuration.",
)


@click.group(
    epilog=examples(
        "milon node init --name hospital-a --capacity 2",
        "milon node register --keystore hospital-a-org --stake 100",
        "milon node run",
    )
)
def node() -> None:
    """Set up and run an organisation's node."""


node.add_command(rotate)


@node.command(
    epilog=examples(
        "milon node init --name hospital-a --role trainer --role validator --capacity 2",
        "milon node init a/node.toml --devnet-key 1 --ipfs http://127.0.0.1:5001",
    )
)
@click.argument("file", default="node.toml", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--name", default="node", show_default=True, help="What logs call it, and the label of its new key."
)
@click.option(
    "--role",
    "roles",
    multiple=True,
    default=("trainer", "validator"),
    show_default=True,
    type=click.Choice(["trainer", "validator", "supernode", "predictor"]),
    help="May be repeated.",
)
@click.option(
    "--capacity", type=click.IntRange(1, 65535), default=1, show_default=True, help="Training capacity."
)
@click.option(
    "--rpc",
    envvar="MILON_RPC",
    show_envvar=True,
    default=DEFAULT_RPC,
    show_default=True,
    metavar="URL",
    help="JSON-RPC endpoint of the chain.",
)
@click.option(
    "--deployment",
    envvar="MILON_DEPLOYMENT",
    show_envvar=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Deployment file of the consortium; the newest deployments/<chain id>.json here when left out.",
)
@click.option(
    "--ipfs",
    envvar="MILON_IPFS",
    show_envvar=True,
    default=DEFAULT_IPFS,
    show_default=True,
    metavar="URL",
    help="RPC API of its IPFS daemon.",
)
@click.option(
    "--private-data", metavar="PATH", help="The node's own data, for jobs that train on private data."
)
@key_options
@click.option(
    "--devnet", is_flag=True, help="Encrypt the new key fast and weakly; it works on a devnet alone."
)
@click.option("--force", is_flag=True, help="Overwrite FILE. Keys are never overwritten.")
@json_option
def init(
    file: Path,
    name: str,
    roles: tuple[str, ...],
    capacity: int,
    rpc: str,
    deployment: Path | None,
    ipfs: str,
    private_data: str | None,
    key: Key,
    devnet: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Write a configuration FILE in which every key is explained, and make the node's key.

    Without --keystore or --devnet-key a new encrypted keystore is made in keys/ beside FILE; its password comes
    from --password-file, or MILON_PASSWORD, or is asked for.
    """  # fmt: skip
    from node.nodesetup import address_of, data_source, found_key, write_config

    deployment = deployment or newest_deployment()
    given: dict[str, dict[str, Any]] = {
        "chain": {"rpc": rpc, "deployment": None if deployment is None else deployment.absolute()},
        "identity": {
            "keystore": None if key.keystore is None else found_key(key.keystore),
            "password_file": None if key.password_file is None else key.password_file.absolute(),
            "devnet_key": key.devnet_key,
        },
        "node": {
            "name": name,
            "roles": list(dict.fromkeys(roles)),
            "capacity": capacity,
            "private_data": None if private_data is None else data_source(private_data),
        },
        "ipfs": {"api": ipfs},
    }
    config = write_config(file, given, key, weak_key=devnet, force=force)
    keystore = config.identity.keystore
    told = keystore if keystore is not None else f"number {key.devnet_key} of the devnet"
    emit(
        as_json,
        {"config": file.absolute(), "keystore": keystore, "address": address_of(config)},
        f"wrote    {file}\nkey      {told}\n{_next_of(config, file)}",
    )


@node.command(
    epilog=examples(
        "milon node register --keystore hospital-a-org --stake 100",
        "milon node register --config a/node.toml --devnet-key 1 --stake 100",
    )
)
@_CONFIG
@set_option("--set node.capacity=4")
@click.option("--stake", type=Tokens(), help="Bring the organisation's stake up to so many tokens.")
@click.option("--peer", help="Multiaddress of its IPFS node; asked from the daemon when left out.")
@json_option
@key_options
def register(
    config: Path,
    overrides: tuple[tuple[str, str], ...],
    stake: int | None,
    peer: str | None,
    key: Key,
    as_json: bool,
) -> None:
    """Register the node of a configuration with its organisation, whose key is the one in the options.

    The organisation's key sends; the node's own key, named in the configuration, signs its consent. Run again, it
    changes only what differs.
    """
    from chain.contracts.token import format_units
    from chain.contracts.types import Role
    from node.config import load_config
    from node.keys import Key as KeyOf
    from node.keys import open_wallet
    from node.membership import (
        Declaration,
        lacks_gas,
        missing_for_bonds,
        missing_stake,
        register_node,
        stake_up_to,
    )

    loaded = load_config(config, dict(overrides))
    session = _session(loaded, key)
    consortium = session.consortium
    own = open_wallet(KeyOf.of(loaded.identity), consortium)
    with progress("registering", quiet=as_json), session.sender() as sender:
        if stake is not None:
            missing_stake(consortium, sender.address, stake)
        known = consortium.registry.node(own.address).peer
        where = peer if peer is not None else _ask_peer(loaded) or known
        declared = Declaration(Role(loaded.node.role_mask), loaded.node.declared_capacity, where)
        outcome = register_node(consortium, sender, own, declared)
        staked = 0 if stake is None else stake_up_to(consortium, sender, stake)
    account = session.wallet.address
    bonded, held = consortium.vault.is_bonded(account), consortium.vault.account(account)
    name = consortium.registry.organisation(account).name
    lines = [f"node {own.address} of {name}: {outcome}"]
    if staked:
        lines.append(f"staked {format_units(staked)} tokens")
    if not bonded:
        least, has = format_units(consortium.vault.minimum_stake()), format_units(held.free + held.locked)
        lines.append(f"warning: {least} tokens of stake are needed to vote, there are {has}; add --stake")
    missing = missing_for_bonds(consortium, account, declared.roles)
    if missing:
        lines.append(
            f"warning: the bonds of one epoch and one vote need {format_units(missing)} tokens more of stake, and "
            "each further epoch its own; add --stake, or the node will claim nothing"
        )
    if lacks_gas(consortium, own.address):
        lines.append(
            "warning: the node has no coin to pay for gas; send it some"
            f" (on a devnet: milon devnet fund {own.address})"
        )
    if not where:
        lines.append("warning: no IPFS daemon answered, so others will not know where this node's is")
    emit(
        as_json,
        {
            "node": own.address,
            "account": account,
            "outcome": outcome,
            "staked": staked,
            "bonded": bonded,
            "peer": where,
        },
        "\n".join(lines),
    )


@node.command(epilog=examples("milon node run", "milon node run --config a/node.toml --dry-run"))
@_CONFIG
@set_option("--set log.level=debug")
@click.option("--dry-run", is_flag=True, help="Watch and say what it would do; send nothing.")
@click.option("--json", "as_json", is_flag=True, help="Say so, and log, in JSON for machines.")
@click.pass_context
def run(
    ctx: click.Context, config: Path, overrides: tuple[tuple[str, str], ...], dry_run: bool, as_json: bool
) -> None:
    """Run the node until it is told to stop (Ctrl-C, or SIGTERM).

    Told to stop, it first delivers what it leased, for at most node.drain seconds; told again, it stops at once. It
    may be killed at any moment and started again: it goes on where the chain says that it is. Logs go to standard
    error; with --json, one line on standard output says when it is ready, its address, where its
    health is, and its process id.
    """
    from node.config import load_config

    values = dict(overrides)
    if as_json:
        values["log.format"] = "json"
    loaded = load_config(config, values)
    from node.agent import run_agent

    def ready(facts: dict[str, str]) -> None:
        if as_json:
            click.echo(to_json(facts))

    ctx.exit(run_agent(loaded, dry_run=dry_run, on_ready=ready))


@node.command(
    epilog=examples("milon node status", "milon node status 0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
                    "milon node status --health http://127.0.0.1:9100")
)  # fmt: skip
@click.argument("address", required=False, type=Address())
@click.option("--health", metavar="URL", help="Ask an agent's health endpoint too.")
@json_option
@session_options()
def status(session: Session, address: str | None, health: str | None, as_json: bool) -> None:
    """Show the consortium's nodes, or one of them and its work. Exit code 1 if that one is not active or not well."""
    from node.cli.nodetext import ask_health, node_rows, one_node

    if address is None:
        columns, rows, found = node_rows(session.consortium)
        facts: Any = found
        well = True
        text: Any = (
            (lambda: print_table(columns, rows, ["capacity", "stake"], wrap=False))
            if rows
            else "no node is registered; see `milon node register`"
        )
    else:
        facts, lines, well = one_node(session.consortium, address)
        text = "\n".join(lines)
    answer = None if health is None else ask_health(health)
    if as_json:
        click.echo(
            to_json({"nodes": facts, **({} if answer is None else {"health": answer.document})}, indent=2)
        )
    else:
        emit(False, None, text)
        if answer is not None:
            click.echo(f"agent    {answer.text}")
    if not well or (answer is not None and not answer.well):
        raise click.exceptions.Exit(1)


@node.command(
    epilog=examples(
        "milon node retire", "milon node retire --node 0x7099...79C8 --keystore hospital-a-org --yes"
    )
)
@_CONFIG
@click.option("--node", "address", type=Address(), help="The node, when there is no configuration of it.")
@click.option(
    "--rpc", envvar="MILON_RPC", metavar="URL", help="JSON-RPC endpoint; the configuration's when left out."
)
@click.option(
    "--deployment",
    envvar="MILON_DEPLOYMENT",
    type=click.Path(path_type=Path),
    help="Deployment file; the configuration's when left out.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@key_options
def retire(
    config: Path,
    address: str | None,
    rpc: str | None,
    deployment: Path | None,
    yes: bool,
    as_json: bool,
    key: Key,
) -> None:
    """Retire a node for ever: it claims nothing more, and its key cannot be registered again.

    Signed by the node's own key as its configuration names it, or by its organisation's key from the options.
    """  # fmt: skip
    from node.config import load_config
    from node.keys import Key as KeyOf
    from node.keys import open_wallet
    from node.membership import retire_node

    if address is None or not key.given:
        loaded = load_config(config)
        own = KeyOf.of(loaded.identity)
        session = Session(
            rpc or loaded.chain.rpc,
            deployment or loaded.chain.deployment,
            DEFAULT_IPFS,
            key if key.given else own,
        )
        target = address or open_wallet(own, session.consortium).address
    else:
        session, target = Session(rpc or DEFAULT_RPC, deployment, DEFAULT_IPFS, key), address
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError(f"retiring {target} is for ever; repeat with --yes")
        click.confirm(f"Retire node {target} for ever?", abort=True, err=True)
    with session.sender() as sender:
        changed = retire_node(session.consortium, sender, target)
    emit(as_json, {"node": target, "retired": True, "changed": changed},
         f"node {target} is retired" if changed else f"node {target} was retired before")  # fmt: skip


def _next_of(config: NodeConfig, file: Path) -> str:
    """What to do after `init`."""
    if not config.chain.deployment.is_file():
        return f"next     put the consortium's deployment file at {config.chain.deployment}, or set chain.deployment"
    return f"next     milon node register --config {file} --keystore ORGANISATION --stake TOKENS"


def _session(config: NodeConfig, key: Key) -> Session:
    return Session(config.chain.rpc, config.chain.deployment, config.ipfs.api, key)


def _ask_peer(config: NodeConfig) -> str:
    """The first address of the node's IPFS daemon that fits the registry; empty if it does not answer."""
    from node.errors import StorageError
    from node.storage.ipfs import IpfsClient

    try:
        with IpfsClient(config.ipfs.api, timeout=5.0) as ipfs:
            addresses = ipfs.identity().addresses
    except StorageError:
        return ""
    return next((address for address in addresses if len(address) <= 256), "")
