"""The audit's replay and the contracts say the same of whatever happened on the chain."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from consortium_world import (
    CLIENT,
    LEASE_BOND,
    NODES,
    ORGANISATIONS,
    STRANGER,
    TERMS,
    TOKEN,
    VOTE_BOND,
    Verdict,
    World,
    digest,
    terms,
)
from eth_typing import ChecksumAddress

from chain.contracts import event_types as ev
from chain.contracts.types import JobStatus, LeaseState, Phase, Role
from chain.sender import ContractError
from node.audit.contracts import check_deployment
from node.audit.onchain import compare_state
from node.audit.reading import ChainHistory, read_history
from node.audit.replay import Replayed, replay
from node.audit.report import Book, Check
from node.audit.state import Facts


def facts_of(world: World, job_id: int) -> Facts:
    deployment = world.consortium.deployment
    return Facts(job_id, world.scheduler.job(job_id), deployment.chain_id, world.vote.address)


def audited(world: World, job_id: int, history: ChainHistory | None = None) -> tuple[Replayed, Book]:
    """The audit of chain state and events; of other events than the chain's where `history` is given."""
    chain, book = history or read_history(world.consortium), Book()
    replayed = replay(facts_of(world, job_id), chain.events, chain.times, book)
    compare_state(world.consortium, replayed, chain.block, book)
    return replayed, book


def test_two_settled_rounds_replay_without_a_finding(world: World) -> None:
    job_id = world.submit_job()
    world.play_round(job_id, "model 1")
    world.play_round(job_id, "model 2")
    world.settle_all(job_id)
    replayed, book = audited(world, job_id)
    assert book.findings == []
    assert replayed.state.status is JobStatus.COMPLETED and replayed.outstanding == ()
    assert replayed.ledger.rewards == {
        organisation.address: 2 * (epochs * TOKEN + 2 * TOKEN)
        for organisation, epochs in zip(ORGANISATIONS, (1, 1, 2, 4), strict=True)
    }
    compared = {result.name: result.comparisons for result in book.results()}
    assert compared["accumulators"] == 2 and compared["payments"] > 20


def test_contracts_of_the_deployment_are_found_to_be_made_of_the_sources(world: World) -> None:
    book = Book()
    check_deployment(world.consortium, book)
    assert book.findings == [] and book.notes == []
    assert {result.name: result.comparisons for result in book.results()}["deployment"] == 21


def test_job_in_mid_round_replays_with_what_is_outstanding(world: World) -> None:
    job_id = world.submit_job()
    updates = world.train(job_id)
    verdict = Verdict(digest("model"), accepted=updates & ~0b11, invalid=0b10)
    for index in (1, 2):
        world.cast(job_id, index, verdict)
    (copied,) = world.vote.events_of(ev.VoteCast, world.cast(job_id, 0, verdict))
    world.send(NODES[3], world.vote.cast_vote(job_id, 1, 1, copied.candidate, copied.seal, 1_000_000))
    world.finalize(job_id, verdict)
    world.claim(job_id, NODES[0])
    replayed, book = audited(world, job_id)
    assert book.findings == []
    due = sorted((item.kind, item.reward, item.penalty) for item in replayed.outstanding)
    assert due == [
        ("accepted epochs", 2 * TOKEN, 0),
        ("accepted epochs", 4 * TOKEN, 0),
        ("invalid update", 0, LEASE_BOND),
        ("votes", 0, VOTE_BOND),
        *[("votes", 2 * TOKEN, 0)] * 3,
    ]


def test_rounds_of_kept_leases_replay_without_a_finding_settled_or_not(world: World) -> None:
    job_id = world.submit_job(terms(rounds=3))
    world.train(job_id, keep=True)
    world.agree(job_id, "model 1")
    for node in NODES[:3]:
        world.deliver(job_id, node, keep=True)
    world.wait(TERMS.lease_time)
    world.send(STRANGER, world.scheduler.expire(job_id, NODES[3].address))
    world.wait(TERMS.training_window)
    world.agree(job_id, "model 2")
    for settled in (False, True):
        if settled:
            world.settle_all(job_id)
        replayed, book = audited(world, job_id)
        assert book.findings == []
        assert bool(replayed.outstanding) is not settled
    assert replayed.ledger.penalties == {ORGANISATIONS[3].address: 4 * LEASE_BOND}
    assert world.scheduler.lease_of(job_id, NODES[2].address).held


def test_missed_leases_failed_attempts_and_a_withheld_result_replay_without_a_finding(world: World) -> None:
    for organisation in ORGANISATIONS:
        world.stake(organisation, 20 * TOKEN)
    job_id = world.submit_job(terms(rounds=1, max_attempts=4, min_updates=1))
    world.claim(job_id, NODES[3])
    world.wait(TERMS.lease_time)
    world.send(STRANGER, world.scheduler.expire(job_id, NODES[3].address))
    world.claim(job_id, NODES[0])
    world.wait(TERMS.training_window)
    world.send(STRANGER, world.scheduler.reopen(job_id))
    truth = Verdict(digest("model"), world.train(job_id))
    # Who missed a lease is leased less from then on, so that some epochs are left.
    world.wait_until(world.scheduler.round(job_id).training_deadline)
    for index, name in enumerate(("a", "b", "c", "d")):
        world.cast(job_id, index, Verdict(digest(name), truth.accepted))
    world.send(STRANGER, world.vote.fail(job_id))
    for index in (0, 1, 2):
        world.cast(job_id, index, truth)
    world.wait(TERMS.vote_window + TERMS.reveal_window)
    world.send(STRANGER, world.vote.fail(job_id))
    for index in (0, 1, 2, 3):
        world.cast(job_id, index, truth)
    world.finalize(job_id, truth)
    world.settle_all(job_id)
    replayed, book = audited(world, job_id)
    assert book.findings == []
    assert replayed.ledger.penalties == {
        ORGANISATIONS[0].address: LEASE_BOND + VOTE_BOND,
        ORGANISATIONS[1].address: VOTE_BOND,
        ORGANISATIONS[2].address: VOTE_BOND,
        ORGANISATIONS[3].address: 4 * LEASE_BOND,
    }


@pytest.mark.parametrize("seed", [102, 105, 107])
def test_random_life_of_two_jobs_replays_without_a_finding(world: World, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - test choices
    jobs = [
        world.submit_job(
            terms(rounds=3, max_attempts=3, min_validators=2, claim_window=dice.choice([0, 100]))
        )
        for _ in range(2)
    ]
    refused = 0
    for step in range(100):
        try:
            _act(world, dice, jobs[dice.random() < 0.2], step)
        except ContractError:
            refused += 1
    assert refused < 90
    for job_id in jobs:
        _, book = audited(world, job_id)
        assert [str(finding) for finding in book.findings] == []


def _act(world: World, dice: random.Random, job_id: int, step: int) -> None:
    now, phase = world.scheduler.round(job_id), world.scheduler.phase(job_id)
    node = dice.choice(NODES)
    verdict = Verdict(
        digest(f"{now.number} {dice.choice('aaaaaaaaab')}"), now.update_set & ~dice.choice([0, 0, 1]), 0
    )
    if phase is Phase.TRAINING and dice.random() < 0.85:
        held = world.scheduler.lease_of(job_id, node.address)
        if held.held and held.lease.state is LeaseState.LIVE and dice.random() < 0.8:
            world.deliver(job_id, node, keep=dice.random() < 0.6)
        else:
            world.claim(job_id, node)
        return
    if phase in (Phase.VOTING, Phase.REVEAL) and dice.random() < 0.85:
        seat, leading = dice.randrange(4), world.vote.attempt(job_id).leading
        if world.vote.attempt(job_id).quorum_at and dice.random() < 0.5:
            world.finalize(job_id, verdict)
        elif dice.random() < 0.1 and any(leading):
            fn = world.vote.cast_vote(job_id, now.number, now.attempt, leading, b"\1" * 16, 7)
            world.send(NODES[seat], fn)
        else:
            world.cast(job_id, seat, verdict, score=dice.randrange(1_000_000))
        return
    organisation = ORGANISATIONS[3]
    acts: list[Callable[[], object]] = [
        lambda: world.wait(dice.choice([20, 60, 320, 600])),
        lambda: world.wait(dice.choice([20, 60, 320, 600])),
        lambda: world.send(STRANGER, world.scheduler.expire(job_id, node.address)),
        lambda: world.send(STRANGER, world.scheduler.settle(job_id, [node.address])),
        lambda: world.settle_all(job_id),
        lambda: world.send(node, world.scheduler.enlist(job_id)),
        lambda: world.send(STRANGER, world.scheduler.reopen(job_id)),
        lambda: world.send(STRANGER, world.vote.fail(job_id)),
        lambda: world.send(organisation, world.vault.unbond(30 * TOKEN)),
        lambda: world.send(organisation, world.vault.withdraw()),
        lambda: world.stake(organisation, 40 * TOKEN),
        lambda: world.send(
            node,
            world.registry.update_node(
                node.address, Role.TRAINER | Role.VALIDATOR, dice.randrange(1, 6), "/ip4/127.0.0.1/tcp/1"
            ),
        ),
    ]
    rare: list[Callable[[], object]] = [
        lambda: world.send(CLIENT, world.scheduler.cancel_job(job_id)),
        lambda: world.decide(world.registry.remove(organisation.address), why=f"{step}"),
        lambda: world.decide(world.registry.admit(organisation.address, "West again"), why=f"{step}"),
        lambda: world.decide(world.scheduler.set_parameters(step * TOKEN // 50, TOKEN, 5_000), why=f"{step}"),
        lambda: world.decide(world.scheduler.set_paused(not world.scheduler.paused()), why=f"{step}"),
    ]
    dice.choice(rare if dice.random() < 0.07 else acts)()


def tampered(
    world: World,
    job_id: int,
    kind: type[ev.ChainEvent],
    change: Callable[[ev.ChainEvent], ev.ChainEvent | None],
) -> Book:
    """The audit of a chain whose first event of a kind was changed, or left out where `change` gives None."""
    chain = read_history(world.consortium)
    at = next(
        i
        for i, event in enumerate(chain.events)
        if isinstance(event, kind) and getattr(event, "job_id", job_id) == job_id
    )
    changed = change(chain.events[at])
    events = [*chain.events[:at], *([] if changed is None else [changed]), *chain.events[at + 1 :]]
    return audited(world, job_id, replace(chain, events=tuple(events)))[1]


def failed(book: Book) -> set[str]:
    return {result.name for result in book.results() if result.failures}


SOMEBODY: ChecksumAddress = ORGANISATIONS[0].address
CHANGES: list[tuple[type[ev.ChainEvent], dict[str, object] | None, Check]] = [
    (ev.RewardsSettled, {"reward": 5}, Check.PAYMENTS),
    (ev.RewardsSettled, {"epochs": 5}, Check.PAYMENTS),
    (ev.RewardsSettled, {"unlocked": 5}, Check.PAYMENTS),
    (ev.Paid, {"amount": 5}, Check.PAYMENTS),
    (ev.Paid, None, Check.PAYMENTS),
    (ev.RewardsSettled, None, Check.PAYMENTS),
    (ev.VotesPaid, {"reward": 1}, Check.PAYMENTS),
    (ev.VotesPaid, {"votes": 3}, Check.PAYMENTS),
    (ev.VotesPaid, None, Check.PAYMENTS),
    (ev.Owed, {"amount": 1}, Check.PAYMENTS),
    (ev.JobEnded, {"refund": 1}, Check.PAYMENTS),
    (ev.Escrowed, {"amount": 1}, Check.PAYMENTS),
    (ev.RoundClosed, {"vote_payment": 1}, Check.PAYMENTS),
    (ev.RoundClosed, {"score": 1}, Check.VOTES),
    (ev.RoundClosed, {"model_digest": bytes(32)}, Check.VOTES),
    (ev.RoundClosed, {"accepted": 1}, Check.VOTES),
    (ev.ResultRevealed, {"matching": 0b0111}, Check.VOTES),
    (ev.ResultRevealed, {"model_digest": bytes(32)}, Check.VOTES),
    (ev.VoteCast, {"seal": bytes(16)}, Check.VOTES),
    (ev.VoteCast, {"candidate": bytes(16)}, Check.VOTES),
    (ev.VoteCast, {"account": ORGANISATIONS[1].address}, Check.VOTES),
    (ev.VoteCast, None, Check.VOTES),
    (ev.QuorumReached, None, Check.VOTES),
    (ev.UpdateSubmitted, {"digest": bytes(32)}, Check.ACCUMULATORS),
    (ev.UpdateSubmitted, {"samples": 11}, Check.ACCUMULATORS),
    (ev.UpdateSubmitted, None, Check.ACCUMULATORS),
    (ev.UpdateSubmitted, {"kept": True}, Check.LEASES),
    (ev.EpochsLeased, {"count": 2}, Check.LEASES),
    (ev.EpochsLeased, {"deadline": 1}, Check.LEASES),
    (ev.RoundOpened, {"quorum": 2}, Check.ROUNDS),
    (ev.RoundOpened, {"eligible": 0b0111}, Check.ROUNDS),
    (ev.RoundOpened, {"vote_deadline": 1}, Check.ROUNDS),
    (ev.RoundOpened, {"carried": 1}, Check.LEASES),
    (ev.JobSubmitted, {"budget": 1}, Check.JOB),
    (ev.Staked, {"amount": 1}, Check.VAULT),
]


def test_history_with_one_event_changed_or_left_out_fails_the_check_that_it_is_about(world: World) -> None:
    job_id = world.submit_job()
    world.play_round(job_id, "model 1")
    world.play_round(job_id, "model 2")
    world.settle_all(job_id)
    for kind, fields, check in CHANGES:
        book = tampered(
            world, job_id, kind, lambda event, f=fields: None if f is None else replace(event, **f)
        )
        assert check.label in failed(book), f"{kind.__name__} {fields}: {failed(book)}"
