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


class VerdictState(IntEnum):
    """`FINAL_REDUCED`: more seals matched than the vote budget pays in full."""

    NONE = 0
    FAILED = 1
    FINAL = 2
    FINAL_REDUCED = 3


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
    """What a vote needs to know of a node; its organisation is a member since `since`."""

    account: ChecksumAddress
    seat: int
    since: int
    may_vote: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the opening of an attempt reads of the registry; `departures` grows whenever a node may have left."""

    voting_seats: int
    departures: int
    training_capacity: int


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
class Parameters:
    """What governance sets for jobs to come: bonds per leased epoch and per vote in base units, and the share of
    a round's epochs that one organisation may hold in ten-thousandths."""

    lease_bond: int
    vote_bond: int
    max_share: int


@dataclass(frozen=True, slots=True)
class Content:
    """Something in IPFS: SHA-256 of its bytes, and where to find it."""

    digest: bytes
    cid: str


@dataclass(frozen=True, slots=True)
class Job:
    """A job as submitted; `lease_bond` is per leased epoch, and one organisation holds at most `max_epochs` of a
    round."""

    client: ChecksumAddress
    status: JobStatus
    cancel_requested: bool
    voters: int
    lease_bond: int
    vote_bond: int
    max_epochs: int
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
    kept_set: int
    awaited: bool
    paused: bool
    accumulator: bytes
    model_digest: bytes


@dataclass(frozen=True, slots=True)
class Lease:
    """What a node holds in a job: its last lease, and what earlier ones have earned and not been paid yet.

    `bonded` and `due` count epochs, `accepted` and `outliers` updates that the node's record does not count yet;
    `kept` leases are the node's in the next round as well.
    """

    first: int
    count: int
    round: int
    attempt: int
    state: LeaseState
    kept: bool
    deadline: int
    bonded: int
    due: int
    accepted: int
    outliers: int
    extra: int
    extras: int

    @property
    def epochs(self) -> range:
        """The epochs leased."""
        return range(self.first, self.first + self.count)


@dataclass(frozen=True, slots=True)
class NodeLease:
    """A node's lease as it is now; `held` says whether it is one of the open attempt, `share` how many epochs of
    the round its organisation's nodes hold."""

    held: bool
    share: int
    lease: Lease


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """How a node has done in all jobs; it is leased by `reliability` ten-thousandths of its capacity."""

    delivered: int
    expired: int
    accepted: int
    outliers: int
    invalid: int
    reliability: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a round; `model_digest` is zero when the job failed in it, `carried` says that kept leases
    went on into the next one."""

    model_digest: bytes
    unpaid: int
    invalid: int
    closed_at: int
    score: int
    attempt: int
    carried: bool


@dataclass(frozen=True, slots=True)
class BallotBox:
    """What the vote contract needs to know of an attempt."""

    phase: Phase
    round: int
    attempt: int
    opened_at: int
    vote_deadline: int
    eligible: int
    quorum: int
    grace: int


@dataclass(frozen=True, slots=True)
class VoteTerms:
    """What a vote locks, and earns at most, base units."""

    vote_bond: int
    vote_price: int


@dataclass(frozen=True, slots=True)
class Ballot:
    """The last vote of a seat in a job, and what earlier ones have earned: `matched` votes are not paid out yet,
    `cast` and `far` not counted in the organisation's record."""

    seal: bytes
    score: int
    round: int
    attempt: int
    opened_at: int
    state: BallotState
    matched: int
    cast: int
    far: int


@dataclass(frozen=True, slots=True)
class SeatBallot:
    """A seat's ballot, and the organisation that cast it."""

    account: ChecksumAddress
    ballot: Ballot


@dataclass(frozen=True, slots=True)
class SignedVote:
    """A vote that its node has signed (see `chain.signed_votes`), for anyone to carry."""

    candidate: bytes
    seal: bytes
    score: int
    r: bytes
    vs: bytes


@dataclass(frozen=True, slots=True)
class VoteRecord:
    """How an organisation has voted in all jobs; `far` votes matched with a score far from the recorded median."""

    cast: int
    matched: int
    penalised: int
    far: int


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

    state: VerdictState
    matching: int
    penalised: int
    payment: int
    score: int


@dataclass(frozen=True, slots=True)
class Version:
    """A model under a name: which job and round trained it, and where its bytes are; it never changes."""

    job_id: int
    number: int
    round: int
    score: int
    registered_at: int
    by: ChecksumAddress
    digest: bytes
    spec_digest: bytes
    ruleset: bytes
    cid: str


@dataclass(frozen=True, slots=True)
class Promotion:
    """What was promoted under a name from `since` on; version 0 is none. A roll back returns to entry `previous`,
    counted from 1."""

    version: int
    previous: int
    since: int
    by: ChecksumAddress


@dataclass(frozen=True, slots=True)
class JobView:
    """One open job as one node sees it at one block.

    `lease` is the node's in the open attempt where `lease_held`, else it tells what earlier ones have earned.
    `overdue` are nodes whose live lease is past its deadline.
    """

    job_id: int
    phase: Phase
    job: Job
    round: Round
    lease_held: bool
    lease: Lease
    share: int
    quota: int
    attempt: Attempt
    revealable_from: int
    voted: bool
    ballot: Ballot
    overdue: tuple[ChecksumAddress, ...]


@dataclass(frozen=True, slots=True)
class AgentView:
    """All that an agent needs to decide, read at block `block_number` with chain time `timestamp`."""

    block_number: int
    timestamp: int
    node: Node
    organisation: Organisation
    active: bool
    record: NodeRecord
    votes: VoteRecord
    account: Account
    paused: bool
    jobs: tuple[JobView, ...]
