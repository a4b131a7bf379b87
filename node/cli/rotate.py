"""``milon node rotate``: a new key for a node."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli.common import emit, examples, json_option, progress, set_option
from node.cli.session import Session, key_options

if TYPE_CHECKING:
    from node.config import NodeConfig
    from node.keys import Key


@click.command(
    epilog=examples(
        "milon node rotate --keystore hospital-a-org",
        "milon node rotate --new-keystore hospital-a-2 --keystore hospital-a-org",
        "milon node rotate --config a/node.toml --new-devnet-key 11 --devnet-key 1",
    )
)
@click.option(
    "--config",
    envvar="MILON_CONFIG",
    show_envvar=True,
    default=Path("node.toml"),
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The node's configuration.",
)
@set_option("--set chain.rpc=http://127.0.0.1:8545")
@click.option(
    "--new-keystore",
    metavar="NAME",
    help="The new key: a path, or a label or address of `milon account`; a new one is made when left out.",
)
@click.option(
    "--new-password-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File with the new key's password; the configuration's when left out, else MILON_PASSWORD, else asked for.",
)
@click.option(
    "--new-devnet-key",
    type=click.IntRange(0, 999),
    metavar="INDEX",
    help="Instead of a keystore: a well-known key, on a devnet only.",
)
@click.option(
    "--devnet", is_flag=True, help="Encrypt the new key fast and weakly; it works on a devnet alone."
)
@json_option
@key_options
def rotate(
    config: Path,
    overrides: tuple[tuple[str, str], ...],
    new_keystore: str | None,
    new_password_file: Path | None,
    new_devnet_key: int | None,
    devnet: bool,
    key: Key,
    as_json: bool,
) -> None:
    """Give the node of a configuration a new key, which takes over its roles, capacity and address.

    Signed by the organisation's key from the options, or else by the node's old key; the new key signs its consent. The
    old key is retired for ever. The configuration then names the new key. Leave the agent running that still uses the
    old one until it has delivered what it holds; then start it anew. Run again, this goes on where it was interrupted
    if it is told the new key.
    """
    from node.config import load_config
    from node.keys import Key as KeyOf
    from node.keys import open_wallet
    from node.leaving import live_leases
    from node.membership import lacks_gas
    from node.nodesetup import address_of
    from node.rotation import name_key, rotate_node

    if new_keystore is not None and new_devnet_key is not None:
        raise click.UsageError("--new-keystore and --new-devnet-key exclude each other; give one")
    loaded = load_config(config, dict(overrides))
    signer = key if key.given else KeyOf.of(loaded.identity)
    session = Session(loaded.chain.rpc, loaded.chain.deployment, loaded.ipfs.api, signer)
    consortium, old = session.consortium, address_of(loaded)
    successor = KeyOf(new_keystore, new_password_file or loaded.identity.password_file, new_devnet_key)
    if not successor.given:
        successor = _new_key(loaded, config, successor, weak=devnet)
    new = open_wallet(successor, consortium)
    with session.sender() as sender, progress("rotating", quiet=as_json):
        changed = rotate_node(consortium, sender, old, new)
    keystore = None if successor.keystore is None else _relative(_key_path(successor.keystore), config)
    password_file = None if successor.password_file is None else _relative(successor.password_file, config)
    name_key(
        config,
        {
            "keystore": keystore,
            "password_file": None if keystore is None else password_file,
            "devnet_key": successor.devnet_key,
        },
    )
    held = live_leases(consortium, old)
    lines = [
        f"old key  {old}, retired for ever" + ("" if changed else " before"),
        f"new key  {new.address}" + (f", in {keystore}" if keystore else ""),
        f"wrote    [identity] of {config}",
    ]
    if held:
        jobs = ", ".join(str(job_id) for job_id in held)
        lines.append(f"warning: the old key has still to deliver in job {jobs}, or its bond is lost")
    if lacks_gas(consortium, new.address):
        lines.append(
            "warning: the new key has no coin to pay for gas; send it some"
            f" (on a devnet: milon devnet fund {new.address})"
        )
    then = "once the old key has delivered, stop" if held else "stop"
    lines.append(
        f"next     {then} the agent, and start it with the new key: milon node run --config {config}"
    )
    emit(
        as_json,
        {"old": old, "new": new.address, "changed": changed, "keystore": keystore, "to_deliver": held},
        "\n".join(lines),
    )


def _new_key(config: NodeConfig, file: Path, password: Key, *, weak: bool) -> Key:
    """Makes a keystore beside the old one, or in keys/ beside the configuration."""
    from chain.wallet import read_password
    from node.keys import Key as KeyOf
    from node.rotation import make_key

    old = config.identity.keystore
    folder = file.absolute().parent / "keys" if old is None else old.absolute().parent
    label = (config.node.name or "node").replace(" ", "-") if old is None else old.stem
    text = read_password(password.password_file, prompt=f"Password for the new key of {label}", confirm=True)
    made = make_key(folder, label, text, weak=weak)
    return KeyOf(str(made.path), password.password_file, None)


def _key_path(keystore: str) -> Path:
    from node.nodesetup import found_key

    return found_key(keystore)


def _relative(path: Path, config: Path) -> str:
    """A path as the configuration writes it: from its own folder where it lies in it."""
    folder, whole = config.absolute().parent, path.absolute()
    return str(whole.relative_to(folder) if whole.is_relative_to(folder) else whole)
