"""What an agent owes at a block: a pure function of its view of the chain.

Nothing is remembered here. The same view gives the same decisions, so an agent that was killed and started
again goes on where the chain says that it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from chain.contracts.types import AgentView, JobView, LeaseState, Phase

TRAINER = 1
VALIDATOR = 2

# Several agents see the same thing to do at the same block. One of them acts at once; the others step in one by
# one, this many seconds of chain time apart, if nobody did.
TURN_SECONDS = 2


@dataclass(frozen=True)
class Claim:
    """Lease epochs of a job."""

    job_id: int


@dataclass(frozen=True)
class Train:
    """Train the lease that the node holds, and submit the update."""

    job_id: int
    round: int
    attempt: int
    first: int
    count: int
    deadline: int


@dataclass(frozen=True)
class Prefetch:
    """Fetch and check the updates delivered so far, while the round still trains."""

    job_id: int
    round: int


@dataclass(frozen=True)
class Vote:
    """Compute the result of a round and cast the organisation's vote for it."""

    job_id: int
    round: int
    attempt: int


@dataclass(frozen=True)
class Reveal:
    """Reveal the result, if this node computed the one that has the quorum."""

    job_id: int
    round: int
    attempt: int
    turn: int
    all_voted: bool


@dataclass(frozen=True)
class Expire:
    """End an overdue lease of somebody."""

    job_id: int
    first: int
    turn: int


@dataclass(frozen=True)
class Reopen:
    """Close an attempt that failed: `voting` tells in which phase."""

    job_id: int
    round: int
    attempt: int
    voting: bool
    turn: int


Action: TypeAlias = Claim | Train | Prefetch | Vote | Reveal | Expire | Reopen


def decide(view: AgentView, me: str) -> list[Action]:
    """All that node `me` (checksummed address) owes or may do at the block of `view`, the most urgent first.

    Actions that anyone may take carry a `turn`: the caller takes them `turn * TURN_SECONDS` of chain time after it
    first saw them due, if they still are.
    """
    actions: list[Action] = []
    for job in view.jobs:
        actions += _voting(view, job)
        actions += _upkeep(view, job)
        actions += _training(view, job, me)
    return actions


def may_claim(view: AgentView, job: JobView, me: str) -> bool:
    """Whether `claim` would be accepted for this node at the view's block, bonds aside."""
    now, terms, round_ = view.timestamp, job.job.terms, job.round
    if not (view.active and view.node.roles & TRAINER and job.phase == Phase.TRAINING):
        return False
    if job.round.taken == (1 << terms.epochs_per_round) - 1:
        return False
    # The claim is mined in a later block than the view's: leave the second that it may take.
    if now + 1 + terms.min_lease_time > round_.training_deadline:
        return False
    if not job.lease_held:
        return True
    delivered = job.lease.state == LeaseState.DELIVERED and job.lease.node == me
    return delivered and now >= round_.opened_at + terms.claim_window


def rank(job: JobView, seat: int) -> int:
    """Position of a seat in the order in which eligible organisations take their turn; it rotates by round."""
    eligible = [bit for bit in range(64) if job.round.eligible >> bit & 1]
    if seat not in eligible:
        return len(eligible)
    return (eligible.index(seat) - job.round.number) % len(eligible)


def _training(view: AgentView, job: JobView, me: str) -> list[Action]:
    lease, round_ = job.lease, job.round
    holds = job.lease_held and lease.node == me and lease.state == LeaseState.LIVE
    if holds and view.timestamp < lease.deadline:
        return [Train(job.job_id, round_.number, lease.attempt, job.lease_first, lease.count, lease.deadline)]
    if may_claim(view, job, me):
        return [Claim(job.job_id)]
    return []


def _voting(view: AgentView, job: JobView) -> list[Action]:
    if not view.node.roles & VALIDATOR:
        return []
    round_ = job.round
    if job.phase == Phase.TRAINING and round_.updates and view.active:
        return [Prefetch(job.job_id, round_.number)]
    if job.phase not in (Phase.VOTING, Phase.REVEAL):
        return []
    seat = view.organisation.seat
    eligible = bool(round_.eligible >> seat & 1) and view.organisation.since <= round_.opened_at
    if job.phase == Phase.VOTING and not job.voted and eligible:
        return [Vote(job.job_id, round_.number, round_.attempt)]
    if view.timestamp >= job.revealable_from and job.attempt.quorum_at:
        everyone = job.attempt.voted & round_.eligible == round_.eligible
        return [Reveal(job.job_id, round_.number, round_.attempt, rank(job, seat), everyone)]
    return []


def _upkeep(view: AgentView, job: JobView) -> list[Action]:
    if not view.active:
        return []
    turn, round_ = rank(job, view.organisation.seat), job.round
    actions: list[Action] = []
    if job.phase == Phase.TRAINING:
        for first in range(job.job.terms.epochs_per_round):
            if job.overdue >> first & 1:
                actions.append(Expire(job.job_id, first, turn))
    elif job.phase == Phase.STALLED:
        failed_training = not round_.updates or (
            round_.delivered_epochs < job.job.terms.epochs_per_round
            and round_.updates < job.job.terms.min_updates
        )
        too_few = round_.eligible.bit_count() < job.job.terms.min_validators
        voting = not (failed_training or too_few)
        actions.append(Reopen(job.job_id, round_.number, round_.attempt, voting, turn))
    elif (job.phase == Phase.VOTING and _vote_is_lost(job)) or (
        job.phase == Phase.REVEAL and not job.attempt.quorum_at
    ):
        actions.append(Reopen(job.job_id, round_.number, round_.attempt, True, turn))
    return actions


def _vote_is_lost(job: JobView) -> bool:
    everyone = job.attempt.voted & job.round.eligible == job.round.eligible
    return everyone and bool(job.round.eligible) and not job.attempt.quorum_at
