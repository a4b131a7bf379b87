// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAgentLens} from "./interfaces/IAgentLens.sol";
import {IAggregationVote} from "./interfaces/IAggregationVote.sol";
import {IEpochTypes} from "./interfaces/IEpochTypes.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

contract AgentLensShowsAllTest is ConsortiumFixture {
    uint256 private _job;

    function setUp() external {
        _consortium();
        _job = _submitJob();
    }

    function test_one_call_shows_the_node_its_stake_and_every_open_job() external {
        uint256 second = _submitJob();
        _claim(second, 1);
        IAgentLens.AgentView memory seen = lens.viewFor(parties[1].node, 0, 10);
        vm.assertEq(seen.timestamp, START);
        vm.assertEq(seen.node.account, parties[1].account);
        vm.assertEq(seen.organisation.seat, 1);
        vm.assertTrue(seen.active);
        vm.assertEq(seen.account.locked, 2 * LEASE_BOND);
        vm.assertEq(seen.record.reliability, 10_000);
        vm.assertEq(seen.votes.cast, 0);
        vm.assertFalse(seen.paused);
        vm.assertEq(seen.jobs.length, 2);
        vm.assertEq(seen.jobs[0].jobId, _job);
        vm.assertFalse(seen.jobs[0].leaseHeld);
        vm.assertEq(seen.jobs[0].quota, 2);
        vm.assertEq(seen.jobs[1].jobId, second);
        vm.assertTrue(seen.jobs[1].leaseHeld);
        vm.assertEq(seen.jobs[1].lease.count, 2);
        vm.assertEq(seen.jobs[1].share, 2);
        vm.assertEq(uint256(seen.jobs[1].phase), uint256(IEpochTypes.Phase.Training));
        vm.assertEq(seen.jobs[1].round.taken, 3);
        vm.assertEq(seen.jobs[1].job.client, client);
    }

    /// @dev Anyone may submit a job that pays one unit: the list of open jobs must not be what stops every agent.
    function test_a_page_costs_no_more_however_many_jobs_there_are() external {
        IEpochTypes.Terms memory terms = _terms();
        (terms.rounds, terms.epochsPerRound, terms.minUpdates) = (1, 1, 1);
        (terms.epochPrice, terms.votePrice) = (1, 0);
        for (uint256 i = 0; i < 150; ++i) _submitJob(terms);
        uint256 before = gasleft();
        vm.assertEq(lens.viewFor(parties[0].node, 0, 20).jobs.length, 20);
        vm.assertTrue(before - gasleft() < 5_000_000, "a page is too dear");

        vm.assertEq(lens.viewFor(parties[0].node, 140, 20).jobs.length, 11);
        vm.assertEq(lens.viewFor(parties[0].node, 140, 20).jobs[10].jobId, 151);
        vm.assertEq(lens.viewFor(parties[0].node, 151, 20).jobs.length, 0);
        vm.assertEq(lens.viewFor(parties[0].node, 151, 20).node.account, parties[0].account);
    }

    function test_overdue_leases_are_shown_by_their_nodes() external {
        for (uint256 i = 0; i < 3; ++i) _claim(_job, i);
        _skip(1);
        _claim(_job, 3);
        _deliver(_job, 1);
        _skip(LEASE_TIME - 2);
        vm.assertEq(_view(0).overdue.length, 0);
        _skip(1);
        _assertOverdue(0, 2);
        scheduler.expire(_job, parties[0].node);
        vm.assertEq(_view(0).overdue.length, 1);
        vm.assertEq(_view(0).overdue[0], parties[2].node);
        _skip(1);
        _assertOverdue(2, 3);
    }

    /// @dev Nobody claimed it: there is no event that would tell of it.
    function test_a_carried_lease_is_shown_and_overdue_like_any_other() external {
        _trainAndKeep(_job);
        _agree(_job);
        IAgentLens.JobView memory seen = _view(0);
        vm.assertTrue(seen.leaseHeld);
        vm.assertEq(uint256(seen.lease.state), uint256(IEpochTypes.LeaseState.Live));
        vm.assertEq(seen.lease.round, 2);
        vm.assertEq(seen.lease.due, 4);
        vm.assertEq(seen.share, 4);
        _deliver(_job, 0);
        _deliver(_job, 3);
        _skip(LEASE_TIME);
        _assertOverdue(1, 2);
        // Who holds nothing any more has nothing that is overdue.
        vm.warp(scheduler.round(_job).trainingDeadline);
        vm.assertEq(_view(0).overdue.length, 0);
    }

    function test_a_further_lease_is_the_one_that_is_shown() external {
        _claim(_job, 0);
        _deliver(_job, 0);
        _skip(CLAIM_WINDOW);
        _claim(_job, 0);
        IAgentLens.JobView memory seen = _view(0);
        vm.assertEq(seen.lease.first, 4);
        vm.assertEq(seen.lease.extra, 1);
        vm.assertEq(seen.share, 8);
        vm.assertEq(seen.quota, 0);
        _skip(LEASE_TIME);
        vm.assertEq(_view(1).overdue.length, 1);
    }

    function test_what_is_due_from_earlier_rounds_is_shown() external {
        _round(_job);
        IAgentLens.JobView memory seen = _view(0);
        vm.assertFalse(seen.leaseHeld);
        vm.assertEq(seen.lease.due, 4);
        vm.assertEq(seen.lease.bonded, 4);
        vm.assertEq(uint256(seen.ballot.state), uint256(IAggregationVote.BallotState.Cast));
        vm.assertEq(seen.ballot.round, 1);
        _settleAll(_job);
        seen = _view(0);
        vm.assertEq(seen.lease.due, 0);
        vm.assertEq(uint256(seen.ballot.state), uint256(IAggregationVote.BallotState.Settled));
        IAgentLens.AgentView memory agent = lens.viewFor(parties[0].node, 0, 10);
        vm.assertEq(agent.record.accepted, 1);
        vm.assertEq(agent.votes.matched, 1);
        vm.assertEq(agent.account.credit, 4 * EPOCH_PRICE + VOTE_PRICE);
    }

    function test_a_pause_is_shown() external {
        scheduler.setPaused(true);
        _round(_job);
        IAgentLens.AgentView memory seen = lens.viewFor(parties[0].node, 0, 10);
        vm.assertTrue(seen.paused);
        vm.assertTrue(seen.jobs[0].round.paused);
    }

    function test_votes_are_those_of_the_open_attempt() external {
        _train(_job);
        Result memory result = _result(_job);
        _vote(_job, 0, result);
        vm.assertTrue(_view(0).voted);
        vm.assertFalse(_view(1).voted);
        vm.assertEq(_view(1).attempt.voted, 1);
        vm.assertEq(_view(1).revealableFrom, type(uint256).max);
        for (uint256 i = 1; i < 4; ++i) _vote(_job, i, result);
        vm.assertEq(_view(1).revealableFrom, START);
        _finalize(_job, result);
        vm.assertFalse(_view(0).voted);
        vm.assertEq(_view(0).attempt.voted, 0);
        vm.assertEq(_view(0).round.number, 2);
    }

    function test_a_vote_cast_under_a_seat_is_not_its_next_holder_s() external {
        _train(_job);
        _skip(1);
        _vote(_job, 3, _result(_job));
        registry.remove(parties[3].account);
        _skip(1);
        uint256 heir = _join(1);
        vm.assertEq(registry.organisation(parties[heir].account).seat, 3);
        vm.assertTrue(_view(3).voted);
        vm.assertEq(_view(3).ballot.openedAt, START);
        vm.assertFalse(_view(heir).voted);
        vm.assertEq(_view(heir).ballot.openedAt, 0);
    }

    function test_a_stranger_sees_the_jobs_alone() external view {
        IAgentLens.AgentView memory seen = lens.viewFor(address(0), 0, 10);
        vm.assertEq(seen.jobs.length, 1);
        vm.assertFalse(seen.active);
        vm.assertFalse(seen.jobs[0].voted);
        vm.assertEq(seen.jobs[0].quota, 0);
    }

    function test_an_ended_or_unknown_job_can_be_looked_at() external {
        vm.prank(client);
        scheduler.cancelJob(_job);
        _round(_job);
        vm.assertEq(uint256(_view(0).phase), uint256(IEpochTypes.Phase.Ended));
        vm.assertEq(lens.viewFor(parties[0].node, 0, 10).jobs.length, 0);
        vm.assertEq(uint256(lens.jobView(99, client).phase), uint256(IEpochTypes.Phase.None));
    }

    function _assertOverdue(uint256 one, uint256 another) private view {
        address[] memory overdue = _view(0).overdue;
        vm.assertEq(overdue.length, 2);
        vm.assertEq(overdue[0], parties[one].node);
        vm.assertEq(overdue[1], parties[another].node);
    }

    function _view(uint256 party) private view returns (IAgentLens.JobView memory) {
        return lens.jobView(_job, parties[party].node);
    }
}
