"""Proposals as they stand: what was proposed, how the vote goes, and what comes next."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eth_abi.abi import decode
from eth_typing import ChecksumAddress

from chain.codec import printable
from chain.contracts.governance_events import (
    ProposalCreated,
    ProposalVoteCast,
    VoteCastWithParams,
)
from chain.contracts.governor import Proposal, ProposalState, ProposalVotes, Support
from chain.contracts.structs import to_events
from chain.errors import MilonError
from chain.events import EventReader
from chain.transport import rpc

if TYPE_CHECKING:
    from chain.consortium import Consortium

OVER = (
    ProposalState.CANCELED,
    ProposalState.DEFEATED,
    ProposalState.EXPIRED,
    ProposalState.EXECUTED,
)
SHORT = 8  # hexadecimal digits of an id that are shown, more where they are not unique

_CREATED = (
    "uint256",
    "address",
    "address[]",
    "uint256[]",
    "string[]",
    "bytes[]",
    "uint256",
    "uint256",
    "bytes",
)
_PROPOSER = re.compile(r"\s*#proposer=(0x[0-9a-fA-F]{40})\Z")


@dataclass(frozen=True)
class Ballot:
    """How a member voted on a proposal, and why as it said itself."""

    account: ChecksumAddress
    support: Support
    reason: str


@dataclass(frozen=True)
class Motion:
    """A proposal with the votes on it.

    Attributes:
        short: the beginning of its id, 0x hexadecimal, that is enough to name it.
        proposal: None where its description is not text, so that Milon can neither queue nor execute it.
        vote_start, vote_end: chain time, seconds; members are counted as of the first.
        text: the description, printable, without the mark that ties it to its proposer.
    """

    id: int
    short: str
    proposer: ChecksumAddress
    proposal: Proposal | None
    event: ProposalCreated
    text: str
    ballots: tuple[Ballot, ...]

    @property
    def calls(self) -> Proposal:
        """What it does, whatever its description is."""
        return self.proposal or Proposal.of(self.event)

    @property
    def vote_start(self) -> int:
        return self.event.vote_start

    @property
    def vote_end(self) -> int:
        return self.event.vote_end


@dataclass(frozen=True)
class Standing:
    """Where a proposal stands at one block.

    Attributes:
        now: chain time, seconds. eta: from when it may be executed, 0 while it is not queued.
        quorum: votes for or abstaining that it needs; before its vote begins, of the members of now.
    """

    state: ProposalState
    now: int
    votes: ProposalVotes
    quorum: int
    eta: int

    @property
    def counted(self) -> int:
        """Votes that count for the quorum."""
        return self.votes.in_favour + self.votes.abstain


def read_motions(consortium: Consortium) -> list[Motion]:
    """All proposals ever made, oldest first. Raises ChainError."""
    governor = consortium.governor
    reader = EventReader(consortium.w3, {governor.address: governor.abi}, consortium.deployment.block)
    events = to_events(reader.read().events)
    created = [event for event in events if isinstance(event, ProposalCreated)]
    ballots: dict[int, list[Ballot]] = {}
    for event in events:
        if isinstance(event, ProposalVoteCast | VoteCastWithParams):
            cast = Ballot(event.voter, Support(event.support), event.reason)
            ballots.setdefault(event.proposal_id, []).append(cast)
    ids = [event.proposal_id for event in created]
    return [
        _motion(consortium, event, short_id(event.proposal_id, ids), ballots.get(event.proposal_id, []))
        for event in created
    ]


def find_motion(motions: Sequence[Motion], text: str) -> Motion:
    """The proposal that a beginning of its id means, hexadecimal, or its whole id in decimal. Raises MilonError."""
    digits = text.lower().removeprefix("0x")
    if text.isdecimal() and any(motion.id == int(text) for motion in motions):
        return next(motion for motion in motions if motion.id == int(text))
    if not digits or not re.fullmatch(r"[0-9a-f]{1,64}", digits):
        raise MilonError(f"{text!r} is not a proposal's id or its beginning; see `milon gov list --all`")
    found = [motion for motion in motions if f"{motion.id:064x}".startswith(digits)]
    if not found:
        raise MilonError(f"there is no proposal {text}; see `milon gov list --all`")
    if len(found) > 1:
        raise MilonError(f"{text} may be {', '.join(motion.short for motion in found)}; give more of its id")
    return found[0]


def read_standing(consortium: Consortium, motion: Motion) -> Standing:
    """Where a proposal stands at the newest block. Raises ChainError."""
    governor, registry = consortium.governor, consortium.registry
    head = rpc(consortium.w3, "eth_getBlockByNumber", "latest", False)
    block, now = int(head["number"], 16), int(head["timestamp"], 16)
    state = governor.state(motion.id, block=block)
    if motion.vote_start >= now:
        members = registry.organisation_count(block=block)
        quorum = min(members * governor.quorum_percent(block=block) // 100 + 1, members)
    else:
        quorum = governor.quorum(motion.vote_start, block=block)
    return Standing(
        state, now, governor.votes(motion.id, block=block), quorum, governor.eta(motion.id, block=block)
    )


def marked(why: str, proposer: str) -> str:
    """A description that nobody but the proposer can propose, so that nobody can take it back in its name either."""
    return f"{why.strip()}\n\n#proposer={proposer.lower()}"


def readable(description: str, proposer: str) -> str:
    """A stranger's words for a terminal: without control characters, line by line, and without its proposer's mark."""
    match = _PROPOSER.search(description)
    if match is not None and match[1].lower() == proposer.lower():
        description = description[: match.start()]
    lines = [printable(line).rstrip() for line in description.replace("\r\n", "\n").split("\n")]
    return "\n".join(lines).strip()


def short_id(proposal_id: int, ids: Sequence[int]) -> str:
    """The beginning of an id that no other of `ids` shares."""
    digits = f"{proposal_id:064x}"
    others = [f"{other:064x}" for other in ids if other != proposal_id]
    length = SHORT
    while any(other.startswith(digits[:length]) for other in others):
        length += 1
    return f"0x{digits[:length]}"


def _motion(consortium: Consortium, event: ProposalCreated, short: str, ballots: Sequence[Ballot]) -> Motion:
    proposal: Proposal | None = Proposal.of(event)
    description = event.description
    if proposal is not None and proposal.id != event.proposal_id:
        # Events are read with whatever could harm a terminal replaced, and the id depends on every byte.
        raw = _raw_description(consortium, event)
        try:
            proposal = Proposal(proposal.actions, raw.decode("utf-8"))
        except UnicodeDecodeError:
            proposal, description = None, raw.decode("utf-8", errors="replace")
        else:
            description = proposal.description
    text = readable(description, event.proposer)
    return Motion(event.proposal_id, short, event.proposer, proposal, event, text, tuple(ballots))


def _raw_description(consortium: Consortium, event: ProposalCreated) -> bytes:
    receipt = rpc(consortium.w3, "eth_getTransactionReceipt", event.transaction_hash)
    for log in receipt["logs"]:
        if int(log["logIndex"], 16) == event.log_index:
            return bytes(decode(_CREATED, bytes.fromhex(log["data"][2:]))[-1])
    raise MilonError(f"the chain does not show transaction {event.transaction_hash} any more; try again")
