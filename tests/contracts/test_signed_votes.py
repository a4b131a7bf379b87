"""Votes that nodes sign and anyone carries: all in one transaction, each once, and only for what it was signed."""

from dataclasses import replace

import pytest
from consortium_world import CLIENT, NODES, ORGANISATIONS, STRANGER, VOTE_BOND, Verdict, World, digest, terms
from eth_account import Account
from eth_utils.crypto import keccak

from chain.contracts.event_types import QuorumReached, VoteCast
from chain.contracts.types import BallotState, JobStatus, SignedVote, VerdictState
from chain.signed_votes import sign_vote, vote_message


def signed(
    world: World, job: int, index: int, verdict: Verdict, score: int = 900_000, **place: int
) -> SignedVote:
    """The vote of organisation `index`, for its job's open attempt unless `place` says otherwise."""
    now = world.scheduler.round(job)
    ballots = replace(world.consortium.ballots(job, now.number, now.attempt), **place)
    key = Account.from_key(NODES[index].key)
    return sign_vote(key, ballots, verdict.hash, ORGANISATIONS[index].address, score)


def trained(world: World, **changes: int) -> tuple[int, Verdict]:
    job_id = world.submit_job(terms(rounds=1, **changes))
    return job_id, Verdict(digest("model"), world.train(job_id))


def test_all_votes_in_one_transaction_make_the_round_final(world: World) -> None:
    job_id, verdict = trained(world)
    votes = [signed(world, job_id, index, verdict, 100_000 * index) for index in range(4)]
    receipt = world.send(STRANGER, world.vote.cast_votes(job_id, 1, 1, votes))
    cast = world.vote.events_of(VoteCast, receipt)
    assert [(vote.account, vote.node, vote.score) for vote in cast] == [
        (organisation.address, node.address, 100_000 * index)
        for index, (organisation, node) in enumerate(zip(ORGANISATIONS, NODES, strict=True))
    ]
    assert len(world.vote.events_of(QuorumReached, receipt)) == 1
    assert world.vote.attempt(job_id).voted == 0b1111
    ballot = world.vote.ballot(job_id, 2)
    assert (ballot.account, ballot.ballot.seal) == (ORGANISATIONS[2].address, votes[2].seal)
    assert (ballot.ballot.state, ballot.ballot.score) == (BallotState.CAST, 200_000)
    world.finalize(job_id, verdict)
    assert world.scheduler.job(job_id).status is JobStatus.COMPLETED
    found = world.vote.verdict(job_id, 1, 1)
    assert (found.state, found.matching, found.score) == (VerdictState.FINAL, 0b1111, 100_000)


def test_what_python_signs_is_the_hash_that_the_contract_checks(world: World) -> None:
    ballots = world.consortium.ballots(7, 3, 2)
    candidate, seal = b"\1" * 16, b"\2" * 16
    message = vote_message(ballots, candidate, seal, 5)
    hashed = keccak(b"\x19" + message.version + message.header + message.body)
    assert world.vote.vote_hash(7, 3, 2, candidate, seal, 5) == hashed


def test_signature_is_counted_once_and_others_votes_go_on(world: World) -> None:
    job_id, verdict = trained(world)
    first = signed(world, job_id, 0, verdict)
    world.send(STRANGER, world.vote.cast_votes(job_id, 1, 1, [first]))
    locked = world.vault.account(ORGANISATIONS[0].address).locked
    second = signed(world, job_id, 1, verdict)
    receipt = world.send(CLIENT, world.vote.cast_votes(job_id, 1, 1, [first, second, second]))
    assert [vote.account for vote in world.vote.events_of(VoteCast, receipt)] == [ORGANISATIONS[1].address]
    assert world.vault.account(ORGANISATIONS[0].address).locked == locked
    values = world.refused("VoteNoneCounted", STRANGER, world.vote.cast_votes(job_id, 1, 1, [first, second]))
    assert values == {"votes": 2}
    again = world.vote.cast_vote(job_id, 1, 1, first.candidate, first.seal, first.score)
    world.refused("VoteAlreadyCast", NODES[0], again)


@pytest.mark.parametrize(
    "place", [{"job_id": 99}, {"round": 2}, {"attempt": 2}, {"chain_id": 1}, {"vote": STRANGER.address}]
)
def test_vote_signed_for_something_else_is_not_counted(world: World, place: dict[str, int]) -> None:
    job_id, verdict = trained(world)
    vote = signed(world, job_id, 0, verdict, **place)
    world.refused("VoteNoneCounted", STRANGER, world.vote.cast_votes(job_id, 1, 1, [vote]))


def test_vote_that_was_changed_after_it_was_signed_is_not_counted(world: World) -> None:
    job_id, verdict = trained(world)
    vote = signed(world, job_id, 0, verdict)
    other = signed(world, job_id, 0, Verdict(digest("other"), verdict.accepted))
    flipped = (int.from_bytes(vote.vs, "big") ^ 1 << 255).to_bytes(32, "big")
    changed = [
        replace(vote, score=vote.score + 1),
        replace(vote, seal=other.seal),
        replace(vote, candidate=other.candidate),
        replace(vote, vs=flipped),
        replace(vote, r=bytes(32)),
    ]
    world.refused("VoteNoneCounted", STRANGER, world.vote.cast_votes(job_id, 1, 1, changed))
    world.send(STRANGER, world.vote.cast_votes(job_id, 1, 1, [*changed, vote]))
    assert world.vote.attempt(job_id).voted == 0b0001


def test_vote_without_stake_for_its_bond_does_not_hold_up_the_others(world: World) -> None:
    job_id, verdict = trained(world)
    poor = ORGANISATIONS[0]
    world.send(poor, world.vault.unbond(world.vault.account(poor.address).free - VOTE_BOND + 1))
    votes = [signed(world, job_id, index, verdict) for index in (0, 1)]
    receipt = world.send(STRANGER, world.vote.cast_votes(job_id, 1, 1, votes))
    assert [vote.account for vote in world.vote.events_of(VoteCast, receipt)] == [ORGANISATIONS[1].address]


def test_signed_vote_of_a_failed_attempt_is_of_no_use_in_the_next(world: World) -> None:
    job_id, verdict = trained(world, max_attempts=2)
    votes = [signed(world, job_id, index, verdict) for index in range(4)]
    for index in range(4):
        world.cast(job_id, index, Verdict(digest(f"model {index // 2}"), verdict.accepted))
    world.send(STRANGER, world.vote.fail(job_id))
    world.refused("VoteWrongAttempt", STRANGER, world.vote.cast_votes(job_id, 1, 1, votes))
    world.refused("VoteNoneCounted", STRANGER, world.vote.cast_votes(job_id, 1, 2, votes))
