"""What the contracts refuse, each with the custom error that says why."""

from consortium_world import (
    BOTH,
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
    Verdict,
    World,
    digest,
    terms,
)

from chain.contracts.types import Content, Phase, Role


def test_claim_by_unregistered_node_is_refused(world: World) -> None:
    values = world.refused("SchedulerNotTrainer", STRANGER, world.scheduler.claim(world.submit_job()))
    assert values == {"node": STRANGER.address}


def test_claim_by_retired_node_is_refused(world: World) -> None:
    job_id = world.submit_job()
    world.send(ORGANISATIONS[0], world.registry.retire_node(NODES[0].address))
    world.refused("SchedulerNotTrainer", NODES[0], world.scheduler.claim(job_id))


def test_claim_and_next_vote_of_removed_organisation_are_refused_but_held_lease_is_delivered(
    world: World,
) -> None:
    job_id = world.submit_job()
    world.claim(job_id, NODES[0])
    world.decide(world.registry.remove(ORGANISATIONS[0].address))
    world.deliver(job_id, NODES[0])
    world.send(ORGANISATIONS[1], world.registry.resign())
    world.refused("SchedulerNotTrainer", NODES[1], world.scheduler.claim(job_id))
    assert not world.registry.is_active(NODES[1].address)


def test_vote_of_validator_registered_to_nobody_is_refused(world: World) -> None:
    job_id = world.submit_job()
    world.train(job_id)
    fn = world.vote.cast_vote(job_id, 1, 1, b"\1" * 16, b"\2" * 16, 0)
    assert world.refused("VoteNotValidator", STRANGER, fn) == {"node": STRANGER.address}


def test_claim_too_late_for_the_least_lease_is_refused(world: World) -> None:
    job_id = world.submit_job()
    world.wait_until(world.scheduler.round(job_id).training_deadline - TERMS.min_lease_time + 1)
    world.refused("SchedulerTooLate", NODES[0], world.scheduler.claim(job_id))


def test_claim_after_the_training_deadline_is_refused(world: World) -> None:
    job_id = world.submit_job()
    world.wait(TERMS.training_window)
    values = world.refused("SchedulerWrongPhase", NODES[0], world.scheduler.claim(job_id))
    assert (values["actual"], values["expected"]) == (Phase.STALLED, Phase.TRAINING)


def test_update_after_the_lease_deadline_is_refused(world: World) -> None:
    job_id = world.submit_job()
    world.claim(job_id, NODES[0])
    world.wait(TERMS.lease_time)
    fn = world.scheduler.submit_update(job_id, digest("late"), 1, "bafy")
    deadline = world.scheduler.lease_of(job_id, NODES[0].address).lease.deadline
    assert world.refused("SchedulerTooLate", NODES[0], fn)["deadline"] == deadline


def test_same_update_twice_is_refused(world: World) -> None:
    job_id = world.submit_job()
    first = world.claim(job_id, NODES[0])
    world.deliver(job_id, NODES[0])
    fn = world.scheduler.submit_update(job_id, digest("again"), 1, "bafy")
    values = world.refused("SchedulerAlreadyDelivered", NODES[0], fn)
    assert values == {"node": NODES[0].address, "first": first}


def test_update_without_lease_or_content_is_refused(world: World) -> None:
    job_id = world.submit_job()
    fn = world.scheduler.submit_update(job_id, digest("none"), 1, "bafy")
    world.refused("SchedulerNoLease", NODES[0], fn)
    world.claim(job_id, NODES[0])
    for bad in (
        world.scheduler.submit_update(job_id, bytes(32), 1, "bafy"),
        world.scheduler.submit_update(job_id, digest("x"), 0, "bafy"),
        world.scheduler.submit_update(job_id, digest("x"), 1, ""),
        world.scheduler.submit_update(job_id, digest("x"), 1, "b" * 129),
    ):
        world.refused("SchedulerBadUpdate", NODES[0], bad)


def test_second_claim_with_a_live_lease_or_within_the_window_is_refused(world: World) -> None:
    job_id = world.submit_job()
    world.claim(job_id, NODES[0])
    world.refused("SchedulerLeaseHeld", NODES[0], world.scheduler.claim(job_id))
    world.deliver(job_id, NODES[0])
    values = world.refused("SchedulerAlreadyClaimed", NODES[0], world.scheduler.claim(job_id))
    assert values["again"] == world.scheduler.round(job_id).opened_at + TERMS.claim_window
    world.wait(TERMS.claim_window)
    assert world.claim(job_id, NODES[0]) == 1


def test_budget_above_the_client_s_balance_is_refused(world: World) -> None:
    dear = terms(epoch_price=10_000 * TOKEN)
    world.send(CLIENT, world.token.approve(world.vault.address, dear.budget(4)))
    fn = world.scheduler.submit_job(dear, SPEC, MODEL)
    values = world.refused("ERC20InsufficientBalance", CLIENT, fn)
    assert (values["balance"], values["needed"]) == (10_000 * TOKEN, dear.budget(4))


def test_budget_without_allowance_is_refused(world: World) -> None:
    fn = world.scheduler.submit_job(TERMS, SPEC, MODEL)
    assert world.refused("ERC20InsufficientAllowance", CLIENT, fn)["needed"] == TERMS.budget(4)


def test_bad_terms_and_content_are_refused_with_the_field_s_name(world: World) -> None:
    world.send(CLIENT, world.token.approve(world.vault.address, 2**128))
    for changes in (
        {"rounds": 0},
        {"epochs_per_round": 0},
        {"epochs_per_round": 257},
        {"min_updates": 0},
        {"min_validators": 0},
        {"max_attempts": 17},
        {"min_lease_time": 0},
        {"lease_time": 1_001},
        {"vote_window": 0},
        {"reveal_window": 0},
    ):
        fn = world.scheduler.submit_job(terms(**changes), SPEC, MODEL)
        assert world.refused("SchedulerBadTerms", CLIENT, fn)["field"], changes
    for content in (Content(bytes(32), "bafy"), Content(digest("x"), ""), Content(digest("x"), "b" * 129)):
        fn = world.scheduler.submit_job(TERMS, content, MODEL)
        world.refused("SchedulerBadContent", CLIENT, fn)


def test_vote_for_another_round_or_attempt_is_refused(world: World) -> None:
    job_id = world.submit_job()
    world.train(job_id)
    for number, attempt in ((2, 1), (1, 2)):
        fn = world.vote.cast_vote(job_id, number, attempt, b"\1" * 16, b"\2" * 16, 0)
        values = world.refused("VoteWrongAttempt", NODES[0], fn)
        assert (values["openRound"], values["openAttempt"]) == (1, 1)


def test_second_vote_early_vote_and_bad_score_are_refused(world: World) -> None:
    job_id = world.submit_job()
    early = world.vote.cast_vote(job_id, 1, 1, b"\1" * 16, b"\2" * 16, 0)
    assert world.refused("VoteWrongPhase", NODES[0], early)["actual"] == Phase.TRAINING
    verdict = Verdict(digest("model"), world.train(job_id))
    world.refused(
        "VoteBadScore", NODES[0], world.vote.cast_vote(job_id, 1, 1, b"\1" * 16, b"\2" * 16, 1_000_001)
    )
    world.cast(job_id, 0, verdict)
    again = world.vote.cast_vote(job_id, 1, 1, b"\1" * 16, b"\2" * 16, 0)
    assert world.refused("VoteAlreadyCast", NODES[0], again)["account"] == ORGANISATIONS[0].address


def test_reveal_too_early_or_of_an_unknown_result_is_refused(world: World) -> None:
    job_id = world.submit_job()
    verdict = Verdict(digest("model"), world.train(job_id))
    for index in range(3):
        world.cast(job_id, index, verdict)
    fn = world.vote.finalize(job_id, verdict.model, verdict.accepted, 0, "bafy")
    assert world.refused("VoteNotRevealable", STRANGER, fn)["from"] == world.vote.revealable_from(job_id)
    world.wait(TERMS.grace)
    wrong = world.vote.finalize(job_id, digest("other"), verdict.accepted, 0, "bafy")
    world.refused("VoteNoTallyQuorum", STRANGER, wrong)
    world.finalize(job_id, verdict)


def test_result_outside_the_updates_is_refused(world: World) -> None:
    job_id = world.submit_job()
    updates = world.train(job_id)
    verdict = Verdict(digest("model"), updates | 1 << 200)
    for index in range(4):
        world.cast(job_id, index, verdict)
    fn = world.vote.finalize(job_id, verdict.model, verdict.accepted, 0, "bafy")
    assert world.refused("SchedulerBadResult", STRANGER, fn)["updates"] == updates


def test_member_operations_by_others_are_refused(world: World) -> None:
    world.refused("RegistryNotGovernance", STRANGER, world.registry.admit(STRANGER.address, "Stranger"))
    world.refused("RegistryNotGovernance", STRANGER, world.registry.remove(ORGANISATIONS[0].address))
    node = world.registry.register_node(STRANGER.address, BOTH, 1, "")
    world.refused("RegistryNotMember", STRANGER, node)
    world.refused("RegistryNotOperator", STRANGER, world.registry.retire_node(NODES[0].address))
    world.refused("TokenNotGovernance", STRANGER, world.token.mint(STRANGER.address, 1))
    world.refused("SchedulerNotClient", STRANGER, world.scheduler.cancel_job(world.submit_job()))


def test_node_without_its_key_s_consent_is_refused(world: World) -> None:
    forged = world.registry.register_node(STRANGER.address, BOTH, 1, "", b"\1" * 65)
    world.refused("RegistryBadConsent", ORGANISATIONS[0], forged)
    stolen = world.registry.register_node(NODES[1].address, BOTH, 1, "")
    world.refused("RegistryNodeKnown", ORGANISATIONS[0], stolen)


def test_organisation_s_own_account_needs_no_consent(world: World) -> None:
    account = ORGANISATIONS[0].address
    world.send(ORGANISATIONS[0], world.registry.register_node(account, Role.VALIDATOR, 0, ""))
    assert world.registry.account_of(account) == account


def test_claim_without_free_stake_for_the_bond_is_refused(world: World) -> None:
    job_id = world.submit_job()
    world.send(ORGANISATIONS[0], world.vault.unbond(STAKE - 1))
    values = world.refused("VaultInsufficientStake", NODES[0], world.scheduler.claim(job_id))
    assert values == {"account": ORGANISATIONS[0].address, "free": 1, "needed": LEASE_BOND}


def test_unbonding_stake_waits_out_its_period(world: World) -> None:
    member = ORGANISATIONS[0]
    world.send(member, world.vault.unbond(TOKEN))
    world.refused("VaultNothingToWithdraw", member, world.vault.withdraw())
    assert world.registry.voting_seats() == 0b1110
    world.wait(1_000)
    before = world.token.balance_of(member.address)
    world.send(member, world.vault.withdraw())
    assert world.token.balance_of(member.address) == before + TOKEN


def test_unknown_job_is_refused(world: World) -> None:
    assert world.refused("SchedulerUnknownJob", NODES[0], world.scheduler.claim(99)) == {"jobId": 99}
