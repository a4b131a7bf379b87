"""Replays a job from the events of all contracts: a pure function of events, their times, and the job's terms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

from chain.contracts import event_types as ev
from node.audit.consortium import AllJobs
from node.audit.leases import LeaseReplay
from node.audit.ledger import Ledger
from node.audit.members import Members
from node.audit.report import Book, Check, Outstanding, Where
from node.audit.rounds import RoundReplay
from node.audit.state import Facts, JobState
from node.audit.vault import VaultReplay
from node.audit.votes import Seat, VoteReplay

_FOR_ALL_JOBS = (ev.ParametersSet, ev.PauseSet)


@dataclass(frozen=True)
class Replayed:
    """What the events add up to.

    Attributes:
        state: rounds, attempts and ballots. ledger: the job's money. vault: everybody's accounts.
        jobs: what nodes hold and how all have done, over all jobs. members: the registry.
        seats: what the contract's ballots of the job are, by seat.
        outstanding: what is over and not settled yet.
    """

    state: JobState
    ledger: Ledger
    vault: VaultReplay
    jobs: AllJobs
    members: Members
    seats: Mapping[int, Seat]
    outstanding: tuple[Outstanding, ...]


def replay(facts: Facts, events: Iterable[ev.ChainEvent], times: Mapping[int, int], book: Book) -> Replayed:
    """Replay one job; everything that is not as the contracts' rules say goes into `book`.

    What nodes may lease depends on how they have done in other jobs, and bonds are locked in all of them: those are
    replayed too, and believed.

    Args:
        events: of all contracts since the deployment, in the order of the chain.
        times: chain time, seconds, of each block that has events.
    """
    state, members = JobState(facts), Members()
    vault, ledger = VaultReplay(members, book), Ledger(facts.job_id, book)
    jobs = AllJobs(facts.job_id, facts.job.terms.lease_time, members)
    votes = VoteReplay(state, members, ledger, book)
    rounds = RoundReplay(state, members, ledger, book)
    leases = LeaseReplay(state, members, ledger, jobs, book)
    last = (-1, -1)
    for transaction, group in groupby(events, key=lambda event: event.transaction_hash):
        ours, block = False, 0
        for event in group:
            place, last = last, (event.block_number, event.log_index)
            book.expect(Check.HISTORY, place < last, "events are out of order", Where.of(event))
            block, at = event.block_number, times[event.block_number]
            job_id = getattr(event, "job_id", None)
            if job_id == facts.job_id:
                ours = True
                if not isinstance(event, ev.JobSubmitted) and state.submitted is None:
                    book.expect(Check.HISTORY, False, "an event before the job's submission", Where.of(event))
                votes.feed(event, at)
            if job_id == facts.job_id or isinstance(event, _FOR_ALL_JOBS):
                rounds.feed(event, at)
            jobs.feed(event, at)
            if job_id == facts.job_id:
                leases.feed(event, at)
            ledger.feed(event)
            members.feed(event, at)
            vault.feed(event)
        where = Where(block=block, transaction=transaction)
        if ours:
            votes.end_transaction(where)
            rounds.end_transaction(where)
            leases.end_transaction(where)
            ledger.end_transaction(where)
    outstanding = (*leases.outstanding(), *votes.outstanding())
    _check_sums(ledger, outstanding, book)
    return Replayed(state, ledger, vault, jobs, members, votes.seats, outstanding)


def _check_sums(ledger: Ledger, outstanding: Iterable[Outstanding], book: Book) -> None:
    """What final rounds owe has to be exactly what the settlements still to come will pay."""
    left = sum(item.reward for item in outstanding)
    book.equal(Check.PAYMENTS, "the sum of outstanding rewards", left, ledger.owed)
