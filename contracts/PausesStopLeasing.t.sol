// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochTypes} from "./interfaces/IEpochTypes.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

/// @title In a pause nothing new begins, and whatever has begun comes to its end.
contract PausesStopLeasingTest is ConsortiumFixture {
    uint256 private _job;

    function setUp() external {
        _consortium();
        _job = _submitJob();
    }

    function test_governance_alone_pauses_and_resumes() external {
        vm.assertFalse(scheduler.paused());
        vm.expectEmit();
        emit IEpochTypes.PauseSet(true);
        scheduler.setPaused(true);
        vm.assertTrue(scheduler.paused());
        address account = parties[0].account;
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerNotGovernance.selector, account));
        vm.prank(account);
        scheduler.setPaused(false);
        vm.expectEmit();
        emit IEpochTypes.PauseSet(false);
        scheduler.setPaused(false);
        vm.assertFalse(scheduler.paused());
    }

    function test_no_job_is_submitted_in_a_pause() external {
        scheduler.setPaused(true);
        IEpochTypes.Terms memory terms = _terms();
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerPaused.selector));
        vm.prank(client);
        scheduler.submitJob(terms, _content("spec"), _content("model 0"));
        scheduler.setPaused(false);
        vm.assertEq(_submitJob(), 2);
    }

    /// @dev No act moves another's deadline: who claimed on the terms of an attempt goes on by them.
    function test_an_attempt_that_was_open_goes_on() external {
        _claim(_job, 0);
        scheduler.setPaused(true);
        vm.assertFalse(scheduler.round(_job).paused);
        for (uint256 i = 1; i < 4; ++i) _claim(_job, i);
        for (uint256 i = 0; i < 4; ++i) _deliver(_job, i);
        _agree(_job);
        vm.assertEq(scheduler.round(_job).number, 2);
        _settleAll(_job);
        vm.assertEq(_credit(0), 4 * EPOCH_PRICE + VOTE_PRICE);
    }

    function test_nothing_is_leased_in_an_attempt_that_opens_in_a_pause() external {
        scheduler.setPaused(true);
        _round(_job);
        vm.assertTrue(scheduler.round(_job).paused);
        _refuseClaim();
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerPaused.selector));
        vm.prank(parties[0].node);
        scheduler.enlist(_job);
        // To resume in its middle does not open it again: nobody was counted in or out.
        scheduler.setPaused(false);
        _refuseClaim();
        vm.warp(scheduler.round(_job).trainingDeadline);
        scheduler.reopen(_job);
        vm.assertFalse(scheduler.round(_job).paused);
        _round(_job);
        vm.assertEq(scheduler.round(_job).number, 3);
    }

    function test_kept_leases_are_void_in_a_pause() external {
        _trainAndKeep(_job);
        scheduler.setPaused(true);
        _agree(_job);
        vm.assertFalse(scheduler.outcome(_job, 1).carried);
        vm.assertEq(scheduler.round(_job).taken, 0);
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerNoLease.selector, parties[0].node));
        _deliver(_job, 0);
        // Their bonds come free.
        _settleAll(_job);
        for (uint256 i = 0; i < 4; ++i) vm.assertEq(_stakeOf(i).free, STAKE);
    }

    function test_a_lease_that_was_carried_before_a_pause_is_delivered_in_it() external {
        _trainAndKeep(_job);
        _agree(_job);
        scheduler.setPaused(true);
        for (uint256 i = 0; i < 4; ++i) _deliver(_job, i, true);
        _agree(_job);
        vm.assertEq(scheduler.round(_job).number, 3);
        vm.assertEq(scheduler.round(_job).taken, 0);
    }

    function test_a_vote_that_is_repeated_in_a_pause_can_be_final() external {
        _train(_job);
        for (uint256 i = 0; i < 4; ++i) {
            _vote(_job, i, Result({digest: bytes32(i + 1), accepted: 0xd1, invalid: 0}));
        }
        scheduler.setPaused(true);
        vote.fail(_job);
        vm.assertTrue(scheduler.round(_job).paused);
        vm.assertEq(scheduler.round(_job).attempt, 2);
        _assertPhase(_job, IEpochTypes.Phase.Voting);
        _agree(_job);
        vm.assertEq(scheduler.round(_job).number, 2);
    }

    function test_all_that_was_earned_leaves_in_a_pause() external {
        _round(_job);
        vm.prank(client);
        scheduler.cancelJob(_job);
        _claim(_job, 0);
        scheduler.setPaused(true);
        _skip(LEASE_TIME);
        scheduler.expire(_job, parties[0].node);
        vm.warp(scheduler.round(_job).trainingDeadline);
        scheduler.reopen(_job);
        _assertStatus(_job, IEpochTypes.JobStatus.Cancelled);
        _settleAll(_job);
        for (uint256 i = 0; i < 4; ++i) {
            uint256 free = _stakeOf(i).free;
            vm.prank(parties[i].account);
            vault.unbond(free);
        }
        _skip(UNBONDING);
        for (uint256 i = 0; i < 4; ++i) {
            vm.prank(parties[i].account);
            vault.withdraw();
        }
        vm.prank(client);
        vault.withdraw();
        vm.prank(treasury);
        vault.withdraw();
        vm.assertEq(vault.liabilities(), 0);
    }

    /// @dev A pause is for emergencies: a job that it outlasts ends, and its budget returns.
    function test_a_job_that_a_pause_outlasts_fails_and_is_refunded() external {
        scheduler.setPaused(true);
        _round(_job);
        for (uint256 i = 0; i < 3; ++i) {
            vm.warp(scheduler.round(_job).trainingDeadline);
            scheduler.reopen(_job);
        }
        _assertStatus(_job, IEpochTypes.JobStatus.Failed);
        _settleAll(_job);
        vm.assertEq(vault.account(client).credit, 2 * (8 * EPOCH_PRICE + 4 * VOTE_PRICE));
        vm.assertEq(vault.owedBy(_job), 0);
    }

    function _refuseClaim() private {
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerPaused.selector));
        _claim(_job, 0);
    }
}
