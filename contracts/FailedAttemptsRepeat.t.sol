// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochTypes} from "./interfaces/IEpochTypes.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

contract FailedAttemptsRepeatTest is ConsortiumFixture {
    uint256 private _job;

    function setUp() external {
        _consortium();
        _job = _submitJob();
    }

    function test_a_failed_training_phase_keeps_what_was_delivered() external {
        _claim(_job, 0);
        _claim(_job, 1);
        _deliver(_job, 1);
        vm.warp(START + TRAINING);
        scheduler.reopen(_job);
        IEpochTypes.Round memory round = scheduler.round(_job);
        vm.assertEq(round.attempt, 2);
        vm.assertEq(round.openedAt, START + TRAINING);
        vm.assertEq(round.trainingDeadline, START + 2 * TRAINING);
        vm.assertEq(round.delivered, 0x30);
        vm.assertEq(round.taken, 0x30);
        vm.assertEq(round.updates, 1);

        // Who missed its lease may claim again, half of its share, and pays for the old one as it does.
        (uint8 first, uint16 count) = _claim(_job, 0);
        vm.assertEq(first, 0);
        vm.assertEq(count, 2);
        vm.assertEq(vault.account(treasury).credit, 4 * LEASE_BOND);
        vm.assertEq(_stakeOf(0).locked, 2 * LEASE_BOND);
        for (uint256 i = 1; i < 4; ++i) _claim(_job, i);
        for (uint256 i = 0; i < 4; ++i) _deliver(_job, i);
        vm.assertEq(scheduler.round(_job).updates, 5);
        _assertPhase(_job, IEpochTypes.Phase.Voting);
    }

    function test_a_node_that_claims_in_several_attempts_counts_once_for_the_next_quotas() external {
        _claim(_job, 0);
        _claim(_job, 1);
        _deliver(_job, 1);
        vm.warp(START + TRAINING);
        scheduler.reopen(_job);
        _claim(_job, 0);
        _claim(_job, 1);
        vm.assertEq(scheduler.round(_job).claimedCapacity, 6);
    }

    function test_a_training_phase_in_which_nothing_happened_starts_again() external {
        vm.warp(START + TRAINING);
        scheduler.reopen(_job);
        vm.assertEq(scheduler.round(_job).attempt, 2);
        _round(_job);
        vm.assertEq(scheduler.outcome(_job, 1).attempt, 2);
    }

    function test_a_lease_that_was_live_when_training_failed_is_missed_once() external {
        _claim(_job, 0);
        _claim(_job, 2);
        _deliver(_job, 2);
        vm.warp(START + TRAINING);
        vm.expectEmit();
        emit IEpochTypes.AttemptFailed(_job, 1, 1, false);
        scheduler.reopen(_job);
        _assertLease(_job, 0, IEpochTypes.LeaseState.Missed);
        _assertLease(_job, 2, IEpochTypes.LeaseState.Delivered);
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerNoLease.selector, parties[0].node));
        _deliver(_job, 0);
        vm.expectEmit();
        emit IEpochTypes.LeaseMissed(_job, 1, parties[0].node, 0, 4, 4 * LEASE_BOND);
        _settleNode(_job, 0);
        _settleNode(_job, 0);
        vm.assertEq(vault.account(treasury).credit, 4 * LEASE_BOND);
        vm.assertEq(_stakeOf(0).locked, 0);
        vm.assertEq(scheduler.nodeRecord(parties[0].node).expired, 1);
        vm.assertEq(scheduler.nodeRecord(parties[0].node).reliability, 5000);
    }

    function test_a_lease_that_was_carried_is_free_for_others_once_an_attempt_fails() external {
        _trainAndKeep(_job);
        _agree(_job);
        for (uint256 i = 1; i < 4; ++i) _deliver(_job, i, true);
        _skip(TRAINING);
        // Enough was delivered to vote on, so nobody reopens: what is left out is not paid.
        _refuseReopen(IEpochTypes.Phase.Voting, IEpochTypes.Phase.Stalled);
        vm.warp(scheduler.round(_job).revealDeadline);
        vote.fail(_job);
        vm.assertEq(scheduler.round(_job).taken, 0xf0);
        _assertLease(_job, 0, IEpochTypes.LeaseState.Missed);
        // What the others kept is still theirs when the round is final in a later attempt.
        _agree(_job);
        vm.assertTrue(scheduler.outcome(_job, 2).carried);
        IEpochTypes.Round memory round = scheduler.round(_job);
        vm.assertEq(round.number, 3);
        vm.assertEq(round.taken, 0xf0);
        for (uint256 i = 1; i < 4; ++i) _assertLease(_job, i, IEpochTypes.LeaseState.Live);
        _settleNode(_job, 0);
        (uint8 first, uint16 count) = _claim(_job, 0);
        vm.assertEq(first, 0);
        // Half of its share: it has missed a lease.
        vm.assertEq(count, 2);
    }

    function test_a_carried_lease_that_training_failed_without_is_claimed_anew() external {
        _trainAndKeep(_job);
        _agree(_job);
        _deliver(_job, 3, true);
        _skip(TRAINING);
        scheduler.reopen(_job);
        vm.assertEq(scheduler.round(_job).taken, 0x80);
        _assertLease(_job, 0, IEpochTypes.LeaseState.Missed);
        // The first round's reward is not lost with the bond.
        _settleNode(_job, 0);
        vm.assertEq(_credit(0), 4 * EPOCH_PRICE);
        vm.assertEq(vault.account(treasury).credit, 4 * LEASE_BOND);
        (uint8 first, uint16 count) = _claim(_job, 0);
        vm.assertEq(first, 0);
        vm.assertEq(count, 2);
        vm.assertEq(_stakeOf(0).locked, 2 * LEASE_BOND + VOTE_BOND);
    }

    function test_a_failed_vote_repeats_only_voting() external {
        _claim(_job, 0);
        _claim(_job, 1);
        _deliver(_job, 0);
        _deliver(_job, 1);
        vm.warp(START + TRAINING + VOTING);
        bytes32 accumulator = scheduler.round(_job).accumulator;
        vote.fail(_job);

        IEpochTypes.Round memory round = scheduler.round(_job);
        uint256 opened = START + TRAINING + VOTING;
        vm.assertEq(round.attempt, 2);
        vm.assertEq(round.trainingDeadline, opened);
        vm.assertEq(round.voteDeadline, opened + VOTING);
        vm.assertEq(round.revealDeadline, opened + VOTING + REVEAL);
        vm.assertEq(round.accumulator, accumulator);
        vm.assertEq(round.updateSet, 0x11);
        _assertPhase(_job, IEpochTypes.Phase.Voting);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEpochTypes.SchedulerWrongPhase.selector,
                _job,
                IEpochTypes.Phase.Voting,
                IEpochTypes.Phase.Training
            )
        );
        _claim(_job, 2);

        Result memory result = _result(_job);
        for (uint256 i = 0; i < 4; ++i) _vote(_job, i, result);
        vm.assertTrue(_finalize(_job, result));
        _settleAll(_job);
        vm.assertEq(_credit(0), 4 * EPOCH_PRICE + VOTE_PRICE);
    }

    function test_votes_that_match_in_a_failed_attempt_are_paid_nothing() external {
        _train(_job);
        Result memory result = _result(_job);
        for (uint256 i = 0; i < 2; ++i) _vote(_job, i, result);
        vm.warp(START + TRAINING + VOTING);
        vote.fail(_job);
        vote.settle(_job, 3);
        vm.assertEq(_credit(0), 0);
        vm.assertEq(_stakeOf(0).locked, 4 * LEASE_BOND);
    }

    function test_after_the_last_attempt_the_job_fails_and_the_rest_is_refunded() external {
        _round(_job);
        uint256 paid = 8 * EPOCH_PRICE + 4 * VOTE_PRICE;
        _claim(_job, 0);
        _deliver(_job, 0);
        for (uint256 i = 0; i < 3; ++i) {
            _assertStatus(_job, IEpochTypes.JobStatus.Open);
            _skip(TRAINING);
            scheduler.reopen(_job);
        }
        _assertStatus(_job, IEpochTypes.JobStatus.Failed);
        _assertPhase(_job, IEpochTypes.Phase.Ended);
        vm.assertEq(scheduler.openJobs().length, 0);
        vm.assertEq(vault.account(client).credit, _budget(_terms()) - paid);
        vm.assertEq(vault.escrowOf(_job), 0);

        IEpochTypes.Outcome memory outcome = scheduler.outcome(_job, 2);
        vm.assertEq(outcome.modelDigest, 0);
        vm.assertEq(outcome.unpaid, 1);
        vm.assertEq(outcome.attempt, 3);
        vm.assertEq(outcome.closedAt, _now());

        // Who delivered in the failed round gets its bond and nothing else.
        _settleAll(_job);
        vm.assertEq(_credit(0), 4 * EPOCH_PRICE + VOTE_PRICE);
        vm.assertEq(_stakeOf(0).free, STAKE);
        vm.assertEq(vault.owedBy(_job), 0);
    }

    function test_votes_that_fail_use_attempts_up_too() external {
        _train(_job);
        for (uint256 i = 0; i < 3; ++i) {
            vm.warp(scheduler.round(_job).voteDeadline);
            vote.fail(_job);
        }
        _assertStatus(_job, IEpochTypes.JobStatus.Failed);
        vm.assertEq(vault.account(client).credit, _budget(_terms()));
    }

    function test_an_attempt_is_reopened_only_when_its_training_failed() external {
        _refuseReopen(IEpochTypes.Phase.Training, IEpochTypes.Phase.Stalled);
        _train(_job);
        _refuseReopen(IEpochTypes.Phase.Voting, IEpochTypes.Phase.Stalled);
        vm.warp(START + TRAINING + VOTING);
        _refuseReopen(IEpochTypes.Phase.Reveal, IEpochTypes.Phase.Stalled);
        vm.warp(START + TRAINING + VOTING + REVEAL);
        _refuseReopen(IEpochTypes.Phase.Stalled, IEpochTypes.Phase.Training);
        vote.fail(_job);
        vm.assertEq(scheduler.round(_job).attempt, 2);
    }

    function test_a_vote_is_failed_only_when_there_was_one() external {
        vm.warp(START + TRAINING);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEpochTypes.SchedulerWrongPhase.selector,
                _job,
                IEpochTypes.Phase.Stalled,
                IEpochTypes.Phase.Voting
            )
        );
        vote.fail(_job);
    }

    function test_attempts_are_not_used_up_while_validators_are_missing() external {
        _train(_job);
        vm.warp(START + TRAINING + VOTING);
        for (uint256 i = 0; i < 2; ++i) _unbondAll(i);
        vote.fail(_job);
        // Too few may vote: this attempt lasts as long as any, so that they can come back.
        IEpochTypes.Round memory round = scheduler.round(_job);
        vm.assertEq(round.trainingDeadline, round.openedAt + TRAINING);
        _assertPhase(_job, IEpochTypes.Phase.Training);
        _skip(TRAINING - 1);
        _refuseReopen(IEpochTypes.Phase.Training, IEpochTypes.Phase.Stalled);
        _skip(1);
        _stake(parties[0].account, STAKE);
        scheduler.reopen(_job);
        vm.assertEq(scheduler.round(_job).attempt, 3);
        _assertPhase(_job, IEpochTypes.Phase.Voting);
        Result memory result = _result(_job);
        _vote(_job, 0, result);
        _vote(_job, 2, result);
        _vote(_job, 3, result);
        vm.assertTrue(_finalize(_job, result));
    }

    function test_only_the_vote_contract_closes_rounds() external {
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerNotVote.selector, address(this)));
        scheduler.closeRound(_job, "m", 0, 0, 0, 1);
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerNotVote.selector, address(this)));
        scheduler.failVote(_job);
    }

    function _unbondAll(uint256 party) private {
        uint256 free = _stakeOf(party).free;
        vm.prank(parties[party].account);
        vault.unbond(free);
    }

    function _refuseReopen(IEpochTypes.Phase actual, IEpochTypes.Phase expected) private {
        vm.expectRevert(
            abi.encodeWithSelector(IEpochTypes.SchedulerWrongPhase.selector, _job, actual, expected)
        );
        scheduler.reopen(_job);
    }
}
