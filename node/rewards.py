"""What the rounds that are over still owe to an organisation, or it to them; and collecting it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chain.calls import BlockRef
from chain.consortium import Consortium
from chain.contracts.event_types import Withdrawn
from chain.contracts.token import format_units
from chain.contracts.types import (
    BallotState,
    Job,
    JobStatus,
    Lease,
    LeaseState,
    Outcome,
    SeatBallot,
    Verdict,
    VerdictState,
)
from chain.errors import ChainError
from chain.sender import Sender
from chain.transport import rpc
from node.joblog import JobLog
from node.leases import Standing, brought_up_to_date


@dataclass(frozen=True)
class Unsettled:
    """What settlement of one job would do for one organisation; amounts in base units of the token.

    Attributes:
        nodes: its nodes for which settlement does something; seats: its seat where that does, a bitmap.
        reward: what it would be credited. penalty: what it would lose of its locked stake.
        unlocked: what would be free of its locked stake. released: epochs of its share that are over.
    """

    job_id: int
    nodes: tuple[str, ...]
    seats: int
    reward: int
    penalty: int
    unlocked: int
    released: int

    def __bool__(self) -> bool:
        return bool(self.nodes or self.seats)


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
        lessees = history.lessees()
        trained = [node for node in nodes if node in lessees]
        if trained or account in history.voters():
            owed = owing(consortium, job_id, trained, account, seat)
            if owed:
                found.append(owed)
    return found


def owing(consortium: Consortium, job_id: int, nodes: Iterable[str], account: str, seat: int) -> Unsettled:
    """What settling these nodes and the seat of one organisation would do now. Raises ChainError."""
    block = int(rpc(consortium.w3, "eth_blockNumber"), 16)
    job = consortium.scheduler.job(job_id, block)
    books = _Leases(consortium, job_id, job, block)
    involved = tuple(node for node in nodes if books.add(node))
    votes = _votes(consortium, job_id, job, account, seat, block)
    return Unsettled(
        job_id,
        involved,
        1 << seat if any(votes) else 0,
        books.due * job.terms.epoch_price + votes[0],
        books.lost * job.lease_bond + votes[1],
        books.freed * job.lease_bond + votes[2],
        books.released,
    )


def settle(consortium: Consortium, sender: Sender, owed: Unsettled) -> None:
    """Settles one job for an organisation; anyone may. Raises ContractError, ChainError."""
    if owed.nodes:
        sender.send(consortium.scheduler.settle(owed.job_id, owed.nodes))
    if owed.seats:
        sender.send(consortium.vote.settle(owed.job_id, owed.seats))


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


class _Leases:
    """Adds up what settlement would do for some nodes, in epochs: `due` to pay, bonds `lost` and `freed`."""

    def __init__(self, consortium: Consortium, job_id: int, job: Job, block: BlockRef) -> None:
        self._scheduler, self._job_id, self._block = consortium.scheduler, job_id, block
        self._outcomes: dict[int, Outcome] = {}
        round_ = self._scheduler.round(job_id, block)
        self._standing = Standing(job.status == JobStatus.OPEN, round_.number, round_.attempt, self._outcome)
        self.due = self.lost = self.freed = self.released = 0

    def add(self, node: str) -> bool:
        """Whether settlement does anything for a node."""
        # Every record is added up, whatever the first of them says.
        return sum(self._take(stored) for stored in self._stored(node)) > 0

    def _stored(self, node: str) -> Sequence[Lease]:
        first = self._scheduler.stored_lease(self._job_id, node, 0, self._block)
        further = range(1, first.extras + 1)
        return [first, *(self._scheduler.stored_lease(self._job_id, node, s, self._block) for s in further)]

    def _take(self, stored: Lease) -> bool:
        lease, fate = brought_up_to_date(stored, self._standing)
        over = lease.state in (LeaseState.SETTLED, LeaseState.MISSED)
        lost = lease.bonded if fate.rejected or fate.missed else 0
        freed = lease.bonded - lost if over else 0
        self.due += lease.due
        self.lost += lost
        self.freed += freed
        self.released += fate.released
        return bool(lease.due or lease.accepted or lease.outliers or lost or freed or fate.released)

    def _outcome(self, number: int) -> Outcome | None:
        if number not in self._outcomes:
            self._outcomes[number] = self._scheduler.outcome(self._job_id, number, self._block)
        found = self._outcomes[number]
        return found if any(found.model_digest) else None


def _votes(
    consortium: Consortium, job_id: int, job: Job, account: str, seat: int, block: BlockRef
) -> tuple[int, int, int]:
    """Reward, penalty and unlocked bond of an organisation's votes that can be settled."""
    held = consortium.vote.ballot(job_id, seat, block)
    if held.account != account or held.ballot.state == BallotState.NONE:
        return 0, 0, 0
    verdict = consortium.vote.verdict(job_id, held.ballot.round, held.ballot.attempt, block)
    return ballot_due(held, verdict, seat, job.terms.vote_price, job.vote_bond)


def ballot_due(
    held: SeatBallot, verdict: Verdict, seat: int, vote_price: int, vote_bond: int
) -> tuple[int, int, int]:
    """Reward, penalty and unlocked bond that settling a seat's stored ballot brings, base units.

    `verdict` is that on the ballot's attempt.
    """
    reward = held.ballot.matched * vote_price
    if held.ballot.state != BallotState.CAST or verdict.state == VerdictState.NONE:
        return reward, 0, 0
    if verdict.penalised >> seat & 1:
        return reward, vote_bond, 0
    if verdict.matching >> seat & 1:
        reward += vote_price if verdict.state == VerdictState.FINAL else verdict.payment
    return reward, 0, vote_bond
