"""Votes that a node signs, for anyone to carry to the chain: one transaction may bring those of all.

EIP-712 (Bloemen, Logvinov, Evans 2017): domain name "Milon votes", version "1", the chain and the vote contract;
`Vote(uint256 jobId,uint16 round,uint8 attempt,bytes16 candidate,bytes16 seal,uint32 score)`. So a signature is
good for one attempt of one job alone.
"""

from __future__ import annotations

from eth_account.messages import SignableMessage, encode_typed_data
from eth_account.signers.local import LocalAccount

from chain.contracts.seals import Ballots
from chain.contracts.types import SignedVote

_FIELDS = {
    "jobId": "uint256",
    "round": "uint16",
    "attempt": "uint8",
    "candidate": "bytes16",
    "seal": "bytes16",
    "score": "uint32",
}


def vote_message(ballots: Ballots, candidate: bytes, seal: bytes, score: int) -> SignableMessage:
    """What the node's key signs; `candidate` and `seal` are 16 bytes each, `score` is in millionths."""
    return encode_typed_data(
        domain_data={
            "name": "Milon votes",
            "version": "1",
            "chainId": ballots.chain_id,
            "verifyingContract": ballots.vote,
        },
        message_types={"Vote": [{"name": name, "type": kind} for name, kind in _FIELDS.items()]},
        message_data={
            "jobId": ballots.job_id,
            "round": ballots.round,
            "attempt": ballots.attempt,
            "candidate": candidate,
            "seal": seal,
            "score": score,
        },
    )


def sign_vote(node: LocalAccount, ballots: Ballots, result: bytes, account: str, score: int) -> SignedVote:
    """The node's vote for `result` (see `seals.hash_result`) on behalf of its organisation `account`.

    `score` is the node's own evaluation in millionths.
    """
    candidate, seal = ballots.candidate(result), ballots.seal(result, account)
    signature = node.sign_message(vote_message(ballots, candidate, seal, score))
    r, vs = compact(signature.r, signature.s, signature.v)
    return SignedVote(candidate, seal, score, r, vs)


def compact(r: int, s: int, v: int) -> tuple[bytes, bytes]:
    """r, and s with the parity of the signature as its top bit (EIP-2098, which holds as s is below half the order).

    `v` is 27 or 28.
    """
    return r.to_bytes(32, "big"), (s | (v - 27) << 255).to_bytes(32, "big")
