"""One frozen dataclass per event of the contracts: named as in Solidity, fields in the order of the event's.

Where an event stands is in keyword-only fields; `transaction_hash` is 0x hexadecimal.
"""

from __future__ import annotations

from dataclasses import dataclass

from eth_typing import ChecksumAddress

from chain.contracts.types import JobStatus, Role


@dataclass(frozen=True, kw_only=True)
class ChainEvent:
    """Where an event stands; `contract` is the address that emitted it."""

    contract: ChecksumAddress
    block_number: int
    transaction_hash: str
    log_index: int


@dataclass(frozen=True)
class OrganisationAdmitted(ChainEvent):
    account: ChecksumAddress
    seat: int
    name: str


@dataclass(frozen=True)
class OrganisationRemoved(ChainEvent):
    account: ChecksumAddress
    seat: int


@dataclass(frozen=True)
class OrganisationLeft(ChainEvent):
    account: ChecksumAddress
    seat: int


@dataclass(frozen=True)
class NodeRegistered(ChainEvent):
    account: ChecksumAddress
    node: ChecksumAddress
    roles: Role
    capacity: int
    peer: str


@dataclass(frozen=True)
class NodeUpdated(ChainEvent):
    account: ChecksumAddress
    node: ChecksumAddress
    roles: Role
    capacity: int
    peer: str


@dataclass(frozen=True)
class NodeRetired(ChainEvent):
    account: ChecksumAddress
    node: ChecksumAddress


@dataclass(frozen=True)
class NodeRotated(ChainEvent):
    """`node` is retired for ever; `new_node` took over what it declares."""

    account: ChecksumAddress
    node: ChecksumAddress
    new_node: ChecksumAddress


@dataclass(frozen=True)
class FoundingEnded(ChainEvent):
    founder: ChecksumAddress


@dataclass(frozen=True)
class GovernanceProposed(ChainEvent):
    current: ChecksumAddress
    proposed: ChecksumAddress


@dataclass(frozen=True)
class GovernanceTransferred(ChainEvent):
    previous: ChecksumAddress
    current: ChecksumAddress


@dataclass(frozen=True)
class JobSubmitted(ChainEvent):
    job_id: int
    client: ChecksumAddress
    spec_digest: bytes
    spec_cid: str
    model_digest: bytes
    model_cid: str
    budget: int


@dataclass(frozen=True)
class RoundOpened(ChainEvent):
    job_id: int
    round: int
    attempt: int
    training_deadline: int
    vote_deadline: int
    reveal_deadline: int
    eligible: int
    quorum: int
    model_digest: bytes
    carried: int


@dataclass(frozen=True)
class EpochsLeased(ChainEvent):
    job_id: int
    round: int
    node: ChecksumAddress
    attempt: int
    first: int
    count: int
    deadline: int


@dataclass(frozen=True)
class LeaseMissed(ChainEvent):
    job_id: int
    round: int
    node: ChecksumAddress
    first: int
    count: int
    penalty: int


@dataclass(frozen=True)
class UpdateSubmitted(ChainEvent):
    job_id: int
    round: int
    node: ChecksumAddress
    first: int
    count: int
    samples: int
    digest: bytes
    kept: bool
    cid: str


@dataclass(frozen=True)
class UpdateRejected(ChainEvent):
    job_id: int
    round: int
    node: ChecksumAddress
    first: int
    count: int
    penalty: int


@dataclass(frozen=True)
class RewardsSettled(ChainEvent):
    """`epochs` of any number of rounds were paid, and `unlocked` base units of bond came free."""

    job_id: int
    account: ChecksumAddress
    node: ChecksumAddress
    epochs: int
    reward: int
    unlocked: int


@dataclass(frozen=True)
class TrainerWaits(ChainEvent):
    job_id: int
    round: int
    node: ChecksumAddress


@dataclass(frozen=True)
class RoundClosed(ChainEvent):
    job_id: int
    round: int
    attempt: int
    model_digest: bytes
    accepted: int
    invalid: int
    score: int
    vote_payment: int
    accumulator: bytes


@dataclass(frozen=True)
class AttemptFailed(ChainEvent):
    job_id: int
    round: int
    attempt: int
    voting: bool


@dataclass(frozen=True)
class JobCancelRequested(ChainEvent):
    job_id: int


@dataclass(frozen=True)
class JobEnded(ChainEvent):
    job_id: int
    status: JobStatus
    refund: int


@dataclass(frozen=True)
class ParametersSet(ChainEvent):
    """Of the scheduler; the vault's is `VaultParametersSet`."""

    lease_bond: int
    vote_bond: int
    max_share: int


@dataclass(frozen=True)
class PauseSet(ChainEvent):
    paused: bool


@dataclass(frozen=True)
class VoteCast(ChainEvent):
    job_id: int
    round: int
    account: ChecksumAddress
    attempt: int
    node: ChecksumAddress
    candidate: bytes
    seal: bytes
    score: int


@dataclass(frozen=True)
class QuorumReached(ChainEvent):
    job_id: int
    round: int
    attempt: int
    candidate: bytes


@dataclass(frozen=True)
class ResultRevealed(ChainEvent):
    job_id: int
    round: int
    attempt: int
    model_digest: bytes
    accepted: int
    invalid: int
    matching: int
    penalised: int
    cid: str


@dataclass(frozen=True)
class VoteFailed(ChainEvent):
    job_id: int
    round: int
    attempt: int
    penalised: int


@dataclass(frozen=True)
class VotePenalised(ChainEvent):
    job_id: int
    round: int
    account: ChecksumAddress
    attempt: int
    penalty: int


@dataclass(frozen=True)
class VotesPaid(ChainEvent):
    """`votes` of any number of attempts were paid, and `unlocked` base units of bond came free."""

    job_id: int
    account: ChecksumAddress
    votes: int
    reward: int
    unlocked: int


@dataclass(frozen=True)
class ModelAnnounced(ChainEvent):
    job_id: int
    digest: bytes
    by: ChecksumAddress
    cid: str


@dataclass(frozen=True)
class Staked(ChainEvent):
    account: ChecksumAddress
    sender: ChecksumAddress
    amount: int


@dataclass(frozen=True)
class Unbonded(ChainEvent):
    account: ChecksumAddress
    amount: int
    available_at: int


@dataclass(frozen=True)
class Withdrawn(ChainEvent):
    account: ChecksumAddress
    amount: int


@dataclass(frozen=True)
class Slashed(ChainEvent):
    job_id: int
    account: ChecksumAddress
    amount: int


@dataclass(frozen=True)
class BondChanged(ChainEvent):
    account: ChecksumAddress
    bonded: bool


@dataclass(frozen=True)
class Escrowed(ChainEvent):
    job_id: int
    client: ChecksumAddress
    amount: int


@dataclass(frozen=True)
class Owed(ChainEvent):
    job_id: int
    amount: int


@dataclass(frozen=True)
class Paid(ChainEvent):
    job_id: int
    account: ChecksumAddress
    amount: int


@dataclass(frozen=True)
class Refunded(ChainEvent):
    job_id: int
    client: ChecksumAddress
    amount: int


@dataclass(frozen=True)
class VaultParametersSet(ChainEvent):
    """`ParametersSet` of the vault, which is another event than the scheduler's of that name."""

    minimum_stake: int
    unbonding_period: int
    treasury: ChecksumAddress


@dataclass(frozen=True)
class VersionRegistered(ChainEvent):
    """`name_hash` is the Keccak-256 of the name."""

    name_hash: bytes
    version: int
    job_id: int
    name: str
    digest: bytes
    cid: str
    score: int
    by: ChecksumAddress


@dataclass(frozen=True)
class ModelPromoted(ChainEvent):
    """Version 0: none is promoted any more."""

    name_hash: bytes
    version: int
    name: str
    by: ChecksumAddress


@dataclass(frozen=True)
class ModelRolledBack(ChainEvent):
    """`version` is what is promoted now; 0 for none."""

    name_hash: bytes
    version: int
    name: str
    by: ChecksumAddress


@dataclass(frozen=True)
class ReleaserSet(ChainEvent):
    account: ChecksumAddress
    releases: bool


@dataclass(frozen=True)
class Transfer(ChainEvent):
    """Of the token; `from` is a word of Python's own, so the fields are called sender and recipient."""

    sender: ChecksumAddress
    recipient: ChecksumAddress
    value: int


@dataclass(frozen=True)
class Approval(ChainEvent):
    owner: ChecksumAddress
    spender: ChecksumAddress
    value: int
