"""StakeVault: the ledger of the consortium's token."""

from __future__ import annotations

from typing import cast

from eth_typing import ChecksumAddress
from web3.contract.contract import ContractFunction

from chain.calls import BlockRef
from chain.contracts.binding import Contract
from chain.contracts.structs import to_struct
from chain.contracts.types import Account


class StakeVault(Contract):
    """See `contracts/interfaces/IStakeVault.sol`. Amounts are in base units of the token."""

    def stake(self, account: str, amount: int) -> ContractFunction:
        """Stakes for a member out of the sender's tokens; the vault needs an allowance."""
        return self._transaction("stake", account, amount)

    def unbond(self, amount: int) -> ContractFunction:
        return self._transaction("unbond", amount)

    def withdraw(self) -> ContractFunction:
        return self._transaction("withdraw")

    def set_parameters(self, minimum_stake: int, unbonding_period: int, treasury: str) -> ContractFunction:
        return self._transaction("setParameters", minimum_stake, unbonding_period, treasury)

    def refresh_bond(self, account: str) -> ContractFunction:
        return self._transaction("refreshBond", account)

    def token(self, block: BlockRef = "latest") -> ChecksumAddress:
        return cast(ChecksumAddress, self._read("token", block=block))

    def treasury(self, block: BlockRef = "latest") -> ChecksumAddress:
        return cast(ChecksumAddress, self._read("treasury", block=block))

    def minimum_stake(self, block: BlockRef = "latest") -> int:
        return cast(int, self._read("minimumStake", block=block))

    def unbonding_period(self, block: BlockRef = "latest") -> int:
        """Seconds."""
        return cast(int, self._read("unbondingPeriod", block=block))

    def account(self, owner: str, block: BlockRef = "latest") -> Account:
        return to_struct(Account, self._read("account", owner, block=block))

    def is_bonded(self, owner: str, block: BlockRef = "latest") -> bool:
        return cast(bool, self._read("isBonded", owner, block=block))

    def escrow_of(self, job_id: int, block: BlockRef = "latest") -> int:
        return cast(int, self._read("escrowOf", job_id, block=block))

    def owed_by(self, job_id: int, block: BlockRef = "latest") -> int:
        return cast(int, self._read("owedBy", job_id, block=block))

    def liabilities(self, block: BlockRef = "latest") -> int:
        return cast(int, self._read("liabilities", block=block))
