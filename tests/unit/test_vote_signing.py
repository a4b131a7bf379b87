"""Signed votes: who signed is recovered from the compact form, and only for the vote that was signed."""

import pytest
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.contracts.seals import Ballots, hash_result
from chain.signed_votes import compact, sign_vote, vote_message

MEMBER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
BALLOTS = Ballots(31337, "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC", job_id=7, round=3, attempt=2)
RESULT = hash_result(b"\1" * 32, 0b11, 0)
TOP = 1 << 255


def expand(vs: bytes) -> tuple[int, int]:
    """s and v, as a contract reads them off EIP-2098's word."""
    word = int.from_bytes(vs, "big")
    return word & ~TOP, 27 + bool(word & TOP)


@settings(max_examples=30, deadline=None)
@given(key=st.integers(1, 2**255), score=st.integers(0, 1_000_000))
def test_compact_signature_recovers_to_the_node_whatever_its_parity(key: int, score: int) -> None:
    node = Account.from_key(key.to_bytes(32, "big"))
    vote = sign_vote(node, BALLOTS, RESULT, MEMBER, score)
    assert (vote.candidate, vote.seal) == (BALLOTS.candidate(RESULT), BALLOTS.seal(RESULT, MEMBER))
    assert vote.score == score and len(vote.r) == len(vote.vs) == 32
    s, v = expand(vote.vs)
    message = vote_message(BALLOTS, vote.candidate, vote.seal, vote.score)
    assert Account.recover_message(message, vrs=(v, int.from_bytes(vote.r, "big"), s)) == node.address


@pytest.mark.parametrize("v", [27, 28])
def test_parity_is_the_top_bit_of_s(v: int) -> None:
    r, vs = compact(5, 6, v)
    assert (r, expand(vs)) == ((5).to_bytes(32, "big"), (6, v))
