// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IEpochTypes} from "./interfaces/IEpochTypes.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

contract JobsEndTest is ConsortiumFixture {
    uint256 private _job;

    function setUp() external {
        _consortium();
        _job = _submitJob();
    }

    function test_a_job_is_recorded_as_submitted() external view {
        IEpochTypes.Job memory job = scheduler.job(_job);
        vm.assertEq(job.client, client);
        vm.assertEq(job.voters, 4);
        _assertStatus(_job, IEpochTypes.JobStatus.Open);
        vm.assertFalse(job.cancelRequested);
        vm.assertEq(job.maxEpochs, EPOCHS);
        vm.assertEq(job.leaseBond, LEASE_BOND);
        vm.assertEq(job.voteBond, VOTE_BOND);
        vm.assertEq(job.specDigest, "spec");
        vm.assertEq(keccak256(abi.encode(job.terms)), keccak256(abi.encode(_terms())));
        vm.assertEq(scheduler.round(_job).modelDigest, "model 0");
        vm.assertEq(vault.escrowOf(_job), 3 * (8 * EPOCH_PRICE + 4 * VOTE_PRICE));
        vm.assertEq(scheduler.jobCount(), 1);
    }

    function test_a_job_completes_with_its_last_round_and_returns_what_is_left() external {
        for (uint256 i = 0; i < 3; ++i) _round(_job);
        _assertStatus(_job, IEpochTypes.JobStatus.Completed);
        vm.assertEq(scheduler.openJobs().length, 0);
        vm.assertEq(vault.escrowOf(_job), 0);
        vm.assertEq(vault.account(client).credit, 0);
        _settleAll(_job);
        vm.assertEq(vault.owedBy(_job), 0);
        vm.assertEq(scheduler.outcome(_job, 3).modelDigest, keccak256(abi.encode("model", 3)));
    }

    function test_a_cancelled_job_still_pays_its_current_round() external {
        _claim(_job, 0);
        vm.prank(client);
        scheduler.cancelJob(_job);
        _assertStatus(_job, IEpochTypes.JobStatus.Open);
        for (uint256 i = 1; i < 4; ++i) _claim(_job, i);
        for (uint256 i = 0; i < 4; ++i) _deliver(_job, i);
        Result memory result = _result(_job);
        for (uint256 i = 0; i < 4; ++i) _vote(_job, i, result);
        _finalize(_job, result);

        _assertStatus(_job, IEpochTypes.JobStatus.Cancelled);
        uint256 paid = 8 * EPOCH_PRICE + 4 * VOTE_PRICE;
        vm.assertEq(vault.account(client).credit, _budget(_terms()) - paid);
        _settleAll(_job);
        vm.assertEq(_credit(0), 4 * EPOCH_PRICE + VOTE_PRICE);
        vm.assertEq(vault.owedBy(_job), 0);
    }

    function test_a_cancelled_job_ends_when_its_attempt_fails() external {
        vm.prank(client);
        scheduler.cancelJob(_job);
        vm.warp(START + TRAINING);
        scheduler.reopen(_job);
        _assertStatus(_job, IEpochTypes.JobStatus.Cancelled);
        vm.assertEq(vault.account(client).credit, _budget(_terms()));
        uint256 before = token.balanceOf(client);
        vm.prank(client);
        vault.withdraw();
        vm.assertEq(token.balanceOf(client), before + _budget(_terms()));
    }

    function test_a_cancelled_job_whose_last_round_is_final_is_complete() external {
        _round(_job);
        _round(_job);
        vm.prank(client);
        scheduler.cancelJob(_job);
        _round(_job);
        _assertStatus(_job, IEpochTypes.JobStatus.Completed);
    }

    function test_only_the_client_cancels_and_only_once_and_only_an_open_job() external {
        vm.expectRevert(
            abi.encodeWithSelector(IEpochTypes.SchedulerNotClient.selector, address(this), client)
        );
        scheduler.cancelJob(_job);
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerUnknownJob.selector, _job + 1));
        scheduler.cancelJob(_job + 1);
        vm.prank(client);
        scheduler.cancelJob(_job);
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerCancelled.selector, _job));
        vm.prank(client);
        scheduler.cancelJob(_job);
        _round(_job);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEpochTypes.SchedulerWrongPhase.selector,
                _job,
                IEpochTypes.Phase.Ended,
                IEpochTypes.Phase.Training
            )
        );
        vm.prank(client);
        scheduler.cancelJob(_job);
    }

    function test_jobs_run_beside_each_other_and_are_listed_while_open() external {
        uint256 second = _submitJob();
        uint256 third = _submitJob();
        _train(_job);
        _train(second);
        Result memory result = _result(second);
        for (uint256 i = 0; i < 4; ++i) _vote(second, i, result);
        _finalize(second, result);
        vm.assertEq(scheduler.round(_job).number, 1);
        vm.assertEq(scheduler.round(second).number, 2);
        vm.assertEq(scheduler.openJobs().length, 3);

        vm.prank(client);
        scheduler.cancelJob(third);
        vm.warp(START + TRAINING);
        scheduler.reopen(third);
        uint256[] memory open = scheduler.openJobs();
        vm.assertEq(open.length, 2);
        vm.assertEq(open[0], _job);
        vm.assertEq(open[1], second);
    }

    function test_a_submission_needs_its_budget() external {
        vm.startPrank(client);
        token.approve(address(vault), type(uint256).max);
        vm.expectRevert(
            abi.encodeWithSelector(
                IERC20Errors.ERC20InsufficientBalance.selector,
                client,
                0,
                _budget(_terms())
            )
        );
        scheduler.submitJob(_terms(), _content("spec"), _content("model"));
        vm.stopPrank();
        vm.assertEq(scheduler.jobCount(), 1);
    }

    function test_a_submission_needs_digests_and_places() external {
        _refuseContent(_content(0), _content("m"), "spec.digest");
        _refuseContent(_content("s"), _content(0), "model.digest");
        _refuseContent(IEpochTypes.Content("s", ""), _content("m"), "spec.cid");
        _refuseContent(_content("s"), IEpochTypes.Content("m", string(new bytes(129))), "model.cid");
    }

    function test_new_bonds_hold_for_new_jobs_only() external {
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerNotGovernance.selector, stranger));
        vm.prank(stranger);
        scheduler.setParameters(1, 2, 5000);
        vm.expectEmit();
        emit IEpochTypes.ParametersSet(1, 2, 5000);
        scheduler.setParameters(1, 2, 5000);
        IEpochTypes.Parameters memory parameters = scheduler.parameters();
        vm.assertEq(parameters.leaseBond, 1);
        vm.assertEq(parameters.voteBond, 2);
        vm.assertEq(parameters.maxShare, 5000);
        IEpochTypes.Job memory job = scheduler.job(_job);
        vm.assertEq(job.leaseBond, LEASE_BOND);
        vm.assertEq(job.voteBond, VOTE_BOND);
        vm.assertEq(job.maxEpochs, EPOCHS);
        job = scheduler.job(_submitJob());
        vm.assertEq(job.leaseBond, 1);
        vm.assertEq(job.voteBond, 2);
        vm.assertEq(job.maxEpochs, EPOCHS / 2);
    }

    function test_a_share_is_more_than_nothing_and_at_most_all() external {
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerBadShare.selector, 0));
        scheduler.setParameters(1, 2, 0);
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerBadShare.selector, 10_001));
        scheduler.setParameters(1, 2, 10_001);
        // The smallest share is still one epoch.
        scheduler.setParameters(1, 2, 1);
        vm.assertEq(scheduler.job(_submitJob()).maxEpochs, 1);
    }

    function test_no_job_is_submitted_in_a_pause_and_open_ones_go_on() external {
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerNotGovernance.selector, stranger));
        vm.prank(stranger);
        scheduler.setPaused(true);
        _claim(_job, 0);
        vm.expectEmit();
        emit IEpochTypes.PauseSet(true);
        scheduler.setPaused(true);
        vm.assertTrue(scheduler.paused());
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerPaused.selector));
        scheduler.submitJob(_terms(), _content("spec"), _content("model"));
        for (uint256 i = 1; i < 4; ++i) _claim(_job, i);
        for (uint256 i = 0; i < 4; ++i) _deliver(_job, i);
        _agree(_job);
        _settleAll(_job);
        vm.assertEq(_credit(0), 4 * EPOCH_PRICE + VOTE_PRICE);
        vm.prank(parties[0].account);
        vault.withdraw();
        scheduler.setPaused(false);
        vm.assertFalse(scheduler.paused());
        _submitJob();
    }

    function test_a_job_that_nothing_may_be_leased_for_still_ends() external {
        scheduler.setPaused(true);
        for (uint256 i = 0; i < 3; ++i) {
            _skip(TRAINING);
            scheduler.reopen(_job);
        }
        _assertStatus(_job, IEpochTypes.JobStatus.Failed);
        vm.assertEq(vault.account(client).credit, _budget(_terms()));
    }

    function test_a_lease_that_is_kept_in_the_last_round_is_void() external {
        IEpochTypes.Terms memory terms = _terms();
        terms.rounds = 2;
        uint256 job = _submitJob(terms);
        for (uint256 i = 0; i < 2; ++i) {
            _trainAndKeep(job);
            _agree(job);
        }
        _assertStatus(job, IEpochTypes.JobStatus.Completed);
        for (uint256 i = 0; i < 4; ++i) _assertLease(job, i, IEpochTypes.LeaseState.Settled);
        _settleAll(job);
        for (uint256 i = 0; i < 4; ++i) vm.assertEq(_stakeOf(i).free, STAKE);
        vm.assertEq(_credit(0), 2 * (4 * EPOCH_PRICE + VOTE_PRICE));
        vm.assertEq(vault.owedBy(job), 0);
    }

    function test_a_lease_that_is_kept_in_a_job_s_cancelled_round_is_void() external {
        _trainAndKeep(_job);
        vm.prank(client);
        scheduler.cancelJob(_job);
        _agree(_job);
        _assertStatus(_job, IEpochTypes.JobStatus.Cancelled);
        for (uint256 i = 0; i < 4; ++i) _assertLease(_job, i, IEpochTypes.LeaseState.Settled);
        _settleAll(_job);
        for (uint256 i = 0; i < 4; ++i) vm.assertEq(_stakeOf(i).free, STAKE);
        vm.assertEq(vault.account(treasury).credit, 0);
        vm.assertEq(vault.owedBy(_job), 0);
    }

    function test_a_carried_lease_that_is_live_when_its_job_ends_was_missed() external {
        _trainAndKeep(_job);
        _agree(_job);
        vm.prank(client);
        scheduler.cancelJob(_job);
        for (uint256 i = 0; i < 3; ++i) _deliver(_job, i);
        vm.warp(scheduler.round(_job).trainingDeadline);
        Result memory result = _result(_job);
        for (uint256 i = 0; i < 4; ++i) _vote(_job, i, result);
        _finalize(_job, result);
        _assertStatus(_job, IEpochTypes.JobStatus.Cancelled);
        _assertLease(_job, 3, IEpochTypes.LeaseState.Missed);
        _settleAll(_job);
        // What it earned in the first round is paid all the same.
        vm.assertEq(_credit(3), EPOCH_PRICE + 2 * VOTE_PRICE);
        vm.assertEq(_stakeOf(3).free, STAKE - LEASE_BOND);
        vm.assertEq(_stakeOf(0).free, STAKE);
        vm.assertEq(vault.account(treasury).credit, LEASE_BOND);
        vm.assertEq(vault.owedBy(_job), 0);
    }

    function test_a_job_of_a_member_may_be_free_of_charge() external {
        IEpochTypes.Terms memory terms = _terms();
        (terms.epochPrice, terms.votePrice) = (0, 0);
        scheduler.setParameters(0, 0, WHOLE_SHARE);
        vm.prank(parties[0].account);
        uint256 job = scheduler.submitJob(terms, _content("spec"), _content("model 0"));
        for (uint256 i = 0; i < 3; ++i) _round(job);
        _settleAll(job);
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertEq(_credit(i), 0);
            vm.assertEq(_stakeOf(i).free, STAKE);
        }
    }

    function test_a_budget_that_the_ledger_cannot_hold_is_refused() external {
        IEpochTypes.Terms memory terms = _terms();
        (terms.rounds, terms.epochsPerRound, terms.epochPrice) = (65_535, 256, type(uint96).max);
        uint256 budget = _budget(terms);
        token.mint(client, budget);
        vm.startPrank(client);
        token.approve(address(vault), budget);
        uint256 liable = vault.liabilities() + budget;
        vm.expectRevert(abi.encodeWithSelector(SafeCast.SafeCastOverflowedUintDowncast.selector, 96, liable));
        scheduler.submitJob(terms, _content("spec"), _content("model"));
        vm.stopPrank();
    }

    function test_only_the_scheduler_takes_a_budget() external {
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.VaultNotOperator.selector, client));
        vm.prank(client);
        vault.escrow(1, client, 1);
    }

    function _refuseContent(
        IEpochTypes.Content memory spec,
        IEpochTypes.Content memory model,
        string memory field
    ) private {
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerBadContent.selector, field));
        scheduler.submitJob(_terms(), spec, model);
    }
}
