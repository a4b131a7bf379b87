"""Keys: encrypted keystores (Web3 Secret Storage, version 3) on disk, plain ones for the devnet alone."""

import getpass
import json
import os
import re
import secrets
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.datastructures import SignedTransaction
from eth_account.messages import SignableMessage
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address

from chain.errors import ChainError
from chain.paths import home, private_directory
from chain.provider import is_devnet

PASSWORD_VARIABLE = "MILON_PASSWORD"  # noqa: S105 -- the variable's name, not a password
_SCRYPT_N = 2**18
_LIGHT_SCRYPT_N = 2**12
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class WalletError(ChainError):
    """A key cannot be made, found, opened, or used on this chain."""


@dataclass(frozen=True)
class Wallet:
    """One key. ``devnet_only`` marks a plain or weakly encrypted one, which real chains refuse."""

    account: LocalAccount = field(repr=False)
    devnet_only: bool = False
    label: str = ""

    @property
    def address(self) -> str:
        """The key's address with checksum."""
        return str(self.account.address)

    def sign_transaction(self, transaction: dict[str, Any]) -> SignedTransaction:
        """Sign a complete transaction."""
        return self.account.sign_transaction(transaction)

    def sign_message(self, message: SignableMessage) -> bytes:
        """Sign an EIP-191 or EIP-712 message; 65 bytes r, s, v."""
        return bytes(self.account.sign_message(message).signature)

    def require_usable(self, chain_id: int, url: str) -> None:
        """Raise WalletError when this key is only good for the devnet and the chain is another."""
        if self.devnet_only and not is_devnet(chain_id, url):
            raise WalletError(
                f"key {self.address} is plain or weakly encrypted, which only the local devnet accepts, "
                f"not chain {chain_id} at {url}; make a strong one with `milon account new`"
            )


@dataclass(frozen=True)
class KeyFile:
    """A keystore on disk, not opened."""

    address: str
    label: str
    path: Path


def default_directory() -> Path:
    """Where keystores lie unless the configuration says otherwise."""
    return home() / "keys"


def create(
    directory: Path, password: str, label: str = "", *, key: str | None = None, light: bool = False
) -> KeyFile:
    """Make a key (or take the hexadecimal ``key``) and write its keystore, mode 0600, never over another.

    ``light`` encrypts fast and weakly; the wallet it gives works on the devnet alone. Raises WalletError.
    """
    if label and not _LABEL.fullmatch(label):
        raise WalletError(f"label {label!r} may hold letters, digits, '.', '_' and '-', at most 64")
    if not password:
        raise WalletError("the password is empty; choose one")
    account = Account.from_key(key if key is not None else secrets.token_bytes(32))
    address = str(account.address)
    path = private_directory(directory) / f"{label or address.lower()}.json"
    keystore: dict[str, Any] = Account.encrypt(
        account.key, password, kdf="scrypt", iterations=_LIGHT_SCRYPT_N if light else _SCRYPT_N
    )
    _write_new(path, json.dumps({**keystore, "label": label}, indent=1).encode())
    return KeyFile(address, label, path)


def load(path: Path, password: str) -> Wallet:
    """Open a keystore. Raises WalletError for a missing or malformed file and for a wrong password."""
    keystore = _read(path)
    try:
        account = Account.from_key(Account.decrypt(keystore, password))
    except (ValueError, KeyError, TypeError) as error:
        reason = "wrong password" if "MAC mismatch" in str(error) else f"damaged ({type(error).__name__})"
        raise WalletError(f"cannot open keystore {path}: {reason}") from None
    parameters = keystore["crypto"]["kdfparams"]
    weak = keystore["crypto"]["kdf"] == "scrypt" and int(parameters["n"]) < 2**17
    return Wallet(account, devnet_only=weak, label=str(keystore.get("label", "")))


def find(name: str, directory: Path | None = None) -> KeyFile:
    """The keystore that ``name`` means: a path, a label, or an address in ``directory``. Raises
    WalletError."""
    if Path(name).expanduser().is_file():
        path = Path(name).expanduser()
        keystore = _read(path)
        return KeyFile(_address(keystore), str(keystore.get("label", "")), path)
    directory = directory or default_directory()
    for known in list_accounts(directory):
        if name in (known.label, known.path.name, known.path.stem) or name.lower() == known.address.lower():
            return known
    raise WalletError(f"no key {name!r} in {directory}; see `milon account list`, or `milon account new`")


def list_accounts(directory: Path | None = None) -> list[KeyFile]:
    """Every keystore in ``directory``, by file name; what is not a keystore is passed over."""
    found: list[KeyFile] = []
    for path in sorted((directory or default_directory()).glob("*.json")):
        try:
            keystore = _read(path)
        except WalletError:
            continue
        found.append(KeyFile(_address(keystore), str(keystore.get("label", "")), path))
    return found


def from_plain_key(key: str, chain_id: int, url: str) -> Wallet:
    """A wallet of an unencrypted hexadecimal key, on the local devnet only. Raises WalletError elsewhere."""
    try:
        wallet = Wallet(Account.from_key(key), devnet_only=True)
    except (ValueError, TypeError):
        raise WalletError("the plain key is not 32 bytes of hexadecimal") from None
    wallet.require_usable(chain_id, url)
    return wallet


def read_password(file: Path | None = None, *, prompt: str | None = None, confirm: bool = False) -> str:
    """The password from ``file`` (first line), else from the environment's MILON_PASSWORD, else asked for.

    ``prompt`` None forbids asking. Raises WalletError if there is none.
    """
    if file is not None:
        try:
            lines = file.expanduser().read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise WalletError(
                f"cannot read password file {file}: {getattr(error, 'strerror', error)}"
            ) from error
        if not lines or not lines[0]:
            raise WalletError(f"password file {file} is empty; its first line is the password")
        return lines[0]
    if os.environ.get(PASSWORD_VARIABLE):
        return os.environ[PASSWORD_VARIABLE]
    if prompt is None or not sys.stdin.isatty():
        raise WalletError(f"no password: name a password file, or set {PASSWORD_VARIABLE}")
    password = getpass.getpass(f"{prompt}: ")
    if confirm and getpass.getpass("Again: ") != password:
        raise WalletError("the two passwords differ; try again")
    return password


def _read(path: Path) -> dict[str, Any]:
    try:
        keystore = json.loads(path.read_text())
    except OSError as error:
        raise WalletError(f"cannot read keystore {path}: {error.strerror}") from error
    except ValueError as error:
        raise WalletError(f"{path} is not a keystore: not JSON") from error
    if not isinstance(keystore, dict) or not re.fullmatch(
        r"(0x)?[0-9a-fA-F]{40}", str(keystore.get("address"))
    ):
        raise WalletError(f"{path} is not a keystore: no address in it")
    return keystore


def _address(keystore: dict[str, Any]) -> str:
    return str(to_checksum_address("0x" + str(keystore["address"]).removeprefix("0x")))


def _write_new(path: Path, content: bytes) -> None:
    """Write whole and durable, or not at all; mkstemp makes files of mode 0600; a link never overwrites."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
    except FileExistsError:
        raise WalletError(f"{path} exists already; choose another label") from None
    finally:
        Path(temporary).unlink()
