"""AggregationVote: sealed votes on the result of a round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from typing import cast

from web3.contract.contract import ContractFunction

from chain.calls import BlockRef
from chain.contracts.binding import Contract
from chain.contracts.structs import to_struct
from chain.contracts.types import Attempt, SeatBallot, SignedVote, Verdict, VoteRecord


class AggregationVote(Contract):
    """See `contracts/interfaces/IAggregationVote.sol`; `chain.contracts.seals` forms seals offline."""

    def cast_vote(
        self, job_id: int, round_number: int, attempt: int, candidate: bytes, seal: bytes, score: int
    ) -> ContractFunction:
        """`candidate` and `seal` are 16 bytes each, `score` is in millionths."""
        return self._transaction("castVote", job_id, round_number, attempt, candidate, seal, score)

    def cast_votes(
        self, job_id: int, round_number: int, attempt: int, votes: Sequence[SignedVote]
    ) -> ContractFunction:
        """By anyone: votes that their nodes signed, see `chain.signed_votes`. What may not be cast is passed over."""
        signed = [astuple(vote) for vote in votes]
        return self._transaction("castVotes", job_id, round_number, attempt, signed)

    def finalize(
        self, job_id: int, model_digest: bytes, accepted: int, invalid: int, cid: str
    ) -> ContractFunction:
        """`accepted` and `invalid` are bitmaps of first epochs."""
        return self._transaction("finalize", job_id, model_digest, accepted, invalid, cid)

    def fail(self, job_id: int) -> ContractFunction:
        return self._transaction("fail", job_id)

    def settle(self, job_id: int, seats: int) -> ContractFunction:
        """Pays what the votes of these seats have earned in any number of attempts; `seats` is a bitmap."""
        return self._transaction("settle", job_id, seats)

    def announce(self, job_id: int, digest: bytes, cid: str) -> ContractFunction:
        return self._transaction("announce", job_id, digest, cid)

    def attempt(self, job_id: int, block: BlockRef = "latest") -> Attempt:
        return to_struct(Attempt, self._read("attempt", job_id, block=block))

    def ballot(self, job_id: int, seat: int, block: BlockRef = "latest") -> SeatBallot:
        """The last ballot of a seat, and who cast it."""
        return to_struct(SeatBallot, self._read("ballot", job_id, seat, block=block))

    def vote_record(self, account: str, block: BlockRef = "latest") -> VoteRecord:
        return to_struct(VoteRecord, self._read("voteRecord", account, block=block))

    def verdict(self, job_id: int, round_number: int, attempt: int, block: BlockRef = "latest") -> Verdict:
        return to_struct(Verdict, self._read("verdict", job_id, round_number, attempt, block=block))

    def tally(self, job_id: int, candidate: bytes, block: BlockRef = "latest") -> int:
        """How many votes name this candidate."""
        return cast(int, self._read("tally", job_id, candidate, block=block))

    def revealable_from(self, job_id: int, block: BlockRef = "latest") -> int:
        """Chain time from which the open attempt may be revealed; 2**256 - 1 while that is not known."""
        return cast(int, self._read("revealableFrom", job_id, block=block))

    def vote_hash(
        self, job_id: int, round_number: int, attempt: int, candidate: bytes, seal: bytes, score: int
    ) -> bytes:
        """What a node signs for `cast_votes`."""
        return cast(bytes, self._read("voteHash", job_id, round_number, attempt, candidate, seal, score))

    def hash_result(self, model_digest: bytes, accepted: int, invalid: int) -> bytes:
        return cast(bytes, self._read("hashResult", model_digest, accepted, invalid))

    def candidate_of(self, job_id: int, round_number: int, attempt: int, result: bytes) -> bytes:
        return cast(bytes, self._read("candidateOf", job_id, round_number, attempt, result))

    def seal_of(self, job_id: int, round_number: int, attempt: int, result: bytes, account: str) -> bytes:
        return cast(bytes, self._read("sealOf", job_id, round_number, attempt, result, account))
