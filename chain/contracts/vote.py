"""AggregationVote: sealed votes on the result of a round."""

from __future__ import annotations

from typing import cast

from web3.contract.contract import ContractFunction

from chain.calls import BlockRef
from chain.contracts.binding import Contract
from chain.contracts.structs import to_struct
from chain.contracts.types import Attempt, Ballot, Verdict


class AggregationVote(Contract):
    """See `contracts/interfaces/IAggregationVote.sol`; `chain.contracts.seals` forms seals offline."""

    def cast_vote(
        self, job_id: int, round_number: int, attempt: int, candidate: bytes, seal: bytes, score: int
    ) -> ContractFunction:
        """`candidate` and `seal` are 16 bytes each, `score` is in millionths."""
        return self._transaction("castVote", job_id, round_number, attempt, candidate, seal, score)

    def finalize(
        self, job_id: int, model_digest: bytes, accepted: int, invalid: int, cid: str
    ) -> ContractFunction:
        """`accepted` and `invalid` are bitmaps of first epochs."""
        return self._transaction("finalize", job_id, model_digest, accepted, invalid, cid)

    def fail(self, job_id: int) -> ContractFunction:
        return self._transaction("fail", job_id)

    def settle(self, job_id: int, seats: int) -> ContractFunction:
        """`seats` is a bitmap."""
        return self._transaction("settle", job_id, seats)

    def announce(self, job_id: int, digest: bytes, cid: str) -> ContractFunction:
        return self._transaction("announce", job_id, digest, cid)

    def attempt(self, job_id: int, block: BlockRef = "latest") -> Attempt:
        return to_struct(Attempt, self._read("attempt", job_id, block=block))

    def ballot(self, job_id: int, seat: int, block: BlockRef = "latest") -> Ballot:
        return to_struct(Ballot, self._read("ballot", job_id, seat, block=block))

    def verdict(self, job_id: int, round_number: int, attempt: int, block: BlockRef = "latest") -> Verdict:
        return to_struct(Verdict, self._read("verdict", job_id, round_number, attempt, block=block))

    def tally(self, job_id: int, candidate: bytes, block: BlockRef = "latest") -> int:
        """How many votes name this candidate."""
        return cast(int, self._read("tally", job_id, candidate, block=block))

    def revealable_from(self, job_id: int, block: BlockRef = "latest") -> int:
        """Chain time from which the open attempt may be revealed; 2**256 - 1 while that is not known."""
        return cast(int, self._read("revealableFrom", job_id, block=block))

    def hash_result(self, model_digest: bytes, accepted: int, invalid: int) -> bytes:
        return cast(bytes, self._read("hashResult", model_digest, accepted, invalid))

    def candidate_of(self, job_id: int, round_number: int, attempt: int, result: bytes) -> bytes:
        return cast(bytes, self._read("candidateOf", job_id, round_number, attempt, result))

    def seal_of(self, job_id: int, round_number: int, attempt: int, result: bytes, account: str) -> bytes:
        return cast(bytes, self._read("sealOf", job_id, round_number, attempt, result, account))
