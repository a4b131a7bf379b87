"""The audit's replay over hand-made histories: nothing is found in a sound one, and each fault in its place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from audit_scenario import (
    CLIENT,
    EPOCH_PRICE,
    FACTS,
    JOB,
    LEASE_BOND,
    MODEL,
    NODES,
    OPENED,
    ORGANISATIONS,
    SHARES,
    TERMS,
    TREASURY,
    VOTE_BOND,
    VOTE_PRICE,
    Scenario,
    agreed,
    completed,
    consortium,
    delivered,
    leased,
    made,
    missed,
    opened,
    settled,
    trained,
    voted,
    voted_on,
    votes_paid,
)

from chain.contracts import event_types as ev
from chain.contracts.seals import hash_result
from chain.contracts.types import JobStatus, LeaseState, Role
from node.audit.conduct import trusted
from node.audit.report import Book
from node.audit.state import lowest_free_run

POSITION: dict[str, Any] = {"contract": CLIENT, "block_number": 1, "transaction_hash": "0x", "log_index": 0}


def problems(book: Book) -> list[str]:
    return [str(finding) for finding in book.findings]


def found(scenario: Scenario) -> list[str]:
    return problems(scenario.replay()[1])


def assert_only(scenario: Scenario, *expected: str) -> None:
    """Exactly these findings, each recognised by a part of its text."""
    told = found(scenario)
    assert len(told) == len(expected), told
    for part in expected:
        assert any(part in line for line in told), (part, told)


def test_replay_of_a_sound_job_finds_nothing_and_knows_the_money() -> None:
    replayed, book = completed().replay()
    assert problems(book) == []
    assert replayed.state.status is JobStatus.COMPLETED and replayed.outstanding == ()
    assert replayed.ledger.rewards == {
        ORGANISATIONS[0]: EPOCH_PRICE + VOTE_PRICE,
        ORGANISATIONS[1]: VOTE_PRICE,
        ORGANISATIONS[2]: 2 * EPOCH_PRICE + VOTE_PRICE,
    }
    assert replayed.ledger.penalties == {ORGANISATIONS[1]: LEASE_BOND}
    assert (replayed.ledger.escrow, replayed.ledger.owed, replayed.ledger.refunded) == (0, 0, EPOCH_PRICE)
    assert replayed.vault.total[TREASURY] == LEASE_BOND and replayed.vault.total[CLIENT] == EPOCH_PRICE


def test_replay_before_settlement_lists_what_is_outstanding() -> None:
    s = completed()
    s.events = [e for e in s.events if e.block_number <= s.events[-1].block_number - 2]
    replayed, book = s.replay()
    assert problems(book) == []
    assert replayed.ledger.owed == sum(item.reward for item in replayed.outstanding) == 321
    assert sorted((i.kind, i.reward, i.penalty) for i in replayed.outstanding) == [
        ("accepted epochs", EPOCH_PRICE, 0),
        ("accepted epochs", 2 * EPOCH_PRICE, 0),
        ("invalid update", 0, LEASE_BOND),
        *[("votes", VOTE_PRICE, 0)] * 3,
    ]


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        (ev.RewardsSettled, {"reward": 99}, ["the reward of a node is 99, it must be 100"]),
        (ev.RewardsSettled, {"epochs": 2}, ["the number of epochs paid is 2, it must be 1"]),
        (ev.RewardsSettled, {"unlocked": 0}, ["the bond that is free again is 0, it must be 20"]),
        (ev.RewardsSettled, {"account": CLIENT}, ["the organisation that is paid is"]),
        (ev.UpdateRejected, {"penalty": 21}, ["the penalty of a rejected lease is 21, it must be 20"]),
        (ev.Paid, {"amount": 99}, ["paid 99 base units", "paid 100 base units"]),
        (ev.Paid, {"account": CLIENT}, [f"for {CLIENT} 1 times, it must be 0", "0 times, it must be 1"]),
        (ev.Slashed, {"amount": 1}, ["slashed 1 base units", "slashed 20 base units"]),
        (ev.Slashed, {"job_id": 2}, ["slashed 20 base units"]),
        (ev.VotesPaid, {"votes": 2}, ["the number of votes paid is 2, it must be 1"]),
        (ev.VotesPaid, {"unlocked": 0}, ["the bond that is free again is 0, it must be 30"]),
        (ev.BondChanged, {"bonded": False}, ["whether a stake reaches the minimum", "the set of eligible"]),
        (ev.RoundOpened, {"carried": 1}, ["the set of carried leases is 1, it must be 0"]),
        (ev.Owed, {"amount": 322}, ["owed 322 base units", "owed 321 base units"]),
        (ev.JobEnded, {"refund": 0}, ["the refund is 0, it must be 100"]),
        (ev.Refunded, {"amount": 0}, ["refunded 0 base units", "refunded 100 base units"]),
        (ev.RoundClosed, {"vote_payment": 8}, ["the payment of a matching vote is 8, it must be 7"]),
        (ev.RoundClosed, {"score": 30}, ["the lower median of the matching scores is 30, it must be 20"]),
        (ev.JobEnded, {"status": JobStatus.FAILED}, ["the job's end is failed, it must be completed"]),
        (ev.ResultRevealed, {"penalised": 1}, ["the set of seats with false seals is 1, it must be 0"]),
        (ev.JobSubmitted, {"budget": 1}, ["the budget is 1, it must be 421"]),
        (
            ev.RoundOpened,
            {"quorum": 2},
            [
                "the quorum is 2, it must be 3",
                "a quorum was reached and not said",
                "the candidate with a quorum",
            ],
        ),
        (ev.RoundOpened, {"reveal_deadline": 1}, ["the deadlines (training, vote, reveal)"]),
        (ev.EpochsLeased, {"deadline": 9_999}, ["the lease's deadline is 9999, it must be 1120"]),
    ],
)
def test_replay_when_one_value_is_wrong_then_names_what_it_must_be(
    kind: type[ev.ChainEvent], fields: dict[str, Any], expected: list[str]
) -> None:
    s = completed()
    s.change(kind, lambda event: replace(event, **fields))
    assert_only(s, *expected)


def test_replay_when_a_lease_is_paid_twice_then_finds_both_event_and_payment() -> None:
    s = completed()
    s.repeat(ev.RewardsSettled, OPENED + 70)
    assert_only(
        s,
        "rewards were settled for a node that nothing was due for",
        "the number of epochs paid is 1, it must be 0",
        "the reward of a node is 100, it must be 0",
        "the bond that is free again is 20, it must be 0",
        f"paid 100 base units for {ORGANISATIONS[0]} 1 times",
    )
    assert s.replay()[1].findings[0].where.transaction == s.events[-1].transaction_hash


def test_replay_when_a_vote_is_paid_twice_then_finds_both_event_and_payment() -> None:
    s = completed()
    s.repeat(ev.VotesPaid, OPENED + 70)
    assert_only(
        s,
        "votes were settled that nothing was due for",
        "the number of votes paid is 1, it must be 0",
        "the reward of votes is 7, it must be 0",
        "the bond that is free again is 30, it must be 0",
        "paid 7 base units",
    )


def test_replay_when_a_penalty_is_told_twice_then_finds_both_event_and_payment() -> None:
    s = completed()
    s.repeat(ev.UpdateRejected, OPENED + 70)
    assert_only(s, "no lease of these epochs was rejected, or it was told before", "slashed 20 base units")


def test_replay_when_a_penalty_is_not_told_then_finds_it_at_the_next_settlement() -> None:
    s = completed()
    s.change(ev.UpdateRejected, lambda event: None)
    s.change(ev.Slashed, lambda event: None)
    s.at(OPENED + 70, *settled(1, 0, 1))
    told = found(s)
    assert any("the penalty for epoch 1 of round 1 by" in line and "was not told" in line for line in told)
    assert any("the bond that is free again is 20, it must be 0" in line for line in told)


def test_replay_when_somebody_is_slashed_without_cause_then_finds_it() -> None:
    s = trained()
    s.at(OPENED + 30, voted(0, 1), made(ev.Slashed, 1, ORGANISATIONS[2], VOTE_BOND))
    assert_only(s, f"slashed 30 base units for {ORGANISATIONS[2]} 1 times, it must be 0 times")


def test_replay_when_another_jobs_settlement_slashes_in_the_same_transaction_then_finds_nothing() -> None:
    s = trained()
    other = made(ev.LeaseMissed, 2, 1, NODES[2], 0, 1, 11)
    s.at(OPENED + 30, voted(0, 1), other, made(ev.Slashed, 2, ORGANISATIONS[2], 11))
    assert_only(s)


def test_replay_when_leases_overlap_then_names_range_and_epochs() -> None:
    s = consortium()
    s.at(OPENED + 10, leased(2, 0, 2, OPENED + 10))
    s.at(OPENED + 10, leased(1, 1, 1, OPENED + 10))
    assert_only(
        s,
        "the range leased (first, count) is (1, 1), it must be (2, 1)",
        "epochs were leased that are live",
        "unleased + live + delivered epochs is 5, it must be 4",
    )


def test_replay_when_a_lease_is_above_quota_then_names_the_quota() -> None:
    s = consortium()
    s.at(OPENED + 10, leased(0, 0, 2, OPENED + 10))
    assert_only(s, "the range leased (first, count) is (0, 2), it must be (0, 1)")


def test_replay_when_a_retired_node_claims_then_finds_it() -> None:
    s = consortium()
    s.at(OPENED + 5, made(ev.NodeRetired, ORGANISATIONS[0], NODES[0]))
    s.at(OPENED + 10, leased(0, 0, 1, OPENED + 10))
    assert_only(s, "no active trainer of a member")


def test_replay_when_a_node_of_a_removed_organisation_claims_then_finds_it_but_its_update_counts() -> None:
    s = consortium()
    s.at(OPENED + 10, leased(0, 0, 1, OPENED + 10))
    s.at(OPENED + 11, made(ev.OrganisationRemoved, ORGANISATIONS[0], 0))
    s.at(OPENED + 20, delivered(0, 0, 1))
    assert_only(s)
    s.at(OPENED + 70, leased(0, 1, 1, OPENED + 70))
    assert_only(s, "no active trainer of a member")


def test_replay_when_an_update_is_late_then_says_by_how_much() -> None:
    s = consortium()
    s.at(OPENED + 10, leased(0, 0, 1, OPENED + 10))
    s.at(OPENED + 110, delivered(0, 0, 1))
    assert_only(s, "an update came 0 s after its lease's deadline")


def test_replay_when_an_update_is_for_other_epochs_than_leased_then_finds_it() -> None:
    s = consortium()
    s.at(OPENED + 10, leased(2, 0, 2, OPENED + 10))
    s.at(OPENED + 20, delivered(2, 0, 1))
    assert_only(s, "an update without a live lease of these epochs")


def test_replay_when_an_overdue_lease_expires_then_its_range_goes_to_another() -> None:
    s = consortium()
    s.at(OPENED + 10, leased(2, 0, 2, OPENED + 10))
    s.at(OPENED + 110, *missed(2, 0, 2))
    s.at(OPENED + 120, leased(0, 0, 1, OPENED + 120))
    assert_only(s)
    s.at(OPENED + 130, leased(2, 1, 1, OPENED + 130))
    assert_only(s, "a node claimed again that holds a lease or missed one in this attempt")


def test_replay_when_a_lease_expires_before_its_deadline_then_finds_it() -> None:
    s = consortium()
    s.at(OPENED + 10, leased(2, 0, 2, OPENED + 10))
    s.at(OPENED + 100, *missed(2, 0, 2))
    assert_only(s, "a lease was missed 10 s before its deadline")


def test_replay_when_a_node_claims_again_within_the_claim_window_then_finds_it() -> None:
    s = consortium()
    s.at(OPENED + 10, leased(0, 0, 1, OPENED + 10))
    s.at(OPENED + 20, delivered(0, 0, 1))
    s.at(OPENED + 49, leased(0, 1, 1, OPENED + 49))
    assert_only(s, "a node claimed again 1 s before the claim window's end")


def test_replay_when_a_node_missed_a_lease_then_is_leased_by_half_of_its_capacity() -> None:
    s = consortium()
    s.at(OPENED + 10, leased(2, 0, 2, OPENED + 10))
    s.at(OPENED + 300, made(ev.AttemptFailed, 1, 1, 1, False), opened(OPENED + 300, attempt=2))
    s.at(OPENED + 305, *missed(2, 0, 2))
    s.at(OPENED + 310, leased(2, 0, 1, OPENED + 310, attempt=2))
    assert_only(s)
    s.change(ev.EpochsLeased, lambda event: replace(event, count=2), which=1)
    assert_only(s, "the range leased (first, count) is (0, 2), it must be (0, 1)")


def test_replay_when_a_claim_itself_finds_the_last_lease_missed_then_that_counts_at_once() -> None:
    s = consortium()
    s.at(OPENED + 10, leased(2, 0, 2, OPENED + 10))
    s.at(OPENED + 300, made(ev.AttemptFailed, 1, 1, 1, False), opened(OPENED + 300, attempt=2))
    s.at(OPENED + 310, *missed(2, 0, 2), leased(2, 0, 1, OPENED + 310, attempt=2))
    assert_only(s)


def test_replay_when_a_missed_lease_is_not_told_by_the_next_claim_then_finds_it() -> None:
    s = consortium()
    s.at(OPENED + 10, leased(2, 0, 2, OPENED + 10))
    s.at(OPENED + 300, made(ev.AttemptFailed, 1, 1, 1, False), opened(OPENED + 300, attempt=2))
    s.at(OPENED + 310, leased(2, 0, 2, OPENED + 310, attempt=2))
    assert_only(s, f"the penalty for epoch 0 of round 1 by {NODES[2]} was not told")


def kept_for_two_rounds(*, awaited: bool = False) -> Scenario:
    """Round 1 delivered with every lease kept, and final."""
    s = consortium(replace(JOB, terms=replace(TERMS, rounds=2)))
    for node, (first, count) in enumerate(SHARES):
        s.at(OPENED + 10, leased(node, first, count, OPENED + 10))
    for node, (first, count) in enumerate(SHARES):
        s.at(OPENED + 20, delivered(node, first, count, kept=True))
    agreed(s, OPENED + 30)
    return s


def test_replay_when_leases_are_kept_then_they_go_on_without_a_claim_and_are_paid_together() -> None:
    s = kept_for_two_rounds()
    for node, (first, count) in enumerate(SHARES):
        s.at(OPENED + 40, delivered(node, first, count, number=2))
    agreed(s, OPENED + 50, number=2, model=b"n" * 32, ends=True)
    for node, (_, count) in enumerate(SHARES):
        s.at(OPENED + 60, *settled(node, 2 * count, count))
    s.at(OPENED + 60, *votes_paid(0, 2), *votes_paid(1, 2), *votes_paid(2, 2))
    replayed, book = s.replay()
    assert problems(book) == []
    assert replayed.outstanding == () and replayed.ledger.owed == 0
    assert {replayed.jobs.locked(account) for account in ORGANISATIONS} == {0}
    assert replayed.jobs.conducts.of(NODES[0]).accepted == 2


def test_replay_when_leases_are_kept_and_not_carried_over_then_finds_it() -> None:
    s = kept_for_two_rounds()
    s.change(ev.RoundOpened, lambda event: replace(event, carried=0), which=1)
    assert_only(s, "the set of carried leases is 0, it must be 7")


@pytest.mark.parametrize(
    "happening",
    [
        made(ev.TrainerWaits, 1, 1, NODES[1]),
        made(ev.NodeRetired, ORGANISATIONS[1], NODES[1]),
        made(ev.NodeUpdated, ORGANISATIONS[1], NODES[1], Role.VALIDATOR, 0, ""),
        made(ev.PauseSet, True),
    ],
)
def test_replay_when_something_voids_the_kept_leases_then_they_must_not_go_on(happening: Any) -> None:
    s = consortium(replace(JOB, terms=replace(TERMS, rounds=2, epochs_per_round=3)))
    s.facts = replace(s.facts, job=replace(s.facts.job, max_epochs=3))
    s.at(OPENED + 10, leased(0, 0, 1, OPENED + 10))
    s.at(OPENED + 10, leased(2, 1, 2, OPENED + 10))
    s.at(OPENED + 15, happening)
    s.at(OPENED + 20, delivered(0, 0, 1, kept=True))
    s.at(OPENED + 20, delivered(2, 1, 2, kept=True))
    result = (MODEL, 0b11, 0)
    candidate = FACTS.ballots(1, 1).candidate(hash_result(*result))
    for node in (0, 2):
        s.at(OPENED + 30, voted(node, 20, result=result))
    voting = [] if isinstance(happening({**POSITION}), ev.NodeRetired) else [voted(1, 20, result=result)]
    quorum = made(ev.QuorumReached, 1, 1, 1, candidate)
    if voting:
        s.at(OPENED + 30, *voting, quorum)
    told = found(s)
    assert not told, told
    closing = made(ev.RoundClosed, 1, 1, 1, *result, 20, VOTE_PRICE, bytes(24))
    s.at(OPENED + 31, closing, opened(OPENED + 31, 2, model=MODEL, carried=0b11))
    assert any("the set of carried leases is 3, it must be 0" in line for line in found(s))


def test_replay_when_a_carried_lease_is_not_delivered_then_its_bond_pays() -> None:
    s = kept_for_two_rounds()
    s.at(OPENED + 130, *missed(2, 2, 2, number=2))
    assert_only(s)
    assert s.replay()[0].jobs.conducts.of(NODES[2]).expired == 1
    early = kept_for_two_rounds()
    early.at(OPENED + 129, *missed(2, 2, 2, number=2))
    assert_only(early, "a lease was missed 1 s before its deadline")


def test_replay_when_an_organisation_holds_more_than_its_share_then_finds_it() -> None:
    s = consortium(replace(JOB, max_epochs=1), share=2_500)
    s.at(OPENED + 10, leased(2, 0, 2, OPENED + 10))
    assert_only(s, "the range leased (first, count) is (0, 2), it must be (0, 1)")


def test_replay_when_a_claim_comes_in_a_pause_then_finds_it() -> None:
    s = consortium()
    s.at(OPENED + 20, made(ev.PauseSet, True))
    s.at(OPENED + 300, made(ev.AttemptFailed, 1, 1, 1, False), opened(OPENED + 300, attempt=2))
    s.at(OPENED + 310, leased(0, 0, 1, OPENED + 310, attempt=2))
    assert_only(s, "a claim in an attempt that opened in a pause")


def test_replay_when_a_seal_is_forged_then_finds_the_verdict_wrong() -> None:
    s = completed()
    s.change(ev.VoteCast, lambda vote: replace(vote, seal=bytes(16)), which=2)
    told = found(s)
    assert any("the set of seats with matching seals is 7, it must be 3" in line for line in told)
    assert any("the set of seats with false seals is 0, it must be 4" in line for line in told)
    assert any("without a quorum of matching seals" in line for line in told)


def test_replay_when_a_copied_seal_is_penalised_then_finds_nothing_and_its_bond_outstanding() -> None:
    s = trained()
    candidate = FACTS.ballots(1, 1).candidate(hash_result(MODEL, 0b101, 0b10))
    s.at(OPENED + 30, voted(0, 10))
    s.at(OPENED + 30, voted(1, 30))
    copied = made(ev.VoteCast, 1, 1, ORGANISATIONS[2], 1, NODES[2], candidate, bytes(16), 999)
    s.at(OPENED + 30, copied, made(ev.QuorumReached, 1, 1, 1, candidate))
    s.at(
        OPENED + 40,
        made(ev.ResultRevealed, 1, 1, 1, MODEL, 0b101, 0b10, 0b011, 0b100, ""),
        made(ev.VoteFailed, 1, 1, 1, 0b100),
        made(ev.AttemptFailed, 1, 1, 1, True),
        opened(OPENED + 40, attempt=2, trains=0),
    )
    replayed, book = s.replay()
    assert problems(book) == []
    votes = [(i.account, i.reward, i.penalty) for i in replayed.outstanding if i.kind == "votes"]
    assert votes == [(ORGANISATIONS[2], 0, VOTE_BOND)]
    penalty = made(ev.VotePenalised, 1, 1, ORGANISATIONS[2], 1, VOTE_BOND)
    s.at(OPENED + 50, *votes_paid(0, 0), penalty, made(ev.Slashed, 1, ORGANISATIONS[2], VOTE_BOND))
    replayed, book = s.replay()
    assert problems(book) == [] and replayed.jobs.locked(ORGANISATIONS[2]) == 2 * LEASE_BOND
    s.repeat(ev.VotePenalised, OPENED + 60)
    assert_only(s, "a vote was penalised twice, or did not deserve it", "slashed 30 base units")


def test_replay_when_one_organisation_votes_twice_then_finds_it() -> None:
    s = trained()
    s.at(OPENED + 30, voted(0, 10))
    s.at(OPENED + 31, voted(0, 10))
    assert_only(s, "a second vote of one organisation")


def test_replay_when_a_vote_comes_before_training_is_over_then_names_the_phase() -> None:
    s = consortium()
    s.at(OPENED + 30, voted(0, 10))
    assert_only(s, "the phase of a vote is training, it must be voting")


def test_replay_when_a_vote_comes_from_a_trainer_or_for_another_organisation_then_finds_it() -> None:
    s = trained()
    s.at(OPENED + 25, made(ev.NodeUpdated, ORGANISATIONS[0], NODES[0], Role.TRAINER, 1, ""))
    s.at(OPENED + 30, voted(0, 10))
    s.at(OPENED + 30, voted(1, 10))
    s.change(ev.VoteCast, lambda vote: replace(vote, account=ORGANISATIONS[2]), which=1)
    assert_only(s, "a vote by a node that is no validator", "the organisation of the voting node")


def test_replay_when_a_result_is_revealed_before_all_have_voted_then_finds_it() -> None:
    s = completed()
    s.change(ev.RoundOpened, lambda e: replace(e, quorum=2))
    s.change(ev.VoteCast, lambda vote: None, which=2)
    told = found(s)
    assert any("a reveal before all have voted" in line for line in told)


def test_replay_when_another_result_is_recorded_than_revealed_then_finds_it() -> None:
    s = completed()
    s.change(ev.RoundClosed, lambda e: replace(e, model_digest=b"x" * 32))
    assert_only(s, "the recorded result (digest, accepted, invalid)")


def test_replay_when_an_unaccepted_update_is_paid_then_finds_it() -> None:
    s = completed()
    s.change(ev.UpdateRejected, lambda e: None)
    s.change(ev.Slashed, lambda e: None)
    s.at(OPENED + 70, *settled(1, 1, 1))
    told = found(s)
    assert any("the number of epochs paid is 1, it must be 0" in line for line in told)
    assert any("the reward of a node is 100, it must be 0" in line for line in told)


def test_replay_when_a_closed_round_is_followed_by_nothing_then_says_what_had_to_follow() -> None:
    s = completed()
    s.change(ev.JobEnded, lambda e: None)
    told = found(s)
    assert any("the job had to end as completed" in line for line in told)


def test_replay_when_a_training_is_given_up_too_early_then_finds_it() -> None:
    s = consortium()
    s.at(OPENED + 299, made(ev.AttemptFailed, 1, 1, 1, False), opened(OPENED + 299, attempt=2))
    assert_only(s, "its training was given up before it had failed")


def test_replay_when_events_are_out_of_order_then_finds_it() -> None:
    s = voted_on()
    s.events[5], s.events[6] = s.events[6], s.events[5]
    assert any(line.startswith("history: events are out of order") for line in found(s))


def test_lowest_free_run_is_the_first_gap_cut_to_the_limit() -> None:
    assert lowest_free_run(0b0110_0001, 8, 3) == (1, 3)
    assert lowest_free_run(0b0110_0001, 8, 9) == (1, 4)
    assert lowest_free_run(0b0111_1111, 8, 9) == (7, 1)
    assert lowest_free_run(2**256 - 1, 256, 9) == (0, 0)
    assert lowest_free_run(0, 256, 256) == (0, 256)


def test_record_that_is_settled_keeps_its_last_lease() -> None:
    replayed, _ = completed().replay()
    records = replayed.jobs.of(1).records
    assert {node: (lease.first, lease.state) for (node, _), lease in records.items()} == {
        NODES[0]: (0, LeaseState.SETTLED),
        NODES[1]: (1, LeaseState.SETTLED),
        NODES[2]: (2, LeaseState.SETTLED),
    }
    assert replayed.seats.keys() == {0, 1, 2} and TERMS.rounds == 1


def test_reliability_follows_from_what_was_missed_rejected_and_delivered() -> None:
    replayed, _ = completed().replay()
    conducts = replayed.jobs.conducts
    assert [conducts.reliability(n, a) for n, a in zip(NODES, ORGANISATIONS, strict=True)] == [
        10_000,
        2_500,
        10_000,
    ]
    # A new node of the organisation starts with what the worst of its nodes has.
    assert trusted(8, conducts.reliability("new", ORGANISATIONS[1])) == 2
    assert trusted(8, conducts.reliability("new", ORGANISATIONS[0])) == 8
