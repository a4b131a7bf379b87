"""What an agent owes at a block: a pure function of its view of the chain.

Nothing is remembered here. The same view gives the same decisions, so an agent that was killed and started
again goes on where the chain says that it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from chain.contracts.types import AgentView, BallotState, JobView, LeaseState, Phase

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
class Enlist:
    """Ask for a share of a job whose leases all go from round to round: the next one is leased anew."""

    job_id: int
    round: int


@dataclass(frozen=True)
class Train:
    """Train the lease that the node holds, and submit the update. `extra`: which further lease of the round it is."""

    job_id: int
    round: int
    attempt: int
    first: int
    count: int
    deadline: int
    extra: int = 0


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
    """End the overdue lease of a node."""

    job_id: int
    round: int
    node: str
    turn: int


@dataclass(frozen=True)
class Reopen:
    """Close an attempt that failed: `voting` tells in which phase."""

    job_id: int
    round: int
    attempt: int
    voting: bool
    turn: int


@dataclass(frozen=True)
class Settle:
    """Collect what the closed rounds of an open job owe to the organisation: to its nodes, or else for its votes."""

    job_id: int
    votes: bool


@dataclass(frozen=True)
class FreeShare:
    """The organisation's share of the round is used up: settle its leases that are over, if it is by those."""

    job_id: int
    round: int
    share: int


Action: TypeAlias = Claim | Enlist | Train | Prefetch | Vote | Reveal | Expire | Reopen | Settle | FreeShare


def decide(view: AgentView, settle_every: int = 10, *, draining: bool = False) -> list[Action]:
    """All that the node of `view` owes or may do at its block, the most urgent first.

    Actions that anyone may take carry a `turn`: the caller takes them `turn * TURN_SECONDS` of chain time after it
    first saw them due, if they still are. `settle_every`: closed rounds after which they are settled together. An
    agent that is `draining` takes on nothing new.
    """
    actions: list[Action] = []
    for job in view.jobs:
        actions += _voting(view, job)
        actions += _upkeep(view, job)
        actions += _training(view, job, draining)
        actions += _settling(view, job, settle_every)
    return actions


def may_claim(view: AgentView, job: JobView) -> bool:
    """Whether `claim` would be accepted for this node now, were its organisation's share not used up."""
    if job.phase != Phase.TRAINING or not _may_lease(view, job) or not epochs_free(job):
        return False
    if not job.lease_held:
        return True
    again = view.timestamp >= job.round.opened_at + job.job.terms.claim_window
    return job.lease.state == LeaseState.DELIVERED and again


def may_vote(view: AgentView, job: JobView) -> bool:
    """Whether the node may cast a vote in the open attempt, once that is in voting, and its organisation has not."""
    if not view.node.roles & VALIDATOR or not view.node.active or job.voted:
        return False
    # Who left since may still vote; who left before may find its former seat in use.
    member, opened = view.organisation, job.round.opened_at
    there = member.since <= opened and (member.until == 0 or member.until >= opened)
    return there and bool(job.round.eligible >> member.seat & 1)


def must_enlist(view: AgentView, job: JobView) -> bool:
    """Whether all epochs are leased, go on to be so round after round, and this node has none of them."""
    last = job.round.number >= job.job.terms.rounds or job.job.cancel_requested
    # Voting begins early where all is delivered: the next round can still be asked for.
    begun = job.phase in (Phase.TRAINING, Phase.VOTING)
    if last or not begun or job.round.awaited or epochs_free(job):
        return False
    return _may_lease(view, job) and job.lease.round != job.round.number


def epochs_free(job: JobView) -> int:
    """Epochs of the open round that are neither leased nor delivered."""
    return job.job.terms.epochs_per_round - job.round.taken.bit_count()


def claim_bond(job: JobView) -> int:
    """The most that a claim locks now beyond what is locked from earlier leases, base units of the token."""
    epochs = min(job.quota, epochs_free(job))
    # A further lease of the round has a bond of its own; that of a missed one is lost.
    reused = job.lease.round != job.round.number and job.lease.state != LeaseState.MISSED
    held = job.lease.bonded if reused else 0
    return max(epochs - held, 0) * job.job.lease_bond


def vote_reserve(view: AgentView) -> int:
    """What the votes of the organisation will still lock in the open jobs, base units: no claim may use it up."""
    if not view.node.roles & VALIDATOR:
        return 0
    seat = view.organisation.seat
    waiting = (j for j in view.jobs if j.round.eligible >> seat & 1 and j.ballot.state != BallotState.CAST)
    return sum(job.job.vote_bond for job in waiting)


def keeps(job: JobView, *, wanted: bool, active: bool, carried: bool) -> bool:
    """Whether an update that is submitted now keeps its lease for the next round.

    Not in the last round, where there is no next one, nor by a node that will not be there to train it. And not
    where the lease itself was `carried` over and others' epochs lie idle, since their holder is gone: leased anew,
    the next round is divided among those who are there.
    """
    last = job.round.number >= job.job.terms.rounds or job.job.cancel_requested
    idle = carried and epochs_free(job) > 0 and job.quota > 0
    return wanted and active and not last and not idle and not job.lease.extra


def rank(job: JobView, seat: int) -> int:
    """Position of a seat in the order in which eligible organisations take their turn; it rotates by round."""
    eligible = [bit for bit in range(64) if job.round.eligible >> bit & 1]
    if seat not in eligible:
        return len(eligible)
    return (eligible.index(seat) - job.round.number) % len(eligible)


def _may_lease(view: AgentView, job: JobView) -> bool:
    trains = view.active and view.node.roles & TRAINER
    if not trains or job.round.paused:
        return False
    # The transaction is mined in a later block than the view's: leave the second that it may take.
    return view.timestamp + 1 + job.job.terms.min_lease_time <= job.round.training_deadline


def _training(view: AgentView, job: JobView, draining: bool) -> list[Action]:
    lease, round_ = job.lease, job.round
    if job.lease_held and lease.state == LeaseState.LIVE and view.timestamp < lease.deadline:
        return [
            Train(
                job.job_id,
                round_.number,
                lease.attempt,
                lease.first,
                lease.count,
                lease.deadline,
                lease.extra,
            )
        ]
    if draining:
        return []
    action: Action | None = None
    if may_claim(view, job):
        action = Claim(job.job_id)
    elif must_enlist(view, job):
        action = Enlist(job.job_id, round_.number)
    if action is not None and not job.quota:
        action = FreeShare(job.job_id, round_.number, job.share)
    return [] if action is None else [action]


def _settling(view: AgentView, job: JobView, every: int) -> list[Action]:
    """Settled while the next lease is held, and once the next vote is cast, the bonds stay locked for those."""
    actions: list[Action] = []
    if job.lease_held and job.lease.accepted + job.lease.outliers >= every:
        actions.append(Settle(job.job_id, votes=False))
    # The last vote is that of the open attempt.
    if view.node.roles & VALIDATOR and job.voted and job.ballot.cast > every:
        actions.append(Settle(job.job_id, votes=True))
    return actions


def _voting(view: AgentView, job: JobView) -> list[Action]:
    if not view.node.roles & VALIDATOR:
        return []
    round_ = job.round
    if job.phase == Phase.TRAINING and round_.updates and view.active:
        return [Prefetch(job.job_id, round_.number)]
    if job.phase not in (Phase.VOTING, Phase.REVEAL):
        return []
    if job.phase == Phase.VOTING and may_vote(view, job):
        return [Vote(job.job_id, round_.number, round_.attempt)]
    if view.timestamp >= job.revealable_from and job.attempt.quorum_at:
        everyone = job.attempt.voted & round_.eligible == round_.eligible
        turn = rank(job, view.organisation.seat)
        return [Reveal(job.job_id, round_.number, round_.attempt, turn, everyone)]
    return []


def _upkeep(view: AgentView, job: JobView) -> list[Action]:
    if not view.active:
        return []
    turn, round_ = rank(job, view.organisation.seat), job.round
    actions: list[Action] = []
    if job.phase == Phase.TRAINING:
        actions += [Expire(job.job_id, round_.number, node, turn) for node in job.overdue]
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
