"""Sets up a node: its configuration file, and its key where it has none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chain import wallet
from chain.devaccounts import dev_accounts
from chain.errors import ChainError
from node.config import NodeConfig, check_config
from node.config_text import render
from node.errors import StorageError
from node.keys import Key
from node.spec import BUILT_IN_SOURCES


def write_config(
    file: Path, given: Mapping[str, dict[str, Any]], key: Key, *, weak_key: bool = False, force: bool = False
) -> NodeConfig:
    """Writes a configuration, and makes a keystore in ``keys/`` beside it unless ``key`` names one.

    Nothing is written before the values have been checked. A keystore that is there already is kept.

    Args:
        given: values by section and key, None for those that keep their default.
        weak_key: encrypt the new key fast and weakly, for a devnet.
        force: overwrite ``file``.

    Raises:
        StorageError: the file exists, or cannot be written. SpecError: a value is not allowed.
        WalletError: there is no password for the new key.
    """
    if file.exists() and not force:
        raise StorageError(f"{file} exists already; give another name, or --force to overwrite it")
    tables = {section: dict(table) for section, table in given.items()}
    folder = file.absolute().parent
    label = str(tables["node"]["name"]).replace(" ", "-")
    if not key.given:
        tables["identity"]["keystore"] = f"keys/{label}.json"
    config = check_config(_as_read(tables), folder, "the options")
    if not key.given and config.identity.keystore is not None and not config.identity.keystore.exists():
        password = wallet.read_password(
            key.password_file, prompt=f"Password for the new key {label}", confirm=True
        )
        wallet.create(config.identity.keystore.parent, password, label, light=weak_key)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(render(tables), encoding="utf-8")
    except OSError as error:
        raise StorageError(f"cannot write {file}: {error.strerror}; choose another place") from error
    return config


def found_key(name: str) -> Path:
    """The path of the keystore that ``name`` means. Raises WalletError."""
    return wallet.find(name).path.absolute()


def data_source(private_data: str) -> str:
    """A data set's name as it is; a path so that it still leads there from the configuration's folder."""
    return (
        private_data if private_data in BUILT_IN_SOURCES else str(Path(private_data).expanduser().absolute())
    )


def address_of(config: NodeConfig) -> str:
    """The address of a configuration's key, which stays closed. Raises WalletError; ChainError if none is named."""
    identity = config.identity
    if identity.devnet_key is not None:
        return dev_accounts(identity.devnet_key + 1)[-1].address
    if identity.keystore is None:
        raise ChainError("the configuration names no key; set [identity] keystore")
    return wallet.find(str(identity.keystore)).address


def _as_read(tables: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The tables as they come back from the file."""
    return {
        section: {
            key: str(value) if isinstance(value, Path) else value
            for key, value in table.items()
            if value is not None
        }
        for section, table in tables.items()
    }
