"""Which key signs, and how it is opened: an encrypted keystore, or a well-known key of the devnet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chain import wallet as keystores
from chain.devaccounts import dev_accounts
from chain.errors import ChainError
from chain.wallet import Wallet

if TYPE_CHECKING:
    from chain.consortium import Consortium
    from node.config import IdentityConfig


@dataclass(frozen=True)
class Key:
    """Where a key is; at most one of `keystore` and `devnet_key` is given.

    Attributes:
        keystore: a keystore's path, or its label or address in the user's folder of keys.
        password_file: file whose first line is its password; else the environment, else a person is asked.
        devnet_key: index of a key that every devnet knows.
    """

    keystore: str | None = None
    password_file: Path | None = None
    devnet_key: int | None = None

    @classmethod
    def of(cls, identity: IdentityConfig) -> Key:
        """A node's own key, as its configuration names it."""
        keystore = None if identity.keystore is None else str(identity.keystore)
        return cls(keystore, identity.password_file, identity.devnet_key)

    @property
    def given(self) -> bool:
        """Whether a key was named at all."""
        return self.keystore is not None or self.devnet_key is not None


def open_wallet(key: Key, consortium: Consortium) -> Wallet:
    """Opens a key for the consortium's chain.

    Raises:
        WalletError: it cannot be found or opened, or may not be used on this chain.
        ChainError: no key was named.
    """
    url = str(getattr(consortium.w3.provider, "endpoint_uri", ""))
    chain_id = consortium.deployment.chain_id
    if key.devnet_key is not None:
        return keystores.from_plain_key(dev_accounts(key.devnet_key + 1)[-1].key, chain_id, url)
    if key.keystore is None:
        raise ChainError("this needs a key; give a keystore, or on a devnet the index of a devnet key")
    found = keystores.find(key.keystore)
    password = keystores.read_password(
        key.password_file, prompt=f"Password of {found.label or found.address}"
    )
    wallet = keystores.load(found.path, password)
    wallet.require_usable(chain_id, url)
    return wallet
