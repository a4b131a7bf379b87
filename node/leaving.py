"""An organisation's way out: resign, settle, unbond, withdraw. Each run does what can be done, and says what is left.

The chain alone remembers how far it is: a run that was killed is repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chain.contracts.types import BallotState, LeaseState, VerdictState
from chain.errors import MilonError
from node.chaintime import chain_time
from node.follow import read_log
from node.rewards import nodes_of, settle, unbond, unsettled, withdraw

if TYPE_CHECKING:
    from chain.consortium import Consortium
    from chain.contracts.types import Account
    from chain.sender import Sender


@dataclass(frozen=True)
class Held:
    """What keeps stake back: a lease or a vote in a round that is not over, or a vote that may still be cast.

    Attributes:
        what: for people. until: chain time by which the open attempt is past it at the latest.
        bond: free stake that it needs, base units.
    """

    job_id: int
    what: str
    until: int
    bond: int = 0


@dataclass(frozen=True)
class Departure:
    """What one run did, and what is left; amounts in base units, times in seconds of chain time.

    Attributes:
        resigned: in this run. settled: jobs. unbonded, withdrawn: in this run.
        account: what the vault holds for it now. held: what keeps some of it back.
        again_at: when to run it again, None when that depends on rounds, or nothing is left.
    """

    resigned: bool
    settled: tuple[int, ...]
    unbonded: int
    withdrawn: int
    account: Account
    held: tuple[Held, ...]
    now: int
    again_at: int | None

    @property
    def done(self) -> bool:
        """Whether nothing of the organisation is left at this consortium."""
        left = self.account
        return not (left.free or left.locked or left.unbonding or left.credit)


def check_may_resign(consortium: Consortium, account: str) -> bool:
    """Whether an organisation is still a member. Raises MilonError where it never was one, or is the last."""
    registry = consortium.registry
    if registry.is_member(account):
        if registry.organisation_count() == 1:
            raise MilonError("the last member cannot leave: nobody could decide anything any more")
        return True
    if not int(registry.organisation(account).account, 16):
        raise MilonError(f"{account} never was a member of this consortium; use the organisation's key")
    return False


def leave(
    consortium: Consortium, sender: Sender, tell: Callable[[str], None] = lambda _text: None
) -> Departure:
    """Does all that the sender's organisation can do now on its way out. Raises MilonError as `check_may_resign`."""
    account, vault = sender.address, consortium.vault
    resigned = check_may_resign(consortium, account)
    if resigned:
        tell("resigning")
        sender.send(consortium.registry.resign())
    log = read_log(consortium)
    settled = []
    for item in unsettled(consortium, log, account):
        tell(f"settling job {item.job_id}")
        settle(consortium, sender, item)
        settled.append(item.job_id)
    tell("withdrawing")
    withdrawn = withdraw(consortium, sender)
    held, reserve = vault.account(account), votes_to_come(consortium, account)
    unbonded = max(0, held.free - sum(vote.bond for vote in reserve))
    if unbonded and may_unbond(held, chain_time(consortium), vault.unbonding_period()):
        tell("unbonding")
        unbond(consortium, sender, unbonded)
        withdrawn += withdraw(consortium, sender)
    else:
        unbonded = 0
    left, now = vault.account(account), chain_time(consortium)
    still = [*reserve, *(still_held(consortium, account) if left.locked else ())]
    again = None if still or not left.unbonding else left.unbonding_at
    return Departure(resigned, tuple(settled), unbonded, withdrawn, left, tuple(still), now, again)


def may_unbond(held: Account, now: int, period: int) -> bool:
    """Whether free stake is to begin its wait now, although all that waits already begins anew.

    It does while that costs no more than half of the period; otherwise what waits is let out first.
    """
    return not held.unbonding or now >= held.unbonding_at or held.unbonding_at - now >= period / 2


def votes_to_come(consortium: Consortium, account: str) -> list[Held]:
    """Votes that an organisation may still cast in rounds that opened while it was a member, with the bonds they need.

    Others count on them: where they are missing, the round may want its quorum.
    """
    organisation, scheduler = consortium.registry.organisation(account), consortium.scheduler
    now, found = chain_time(consortium), []
    for job_id in scheduler.open_jobs():
        round_ = scheduler.round(job_id)
        eligible = round_.eligible >> organisation.seat & 1 and organisation.since <= round_.opened_at
        if not eligible or now >= round_.vote_deadline or round_.quorum == 0:
            continue
        attempt = consortium.vote.attempt(job_id)
        same = (attempt.round, attempt.attempt) == (round_.number, round_.attempt)
        if not (same and attempt.voted >> organisation.seat & 1):
            bond = scheduler.vote_terms(job_id).vote_bond
            what = f"it may still vote on round {round_.number}"
            found.append(Held(job_id, what, round_.vote_deadline, bond))
    return found


def still_held(consortium: Consortium, account: str) -> Iterator[Held]:
    """What locks an organisation's stake in rounds that are not over. Raises ChainError."""
    log, scheduler, vote = read_log(consortium), consortium.scheduler, consortium.vote
    seat = consortium.registry.organisation(account).seat
    nodes = nodes_of(consortium, account)
    for job_id in scheduler.open_jobs():
        round_ = scheduler.round(job_id)
        lessees = log.job(job_id).lessees()
        for node in (node for node in nodes if node in lessees):
            lease = scheduler.lease_of(job_id, node).lease
            if lease.state == LeaseState.LIVE:
                yield Held(
                    job_id, f"node {node} has to deliver epochs of round {lease.round}", lease.deadline
                )
            elif lease.state == LeaseState.DELIVERED:
                yield Held(job_id, f"round {lease.round} is not voted on", round_.reveal_deadline)
        cast = vote.ballot(job_id, seat)
        if cast.account == account and cast.ballot.state == BallotState.CAST:
            verdict = vote.verdict(job_id, cast.ballot.round, cast.ballot.attempt)
            if verdict.state == VerdictState.NONE:
                yield Held(job_id, f"its vote in round {cast.ballot.round} is open", round_.reveal_deadline)


def live_leases(consortium: Consortium, node: str) -> dict[int, int]:
    """Deadlines of the leases that a node has yet to deliver, by job. Raises ChainError."""
    found = {}
    for job_id in consortium.scheduler.open_jobs():
        held = consortium.scheduler.lease_of(job_id, node)
        if held.held and held.lease.state == LeaseState.LIVE:
            found[job_id] = held.lease.deadline
    return found
