"""Events of the governor, its timelock and the registry's votes, which are OpenZeppelin's; see `event_types`."""

from __future__ import annotations

from dataclasses import dataclass

from eth_typing import ChecksumAddress

from chain.contracts.event_types import ChainEvent


@dataclass(frozen=True)
class ProposalCreated(ChainEvent):
    """Votes are counted as of `vote_start`, and taken until `vote_end` (chain time, seconds)."""

    proposal_id: int
    proposer: ChecksumAddress
    targets: tuple[ChecksumAddress, ...]
    values: tuple[int, ...]
    signatures: tuple[str, ...]
    calldatas: tuple[bytes, ...]
    vote_start: int
    vote_end: int
    description: str


@dataclass(frozen=True)
class ProposalQueued(ChainEvent):
    """Anyone may execute it from `eta_seconds` on (chain time)."""

    proposal_id: int
    eta_seconds: int


@dataclass(frozen=True)
class ProposalExecuted(ChainEvent):
    proposal_id: int


@dataclass(frozen=True)
class ProposalCanceled(ChainEvent):
    proposal_id: int


@dataclass(frozen=True)
class ProposalVoteCast(ChainEvent):
    """`VoteCast` of the governor, which is another event than the vote contract's of that name."""

    voter: ChecksumAddress
    proposal_id: int
    support: int
    weight: int
    reason: str


@dataclass(frozen=True)
class VoteCastWithParams(ChainEvent):
    """A vote on a proposal that brought parameters, which the governor has no use for."""

    voter: ChecksumAddress
    proposal_id: int
    support: int
    weight: int
    reason: str
    params: bytes


@dataclass(frozen=True)
class VotingDelaySet(ChainEvent):
    old_voting_delay: int
    new_voting_delay: int


@dataclass(frozen=True)
class VotingPeriodSet(ChainEvent):
    old_voting_period: int
    new_voting_period: int


@dataclass(frozen=True)
class ProposalThresholdSet(ChainEvent):
    old_proposal_threshold: int
    new_proposal_threshold: int


@dataclass(frozen=True)
class QuorumNumeratorUpdated(ChainEvent):
    """Percent."""

    old_quorum_numerator: int
    new_quorum_numerator: int


@dataclass(frozen=True)
class TimelockChange(ChainEvent):
    old_timelock: ChecksumAddress
    new_timelock: ChecksumAddress


@dataclass(frozen=True)
class CallScheduled(ChainEvent):
    id: bytes
    index: int
    target: ChecksumAddress
    value: int
    data: bytes
    predecessor: bytes
    delay: int


@dataclass(frozen=True)
class CallExecuted(ChainEvent):
    id: bytes
    index: int
    target: ChecksumAddress
    value: int
    data: bytes


@dataclass(frozen=True)
class CallSalt(ChainEvent):
    id: bytes
    salt: bytes


@dataclass(frozen=True)
class Cancelled(ChainEvent):
    id: bytes


@dataclass(frozen=True)
class MinDelayChange(ChainEvent):
    old_duration: int
    new_duration: int


@dataclass(frozen=True)
class RoleAdminChanged(ChainEvent):
    role: bytes
    previous_admin_role: bytes
    new_admin_role: bytes


@dataclass(frozen=True)
class RoleGranted(ChainEvent):
    role: bytes
    account: ChecksumAddress
    sender: ChecksumAddress


@dataclass(frozen=True)
class RoleRevoked(ChainEvent):
    role: bytes
    account: ChecksumAddress
    sender: ChecksumAddress


@dataclass(frozen=True)
class DelegateChanged(ChainEvent):
    """Never emitted: every member is its own delegate."""

    delegator: ChecksumAddress
    from_delegate: ChecksumAddress
    to_delegate: ChecksumAddress


@dataclass(frozen=True)
class DelegateVotesChanged(ChainEvent):
    """An admission gives its organisation one vote in governance, a departure takes it."""

    delegate: ChecksumAddress
    previous_votes: int
    new_votes: int
