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
JOB = Job(CLIENT, JobStatus.OPEN, False, 3, LEASE_BOND, VOTE_BOND, b"s" * 32, TERMS)
FACTS = Facts(1, JOB, 31337, CONTRACT)
INITIAL, MODEL = b"i" * 32, b"m" * 32
START, OPENED = 1_000, 1_010


class Scenario:
    """A growing history. One call of `at` is one transaction in one block of that time."""

    def __init__(self) -> None:
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
        return replay(FACTS, self.events, self.times, book), book


def made(kind: type[ev.ChainEvent], *values: Any) -> Callable[[dict[str, Any]], ev.ChainEvent]:
    """An event that still lacks its place."""
    return lambda where: kind(*values, **where)


def consortium() -> Scenario:
    """Three organisations with stake and a node each, of capacity 1, 1 and 2, and the job submitted."""
    s = Scenario()
    s.at(
        START, made(ev.VaultParametersSet, STAKE, 60, TREASURY), made(ev.ParametersSet, LEASE_BOND, VOTE_BOND)
    )
    for seat, (organisation, node) in enumerate(zip(ORGANISATIONS, NODES, strict=True)):
        s.at(START, made(ev.OrganisationAdmitted, organisation, seat, f"organisation {seat}"))
        s.at(START, made(ev.Staked, organisation, organisation, STAKE + 100))
        roles = Role.TRAINER | Role.VALIDATOR
        s.at(START, made(ev.NodeRegistered, organisation, node, roles, max(seat, 1), ""))
    budget = TERMS.budget(3)
    s.at(
        OPENED,
        made(ev.JobSubmitted, 1, CLIENT, JOB.spec_digest, "cid", INITIAL, "cid", budget),
        made(ev.RoundOpened, 1, 1, 1, OPENED + 300, OPENED + 500, OPENED + 600, 0b111, 3, INITIAL),
        made(ev.Escrowed, 1, CLIENT, budget),
    )
    return s


def leased(node: int, first: int, count: int, time: int, attempt: int = 1, lasts: int = 100) -> Any:
    return made(ev.EpochsLeased, 1, 1, NODES[node], attempt, first, count, time + lasts)


def delivered(node: int, first: int, count: int) -> Any:
    return made(ev.UpdateSubmitted, 1, 1, NODES[node], first, count, 5, bytes([first + 1]) * 32, "cid")


def voted(
    node: int, score: int, attempt: int = 1, result: tuple[bytes, int, int] = (MODEL, 0b101, 0b10)
) -> Any:
    ballots, hashed = FACTS.ballots(1, attempt), hash_result(*result)
    seal = ballots.seal(hashed, ORGANISATIONS[node])
    return made(
        ev.VoteCast, 1, 1, ORGANISATIONS[node], attempt, NODES[node], ballots.candidate(hashed), seal, score
    )


def trained() -> Scenario:
    """All epochs delivered: by node 0 epoch 0, by node 1 epoch 1, by node 2 epochs 2 and 3."""
    s = consortium()
    for node, (first, count) in enumerate(((0, 1), (1, 1), (2, 2))):
        s.at(OPENED + 10, leased(node, first, count, OPENED + 10))
    for node, (first, count) in enumerate(((0, 1), (1, 1), (2, 2))):
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
        made(ev.RoundClosed, 1, 1, 1, MODEL, 0b101, 0b10, 20, VOTE_PRICE, bytes(32)),
        made(ev.Owed, 1, owed),
        made(ev.Refunded, 1, CLIENT, refund),
        made(ev.JobEnded, 1, JobStatus.COMPLETED, refund),
    )
    s.at(
        OPENED + 50,
        made(ev.LeaseSettled, 1, 1, NODES[0], 0, EPOCH_PRICE, 0),
        made(ev.Paid, 1, ORGANISATIONS[0], EPOCH_PRICE),
        made(ev.LeaseSettled, 1, 1, NODES[1], 1, 0, LEASE_BOND),
        made(ev.Slashed, ORGANISATIONS[1], LEASE_BOND),
        made(ev.LeaseSettled, 1, 1, NODES[2], 2, 2 * EPOCH_PRICE, 0),
        made(ev.Paid, 1, ORGANISATIONS[2], 2 * EPOCH_PRICE),
    )
    settled = [
        event
        for organisation in ORGANISATIONS
        for event in (
            made(ev.VoteSettled, 1, 1, organisation, 1, VOTE_PRICE, 0),
            made(ev.Paid, 1, organisation, VOTE_PRICE),
        )
    ]
    s.at(OPENED + 60, *settled)
    return s
