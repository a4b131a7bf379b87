"""How proposals are shown: what they do, how the vote goes, what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chain.contracts.governor import ProposalState, ProposalVotes, Support
from node.cli.common import chain_date
from node.governance.proposals import OVER, readable
from node.governance.settings import duration

if TYPE_CHECKING:
    from node.governance.explain import Explained
    from node.governance.proposals import Motion, Standing
    from node.names import Names

_SAID = {Support.FOR: "for", Support.AGAINST: "against", Support.ABSTAIN: "abstains"}
_ROW = 12  # columns of a proposal's short id in a list


def when(at: int, now: int) -> str:
    """A moment of chain time, and how far it is."""
    distance = f"in {duration(at - now)}" if at > now else f"{duration(now - at)} ago" if at < now else "now"
    return f"{chain_date(at)} ({distance})"


def motion_lines(explained: Sequence[Explained], failing: Sequence[str | None] = ()) -> list[str]:
    """What a proposal does, one line for each call and for each thing to look at twice."""
    lines = []
    for number, one in enumerate(explained, 1):
        title = "asks to " if number == 1 else " " * 8
        lines.append(f"{title} {number}. {one.sentence}" if len(explained) > 1 else f"{title} {one.sentence}")
        lines += [f"  WARNING: {warning}" for warning in one.warnings]
        if failing and failing[number - 1]:
            lines.append(f"  WARNING: as things stand this would fail: {failing[number - 1]}")
    return lines


def call_facts(explained: Sequence[Explained], failing: Sequence[str | None] = ()) -> list[dict[str, Any]]:
    """What a proposal does, for machines."""
    return [
        {
            "does": one.sentence,
            "warnings": one.warnings,
            "contract": one.contract,
            "function": one.function,
            "arguments": one.arguments,
            "target": one.call.target,
            "value": one.call.value,
            "calldata": one.call.data,
            "would_fail": failing[place] if failing else None,
        }
        for place, one in enumerate(explained)
    ]


def motion_facts(motion: Motion, standing: Standing) -> dict[str, Any]:
    """A proposal for machines, without its calls. Its id is text: it has more digits than numbers in JSON may have."""
    return {
        "id": str(motion.id),
        "short": motion.short,
        "state": standing.state,
        "proposer": motion.proposer,
        "why": motion.text,
        "votes": {
            "for": standing.votes.in_favour,
            "against": standing.votes.against,
            "abstain": standing.votes.abstain,
        },
        "quorum": standing.quorum,
        "vote_start": motion.vote_start,
        "vote_end": motion.vote_end,
        "eta": standing.eta or None,
        "chain_time": standing.now,
        "next": next_step(motion, standing),
    }


def ballot_facts(motion: Motion) -> list[dict[str, Any]]:
    """Who voted how, for machines."""
    return [
        {"account": b.account, "vote": b.support, "reason": readable(b.reason, "")} for b in motion.ballots
    ]


def row_lines(motion: Motion, standing: Standing, explained: Sequence[Explained]) -> list[str]:
    """A proposal in a list of them."""
    head = f"{outcome(standing)}, {tally(standing.votes)}; {time_line(motion, standing)}"
    does = [f"{'':<{_ROW}}{one.sentence}" for one in explained]
    warned = [f"{'':<{_ROW}}WARNING: {warning}" for one in explained for warning in one.warnings]
    return [f"{motion.short:<{_ROW}}{head}", *does, *warned]


def tally(votes: ProposalVotes) -> str:
    """The votes, counted."""
    return f"{votes.in_favour} for, {votes.against} against, {votes.abstain} abstaining"


def vote_lines(motion: Motion, standing: Standing, names: Names, members: Sequence[str]) -> list[str]:
    """How the vote goes, by the names of the organisations."""
    lines = []
    for support, said in _SAID.items():
        who = [names.of(ballot.account) for ballot in motion.ballots if ballot.support == support]
        if who:
            lines.append(f"{said:<8} {len(who)}: {', '.join(who)}")
    voted = {ballot.account for ballot in motion.ballots}
    missing = [names.of(account) for account in members if account not in voted]
    if standing.state == ProposalState.ACTIVE and missing:
        lines.append(f"silent   {len(missing)}: {', '.join(missing)}")
    reached = "reached" if standing.counted >= standing.quorum else "not reached"
    about = "by the members now" if standing.state == ProposalState.PENDING else reached
    lines.append(f"quorum   {standing.counted} of {standing.quorum} for or abstaining: {about}")
    return lines


def said_lines(motion: Motion, names: Names) -> list[str]:
    """What its proposer and the voters say of it: strangers' words, marked as such line by line."""
    lines = [f"  | {line}" for line in motion.text.splitlines()] or ["  | (nothing)"]
    told = [f"{names.of(motion.proposer)} says:", *lines]
    for ballot in motion.ballots:
        reason = readable(ballot.reason, "")
        if reason:
            told.append(f"{names.of(ballot.account)}, {_SAID[ballot.support]}:")
            told += [f"  | {line}" for line in reason.splitlines()]
    return told


def time_line(motion: Motion, standing: Standing) -> str:
    """The moment that matters now."""
    now = standing.now
    match standing.state:
        case ProposalState.PENDING:
            return f"voting begins {when(motion.vote_start, now)}, ends {when(motion.vote_end, now)}"
        case ProposalState.ACTIVE:
            return f"voting ends {when(motion.vote_end, now)}"
        case ProposalState.QUEUED if standing.eta > now:
            return f"to be executed from {when(standing.eta, now)} on"
        case ProposalState.QUEUED:
            return f"to be executed since {when(standing.eta, now)}"
        case _:
            return f"voting ended {when(motion.vote_end, now)}"


def next_step(motion: Motion, standing: Standing) -> str | None:
    """The command that brings it on now; None where there is none."""
    match standing.state:
        case ProposalState.ACTIVE:
            return f"milon gov vote {motion.short} for|against|abstain"
        case ProposalState.SUCCEEDED:
            return f"milon gov queue {motion.short}"
        case ProposalState.QUEUED if standing.eta <= standing.now:
            return f"milon gov execute {motion.short}"
        case _:
            return None


def outcome(standing: Standing) -> str:
    """Why a proposal that is over ended as it did, in one word or a few."""
    if standing.state == ProposalState.CANCELED:
        return "taken back"
    if standing.state != ProposalState.DEFEATED:
        return standing.state.name.lower()
    if standing.counted < standing.quorum:
        return "defeated, for want of a quorum"
    return "defeated"


def is_over(standing: Standing) -> bool:
    """Whether nothing more will come of it."""
    return standing.state in OVER
