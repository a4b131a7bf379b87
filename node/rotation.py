"""A new key for a node: the registry lets it take over from the old one, and the configuration names it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from chain import wallet as keystores
from chain.consent import sign_consent
from chain.errors import ChainError
from node.config_text import toml_value
from node.errors import StorageError

if TYPE_CHECKING:
    from chain.consortium import Consortium
    from chain.sender import Sender
    from chain.wallet import Wallet

_IDENTITY = ("keystore", "password_file", "devnet_key")


def rotate_node(consortium: Consortium, sender: Sender, node: str, new: Wallet) -> bool:
    """Lets a new key take over what a node declares; the old one is retired for ever.

    The sender is the node itself or its organisation; the new key signs its consent.

    Returns:
        False if that was done before.

    Raises:
        ChainError: the old key is not a node's, or the new one is; ContractError: the sender may not.
    """
    registry = consortium.registry
    old, known = registry.node(node), registry.node(new.address)
    if not int(old.account, 16):
        raise ChainError(f"node {node} is not registered at this consortium; see `milon node register`")
    if int(known.account, 16):
        if not old.active and known.active and known.account == old.account:
            return False
        raise ChainError(
            f"{new.address} is a node of {known.account} already; a node's key cannot be used again"
        )
    if not old.active:
        raise ChainError(
            f"node {node} was retired, so nobody can take over from it; register the new key as a node"
        )
    chain_id = consortium.deployment.chain_id
    consent = sign_consent(new.account, old.account, registry.address, chain_id)
    sender.send(registry.rotate_node(node, new.address, consent))
    return True


def next_label(folder: Path, label: str) -> str:
    """A label for a new keystore beside those in `folder`: `ward` is followed by `ward-2`, that by `ward-3`."""
    base = re.sub(r"-\d{1,4}$", "", label) or "node"
    number = 2
    while (folder / f"{base}-{number}.json").exists():
        number += 1
    return f"{base}-{number}"


def make_key(folder: Path, label: str, password: str, *, weak: bool = False) -> keystores.KeyFile:
    """A new keystore in `folder`; see `chain.wallet.create`. Raises WalletError."""
    return keystores.create(folder, password, next_label(folder, label), light=weak)


def name_key(config: Path, values: dict[str, str | int | None]) -> None:
    """Writes the `[identity]` of a configuration anew, and leaves everything else in it as it is.

    Args:
        values: `keystore`, `password_file`, `devnet_key`; those that are left out or None are commented out.

    Raises:
        StorageError: the file cannot be written, or is written in a way that is beyond this.
    """
    wanted = {key: value for key, value in values.items() if value is not None}
    try:
        text = config.read_text(encoding="utf-8")
        changed = _with_identity(text, wanted)
        before, after = tomllib.loads(text), tomllib.loads(changed)
        if after != {**before, "identity": {**_others(before), **wanted}}:
            raise ValueError
        part = config.with_name(config.name + ".part")
        part.write_text(changed, encoding="utf-8")
        part.replace(config)
    except OSError as error:
        raise StorageError(f"cannot write {config}: {error.strerror}; {_by_hand(wanted)}") from error
    except ValueError:
        raise StorageError(f"the [identity] of {config} cannot be rewritten; {_by_hand(wanted)}") from None


def _with_identity(text: str, wanted: dict[str, str | int]) -> str:
    lines, inside, missing = [], False, dict(wanted)
    for line in text.splitlines():
        if re.match(r"\s*\[", line):
            if inside:
                lines += [f"{key} = {toml_value(value)}" for key, value in missing.items()]
                missing = {}
            inside = re.match(r"\s*\[\s*identity\s*\]", line) is not None
        key = re.match(r"\s*(#\s*)?(\w+)\s*=", line)
        if inside and key and key[2] in _IDENTITY:
            if key[2] in missing:
                line = f"{key[2]} = {toml_value(missing.pop(key[2]))}"
            elif not key[1]:
                line = f"# {line.lstrip()}"
        lines.append(line)
    if inside:
        lines += [f"{key} = {toml_value(value)}" for key, value in missing.items()]
    return "\n".join(lines) + "\n"


def _others(document: dict[str, object]) -> dict[str, object]:
    identity = document.get("identity")
    known = identity if isinstance(identity, dict) else {}
    return {key: value for key, value in known.items() if key not in _IDENTITY}


def _by_hand(wanted: dict[str, str | int]) -> str:
    return "set in [identity]: " + ", ".join(f"{key} = {toml_value(value)}" for key, value in wanted.items())
