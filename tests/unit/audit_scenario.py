"""Hand-made histories for the audit's unit tests: what a chain would say of a small job, event by event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from chain.contracts import event_types as ev
from chain.contracts.seals import hash_result
from chain.contracts.types import Job, JobStatus, Role, Terms
from node.audit.replay import Replayed, replay
from node.audit.report import Book
from node.audit.state import Facts

E = TypeVar("E", bound=ev.ChainEvent)


def address(number: int) -> ChecksumAddress:
    return to_checksum_address(f"0x{number:040x}")


CONTRACT, CLIENT, TREASURY = address(1), address(2), address(3)
ORGANISATIONS = [address(10 + i) for i in range(3)]
NODES = [address(20 + i) for i in range(3)]
LEASE_BOND, VOTE_BOND, EPOCH_PRICE, VOTE_PRICE, STAKE = 20, 30, 100, 7, 1_000
TERMS = Terms(
    rounds=1,
    epochs_per_round=4,
    min_updates=1,
    min_validators=2,
    max_attempts=2,
    claim_window=50,
    lease_time=100,
    min_lease_time=10,
    training_window=300,
    vote_window=200,
    reveal_window=100,
    grace=20,
    epoch_price=EPOCH_PRICE,
    vote_price=VOTE_PRICE,
    max_update_bytes=1_000,
    ruleset=bytes(32),
)
SHARE = 10_000
JOB = Job(CLIENT, JobStatus.OPEN, False, 3, LEASE_BOND, VOTE_BOND, 4, b"s" * 32, TERMS)
FACTS = Facts(1, JOB, 31337, CONTRACT)
INITIAL, MODEL = b"i" * 32, b"m" * 32
START, OPENED = 1_000, 1_010


class Scenario:
    """A growing history. One call of `at` is one transaction in one block of that time."""

    def __init__(self, job: Job = JOB) -> None:
        self.facts = replace(FACTS, job=job)
        self.events: list[ev.ChainEvent] = []
        self.times: dict[int, int] = {}
        self._block = 0

    def at(self, time: int, *events: Callable[[dict[str, Any]], ev.ChainEvent]) -> None:
        self._block += 1
        self.times[self._block] = time
        for event in events:
            where = {"contract": CONTRACT, "block_number": self._block, "log_index": len(self.events)}
            self.events.append(event({**where, "transaction_hash": f"0x{self._block:064x}"}))

    def change(self, kind: type[E], change: Callable[[E], E | None], which: int = 0) -> None:
        """Replace one event of a kind, or leave it out where `change` gives None."""
        places = [i for i, event in enumerate(self.events) if isinstance(event, kind)]
        event = self.events[places[which]]
        assert isinstance(event, kind)
        changed = change(event)
        self.events[places[which] : places[which] + 1] = [] if changed is None else [changed]

    def repeat(self, kind: type[ev.ChainEvent], time: int) -> None:
        """The first event of a kind again, with the vault's event after it, in a transaction of its own."""
        place = next(i for i, event in enumerate(self.events) if isinstance(event, kind))
        copies = self.events[place : place + 2]
        self.at(time, *[lambda where, event=event: replace(event, **where) for event in copies])

    def replay(self) -> tuple[Replayed, Book]:
        book = Book()
        return replay(self.facts, self.events, self.times, book), book


def made(kind: type[ev.ChainEvent], *values: Any) -> Callable[[dict[str, Any]], ev.ChainEvent]:
    """An event that still lacks its place."""
    return lambda where: kind(*values, **where)


def consortium(job: Job = JOB, share: int = SHARE) -> Scenario:
    """Three organisations with stake and a node each, of capacity 1, 1 and 2, and the job submitted."""
    s = Scenario(job)
    s.at(
        START,
        made(ev.VaultParametersSet, STAKE, 60, TREASURY),
        made(ev.ParametersSet, LEASE_BOND, VOTE_BOND, share),
    )
    for seat, (organisation, node) in enumerate(zip(ORGANISATIONS, NODES, strict=True)):
        s.at(START, made(ev.OrganisationAdmitted, organisation, seat, f"organisation {seat}"))
        staked = made(ev.Staked, organisation, organisation, STAKE + 100)
        s.at(START, staked, made(ev.BondChanged, organisation, True))
        roles = Role.TRAINER | Role.VALIDATOR
        s.at(START, made(ev.NodeRegistered, organisation, node, roles, max(seat, 1), ""))
    budget = job.terms.budget(3)
    s.at(
        OPENED,
        made(ev.JobSubmitted, 1, CLIENT, JOB.spec_digest, "cid", INITIAL, "cid", budget),
        opened(OPENED),
        made(ev.Escrowed, 1, CLIENT, budget),
    )
    return s


def opened(
    time: int,
    number: int = 1,
    attempt: int = 1,
    *,
    model: bytes = INITIAL,
    carried: int = 0,
    trains: int = 300,
) -> Any:
    """An attempt that opens at a time; one that repeats only the vote trains for 0 seconds."""
    training = time + trains
    deadlines = (training, training + 200, training + 300)
    return made(ev.RoundOpened, 1, number, attempt, *deadlines, 0b111, 3, model, carried)


def leased(
    node: int, first: int, count: int, time: int, attempt: int = 1, lasts: int = 100, number: int = 1
) -> Any:
    return made(ev.EpochsLeased, 1, number, NODES[node], attempt, first, count, time + lasts)


def delivered(node: int, first: int, count: int, *, number: int = 1, kept: bool = False) -> Any:
    digest = bytes([first + 1]) * 32
    return made(ev.UpdateSubmitted, 1, number, NODES[node], first, count, 5, digest, kept, "cid")


def missed(node: int, first: int, count: int, number: int = 1) -> list[Any]:
    """A missed lease and what it costs."""
    bond = count * LEASE_BOND
    what = made(ev.LeaseMissed, 1, number, NODES[node], first, count, bond)
    return [what, made(ev.Slashed, 1, ORGANISATIONS[node], bond)] if bond else [what]


def rejected(node: int, first: int, count: int, number: int = 1) -> list[Any]:
    """An invalid update and what it costs."""
    bond = count * LEASE_BOND
    what = made(ev.UpdateRejected, 1, number, NODES[node], first, count, bond)
    return [what, made(ev.Slashed, 1, ORGANISATIONS[node], bond)]


def settled(node: int, epochs: int, unlocked: int) -> list[Any]:
    """What a node is paid; `unlocked` in epochs."""
    reward, account = epochs * EPOCH_PRICE, ORGANISATIONS[node]
    what = made(ev.RewardsSettled, 1, account, NODES[node], epochs, reward, unlocked * LEASE_BOND)
    return [what, made(ev.Paid, 1, account, reward)] if reward else [what]


def votes_paid(organisation: int, votes: int, unlocked: bool = True) -> list[Any]:
    """What an organisation is paid for votes."""
    reward, account = votes * VOTE_PRICE, ORGANISATIONS[organisation]
    what = made(ev.VotesPaid, 1, account, votes, reward, VOTE_BOND if unlocked else 0)
    return [what, made(ev.Paid, 1, account, reward)] if reward else [what]


def voted(
    node: int,
    score: int,
    attempt: int = 1,
    result: tuple[bytes, int, int] = (MODEL, 0b101, 0b10),
    number: int = 1,
) -> Any:
    ballots, hashed = FACTS.ballots(number, attempt), hash_result(*result)
    seal = ballots.seal(hashed, ORGANISATIONS[node])
    return made(
        ev.VoteCast,
        1,
        number,
        ORGANISATIONS[node],
        attempt,
        NODES[node],
        ballots.candidate(hashed),
        seal,
        score,
    )


SHARES = ((0, 1), (1, 1), (2, 2))


def agreed(
    s: Scenario,
    time: int,
    accepted: int = 0b111,
    *,
    number: int = 1,
    model: bytes = MODEL,
    ends: bool = False,
) -> None:
    """All vote alike and the round is final; without `ends`, the next opens with whatever leases were kept."""
    result = (model, accepted, 0)
    candidate = FACTS.ballots(number, 1).candidate(hash_result(*result))
    for node in range(3):
        told = [made(ev.QuorumReached, 1, number, 1, candidate)] if node == 2 else []
        s.at(time, voted(node, 20, result=result, number=number), *told)
    paid = sum(count for first, count in SHARES if accepted >> first & 1)
    owed = paid * EPOCH_PRICE + 3 * VOTE_PRICE
    closing = [
        made(ev.ResultRevealed, 1, number, 1, *result, 0b111, 0, "cid"),
        made(ev.RoundClosed, 1, number, 1, *result, 20, VOTE_PRICE, bytes(24)),
        made(ev.Owed, 1, owed),
    ]
    if ends:
        refund = s.facts.job.budget - sum(e.amount for e in s.events if isinstance(e, ev.Owed)) - owed
        closing.append(made(ev.Refunded, 1, CLIENT, refund))
        closing.append(made(ev.JobEnded, 1, JobStatus.COMPLETED, refund))
    else:
        kept = sum(
            1 << e.first
            for e in s.events
            if isinstance(e, ev.UpdateSubmitted) and e.round == number and e.kept
        )
        closing.append(opened(time, number + 1, model=model, carried=kept))
    s.at(time, *closing)


def trained() -> Scenario:
    """All epochs delivered: by node 0 epoch 0, by node 1 epoch 1, by node 2 epochs 2 and 3."""
    s = consortium()
    for node, (first, count) in enumerate(SHARES):
        s.at(OPENED + 10, leased(node, first, count, OPENED + 10))
    for node, (first, count) in enumerate(SHARES):
        s.at(OPENED + 20, delivered(node, first, count))
    return s


def voted_on() -> Scenario:
    """Three matching votes, with scores 10, 30 and 20."""
    s = trained()
    candidate = FACTS.ballots(1, 1).candidate(hash_result(MODEL, 0b101, 0b10))
    s.at(OPENED + 30, voted(0, 10))
    s.at(OPENED + 30, voted(1, 30))
    s.at(OPENED + 30, voted(2, 20), made(ev.QuorumReached, 1, 1, 1, candidate))
    return s


def completed() -> Scenario:
    """Updates 0 and 2 are accepted, 1 is invalid; the job ends, and everything is settled."""
    s = voted_on()
    owed = 3 * EPOCH_PRICE + 3 * VOTE_PRICE
    refund = TERMS.budget(3) - owed
    s.at(
        OPENED + 40,
        made(ev.ResultRevealed, 1, 1, 1, MODEL, 0b101, 0b10, 0b111, 0, "cid"),
        made(ev.RoundClosed, 1, 1, 1, MODEL, 0b101, 0b10, 20, VOTE_PRICE, bytes(24)),
        made(ev.Owed, 1, owed),
        made(ev.Refunded, 1, CLIENT, refund),
        made(ev.JobEnded, 1, JobStatus.COMPLETED, refund),
    )
    s.at(OPENED + 50, *settled(0, 1, 1), *rejected(1, 1, 1), *settled(2, 2, 2))
    s.at(OPENED + 60, *votes_paid(0, 1), *votes_paid(1, 1), *votes_paid(2, 1))
    return s
