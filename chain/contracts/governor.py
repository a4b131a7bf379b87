"""ConsortiumGovernor and its timelock: how the members decide, one organisation one vote."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Self, cast

from eth_abi.abi import encode
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from web3.contract.contract import ContractFunction

from chain.calls import BlockRef
from chain.contracts.binding import Contract
from chain.contracts.governance_events import ProposalCreated
from chain.contracts.structs import to_events
from chain.events import EventReader


class ProposalState(IntEnum):
    """`PENDING` until its snapshot, `ACTIVE` while votes are taken; what `SUCCEEDED` is to be queued, then executed."""

    PENDING = 0
    ACTIVE = 1
    CANCELED = 2
    DEFEATED = 3
    SUCCEEDED = 4
    QUEUED = 5
    EXPIRED = 6
    EXECUTED = 7


class Support(IntEnum):
    AGAINST = 0
    FOR = 1
    ABSTAIN = 2


class TimelockRole(IntEnum):
    """What may be done with the timelock; the value stands for no more than the order in which roles are shown."""

    ADMIN = 0
    PROPOSER = 1
    EXECUTOR = 2
    CANCELLER = 3

    @property
    def id(self) -> bytes:
        """The role as the timelock knows it."""
        return bytes(32) if self is TimelockRole.ADMIN else keccak(text=f"{self.name}_ROLE")


@dataclass(frozen=True, slots=True)
class Action:
    """One call that the timelock makes when a proposal is executed; `value` in wei."""

    target: ChecksumAddress
    data: bytes
    value: int = 0

    @classmethod
    def of(cls, function: ContractFunction) -> Self:
        """What a bound function of a typed contract would do: `Action.of(registry.admit(account, name))`."""
        data = str(function._encode_transaction_data())
        return cls(to_checksum_address(function.address), bytes.fromhex(data[2:]))


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the members decide on: calls that are made together or not at all, and why."""

    actions: tuple[Action, ...]
    description: str

    @classmethod
    def of(cls, event: ProposalCreated) -> Self:
        """The proposal that an event tells of."""
        calls = zip(event.targets, event.calldatas, event.values, strict=True)
        return cls(tuple(Action(*call) for call in calls), event.description)

    @property
    def targets(self) -> list[ChecksumAddress]:
        return [action.target for action in self.actions]

    @property
    def values(self) -> list[int]:
        return [action.value for action in self.actions]

    @property
    def calldatas(self) -> list[bytes]:
        return [action.data for action in self.actions]

    @property
    def description_hash(self) -> bytes:
        return keccak(text=self.description)

    @property
    def id(self) -> int:
        """As the governor numbers it: keccak256(abi.encode(targets, values, calldatas, hash of the description))."""
        types = ["address[]", "uint256[]", "bytes[]", "bytes32"]
        parts = [self.targets, self.values, self.calldatas, self.description_hash]
        return int.from_bytes(keccak(encode(types, parts)), "big")


@dataclass(frozen=True, slots=True)
class ProposalVotes:
    against: int
    in_favour: int
    abstain: int


class ConsortiumGovernor(Contract):
    """See `contracts/interfaces/IConsortiumGovernor.sol`. Times are seconds of chain time."""

    def propose(self, proposal: Proposal) -> ContractFunction:
        """By a member."""
        return self._transaction(
            "propose", proposal.targets, proposal.values, proposal.calldatas, proposal.description
        )

    def cast_vote(self, proposal_id: int, support: Support, reason: str = "") -> ContractFunction:
        """By a member that was one at the proposal's snapshot; once."""
        if reason:
            return self._transaction("castVoteWithReason", proposal_id, int(support), reason)
        return self._transaction("castVote", proposal_id, int(support))

    def queue(self, proposal: Proposal) -> ContractFunction:
        """By anyone, once the proposal has succeeded."""
        return self._transaction("queue", *self._known_by(proposal))

    def execute(self, proposal: Proposal) -> ContractFunction:
        """By anyone, once the timelock's delay is over."""
        return self._transaction("execute", *self._known_by(proposal))

    def cancel(self, proposal: Proposal) -> ContractFunction:
        """By the proposer, before the snapshot."""
        return self._transaction("cancel", *self._known_by(proposal))

    def proposals(self, from_block: int) -> list[ProposalCreated]:
        """All proposals ever made, oldest first, from their events. `from_block` is the deployment's."""
        events = EventReader(self.w3, {self.address: self.abi}, from_block).read().events
        return _created(to_events(events))

    def state(self, proposal_id: int, block: BlockRef = "latest") -> ProposalState:
        """Raises ContractError (GovernorNonexistentProposal) for an unknown one."""
        return ProposalState(self._read("state", proposal_id, block=block))

    def votes(self, proposal_id: int, block: BlockRef = "latest") -> ProposalVotes:
        return ProposalVotes(*self._read("proposalVotes", proposal_id, block=block))

    def has_voted(self, proposal_id: int, account: str, block: BlockRef = "latest") -> bool:
        return cast(bool, self._read("hasVoted", proposal_id, account, block=block))

    def snapshot(self, proposal_id: int, block: BlockRef = "latest") -> int:
        """As of when members are counted, and after which votes are taken."""
        return cast(int, self._read("proposalSnapshot", proposal_id, block=block))

    def deadline(self, proposal_id: int, block: BlockRef = "latest") -> int:
        """Until when votes are taken."""
        return cast(int, self._read("proposalDeadline", proposal_id, block=block))

    def eta(self, proposal_id: int, block: BlockRef = "latest") -> int:
        """From when a queued proposal may be executed; 0 while it is not queued."""
        return cast(int, self._read("proposalEta", proposal_id, block=block))

    def proposer(self, proposal_id: int, block: BlockRef = "latest") -> ChecksumAddress:
        return cast(ChecksumAddress, self._read("proposalProposer", proposal_id, block=block))

    def quorum(self, timepoint: int, block: BlockRef = "latest") -> int:
        """Votes for or abstaining that a proposal needs, of the members at `timepoint`, which is past."""
        return cast(int, self._read("quorum", timepoint, block=block))

    def quorum_percent(self, block: BlockRef = "latest") -> int:
        return cast(int, self._read("quorumNumerator()", block=block))

    def voting_delay(self, block: BlockRef = "latest") -> int:
        return cast(int, self._read("votingDelay", block=block))

    def voting_period(self, block: BlockRef = "latest") -> int:
        return cast(int, self._read("votingPeriod", block=block))

    def timelock(self, block: BlockRef = "latest") -> ChecksumAddress:
        return cast(ChecksumAddress, self._read("timelock", block=block))

    def set_voting_delay(self, seconds: int) -> ContractFunction:
        """By a proposal alone, as are the other settings."""
        return self._transaction("setVotingDelay", seconds)

    def set_voting_period(self, seconds: int) -> ContractFunction:
        return self._transaction("setVotingPeriod", seconds)

    def set_quorum_percent(self, percent: int) -> ContractFunction:
        return self._transaction("updateQuorumNumerator", percent)

    @staticmethod
    def _known_by(proposal: Proposal) -> tuple[object, ...]:
        return proposal.targets, proposal.values, proposal.calldatas, proposal.description_hash


class ConsortiumTimelock(Contract):
    """The consortium's governance once founding has ended; see `contracts/ConsortiumTimelock.sol`."""

    def update_delay(self, seconds: int) -> ContractFunction:
        """By a proposal alone."""
        return self._transaction("updateDelay", seconds)

    def min_delay(self, block: BlockRef = "latest") -> int:
        """Seconds from queueing to execution."""
        return cast(int, self._read("getMinDelay", block=block))

    def has_role(self, role: TimelockRole, account: str, block: BlockRef = "latest") -> bool:
        return cast(bool, self._read("hasRole", role.id, account, block=block))

    def role_admin(self, role: TimelockRole, block: BlockRef = "latest") -> bytes:
        """The role that grants and revokes this one."""
        return cast(bytes, self._read("getRoleAdmin", role.id, block=block))


def _created(events: Iterable[object]) -> list[ProposalCreated]:
    return [event for event in events if isinstance(event, ProposalCreated)]
