"""How the members decide: a proposal from its making to its execution, and what is refused on the way."""

from consortium_world import (
    ACCOUNTS,
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
    VOTE_BOND,
    World,
)

from chain.contracts.event_types import OrganisationAdmitted, OrganisationLeft, PauseSet
from chain.contracts.governance_events import (
    CallExecuted,
    ProposalCreated,
    ProposalExecuted,
    ProposalQueued,
    ProposalVoteCast,
)
from chain.contracts.governor import Action, Proposal, ProposalState, ProposalVotes, Support
from chain.contracts.types import Parameters

NEWCOMER = ACCOUNTS[12]
WHY = "Admit Central Laboratory: it brings 4,000 scans."


def test_organisation_is_admitted_by_the_members_from_proposal_to_execution(world: World) -> None:
    governor = world.governor
    proposal = Proposal((Action.of(world.registry.admit(NEWCOMER.address, "Central Laboratory")),), WHY)
    receipt = world.send(ORGANISATIONS[0], governor.propose(proposal))
    (created,) = governor.events_of(ProposalCreated, receipt)
    assert (created.proposal_id, created.proposer) == (proposal.id, ORGANISATIONS[0].address)
    assert Proposal.of(created) == proposal and governor.proposals(receipt.block_number) == [created]
    made = world.w3.eth.get_block(receipt.block_number)["timestamp"]
    assert (created.vote_start, created.vote_end) == (made + 2, made + 22)
    assert (governor.snapshot(proposal.id), governor.deadline(proposal.id)) == (made + 2, made + 22)
    assert governor.proposer(proposal.id) == ORGANISATIONS[0].address
    assert governor.state(proposal.id) is ProposalState.PENDING

    world.wait_until(created.vote_start + 1)
    assert governor.state(proposal.id) is ProposalState.ACTIVE
    assert governor.quorum(created.vote_start) == 3
    vote = world.send(ORGANISATIONS[0], governor.cast_vote(proposal.id, Support.FOR, "we know them"))
    (cast,) = governor.events_of(ProposalVoteCast, vote)
    assert (cast.voter, cast.support, cast.weight) == (ORGANISATIONS[0].address, Support.FOR, 1)
    assert cast.reason == "we know them"
    world.refused(
        "GovernorAlreadyCastVote", ORGANISATIONS[0], governor.cast_vote(proposal.id, Support.AGAINST)
    )
    world.send(ORGANISATIONS[1], governor.cast_vote(proposal.id, Support.AGAINST))
    world.send(ORGANISATIONS[2], governor.cast_vote(proposal.id, Support.FOR))
    world.send(ORGANISATIONS[3], governor.cast_vote(proposal.id, Support.ABSTAIN))
    assert governor.votes(proposal.id) == ProposalVotes(against=1, in_favour=2, abstain=1)
    assert governor.has_voted(proposal.id, ORGANISATIONS[3].address)
    world.refused("GovernorUnexpectedProposalState", STRANGER, governor.queue(proposal))

    world.wait_until(created.vote_end + 1)
    assert governor.state(proposal.id) is ProposalState.SUCCEEDED
    (queued,) = governor.events_of(ProposalQueued, world.send(STRANGER, governor.queue(proposal)))
    assert governor.state(proposal.id) is ProposalState.QUEUED
    assert queued.eta_seconds == governor.eta(proposal.id)
    world.refused("TimelockUnexpectedOperationState", STRANGER, governor.execute(proposal))
    assert not world.registry.is_member(NEWCOMER.address)

    world.wait_until(queued.eta_seconds)
    done = world.send(STRANGER, governor.execute(proposal))
    assert len(governor.events_of(ProposalExecuted, done)) == 1
    (call,) = world.consortium.timelock.events_of(CallExecuted, done)
    assert (call.target, call.data) == (world.registry.address, proposal.calldatas[0])
    (admitted,) = world.registry.events_of(OrganisationAdmitted, done)
    assert (admitted.account, admitted.seat, admitted.name) == (NEWCOMER.address, 4, "Central Laboratory")
    assert governor.state(proposal.id) is ProposalState.EXECUTED
    assert world.registry.votes(NEWCOMER.address) == 1
    assert world.registry.past_votes(NEWCOMER.address, created.vote_end) == 0
    world.refused("GovernorUnexpectedProposalState", STRANGER, governor.execute(proposal))


def test_proposal_without_quorum_or_majority_is_defeated(world: World) -> None:
    for votes in ((Support.FOR,) * 2, (Support.FOR, Support.AGAINST, Support.ABSTAIN, Support.AGAINST)):
        proposal = world.propose(world.registry.remove(ORGANISATIONS[3].address), why=str(votes))
        for member, support in zip(ORGANISATIONS, votes, strict=False):
            world.send(member, world.governor.cast_vote(proposal.id, support))
        world.wait_until(world.governor.deadline(proposal.id) + 1)
        assert world.governor.state(proposal.id) is ProposalState.DEFEATED
        values = world.refused("GovernorUnexpectedProposalState", STRANGER, world.governor.queue(proposal))
        assert values["current"] == ProposalState.DEFEATED


def test_who_is_no_member_neither_proposes_nor_votes(world: World) -> None:
    proposal = Proposal((Action.of(world.token.mint(STRANGER.address, TOKEN)),), "for me")
    values = world.refused("GovernorNotMember", STRANGER, world.governor.propose(proposal))
    assert values == {"account": STRANGER.address}
    proposal = world.propose(world.token.mint(CLIENT.address, TOKEN))
    vote = world.governor.cast_vote(proposal.id, Support.FOR)
    world.refused("GovernorNotMember", STRANGER, vote)
    world.send(ORGANISATIONS[3], world.registry.resign())
    world.refused("GovernorNotMember", ORGANISATIONS[3], vote)


def test_member_admitted_after_the_snapshot_does_not_vote_on_the_proposal(world: World) -> None:
    admission = world.propose(world.registry.admit(NEWCOMER.address, "Late"))
    world.approve(admission)
    older = world.propose(world.token.mint(CLIENT.address, TOKEN))
    world.execute(admission)
    assert world.governor.state(older.id) is ProposalState.ACTIVE
    values = world.refused("GovernorNoVote", NEWCOMER, world.governor.cast_vote(older.id, Support.FOR))
    assert values == {"account": NEWCOMER.address, "snapshot": world.governor.snapshot(older.id)}
    world.wait(1)
    newer = world.propose(world.token.mint(CLIENT.address, 2 * TOKEN), by=NEWCOMER)
    world.send(NEWCOMER, world.governor.cast_vote(newer.id, Support.FOR))
    assert world.governor.votes(newer.id).in_favour == 1


def test_proposer_takes_a_proposal_back_before_its_snapshot_alone(world: World) -> None:
    proposal = Proposal((Action.of(world.token.mint(CLIENT.address, TOKEN)),), "oops")
    world.send(ORGANISATIONS[0], world.governor.propose(proposal))
    world.refused("GovernorUnableToCancel", ORGANISATIONS[1], world.governor.cancel(proposal))
    world.send(ORGANISATIONS[0], world.governor.cancel(proposal))
    assert world.governor.state(proposal.id) is ProposalState.CANCELED


def test_every_parameter_is_set_by_one_proposal_with_many_calls(world: World) -> None:
    stake, wait, treasury = world.vault.minimum_stake() + 1, 2_000, CLIENT.address
    world.decide(
        world.scheduler.set_parameters(5 * TOKEN, 6 * TOKEN, 2_500),
        world.vault.set_parameters(stake, wait, treasury),
        world.governor.set_voting_delay(7),
        world.governor.set_quorum_percent(75),
        world.consortium.timelock.update_delay(9),
        world.token.mint(CLIENT.address, TOKEN),
        why="Everything anew.",
    )
    assert world.scheduler.parameters() == Parameters(5 * TOKEN, 6 * TOKEN, 2_500)
    vault = world.vault
    assert (vault.minimum_stake(), vault.unbonding_period(), vault.treasury()) == (stake, wait, treasury)
    assert (world.governor.voting_delay(), world.governor.quorum_percent()) == (7, 75)
    assert world.consortium.timelock.min_delay() == 9


def test_parameters_set_in_mid_job_hold_for_later_jobs_alone(world: World) -> None:
    before = world.submit_job()
    world.decide(world.scheduler.set_parameters(5 * TOKEN, 6 * TOKEN, 2_500))
    after = world.submit_job()
    known = {job: world.scheduler.job(job) for job in (before, after)}
    assert {j: (job.lease_bond, job.vote_bond, job.max_epochs) for j, job in known.items()} == {
        before: (LEASE_BOND, VOTE_BOND, 4),
        after: (5 * TOKEN, 6 * TOKEN, 2),
    }
    assert world.scheduler.vote_terms(after).vote_bond == 6 * TOKEN
    # Its capacity would give it half of the round, and the share that one organisation may hold a quarter.
    assert world.scheduler.quota(after, NODES[3].address) == 2
    world.claim(after, NODES[3])
    world.deliver(after, NODES[3])
    world.wait(TERMS.claim_window)
    values = world.refused("SchedulerShareReached", NODES[3], world.scheduler.claim(after))
    assert values == {"account": ORGANISATIONS[3].address, "maxEpochs": 2}


def test_pause_stops_jobs_and_new_rounds_leases_until_it_is_lifted(world: World) -> None:
    job_id = world.submit_job()
    (paused,) = world.scheduler.events_of(PauseSet, world.decide(world.scheduler.set_paused(True)))
    assert paused.paused and world.scheduler.paused()
    world.send(CLIENT, world.token.approve(world.vault.address, TERMS.budget(64)))
    submit = world.scheduler.submit_job(TERMS, SPEC, MODEL)
    world.refused("SchedulerPaused", CLIENT, submit)
    world.play_round(job_id)
    assert world.scheduler.round(job_id).paused
    world.refused("SchedulerPaused", NODES[0], world.scheduler.claim(job_id))
    world.settle_all(job_id)
    world.send(ORGANISATIONS[0], world.vault.withdraw())
    world.decide(world.scheduler.set_paused(False))
    assert world.submit_job() == job_id + 1


def test_proposal_whose_call_is_refused_says_why_and_can_be_executed_no_sooner(world: World) -> None:
    admission = world.propose(world.registry.admit(NEWCOMER.address, "First"), why="first")
    twice = world.propose(world.registry.admit(NEWCOMER.address, "Second"), why="second")
    for proposal in (admission, twice):
        for member in ORGANISATIONS[1:]:
            world.send(member, world.governor.cast_vote(proposal.id, Support.FOR))
    world.wait_until(world.governor.deadline(twice.id) + 1)
    for proposal in (admission, twice):
        world.send(STRANGER, world.governor.queue(proposal))
    world.execute(admission)
    world.wait_until(world.governor.eta(twice.id))
    values = world.refused("RegistryAlreadyMember", STRANGER, world.governor.execute(twice))
    assert values == {"account": NEWCOMER.address}
    assert world.governor.state(twice.id) is ProposalState.QUEUED


def test_organisation_leaves_with_its_stake_after_unbonding(world: World) -> None:
    member = ORGANISATIONS[0]
    (left,) = world.registry.events_of(OrganisationLeft, world.send(member, world.registry.resign()))
    assert (left.account, left.seat) == (member.address, 0)
    assert not world.registry.is_member(member.address) and not world.registry.is_active(NODES[0].address)
    assert world.registry.departures() == world.registry.snapshot().departures > 0
    world.send(member, world.vault.unbond(STAKE))
    world.wait(1_000)
    before = world.token.balance_of(member.address)
    world.send(member, world.vault.withdraw())
    assert world.token.balance_of(member.address) == before + STAKE
