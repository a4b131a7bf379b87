// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAgentLens} from "./interfaces/IAgentLens.sol";
import {IEpochScheduler} from "./interfaces/IEpochScheduler.sol";
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
        vm.assertEq(seen.account.locked, LEASE_BOND);
        vm.assertEq(seen.jobs.length, 2);
        vm.assertEq(seen.jobs[0].jobId, _job);
        vm.assertFalse(seen.jobs[0].leaseHeld);
        vm.assertEq(seen.jobs[0].quota, 2);
        vm.assertEq(seen.jobs[1].jobId, second);
        vm.assertTrue(seen.jobs[1].leaseHeld);
        vm.assertEq(seen.jobs[1].lease.count, 2);
        vm.assertEq(uint256(seen.jobs[1].phase), uint256(IEpochScheduler.Phase.Training));
        vm.assertEq(seen.jobs[1].round.taken, 3);
        vm.assertEq(seen.jobs[1].job.client, client);
    }

    /// @dev Anyone may submit a job that pays one unit: the list of open jobs must not be what stops every agent.
    function test_a_page_costs_no_more_however_many_jobs_there_are() external {
        IEpochScheduler.Terms memory terms = _terms();
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

    function test_overdue_leases_are_shown_by_their_first_epochs() external {
        for (uint256 i = 0; i < 3; ++i) _claim(_job, i);
        _skip(1);
        _claim(_job, 3);
        _deliver(_job, 1);
        _skip(LEASE_TIME - 2);
        vm.assertEq(_view(0).overdue, 0);
        _skip(1);
        vm.assertEq(_view(0).overdue, 0x41);
        scheduler.expire(_job, 0);
        vm.assertEq(_view(0).overdue, 0x40);
        _skip(1);
        vm.assertEq(_view(0).overdue, 0xc0);
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
        vm.assertFalse(_view(heir).voted);
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
        vm.assertEq(uint256(_view(0).phase), uint256(IEpochScheduler.Phase.Ended));
        vm.assertEq(lens.viewFor(parties[0].node, 0, 10).jobs.length, 0);
        vm.assertEq(uint256(lens.jobView(99, client).phase), uint256(IEpochScheduler.Phase.None));
    }

    function _view(uint256 party) private view returns (IAgentLens.JobView memory) {
        return lens.jobView(_job, parties[party].node);
    }
}
