"""The accounts that every development chain funds: Hardhat's public test mnemonic. Worthless anywhere
else."""

from dataclasses import dataclass, field
from functools import lru_cache

from eth_account import Account
from eth_account.hdaccount import key_from_seed, seed_from_mnemonic

MNEMONIC = "test test test test test test test test test test test junk"


@dataclass(frozen=True)
class DevAccount:
    """An address with checksum and its plain hexadecimal key."""

    address: str
    key: str = field(repr=False)


@lru_cache(maxsize=4)
def dev_accounts(count: int = 20) -> tuple[DevAccount, ...]:
    """The first ``count`` accounts of the test mnemonic, m/44'/60'/0'/0/i."""
    seed = seed_from_mnemonic(MNEMONIC, "")
    keys = [key_from_seed(seed, f"m/44'/60'/0'/0/{index}") for index in range(count)]
    return tuple(DevAccount(str(Account.from_key(key).address), "0x" + key.hex()) for key in keys)
