"""Candidates and seals of votes, formed without the chain exactly as AggregationVote forms them.

A seal holds the voter: only someone who knows the result can form one, and copying a candidate gains nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from eth_abi.abi import encode
from eth_utils.crypto import keccak

HASH_BYTES = 16


def hash_result(model_digest: bytes, accepted: int, invalid: int) -> bytes:
    """keccak256(abi.encode(model digest, accepted, invalid)); the bitmaps hold first epochs of updates."""
    return keccak(encode(["bytes32", "uint256", "uint256"], [model_digest, accepted, invalid]))


@dataclass(frozen=True, slots=True)
class Ballots:
    """What candidates and seals are bound to: one attempt of one job at one chain's vote contract."""

    chain_id: int
    vote: str
    job_id: int
    round: int
    attempt: int

    def candidate(self, result: bytes) -> bytes:
        """First 16 bytes of keccak256(abi.encode(chain id, contract, job, round, attempt, result))."""
        return keccak(encode(_PLACE, self._place(result)))[:HASH_BYTES]

    def seal(self, result: bytes, account: str) -> bytes:
        """The same hash with the voting organisation's account after the result."""
        return keccak(encode([*_PLACE, "address"], [*self._place(result), account]))[:HASH_BYTES]

    def _place(self, result: bytes) -> list[object]:
        return [self.chain_id, self.vote, self.job_id, self.round, self.attempt, result]


_PLACE = ["uint256", "address", "uint256", "uint16", "uint8", "bytes32"]
