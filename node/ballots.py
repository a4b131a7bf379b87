"""Signed votes as files: what a validator hands to whoever carries it to the chain, and carrying many at once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eth_account import Account
from eth_keys.exceptions import BadSignature
from eth_utils.address import is_checksum_address

from chain.contracts.event_types import VoteCast
from chain.contracts.seals import HASH_BYTES, Ballots
from chain.contracts.types import Phase, SignedVote
from chain.errors import MilonError
from chain.signed_votes import vote_message

if TYPE_CHECKING:
    from chain.consortium import Consortium
    from chain.contracts.types import Round
    from chain.sender import Sender

MAX_FILE_BYTES = 1 << 20
MAX_SCORE = 1_000_000
_S = (1 << 255) - 1  # of EIP-2098's word, all but the parity
_FIELDS = {
    "chain_id", "contract", "job_id", "round", "attempt", "node", "candidate", "seal", "score", "r", "vs",
}  # fmt: skip


@dataclass(frozen=True)
class PortableVote:
    """A signed vote with all that says what it is good for. Who signed is what the signature says, not `node`."""

    place: Ballots
    node: str
    vote: SignedVote

    def signer(self) -> str | None:
        """The address whose key signed it; None if the signature is none at all."""
        word = int.from_bytes(self.vote.vs, "big")
        vrs = (27 + (word >> 255), int.from_bytes(self.vote.r, "big"), word & _S)
        message = vote_message(self.place, self.vote.candidate, self.vote.seal, self.vote.score)
        try:
            return str(Account.recover_message(message, vrs=vrs))
        except (BadSignature, ValueError):
            return None

    def facts(self) -> dict[str, Any]:
        """As it stands in a file."""
        return {
            "chain_id": self.place.chain_id,
            "contract": self.place.vote,
            "job_id": self.place.job_id,
            "round": self.place.round,
            "attempt": self.place.attempt,
            "node": self.node,
            "candidate": "0x" + self.vote.candidate.hex(),
            "seal": "0x" + self.vote.seal.hex(),
            "score": self.vote.score,
            "r": "0x" + self.vote.r.hex(),
            "vs": "0x" + self.vote.vs.hex(),
        }


@dataclass(frozen=True)
class Carried:
    """What became of votes: accounts whose vote was `cast`, and why others were `passed_over`, by node."""

    cast: tuple[str, ...]
    passed_over: tuple[tuple[str, str], ...]
    transaction: str | None


def read_votes(text: str, what: str) -> list[PortableVote]:
    """The votes in a file: one JSON object, a list of them, or one in each line. Raises MilonError if it is no such."""
    try:
        try:
            document = json.loads(text)
        except ValueError:
            document = [json.loads(line) for line in text.splitlines() if line.strip()]
        return [_read(entry) for entry in (document if isinstance(document, list) else [document])]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise MilonError(
            f"{what} is not a vote of `milon vote sign`; give the file that it printed"
        ) from None


def carry(consortium: Consortium, sender: Sender, job_id: int, votes: Sequence[PortableVote]) -> Carried:
    """Casts all votes that may be cast in one transaction; anyone may send it.

    Raises:
        MilonError: a vote is for another job, contract or chain; none of them can be cast now.
        ContractError, ChainError: the chain refused, or does not answer.
    """
    contract, round_ = consortium.vote, consortium.scheduler.round(job_id)
    here = consortium.ballots(job_id, round_.number, round_.attempt)
    for vote in votes:
        if (vote.place.chain_id, vote.place.vote, vote.place.job_id) != (here.chain_id, here.vote, job_id):
            raise MilonError(
                f"the vote of {vote.node} is for job {vote.place.job_id} at {vote.place.vote} on chain "
                f"{vote.place.chain_id}, not for job {job_id} here"
            )
    phase = consortium.scheduler.phase(job_id)
    if phase != Phase.VOTING:
        raise MilonError(f"job {job_id} is in phase {phase.name.lower()}; votes are cast while it is voting")
    good, passed_over = _sorted_out(consortium, job_id, here, round_, votes)
    if not good:
        reasons = "; ".join(f"{node}: {why}" for node, why in passed_over) or "there are none"
        raise MilonError(f"no vote can be cast for job {job_id}: {reasons}")
    receipt = sender.send(
        contract.cast_votes(job_id, round_.number, round_.attempt, [vote.vote for vote in good])
    )
    cast = contract.events_of(VoteCast, receipt)
    counted = {event.node for event in cast}
    missed = [(v.node, "the contract passed it over: too little free stake for its bond, or another was faster")
              for v in good if v.node not in counted]  # fmt: skip
    return Carried(tuple(event.account for event in cast), (*passed_over, *missed), receipt.tx_hash)


def _sorted_out(
    consortium: Consortium, job_id: int, here: Ballots, round_: Round, votes: Sequence[PortableVote]
) -> tuple[list[PortableVote], list[tuple[str, str]]]:
    voted = consortium.vote.attempt(job_id)
    taken = voted.voted if (voted.round, voted.attempt) == (round_.number, round_.attempt) else 0
    good, passed_over = [], []
    for vote in votes:
        why = _why_not(consortium, here, round_, taken, vote)
        if why is None:
            taken |= 1 << consortium.registry.validator(vote.node, round_.opened_at).seat
            good.append(vote)
        else:
            passed_over.append((vote.node, why))
    return good, passed_over


def _why_not(
    consortium: Consortium, here: Ballots, round_: Round, taken: int, vote: PortableVote
) -> str | None:
    if vote.place != here:
        return (
            f"it is for round {vote.place.round}, attempt {vote.place.attempt}; "
            f"open is round {here.round}, attempt {here.attempt}"
        )
    if vote.signer() != vote.node:
        return "its signature is not this node's"
    voter = consortium.registry.validator(vote.node, round_.opened_at)
    if not voter.may_vote or not round_.eligible >> voter.seat & 1:
        return "it may not vote on this round"
    if taken >> voter.seat & 1:
        return "its organisation has voted"
    return None


def _read(entry: dict[str, Any]) -> PortableVote:
    if set(entry) != _FIELDS or not is_checksum_address(entry["node"]):
        raise ValueError
    vote = SignedVote(
        _bytes(entry["candidate"], HASH_BYTES),
        _bytes(entry["seal"], HASH_BYTES),
        _int(entry["score"], MAX_SCORE),
        _bytes(entry["r"], 32),
        _bytes(entry["vs"], 32),
    )
    place = Ballots(
        _int(entry["chain_id"], 1 << 64),
        str(entry["contract"]),
        _int(entry["job_id"], 1 << 64),
        _int(entry["round"], 0xFFFF),
        _int(entry["attempt"], 0xFF),
    )
    if not is_checksum_address(place.vote):
        raise ValueError
    return PortableVote(place, entry["node"], vote)


def _int(value: Any, most: int) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(value)
    return value


def _bytes(value: str, length: int) -> bytes:
    data = bytes.fromhex(value.removeprefix("0x"))
    if len(data) != length:
        raise ValueError(value)
    return data
