"""The full life of a job with four organisations, through the typed classes alone."""

from consortium_world import (
    ACCOUNTS,
    CAPACITIES,
    CLIENT,
    LEASE_BOND,
    MODEL,
    NODES,
    ORGANISATIONS,
    SPEC,
    STAKE,
    STRANGER,
    TERMS,
    TOKEN,
    TREASURY,
    VOTE_BOND,
    Verdict,
    World,
    digest,
    terms,
)

from chain.contracts.event_types import (
    EpochsLeased,
    JobEnded,
    JobSubmitted,
    LeaseMissed,
    ResultRevealed,
    RewardsSettled,
    RoundClosed,
    RoundOpened,
    UpdateRejected,
    UpdateSubmitted,
    VoteCast,
    VotePenalised,
    VotesPaid,
)
from chain.contracts.structs import to_event
from chain.contracts.types import JobStatus, LeaseState, Phase

ALL_SEATS = 0b1111


def test_submitted_job_opens_first_round_with_terms_and_escrow(world: World) -> None:
    world.send(CLIENT, world.token.approve(world.vault.address, TERMS.budget(4)))
    receipt = world.send(CLIENT, world.scheduler.submit_job(TERMS, SPEC, MODEL))
    (submitted,) = world.scheduler.events_of(JobSubmitted, receipt)
    (opened,) = world.scheduler.events_of(RoundOpened, receipt)
    job, now = world.scheduler.job(submitted.job_id), world.scheduler.round(submitted.job_id)

    assert (submitted.client, submitted.spec_cid, submitted.model_cid) == (
        CLIENT.address,
        SPEC.cid,
        MODEL.cid,
    )
    assert submitted.budget == TERMS.budget(4) == job.budget == 2 * (8 + 4 * 2) * TOKEN
    assert job.terms == TERMS and job.spec_digest == SPEC.digest and job.status is JobStatus.OPEN
    assert (job.voters, job.lease_bond, job.vote_bond, job.max_epochs) == (4, LEASE_BOND, VOTE_BOND, 4)
    assert world.vault.escrow_of(submitted.job_id) == TERMS.budget(4)
    assert (now.number, now.attempt, now.eligible, now.quorum) == (1, 1, ALL_SEATS, 3)
    assert now.model_digest == opened.model_digest == MODEL.digest
    assert now.training_deadline == now.opened_at + TERMS.training_window == opened.training_deadline
    assert now.reveal_deadline == now.training_deadline + TERMS.vote_window + TERMS.reveal_window
    assert world.scheduler.open_jobs() == (submitted.job_id,)
    assert world.scheduler.phase(submitted.job_id) is Phase.TRAINING


def test_job_of_two_rounds_is_trained_voted_paid_and_withdrawn_to_the_last_unit(world: World) -> None:
    job_id = world.submit_job()
    first = world.play_round(job_id, "model 1")
    assert world.scheduler.round(job_id).model_digest == first.model
    second = world.play_round(job_id, "model 2")

    assert world.scheduler.job(job_id).status is JobStatus.COMPLETED
    assert world.scheduler.phase(job_id) is Phase.ENDED and world.scheduler.open_jobs() == ()
    assert world.scheduler.outcome(job_id, 1).model_digest == first.model
    assert world.scheduler.outcome(job_id, 2).model_digest == second.model
    assert world.scheduler.outcome(job_id, 2).score == 900_000
    assert world.vault.escrow_of(job_id) == 0

    world.settle_all(job_id)
    assert world.vault.owed_by(job_id) == 0
    for organisation, epochs in zip(ORGANISATIONS, (1, 1, 2, 4), strict=True):
        account = world.vault.account(organisation.address)
        earned = 2 * (epochs * TERMS.epoch_price + TERMS.vote_price)
        assert (account.free, account.locked, account.credit) == (STAKE, 0, earned)
        before = world.token.balance_of(organisation.address)
        world.send(organisation, world.vault.withdraw())
        assert world.token.balance_of(organisation.address) == before + earned
    assert world.vault.account(CLIENT.address).credit == 0
    assert world.vault.liabilities() == 4 * STAKE == world.token.balance_of(world.vault.address)


def test_leases_follow_capacity_and_events_name_them(world: World) -> None:
    job_id = world.submit_job()
    receipts = [world.send(node, world.scheduler.claim(job_id)) for node in NODES]
    leases = [world.scheduler.events_of(EpochsLeased, receipt)[0] for receipt in receipts]

    assert [(lease.first, lease.count) for lease in leases] == [(0, 1), (1, 1), (2, 2), (4, 4)]
    assert [lease.node for lease in leases] == [node.address for node in NODES]
    assert all(
        lease.block_number == receipt.block_number for lease, receipt in zip(leases, receipts, strict=True)
    )
    assert leases[0].transaction_hash == receipts[0].tx_hash
    assert world.scheduler.round(job_id).taken == 0xFF
    held = world.scheduler.lease_of(job_id, NODES[3].address)
    assert (held.held, held.share, held.lease.epochs) == (True, 4, range(4, 8))
    assert (held.lease.state, held.lease.round, held.lease.bonded) == (LeaseState.LIVE, 1, 4)
    assert world.scheduler.stored_lease(job_id, NODES[3].address) == held.lease
    assert world.vault.account(ORGANISATIONS[3].address).locked == 4 * LEASE_BOND


def test_update_is_recorded_and_all_delivered_epochs_open_the_vote(world: World) -> None:
    job_id = world.submit_job()
    for node in NODES:
        world.claim(job_id, node)
    (update,) = world.scheduler.events_of(UpdateSubmitted, world.deliver(job_id, NODES[2]))
    assert (update.first, update.count, update.samples, update.cid) == (2, 2, 10, "bafyupdate")
    assert not update.kept
    assert world.scheduler.round(job_id).delivered == 0b1100
    assert world.scheduler.phase(job_id) is Phase.TRAINING
    for node in (NODES[0], NODES[1], NODES[3]):
        world.deliver(job_id, node)
    assert world.scheduler.phase(job_id) is Phase.VOTING
    assert world.scheduler.round(job_id).update_set == 0b10111


def test_missed_lease_goes_to_another_node_and_its_bond_to_the_treasury(world: World) -> None:
    job_id = world.submit_job()
    world.claim(job_id, NODES[3])
    world.wait(TERMS.lease_time)
    assert world.lens.job_view(job_id, NODES[3].address).overdue == (NODES[3].address,)
    receipt = world.send(STRANGER, world.scheduler.expire(job_id, NODES[3].address))
    (missed,) = world.scheduler.events_of(LeaseMissed, receipt)
    assert (missed.node, missed.count, missed.penalty) == (NODES[3].address, 4, 4 * LEASE_BOND)
    assert world.vault.account(ORGANISATIONS[3].address).free == STAKE - 4 * LEASE_BOND
    assert world.vault.account(TREASURY.address).credit == 4 * LEASE_BOND
    record = world.scheduler.node_record(NODES[3].address)
    assert (record.expired, record.reliability) == (1, 5_000)
    assert world.scheduler.reliability_of(ORGANISATIONS[3].address) == 5_000
    assert world.scheduler.round(job_id).taken == 0
    assert world.refused("SchedulerBarred", NODES[3], world.scheduler.claim(job_id))["round"] == 1
    assert world.claim(job_id, NODES[0]) == 0


def test_outlier_is_not_paid_and_invalid_update_loses_its_bond(world: World) -> None:
    job_id = world.submit_job(terms(rounds=1))
    updates = world.train(job_id)
    verdict = Verdict(digest("model"), accepted=updates & ~0b11, invalid=0b10)
    for index in range(4):
        world.cast(job_id, index, verdict)
    receipt = world.finalize(job_id, verdict)
    (ended,) = world.scheduler.events_of(JobEnded, receipt)
    assert (ended.status, ended.refund) == (JobStatus.COMPLETED, 2 * TERMS.epoch_price)
    (closed,) = world.scheduler.events_of(RoundClosed, receipt)
    assert (closed.accepted, closed.invalid, closed.vote_payment) == (0b10100, 0b10, TERMS.vote_price)

    receipt, _ = world.settle_all(job_id)
    settled = world.scheduler.events_of(RewardsSettled, receipt)
    assert {e.node: (e.epochs, e.reward, e.unlocked) for e in settled} == {
        NODES[0].address: (0, 0, LEASE_BOND),
        NODES[2].address: (2, 2 * TERMS.epoch_price, 2 * LEASE_BOND),
        NODES[3].address: (4, 4 * TERMS.epoch_price, 4 * LEASE_BOND),
    }
    (rejected,) = world.scheduler.events_of(UpdateRejected, receipt)
    assert (rejected.node, rejected.first, rejected.penalty) == (NODES[1].address, 1, LEASE_BOND)
    assert world.vault.account(CLIENT.address).credit == ended.refund
    assert world.vault.account(TREASURY.address).credit == LEASE_BOND
    records = [world.scheduler.node_record(node.address) for node in NODES]
    assert [(r.delivered, r.accepted, r.outliers, r.invalid) for r in records] == [
        (1, 0, 1, 0),
        (1, 0, 0, 1),
        (1, 1, 0, 0),
        (1, 1, 0, 0),
    ]
    assert [r.reliability for r in records] == [10_000, 2_500, 10_000, 10_000]


def test_false_seal_pays_its_bond_and_an_honest_minority_loses_nothing(world: World) -> None:
    job_id = world.submit_job(terms(rounds=1))
    truth = Verdict(digest("model"), world.train(job_id))
    other = Verdict(digest("another model"), truth.accepted)
    for index in (0, 1, 2):
        (vote,) = world.vote.events_of(VoteCast, world.cast(job_id, index, truth, score=100_000 * index))
        assert (vote.account, vote.node) == (ORGANISATIONS[index].address, NODES[index].address)
    world.cast(job_id, 3, other)
    (revealed,) = world.vote.events_of(ResultRevealed, world.finalize(job_id, truth))
    assert (revealed.matching, revealed.penalised, revealed.cid) == (0b0111, 0, "bafyresult")
    assert world.scheduler.outcome(job_id, 1).score == 100_000

    _, receipt = world.settle_all(job_id)
    paid = {e.account: (e.votes, e.reward, e.unlocked) for e in world.vote.events_of(VotesPaid, receipt)}
    # The vote budget of the round is shared by those who matched, but never above the price.
    assert paid == {
        **{ORGANISATIONS[i].address: (1, TERMS.vote_price, VOTE_BOND) for i in range(3)},
        ORGANISATIONS[3].address: (0, 0, VOTE_BOND),
    }
    records = [world.vote.vote_record(organisation.address) for organisation in ORGANISATIONS]
    assert [(r.cast, r.matched, r.penalised) for r in records] == [(1, 1, 0)] * 3 + [(1, 0, 0)]
    # Scores of 0, 0.1 and 0.2: two of them are further than 0.05 from the median.
    assert [r.far for r in records] == [1, 0, 1, 0]


def test_copied_candidate_without_own_seal_is_penalised(world: World) -> None:
    job_id = world.submit_job(terms(rounds=1))
    truth = Verdict(digest("model"), world.train(job_id))
    for index in (1, 2):
        world.cast(job_id, index, truth)
    (copied,) = world.vote.events_of(VoteCast, world.cast(job_id, 0, truth))
    fn = world.vote.cast_vote(job_id, 1, 1, copied.candidate, copied.seal, 1_000_000)
    world.send(NODES[3], fn)
    (revealed,) = world.vote.events_of(ResultRevealed, world.finalize(job_id, truth))
    assert (revealed.matching, revealed.penalised) == (0b0111, 0b1000)
    receipt = world.send(STRANGER, world.vote.settle(job_id, ALL_SEATS))
    (penalised,) = world.vote.events_of(VotePenalised, receipt)
    assert (penalised.account, penalised.penalty) == (ORGANISATIONS[3].address, VOTE_BOND)
    assert world.vault.account(ORGANISATIONS[3].address).free == STAKE - VOTE_BOND - 4 * LEASE_BOND
    assert world.vault.account(TREASURY.address).credit == VOTE_BOND


def test_attempt_without_quorum_fails_keeps_updates_and_job_fails_after_last_attempt(world: World) -> None:
    job_id = world.submit_job()
    updates = world.train(job_id)
    for attempt in (1, 2):
        assert world.scheduler.round(job_id).attempt == attempt
        for index in range(4):
            world.cast(job_id, index, Verdict(digest(f"model {index // 2}"), updates))
        world.send(STRANGER, world.vote.fail(job_id))
        if attempt == 1:
            assert world.scheduler.phase(job_id) is Phase.VOTING
            assert world.scheduler.round(job_id).update_set == updates
    assert world.scheduler.job(job_id).status is JobStatus.FAILED
    assert world.vault.account(CLIENT.address).credit == TERMS.budget(4)
    world.settle_all(job_id)
    accounts = [world.vault.account(organisation.address) for organisation in ORGANISATIONS]
    assert [(account.free, account.locked, account.credit) for account in accounts] == [(STAKE, 0, 0)] * 4


def test_cancelled_job_pays_its_round_and_refunds_the_rest(world: World) -> None:
    job_id = world.submit_job()
    world.send(CLIENT, world.scheduler.cancel_job(job_id))
    world.play_round(job_id)
    assert world.scheduler.job(job_id).status is JobStatus.CANCELLED
    assert world.vault.account(CLIENT.address).credit == TERMS.round_budget(4)
    assert world.vault.owed_by(job_id) == TERMS.round_budget(4)


def test_training_without_updates_stalls_and_reopens(world: World) -> None:
    job_id = world.submit_job()
    world.wait(TERMS.training_window)
    assert world.scheduler.phase(job_id) is Phase.STALLED
    world.send(STRANGER, world.scheduler.reopen(job_id))
    now = world.scheduler.round(job_id)
    assert (now.number, now.attempt, world.scheduler.phase(job_id)) == (1, 2, Phase.TRAINING)


def test_event_reader_gives_the_same_events_as_receipts(world: World) -> None:
    job_id = world.submit_job()
    start = world.w3.eth.block_number + 1
    receipts = [world.send(node, world.scheduler.claim(job_id)) for node in NODES]
    read = [to_event(event) for event in world.consortium.events(start).read().events]
    assert read == [event for receipt in receipts for event in world.scheduler.decode_events(receipt)]
    assert len(read) == len(NODES) and ACCOUNTS[0].address not in {event.node for event in read}


def test_result_that_a_tally_quorum_withholds_costs_its_voters_their_bonds(world: World) -> None:
    job_id = world.submit_job()
    verdict = Verdict(digest("model"), world.train(job_id))
    for index in range(3):
        world.cast(job_id, index, verdict)
    world.cast(job_id, 3, Verdict(digest("another"), verdict.accepted))
    world.wait_until(world.scheduler.round(job_id).reveal_deadline)
    assert world.scheduler.phase(job_id) is Phase.STALLED
    world.refused(
        "VoteWrongPhase", STRANGER, world.vote.finalize(job_id, verdict.model, verdict.accepted, 0, "")
    )
    world.send(STRANGER, world.vote.fail(job_id))
    assert world.vote.verdict(job_id, 1, 1).penalised == 0b0111
    world.send(STRANGER, world.vote.settle(job_id, ALL_SEATS))
    free = [world.vault.account(organisation.address).free for organisation in ORGANISATIONS]
    leased = [epochs * LEASE_BOND for epochs in CAPACITIES]
    assert free == [STAKE - bond - VOTE_BOND for bond in leased[:3]] + [STAKE - leased[3]]
    assert world.vault.account(TREASURY.address).credit == 3 * VOTE_BOND


def test_removed_organisation_votes_in_the_open_round_and_in_no_later_one(world: World) -> None:
    job_id = world.submit_job()
    first = Verdict(digest("model 1"), world.train(job_id))
    world.decide(world.registry.remove(ORGANISATIONS[0].address))
    # So that the removal is before the opening of the next round, not in the same second.
    world.wait(1)
    for index in range(4):
        world.cast(job_id, index, first)
    world.finalize(job_id, first)
    now = world.scheduler.round(job_id)
    assert (now.number, now.eligible, now.quorum) == (2, 0b1110, 3)
    for node in NODES[1:]:
        world.claim(job_id, node)
        world.deliver(job_id, node)
    world.wait_until(now.training_deadline)
    second = Verdict(digest("model 2"), world.scheduler.round(job_id).update_set)
    ballots = world.consortium.ballots(job_id, 2, 1)
    seal = ballots.seal(second.hash, ORGANISATIONS[0].address)
    vote = world.vote.cast_vote(job_id, 2, 1, ballots.candidate(second.hash), seal, 0)
    world.refused("VoteNotValidator", NODES[0], vote)
    for index in (1, 2, 3):
        world.cast(job_id, index, second)
    world.finalize(job_id, second)
    assert world.scheduler.job(job_id).status is JobStatus.COMPLETED
