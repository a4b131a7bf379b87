"""Holds what the events add up to against the contracts' own state at one block."""

from __future__ import annotations

from chain.consortium import Consortium
from chain.contracts.types import LeaseState, Verdict
from node.audit.replay import Replayed
from node.audit.report import Book, Check, Where
from node.joblog import accumulate

_HASH = bytes(32)


def compare_state(consortium: Consortium, replayed: Replayed, block: int, book: Book) -> int:
    """Compare rounds, outcomes, verdicts, slots and balances at `block`; returns how many accumulators were compared.

    An RPC node that leaves an event out, or makes one up, is found here.

    Raises:
        ChainError: the chain does not answer.
    """
    _compare_job(consortium, replayed, block, book)
    _compare_round(consortium, replayed, block, book)
    _compare_outcomes(consortium, replayed, block, book)
    _compare_slots(consortium, replayed, block, book)
    _compare_vault(consortium, replayed, block, book)
    return _compare_accumulators(consortium, replayed, block, book)


def _compare_job(consortium: Consortium, replayed: Replayed, block: int, book: Book) -> None:
    state = replayed.state
    job = consortium.scheduler.job(state.facts.job_id, block)
    book.equal(Check.HISTORY, "the job's status", job.status, state.status)
    book.equal(Check.HISTORY, "the job's request to cancel", job.cancel_requested, state.cancel_requested)


def _compare_round(consortium: Consortium, replayed: Replayed, block: int, book: Book) -> None:
    state = replayed.state
    mine, attempt = state.round, state.attempt
    if mine is None or attempt is None:
        book.expect(Check.HISTORY, False, "no round of the job was ever opened")
        return
    found, opened = consortium.scheduler.round(state.facts.job_id, block), attempt.opened
    where = Where(round=mine.number, attempt=opened.attempt, block=block)
    for what, on_chain, expected in (
        ("round", found.number, mine.number),
        ("attempt", found.attempt, opened.attempt),
        ("opening time", found.opened_at, attempt.opened_at),
        ("training deadline", found.training_deadline, opened.training_deadline),
        ("vote deadline", found.vote_deadline, opened.vote_deadline),
        ("reveal deadline", found.reveal_deadline, opened.reveal_deadline),
        ("eligible seats", found.eligible, opened.eligible),
        ("quorum", found.quorum, opened.quorum),
        ("number of updates", found.updates, len(mine.updates)),
        ("number of delivered epochs", found.delivered_epochs, mine.delivered.bit_count()),
        ("claimed capacity", found.claimed_capacity, mine.claimed_capacity),
        ("quota capacity", found.quota_capacity, mine.quota_capacity),
        ("taken epochs", found.taken, mine.taken),
        ("delivered epochs", found.delivered, mine.delivered),
        ("set of updates", found.update_set, mine.update_set),
        ("model", found.model_digest, mine.start),
    ):
        book.equal(Check.HISTORY, f"the newest round's {what}, by the contract,", on_chain, expected, where)


def _compare_outcomes(consortium: Consortium, replayed: Replayed, block: int, book: Book) -> None:
    state = replayed.state
    for round_ in state.rounds.values():
        if not round_.over:
            continue
        found = consortium.scheduler.outcome(state.facts.job_id, round_.number, block)
        closed, where = round_.closed, Where(round=round_.number, block=block)
        expected = closed.model_digest if closed is not None else _HASH
        book.equal(Check.HISTORY, "the outcome's model", found.model_digest, expected, where)
        unpaid = round_.update_set & ~round_.accepted
        book.equal(Check.HISTORY, "the outcome's unpaid updates", found.unpaid, unpaid, where)
        book.equal(Check.HISTORY, "the outcome's invalid updates", found.invalid, round_.invalid, where)
        if closed is not None:
            book.equal(Check.HISTORY, "the outcome's time", found.closed_at, round_.closed_at, where)
            book.equal(Check.HISTORY, "the outcome's score", found.score, closed.score, where)
            book.equal(Check.HISTORY, "the outcome's attempt", found.attempt, closed.attempt, where)
    for (number, attempt_number), attempt in state.attempts.items():
        verdict = consortium.vote.verdict(state.facts.job_id, number, attempt_number, block)
        where = Where(round=number, attempt=attempt_number, block=block)
        mine = attempt.verdict or Verdict(False, 0, 0, 0)
        book.equal(Check.VOTES, "the verdict, by the contract,", verdict, mine, where)


def _compare_slots(consortium: Consortium, replayed: Replayed, block: int, book: Book) -> None:
    job_id = replayed.state.facts.job_id
    for first, lease in replayed.lease_slots.items():
        slot, claim = consortium.scheduler.lease(job_id, first, block), lease.claimed
        where = Where(round=claim.round, attempt=claim.attempt, epoch=first, node=claim.node, block=block)
        found = (slot.node, slot.round, slot.attempt, slot.count, slot.deadline, LeaseState(slot.state).name)
        expected = (claim.node, claim.round, claim.attempt, claim.count, claim.deadline, lease.state.name)
        book.equal(Check.HISTORY, "the lease, by the contract,", found, expected, where)
    for seat, ballot in replayed.vote_slots.items():
        stored, cast = consortium.vote.ballot(job_id, seat, block), ballot.cast
        where = Where(round=cast.round, attempt=cast.attempt, account=cast.account, block=block)
        voted = (stored.account, stored.round, stored.attempt, stored.candidate.hex(), stored.seal.hex())
        mine = (cast.account, cast.round, cast.attempt, cast.candidate.hex(), cast.seal.hex())
        book.equal(Check.HISTORY, "the vote, by the contract,", voted, mine, where)
        book.equal(Check.HISTORY, "the vote's score, by the contract,", stored.score, cast.score, where)
        book.equal(Check.HISTORY, "the vote's state, by the contract,", stored.state, ballot.state, where)


def _compare_vault(consortium: Consortium, replayed: Replayed, block: int, book: Book) -> None:
    facts, ledger, vault = replayed.state.facts, replayed.ledger, consortium.vault
    where = Where(block=block)
    escrow, owed = vault.escrow_of(facts.job_id, block), vault.owed_by(facts.job_id, block)
    book.equal(Check.VAULT, "the job's escrow", escrow, ledger.escrow, where)
    book.equal(Check.VAULT, "what the job owes", owed, ledger.owed, where)
    held, due = consortium.token.balance_of(vault.address, block), vault.liabilities(block)
    book.expect(Check.VAULT, held >= due, f"the vault holds {held} and owes {due}", where)
    for owner in sorted({facts.job.client, *ledger.rewards, *ledger.penalties}):
        account, of = vault.account(owner, block), Where(account=owner, block=block)
        stake = account.free + account.locked
        book.equal(Check.VAULT, "free plus locked stake", stake, replayed.vault.stake[owner], of)
        total = stake + account.unbonding + account.credit
        book.equal(Check.VAULT, "stake plus credit", total, replayed.vault.total[owner], of)


def _compare_accumulators(consortium: Consortium, replayed: Replayed, block: int, book: Book) -> int:
    compared = 0
    for round_ in replayed.state.rounds.values():
        if not round_.updates:
            continue
        if round_.closed is not None:
            on_chain = round_.closed.accumulator
        elif round_ is replayed.state.round:
            on_chain = consortium.scheduler.round(replayed.state.facts.job_id, block).accumulator
        else:
            continue
        where = Where(round=round_.number, digest=on_chain.hex(), block=block)
        book.equal(
            Check.ACCUMULATORS, "the round's accumulator", on_chain, accumulate(round_.records()), where
        )
        compared += 1
    return compared
