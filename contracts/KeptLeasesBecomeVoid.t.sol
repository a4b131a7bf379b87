// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochTypes} from "./interfaces/IEpochTypes.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

/// @title What voids leases that were kept, and who may ask for that.
/// @dev Leases of `_consortium` start at 0 (four epochs), 4 (two), 6 and 7: all of them are the bitmap 0xd1.
contract KeptLeasesBecomeVoidTest is ConsortiumFixture {
    uint256 private constant ALL = 0xd1;

    uint256 private _job;

    function setUp() external {
        _consortium();
        _job = _submitJob();
    }

    function test_nothing_is_carried_where_a_trainer_waits() external {
        _trainAndKeep(_job);
        _agree(_job);
        uint256 newcomer = _join(4);
        _refuseClaim(newcomer, abi.encodeWithSelector(IEpochTypes.SchedulerNoEpochsLeft.selector, _job, 2));
        vm.expectEmit();
        emit IEpochTypes.TrainerWaits(_job, 2, parties[newcomer].node);
        _enlist(newcomer);
        vm.assertTrue(scheduler.round(_job).awaited);
        // The quotas of the next round leave room for it.
        vm.assertEq(scheduler.round(_job).claimedCapacity, 8 + 4);
        // Whoever waits does not stop those that hold leases from delivering them.
        for (uint256 i = 0; i < 4; ++i) _deliver(_job, i, true);
        _skip(1);
        Result memory result = _result(_job);
        for (uint256 i = 0; i < 4; ++i) _vote(_job, i, result);
        _skip(GRACE);
        _finalize(_job, result);

        _assertNothingCarried(2);
        vm.assertFalse(scheduler.round(_job).awaited);
        (uint8 first, uint16 count) = _claim(_job, newcomer);
        vm.assertEq(first, 0);
        // A third of eight: quotas are rounded down after somebody had to wait.
        vm.assertEq(count, 2);
        (, count) = _claim(_job, 0);
        vm.assertEq(count, 2);
        _refuseDelivery(1);
        // The others share the rest by their capacity; the bonds that they need no more come free.
        _settleAll(_job);
        vm.assertEq(_stakeOf(1).locked, 0);
        vm.assertEq(_stakeOf(0).locked, 2 * LEASE_BOND);
    }

    function test_a_trainer_waits_only_where_nothing_is_left_and_it_holds_nothing() external {
        _refuseEnlist(0, abi.encodeWithSelector(IEpochTypes.SchedulerEpochsLeft.selector, _job, 1));
        for (uint256 i = 0; i < 4; ++i) _claim(_job, i);
        _refuseEnlist(1, abi.encodeWithSelector(IEpochTypes.SchedulerLeaseHeld.selector, parties[1].node, 4));
        _deliver(_job, 1);
        _refuseEnlist(1, abi.encodeWithSelector(IEpochTypes.SchedulerLeaseHeld.selector, parties[1].node, 4));
        uint256 newcomer = _join(1);
        address node = parties[newcomer].node;
        vm.prank(node);
        registry.updateNode(node, VALIDATOR, 0, "");
        _refuseEnlist(newcomer, abi.encodeWithSelector(IEpochTypes.SchedulerNotTrainer.selector, node));
        vm.prank(node);
        registry.updateNode(node, TRAINER, 1, "");
        uint256 last = START + TRAINING - MIN_LEASE_TIME;
        vm.warp(last + 1);
        _refuseEnlist(
            newcomer,
            abi.encodeWithSelector(IEpochTypes.SchedulerTooLate.selector, last + 1, last)
        );
        vm.warp(last);
        _enlist(newcomer);
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerUnknownJob.selector, 7));
        vm.prank(node);
        scheduler.enlist(7);
    }

    /// @dev Party 3 gives its lease up, and finds it taken when it comes back.
    function test_who_waits_is_brought_up_to_date() external {
        for (uint256 i = 0; i < 4; ++i) _claim(_job, i);
        for (uint256 i = 0; i < 4; ++i) _deliver(_job, i, i != 3);
        _agree(_job);
        uint256 newcomer = _join(1);
        _claim(_job, newcomer);
        _enlist(3);
        (bool held, uint256 share, IEpochTypes.Lease memory lease) = scheduler.leaseOf(_job, parties[3].node);
        vm.assertFalse(held);
        vm.assertEq(share, 0);
        lease = scheduler.storedLease(_job, parties[3].node, 0);
        vm.assertEq(uint256(lease.state), uint256(IEpochTypes.LeaseState.Settled));
        vm.assertEq(lease.due, 1);
        // To wait twice changes nothing, or who waits again and again would make the quotas of all others small.
        uint256 claimed = scheduler.round(_job).claimedCapacity;
        _enlist(3);
        vm.assertEq(scheduler.round(_job).claimedCapacity, claimed);
        _settleNode(_job, 3);
        vm.assertEq(_credit(3), EPOCH_PRICE);
        vm.assertEq(_stakeOf(3).locked, VOTE_BOND);
    }

    function test_nothing_is_carried_past_a_removal() external {
        _trainAndKeep(_job);
        registry.remove(parties[3].account);
        _skip(1);
        _agree(_job);
        _assertNothingCarried(1);
    }

    function test_nothing_is_carried_past_a_resignation() external {
        _trainAndKeep(_job);
        address account = parties[3].account;
        vm.prank(account);
        registry.resign();
        _skip(1);
        _agree(_job);
        _assertNothingCarried(1);
    }

    function test_nothing_is_carried_past_the_retirement_of_a_node() external {
        uint256 another = _join(1);
        _trainOfFour();
        vm.prank(parties[another].account);
        registry.retireNode(parties[another].node);
        _agreeOfFour();
        _assertNothingCarried(1);
    }

    function test_nothing_is_carried_past_a_change_of_keys() external {
        _trainAndKeep(_job);
        uint256 newKey = 0xFEED;
        bytes memory consent = _consent(newKey, parties[3].account);
        Result memory result = _result(_job);
        for (uint256 i = 0; i < 4; ++i) _vote(_job, i, result);
        vm.prank(parties[3].account);
        registry.rotateNode(parties[3].node, vm.addr(newKey), consent);
        _finalize(_job, result);
        _assertNothingCarried(1);
        vm.prank(vm.addr(newKey));
        scheduler.claim(_job);
        // What the old key earned is its organisation's.
        _settleNode(_job, 3);
        vm.assertEq(_credit(3), EPOCH_PRICE);
    }

    function test_nothing_is_carried_past_a_trainer_that_gives_up_its_role() external {
        _trainAndKeep(_job);
        vm.prank(parties[0].node);
        registry.updateNode(parties[0].node, VALIDATOR, 0, "");
        _agree(_job);
        _assertNothingCarried(1);
    }

    /// @dev Only who goes leaves a lease without a trainer.
    function test_who_comes_or_changes_its_capacity_voids_nothing() external {
        _trainAndKeep(_job);
        _join(4);
        vm.prank(parties[0].node);
        registry.updateNode(parties[0].node, BOTH, 1, "");
        _skip(1);
        _agreeOfFour();
        vm.assertEq(scheduler.round(_job).taken, 0xff);
        // A departure counts in the round that it happens in, and no longer.
        vm.prank(parties[4].account);
        registry.resign();
        _trainOfFour();
        _agreeOfFour();
        _assertNothingCarried(2);
    }

    function test_departures_of_an_earlier_round_void_nothing_later() external {
        uint256 another = _join(1);
        vm.prank(parties[another].account);
        registry.resign();
        _trainOfFour();
        _agreeOfFour();
        _assertNothingCarried(1);
        _trainOfFour();
        _agreeOfFour();
        vm.assertEq(scheduler.round(_job).taken, 0xff);
    }

    function test_an_invalid_update_ends_its_own_lease_alone() external {
        _trainAndKeep(_job);
        _decide(ALL & ~uint256(0x10), 0x10);
        vm.assertEq(scheduler.round(_job).taken, 0xcf);
        _refuseDelivery(1);
        vm.expectEmit();
        emit IEpochTypes.UpdateRejected(_job, 1, parties[1].node, 4, 2, 2 * LEASE_BOND);
        _settleNode(_job, 1);
        vm.assertEq(_stakeOf(1).locked, VOTE_BOND);
        _assertLease(_job, 1, IEpochTypes.LeaseState.Settled);
        for (uint256 i = 0; i < 4; ++i) {
            if (i != 1) _deliver(_job, i, true);
        }
        vm.assertEq(scheduler.round(_job).delivered, 0xcf);
        vm.assertEq(_lease(_job, 0).due, 4);
    }

    function test_an_outlier_keeps_its_lease_and_earns_nothing() external {
        _trainAndKeep(_job);
        _decide(ALL & ~uint256(0x01), 0);
        _deliver(_job, 0, true);
        IEpochTypes.Lease memory lease = _lease(_job, 0);
        vm.assertEq(uint256(lease.state), uint256(IEpochTypes.LeaseState.Delivered));
        vm.assertEq(lease.round, 2);
        vm.assertEq(lease.due, 0);
        vm.assertEq(lease.outliers, 1);
        vm.assertEq(lease.accepted, 0);
        _settleNode(_job, 0);
        vm.assertEq(_credit(0), 0);
        vm.assertEq(scheduler.nodeRecord(parties[0].node).outliers, 1);
        vm.assertEq(_stakeOf(0).locked, 4 * LEASE_BOND + VOTE_BOND);
    }

    function test_where_all_that_was_kept_is_invalid_nothing_is_carried() external {
        for (uint256 i = 0; i < 4; ++i) _claim(_job, i);
        for (uint256 i = 0; i < 4; ++i) _deliver(_job, i, i == 2);
        _decide(ALL & ~uint256(0x40), 0x40);
        _assertNothingCarried(1);
    }

    function test_nothing_is_carried_into_a_pause_and_a_later_one_takes_nothing_away() external {
        _trainAndKeep(_job);
        _agree(_job);
        scheduler.setPaused(true);
        for (uint256 i = 0; i < 4; ++i) _deliver(_job, i, true);
        _agree(_job);
        _assertNothingCarried(2);
    }

    function test_nothing_is_carried_where_the_job_is_cancelled() external {
        _trainAndKeep(_job);
        vm.prank(client);
        scheduler.cancelJob(_job);
        _agree(_job);
        _assertStatus(_job, IEpochTypes.JobStatus.Cancelled);
        _settleAll(_job);
        _refuseDelivery(0);
        vm.assertEq(_stakeOf(0).free, STAKE);
        vm.assertEq(_credit(0), 4 * EPOCH_PRICE + VOTE_PRICE);
    }

    function test_a_round_that_never_opens_leaves_a_kept_lease_void() external {
        IEpochTypes.Terms memory terms = _terms();
        terms.maxAttempts = 1;
        _job = _submitJob(terms);
        _trainAndKeep(_job);
        vm.warp(scheduler.round(_job).revealDeadline);
        vote.fail(_job);
        _assertStatus(_job, IEpochTypes.JobStatus.Failed);
        _settleAll(_job);
        _refuseDelivery(0);
        for (uint256 i = 0; i < 4; ++i) {
            _assertLease(_job, i, IEpochTypes.LeaseState.Settled);
            vm.assertEq(_stakeOf(i).free, STAKE);
        }
    }

    /// @dev Voting opens with the last delivery; the time for training is not over.
    function test_a_trainer_may_wait_until_training_would_have_ended() external {
        _train(_job);
        uint256 newcomer = _join(1);
        _assertPhase(_job, IEpochTypes.Phase.Voting);
        _enlist(newcomer);
        vm.assertTrue(scheduler.round(_job).awaited);
        _agreeOfFour();
        vm.assertFalse(scheduler.round(_job).awaited);
    }

    /// @dev All the others are quicker.
    function test_quotas_leave_room_for_who_waited() external {
        _trainAndKeep(_job);
        uint256 newcomer = _join(8);
        _enlist(newcomer);
        _skip(1);
        _agreeOfFour();
        for (uint256 i = 0; i < 4; ++i) _claim(_job, i);
        vm.assertEq(scheduler.round(_job).taken, 0x1f);
        (, uint16 count) = _claim(_job, newcomer);
        vm.assertEq(count, 3);
        // Once: the round after is leased as ever.
        for (uint256 i = 0; i < 5; ++i) _deliver(_job, i);
        _agree(_job);
        vm.assertEq(scheduler.round(_job).quotaCapacity, 16);
        vm.assertEq(scheduler.quota(_job, parties[1].node), 1);
        vm.prank(parties[1].node);
        registry.updateNode(parties[1].node, BOTH, 3, "");
        vm.assertEq(scheduler.quota(_job, parties[1].node), 2);
    }

    function test_who_waits_is_not_forgotten_when_an_attempt_fails() external {
        _trainAndKeep(_job);
        _enlist(_join(1));
        for (uint256 i = 0; i < 4; ++i) {
            _vote(_job, i, Result({digest: bytes32(i + 1), accepted: ALL, invalid: 0}));
        }
        vote.fail(_job);
        vm.assertTrue(scheduler.round(_job).awaited);
        Result memory result = _result(_job);
        _skip(1);
        for (uint256 i = 0; i < 4; ++i) _vote(_job, i, result);
        _skip(GRACE);
        _finalize(_job, result);
        _assertNothingCarried(1);
    }

    function _enlist(uint256 party) private {
        vm.prank(parties[party].node);
        scheduler.enlist(_job);
    }

    /// @dev The round of the first four parties, each keeping its lease.
    function _trainOfFour() private {
        for (uint256 i = 0; i < 4; ++i) {
            (bool held, , ) = scheduler.leaseOf(_job, parties[i].node);
            if (!held) _claim(_job, i);
            _deliver(_job, i, true);
        }
    }

    /// @dev A round that the first four parties were counted for, whoever else has come.
    function _agreeOfFour() private {
        Result memory result = _result(_job);
        for (uint256 i = 0; i < 4; ++i) _vote(_job, i, result);
        _skip(GRACE);
        vm.assertTrue(_finalize(_job, result), "not final");
    }

    function _decide(uint256 accepted, uint256 invalid) private {
        bytes32 digest = keccak256(abi.encode("model", scheduler.round(_job).number));
        Result memory result = Result({digest: digest, accepted: accepted, invalid: invalid});
        for (uint256 i = 0; i < 4; ++i) _vote(_job, i, result);
        vm.assertTrue(_finalize(_job, result), "not final");
    }

    function _assertNothingCarried(uint16 round) private {
        vm.assertFalse(scheduler.outcome(_job, round).carried);
        vm.assertEq(scheduler.round(_job).number, round + 1);
        vm.assertEq(scheduler.round(_job).taken, 0);
        for (uint256 i = 0; i < 4; ++i) {
            (bool held, , ) = scheduler.leaseOf(_job, parties[i].node);
            vm.assertFalse(held);
            _refuseDelivery(i);
        }
    }

    function _refuseDelivery(uint256 party) private {
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerNoLease.selector, parties[party].node));
        _deliver(_job, party);
    }

    function _refuseClaim(uint256 party, bytes memory error_) private {
        vm.expectRevert(error_);
        _claim(_job, party);
    }

    function _refuseEnlist(uint256 party, bytes memory error_) private {
        vm.expectRevert(error_);
        _enlist(party);
    }
}
