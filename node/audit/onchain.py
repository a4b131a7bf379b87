"""Holds what the events add up to against the contracts' own state at one block."""

from __future__ import annotations

from chain.consortium import Consortium
from chain.contracts.types import BallotState, SeatBallot
from node.audit.leases import held
from node.audit.replay import Replayed
from node.audit.report import Book, Check, Where
from node.audit.votes import NO_VERDICT
from node.joblog import accumulate
from node.leases import brought_up_to_date

_HASH = bytes(32)


def compare_state(consortium: Consortium, replayed: Replayed, block: int, book: Book) -> int:
    """Compare all that the contracts hold of the job, and of who took part in it, at `block`.

    Returns how many accumulators were compared.

    An RPC node that leaves an event out, or makes one up, is found here.

    Raises:
        ChainError: the chain does not answer.
    """
    _compare_job(consortium, replayed, block, book)
    _compare_round(consortium, replayed, block, book)
    _compare_outcomes(consortium, replayed, block, book)
    _compare_leases(consortium, replayed, block, book)
    _compare_ballots(consortium, replayed, block, book)
    _compare_nodes(consortium, replayed, block, book)
    _compare_voters(consortium, replayed, block, book)
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
        ("set of kept leases", found.kept_set, mine.kept),
        ("waiting trainer", found.awaited, mine.awaited),
        ("pause", found.paused, mine.paused),
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
            opened = state.attempts.get((round_.number + 1, 1))
            carried = opened is not None and opened.opened.carried != 0
            book.equal(Check.HISTORY, "whether leases were carried over", found.carried, carried, where)
    for (number, attempt_number), attempt in state.attempts.items():
        verdict = consortium.vote.verdict(state.facts.job_id, number, attempt_number, block)
        where = Where(round=number, attempt=attempt_number, block=block)
        mine = attempt.verdict or NO_VERDICT
        book.equal(Check.VOTES, "the verdict, by the contract,", verdict, mine, where)


def _compare_leases(consortium: Consortium, replayed: Replayed, block: int, book: Book) -> None:
    """As they are when brought up to date: a settlement that finds nothing due does that and leaves no event."""
    job_id = replayed.state.facts.job_id
    now = replayed.jobs.of(job_id).course.standing()
    for node, slot, mine, _ in replayed.jobs.of(job_id).now():
        stored = consortium.scheduler.stored_lease(job_id, node, slot, block)
        found, _ = brought_up_to_date(stored, now)
        where = Where(round=mine.round, attempt=mine.attempt, epoch=mine.first, node=node, block=block)
        book.equal(Check.HISTORY, "the lease, by the contract,", held(found), held(mine), where)
        book.equal(Check.HISTORY, "the lease's bond, by the contract,", found.bonded, mine.bonded, where)
        book.equal(Check.HISTORY, "the node's further leases", found.extras, mine.extras, where)


def _compare_ballots(consortium: Consortium, replayed: Replayed, block: int, book: Book) -> None:
    facts = replayed.state.facts

    def shown(held: SeatBallot) -> tuple[object, ...]:
        b = held.ballot
        # Without a bond, a settlement that pays nothing leaves no event.
        state = b.state if facts.job.vote_bond else BallotState.CAST
        return held.account, b.round, b.attempt, b.seal.hex(), b.score, b.opened_at, state.name

    for number, seat in replayed.seats.items():
        found, cast = consortium.vote.ballot(facts.job_id, number, block), seat.held.ballot
        where = Where(round=cast.round, attempt=cast.attempt, account=seat.held.account, block=block)
        book.equal(Check.HISTORY, "the vote, by the contract,", shown(found), shown(seat.held), where)


def _compare_nodes(consortium: Consortium, replayed: Replayed, block: int, book: Book) -> None:
    """The records of the nodes that leased epochs of the job, over all jobs."""
    jobs = replayed.jobs
    for node in sorted({node for node, _ in jobs.of(replayed.state.facts.job_id).records}):
        account, where = replayed.members.account_of(node) or "", Where(node=node, block=block)
        found, mine = consortium.scheduler.node_record(node, block), jobs.conducts.of(node)
        told = (found.delivered, found.expired, found.accepted, found.outliers, found.invalid)
        expected = (mine.delivered, mine.expired, mine.accepted, mine.outliers, mine.invalid)
        what = "the node's record (delivered, expired, accepted, outliers, invalid)"
        book.equal(Check.RECORDS, what, told, expected, where)
        reliability = jobs.conducts.reliability(node, account)
        book.equal(Check.RECORDS, "the node's reliability", found.reliability, reliability, where)


def _compare_voters(consortium: Consortium, replayed: Replayed, block: int, book: Book) -> None:
    """The records of the organisations that voted in the job, over all jobs; what is not settled is added up."""
    vote, voters = consortium.vote, replayed.jobs.voters
    accounts = {account for a in replayed.state.attempts.values() for account in a.ballots}
    for account in sorted(accounts):
        found, mine = vote.vote_record(account, block), voters.totals[account]
        total = [found.cast, found.matched, found.penalised, found.far]
        for job_id, seat in voters.ballots(account):
            more = voters.pending(job_id, seat, vote.ballot(job_id, seat, block))
            for place, count in enumerate((more.cast, more.matched, more.penalised, more.far)):
                total[place] += count
        expected = [mine.cast, mine.matched, mine.penalised, mine.far]
        what = "the organisation's votes (cast, matched, penalised, far), settled or not,"
        book.equal(Check.RECORDS, what, total, expected, Where(account=account, block=block))


def _compare_vault(consortium: Consortium, replayed: Replayed, block: int, book: Book) -> None:
    facts, ledger, vault = replayed.state.facts, replayed.ledger, consortium.vault
    where = Where(block=block)
    escrow, owed = vault.escrow_of(facts.job_id, block), vault.owed_by(facts.job_id, block)
    book.equal(Check.VAULT, "the job's escrow", escrow, ledger.escrow, where)
    book.equal(Check.VAULT, "what the job owes", owed, ledger.owed, where)
    held, due = consortium.token.balance_of(vault.address, block), vault.liabilities(block)
    book.expect(Check.VAULT, held >= due, f"the vault holds {held} and owes {due}", where)
    holders = {replayed.members.account_of(node) or "" for node, _ in replayed.jobs.of(facts.job_id).records}
    voters = {account for attempt in replayed.state.attempts.values() for account in attempt.ballots}
    for owner in sorted({facts.job.client, *ledger.rewards, *ledger.penalties, *holders, *voters} - {""}):
        account, of = vault.account(owner, block), Where(account=owner, block=block)
        stake = account.free + account.locked
        book.equal(Check.VAULT, "free plus locked stake", stake, replayed.vault.stake[owner], of)
        book.equal(Check.VAULT, "locked stake", account.locked, replayed.jobs.locked(owner), of)
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
