"""What the rounds that are over still owe to an organisation, or it to them; and collecting it."""

from __future__ import annotations

from dataclasses import dataclass

from chain.consortium import Consortium
from chain.contracts.event_types import VoteCast, Withdrawn
from chain.contracts.token import format_units
from chain.contracts.types import BallotState, Job, JobStatus, Lease, LeaseState, Round
from chain.errors import ChainError
from chain.sender import Sender
from chain.transport import rpc
from node.joblog import JobHistory, JobLog


@dataclass(frozen=True)
class Unsettled:
    """What settlement of one job would do for one organisation; amounts in base units of the token.

    Attributes:
        leases: first epochs of its nodes' leases that can be settled, a bitmap; seats: its seat where its vote can.
        reward: what it would be credited. penalty: what it would lose of its locked stake.
    """

    job_id: int
    leases: int
    seats: int
    reward: int
    penalty: int


def nodes_of(consortium: Consortium, account: str) -> list[str]:
    """The nodes of an organisation, retired ones too. Raises ChainError."""
    registry = consortium.registry
    page = 1000
    known = [n for start in range(0, registry.node_count(), page) for n in registry.nodes(start, page)]
    return [node for node in known if registry.account_of(node) == account]


def unsettled(consortium: Consortium, log: JobLog, account: str) -> list[Unsettled]:
    """What can be settled for an organisation now, by job; jobs in which it has nothing to settle are left out.

    Raises:
        ChainError: the chain does not answer.
    """
    nodes = nodes_of(consortium, account)
    seat = consortium.registry.organisation(account).seat
    found = []
    for job_id in range(1, consortium.scheduler.job_count() + 1):
        history = log.job(job_id)
        firsts = sorted({first for node in nodes for first in history.firsts_of(node)})
        voted = _voted(history, account)
        if not firsts and not voted:
            continue
        job, round_ = consortium.scheduler.job(job_id), consortium.scheduler.round(job_id)
        leases, reward, penalty = _leases(consortium, job_id, job, round_, firsts, nodes)
        seats = 0
        if voted:
            seats, vote_reward, vote_penalty = _ballot(consortium, job_id, job, seat, account)
            reward, penalty = reward + vote_reward, penalty + vote_penalty
        if leases or seats:
            found.append(Unsettled(job_id, leases, seats, reward, penalty))
    return found


def settle(consortium: Consortium, sender: Sender, owing: Unsettled) -> None:
    """Settles one job for an organisation; anyone may. Raises ContractError, ChainError."""
    if owing.leases:
        sender.send(consortium.scheduler.settle(owing.job_id, owing.leases))
    if owing.seats:
        sender.send(consortium.vote.settle(owing.job_id, owing.seats))


def unbond(consortium: Consortium, sender: Sender, amount: int) -> int:
    """Starts the way out of ``amount`` base units of the sender's free stake; the chain time when it is over.

    All that is on its way out waits anew.

    Raises:
        ChainError: so much is not free; ContractError.
    """
    held = consortium.vault.account(sender.address)
    if amount > held.free:
        raise ChainError(
            f"{sender.address} has {format_units(held.free)} tokens of free stake, not {format_units(amount)}; "
            f"{format_units(held.locked)} are locked until their rounds are settled"
        )
    sender.send(consortium.vault.unbond(amount))
    return consortium.vault.account(sender.address).unbonding_at


def withdraw(consortium: Consortium, sender: Sender) -> int:
    """Sends the sender's credit and matured unbonding stake to it; returns how much, 0 if there is nothing.

    Raises:
        ContractError, ChainError.
    """
    held = consortium.vault.account(sender.address)
    now = int(rpc(consortium.w3, "eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    if not held.credit and not (held.unbonding and held.unbonding_at <= now):
        return 0
    receipt = sender.send(consortium.vault.withdraw())
    return sum(event.amount for event in consortium.vault.events_of(Withdrawn, receipt))


def _voted(history: JobHistory, account: str) -> bool:
    return any(isinstance(event, VoteCast) and event.account == account for event in history.events)


def _leases(
    consortium: Consortium, job_id: int, job: Job, round_: Round, firsts: list[int], nodes: list[str]
) -> tuple[int, int, int]:
    """Bitmap, reward and penalty of the leases that can be settled."""
    bitmap = reward = penalty = 0
    for first in firsts:
        lease = consortium.scheduler.lease(job_id, first)
        if lease.node not in nodes or not _is_over(lease, job, round_):
            continue
        bitmap |= 1 << first
        if lease.state == LeaseState.LIVE:
            penalty += job.lease_bond
            continue
        outcome = consortium.scheduler.outcome(job_id, lease.round)
        if outcome.invalid >> first & 1:
            penalty += job.lease_bond
        elif not outcome.unpaid >> first & 1:
            reward += lease.count * job.terms.epoch_price
    return bitmap, reward, penalty


def _is_over(lease: Lease, job: Job, round_: Round) -> bool:
    """Whether the scheduler would settle this lease now; the same rule as its own."""
    same_round = job.status == JobStatus.OPEN and lease.round == round_.number
    if lease.state == LeaseState.DELIVERED:
        return not same_round
    return lease.state == LeaseState.LIVE and not (same_round and lease.attempt == round_.attempt)


def _ballot(consortium: Consortium, job_id: int, job: Job, seat: int, account: str) -> tuple[int, int, int]:
    """Bitmap, reward and penalty of the organisation's last vote, where that can be settled."""
    ballot = consortium.vote.ballot(job_id, seat)
    if ballot.account != account or ballot.state != BallotState.CAST:
        return 0, 0, 0
    verdict = consortium.vote.verdict(job_id, ballot.round, ballot.attempt)
    if not verdict.closed:
        return 0, 0, 0
    reward = verdict.payment if verdict.matching >> seat & 1 else 0
    penalty = job.vote_bond if verdict.penalised >> seat & 1 else 0
    return 1 << seat, reward, penalty
