"""Python's mirrors of the structs and enums in `contracts/interfaces`.

Fields stand in the order of the Solidity structs, in snake case. Amounts are in base units of the token,
times in seconds of chain time, bitmaps are ints (bit `i` is epoch or seat `i`), addresses are checksummed,
digests are 32 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag

from eth_typing import ChecksumAddress


class Role(IntFlag):
    """What a node may do; `Node.roles` is a mask of these."""

    TRAINER = 1
    VALIDATOR = 2
    SUPERNODE = 4
    PREDICTOR = 8


class JobStatus(IntEnum):
    NONE = 0
    OPEN = 1
    COMPLETED = 2
    FAILED = 3
    CANCELLED = 4


class Phase(IntEnum):
    """Of a job's open round, a pure function of chain time and counters."""

    NONE = 0
    TRAINING = 1
    VOTING = 2
    REVEAL = 3
    STALLED = 4
    ENDED = 5


class LeaseState(IntEnum):
    NONE = 0
    LIVE = 1
    DELIVERED = 2
    SETTLED = 3
    MISSED = 4


class BallotState(IntEnum):
    NONE = 0
    CAST = 1
    SETTLED = 2


@dataclass(frozen=True, slots=True)
class Organisation:
    """A member of the consortium; `until` is 0 while it is one, `account` is zero when unknown."""

    account: ChecksumAddress
    since: int
    until: int
    seat: int
    name: str


@dataclass(frozen=True, slots=True)
class Node:
    """A machine that an organisation runs; `account` is zero when unknown."""

    account: ChecksumAddress
    capacity: int
    roles: Role
    active: bool
    since: int
    peer: str


@dataclass(frozen=True, slots=True)
class Trainer:
    """What a claim needs to know of a node."""

    account: ChecksumAddress
    capacity: int
    may_train: bool


@dataclass(frozen=True, slots=True)
class Validator:
    """What a vote needs to know of a node."""

    account: ChecksumAddress
    seat: int
    may_vote: bool


@dataclass(frozen=True, slots=True)
class Account:
    """An organisation's or client's account in the vault."""

    free: int
    locked: int
    unbonding: int
    unbonding_at: int
    credit: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What a job fixes for its whole life; windows in seconds, prices in base units, `ruleset` 32 bytes."""

    rounds: int
    epochs_per_round: int
    min_updates: int
    min_validators: int
    max_attempts: int
    claim_window: int
    lease_time: int
    min_lease_time: int
    training_window: int
    vote_window: int
    reveal_window: int
    grace: int
    epoch_price: int
    vote_price: int
    max_update_bytes: int
    ruleset: bytes

    def round_budget(self, voters: int) -> int:
        """The most that one round pays when `voters` organisations are members, base units."""
        return self.epochs_per_round * self.epoch_price + voters * self.vote_price

    def budget(self, voters: int) -> int:
        """What `submitJob` escrows when `voters` organisations are members, base units."""
        return self.rounds * self.round_budget(voters)

    @property
    def ruleset_name(self) -> str:
        """The ruleset as text, without the padding."""
        return self.ruleset.rstrip(b"\0").decode("ascii", errors="replace")


@dataclass(frozen=True, slots=True)
class Content:
    """Something in IPFS: SHA-256 of its bytes, and where to find it."""

    digest: bytes
    cid: str


@dataclass(frozen=True, slots=True)
class Job:
    client: ChecksumAddress
    status: JobStatus
    cancel_requested: bool
    voters: int
    lease_bond: int
    vote_bond: int
    spec_digest: bytes
    terms: Terms

    @property
    def budget(self) -> int:
        """What was escrowed at submission, base units."""
        return self.terms.budget(self.voters)


@dataclass(frozen=True, slots=True)
class Round:
    """The round that a job is in, with the deadlines of its open attempt."""

    number: int
    attempt: int
    opened_at: int
    training_deadline: int
    vote_deadline: int
    reveal_deadline: int
    delivered_epochs: int
    updates: int
    claimed_capacity: int
    quota_capacity: int
    eligible: int
    quorum: int
    taken: int
    delivered: int
    update_set: int
    accumulator: bytes
    model_digest: bytes


@dataclass(frozen=True, slots=True)
class Lease:
    node: ChecksumAddress
    round: int
    attempt: int
    count: int
    deadline: int
    state: LeaseState


@dataclass(frozen=True, slots=True)
class HeldLease:
    """The lease that a node claimed last in the open attempt, with the first epoch that names it."""

    first: int
    lease: Lease


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a round; `model_digest` is zero when the job failed in it."""

    model_digest: bytes
    unpaid: int
    invalid: int
    closed_at: int
    score: int
    attempt: int


@dataclass(frozen=True, slots=True)
class BallotBox:
    """What the vote contract needs to know of an attempt."""

    phase: Phase
    round: int
    attempt: int
    opened_at: int
    vote_deadline: int
    reveal_deadline: int
    eligible: int
    quorum: int
    grace: int
    vote_bond: int


@dataclass(frozen=True, slots=True)
class Ballot:
    candidate: bytes
    seal: bytes
    account: ChecksumAddress
    round: int
    attempt: int
    score: int
    state: BallotState


@dataclass(frozen=True, slots=True)
class Attempt:
    """The votes of a job's open attempt; `quorum_at` is 0 while no tally has reached quorum."""

    round: int
    attempt: int
    voted: int
    quorum_at: int
    leading: bytes


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an attempt's votes; `matching` seats are paid `payment` each."""

    closed: bool
    matching: int
    penalised: int
    payment: int


@dataclass(frozen=True, slots=True)
class JobView:
    """One open job as one node sees it at one block; `lease` counts only where `lease_held`."""

    job_id: int
    phase: Phase
    job: Job
    round: Round
    lease_held: bool
    lease_first: int
    lease: Lease
    quota: int
    attempt: Attempt
    revealable_from: int
    voted: bool
    overdue: int


@dataclass(frozen=True, slots=True)
class AgentView:
    """All that an agent needs to decide, read at block `block_number` with chain time `timestamp`."""

    block_number: int
    timestamp: int
    node: Node
    organisation: Organisation
    active: bool
    account: Account
    jobs: tuple[JobView, ...]
