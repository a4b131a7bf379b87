"""ConsortiumRegistry: the members of the consortium and the machines that they run."""

from __future__ import annotations

from typing import cast

from eth_typing import ChecksumAddress
from web3.contract.contract import ContractFunction

from chain.calls import BlockRef
from chain.contracts.binding import Contract
from chain.contracts.structs import to_struct
from chain.contracts.types import Node, Organisation, Role, Trainer, Validator


class ConsortiumRegistry(Contract):
    """See `contracts/interfaces/IConsortiumRegistry.sol` for what each method guarantees."""

    def admit(self, account: str, name: str) -> ContractFunction:
        return self._transaction("admit", account, name)

    def remove(self, account: str) -> ContractFunction:
        return self._transaction("remove", account)

    def register_node(
        self, node: str, roles: Role, capacity: int, peer: str, consent: bytes = b""
    ) -> ContractFunction:
        """By the organisation; `consent` (see `chain.consent`) may be empty for its own account."""
        return self._transaction("registerNode", node, int(roles), capacity, peer, consent)

    def update_node(self, node: str, roles: Role, capacity: int, peer: str) -> ContractFunction:
        return self._transaction("updateNode", node, int(roles), capacity, peer)

    def retire_node(self, node: str) -> ContractFunction:
        return self._transaction("retireNode", node)

    def propose_governance(self, proposed: str) -> ContractFunction:
        return self._transaction("proposeGovernance", proposed)

    def accept_governance(self) -> ContractFunction:
        return self._transaction("acceptGovernance")

    def governance(self, block: BlockRef = "latest") -> ChecksumAddress:
        return cast(ChecksumAddress, self._read("governance", block=block))

    def organisation(self, account: str, block: BlockRef = "latest") -> Organisation:
        return to_struct(Organisation, self._read("organisation", account, block=block))

    def organisations(self, block: BlockRef = "latest") -> tuple[ChecksumAddress, ...]:
        """Accounts of the members, by seat."""
        return tuple(self._read("organisations", block=block))

    def organisation_count(self, block: BlockRef = "latest") -> int:
        return cast(int, self._read("organisationCount", block=block))

    def is_member(self, account: str, block: BlockRef = "latest") -> bool:
        return cast(bool, self._read("isMember", account, block=block))

    def node(self, node: str, block: BlockRef = "latest") -> Node:
        return to_struct(Node, self._read("node", node, block=block))

    def nodes(
        self, start: int = 0, limit: int = 1_000, block: BlockRef = "latest"
    ) -> tuple[ChecksumAddress, ...]:
        """Nodes ever registered, in order, from index `start` at most `limit`."""
        return tuple(self._read("nodes", start, limit, block=block))

    def node_count(self, block: BlockRef = "latest") -> int:
        return cast(int, self._read("nodeCount", block=block))

    def is_active(self, node: str, block: BlockRef = "latest") -> bool:
        """Registered, not retired, and of a present member."""
        return cast(bool, self._read("isActive", node, block=block))

    def trainer(self, node: str, block: BlockRef = "latest") -> Trainer:
        return to_struct(Trainer, self._read("trainer", node, block=block))

    def validator(self, node: str, opened_at: int, block: BlockRef = "latest") -> Validator:
        return to_struct(Validator, self._read("validator", node, opened_at, block=block))

    def account_of(self, node: str, block: BlockRef = "latest") -> ChecksumAddress:
        return cast(ChecksumAddress, self._read("accountOf", node, block=block))

    def training_capacity(self, block: BlockRef = "latest") -> int:
        return cast(int, self._read("trainingCapacity", block=block))

    def voting_seats(self, block: BlockRef = "latest") -> int:
        """Bitmap of the seats that may vote."""
        return cast(int, self._read("votingSeats", block=block))
