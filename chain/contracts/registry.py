"""ConsortiumRegistry: the members of the consortium and the machines that they run."""

from __future__ import annotations

from typing import cast

from eth_typing import ChecksumAddress
from web3.contract.contract import ContractFunction

from chain.calls import BlockRef
from chain.contracts.binding import Contract
from chain.contracts.structs import to_struct
from chain.contracts.types import Node, Organisation, Role, Snapshot, Trainer, Validator


class ConsortiumRegistry(Contract):
    """See `contracts/interfaces/IConsortiumRegistry.sol` for what each method guarantees."""

    def admit(self, account: str, name: str) -> ContractFunction:
        return self._transaction("admit", account, name)

    def remove(self, account: str) -> ContractFunction:
        return self._transaction("remove", account)

    def resign(self) -> ContractFunction:
        """The sending organisation leaves the consortium at once; the last one cannot."""
        return self._transaction("resign")

    def register_node(
        self, node: str, roles: Role, capacity: int, peer: str, consent: bytes = b""
    ) -> ContractFunction:
        """By the organisation; `consent` (see `chain.consent`) may be empty for its own account."""
        return self._transaction("registerNode", node, int(roles), capacity, peer, consent)

    def update_node(self, node: str, roles: Role, capacity: int, peer: str) -> ContractFunction:
        return self._transaction("updateNode", node, int(roles), capacity, peer)

    def retire_node(self, node: str) -> ContractFunction:
        return self._transaction("retireNode", node)

    def rotate_node(self, node: str, new_node: str, consent: bytes = b"") -> ContractFunction:
        """A new key takes over what `node` declares; `consent` as for `register_node`, by the new key."""
        return self._transaction("rotateNode", node, new_node, consent)

    def end_founding(self) -> ContractFunction:
        """By the founder, once: governance passes to `proposed_governance`."""
        return self._transaction("endFounding")

    def propose_governance(self, proposed: str) -> ContractFunction:
        return self._transaction("proposeGovernance", proposed)

    def accept_governance(self) -> ContractFunction:
        return self._transaction("acceptGovernance")

    def governance(self, block: BlockRef = "latest") -> ChecksumAddress:
        return cast(ChecksumAddress, self._read("governance", block=block))

    def proposed_governance(self, block: BlockRef = "latest") -> ChecksumAddress:
        return cast(ChecksumAddress, self._read("proposedGovernance", block=block))

    def founder(self, block: BlockRef = "latest") -> ChecksumAddress:
        """Who governs until it ends the founding; the zero address afterwards."""
        return cast(ChecksumAddress, self._read("founder", block=block))

    def votes(self, account: str, block: BlockRef = "latest") -> int:
        """In governance: 1 for a member."""
        return cast(int, self._read("getVotes", account, block=block))

    def past_votes(self, account: str, timepoint: int, block: BlockRef = "latest") -> int:
        """Votes in governance at a chain time that is past."""
        return cast(int, self._read("getPastVotes", account, timepoint, block=block))

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

    def departures(self, block: BlockRef = "latest") -> int:
        """Grows whenever a node may have ceased to train."""
        return cast(int, self._read("departures", block=block))

    def snapshot(self, block: BlockRef = "latest") -> Snapshot:
        return to_struct(Snapshot, self._read("snapshot", block=block))
