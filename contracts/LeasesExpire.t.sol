// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochTypes} from "./interfaces/IEpochTypes.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

contract LeasesExpireTest is ConsortiumFixture {
    /// @dev Of the lease that party 0 holds: four epochs.
    uint256 private constant BOND = 4 * uint256(LEASE_BOND);

    uint256 private _job;

    function setUp() external {
        _consortium();
        _job = _submitJob();
        _claim(_job, 0);
    }

    function test_a_lease_is_overdue_at_its_deadline_and_not_before() external {
        _skip(LEASE_TIME - 1);
        address node = parties[0].node;
        vm.expectRevert(
            abi.encodeWithSelector(IEpochTypes.SchedulerLeaseNotOverdue.selector, node, START + LEASE_TIME)
        );
        scheduler.expire(_job, node);
        _skip(1);
        _expire(0);
        _assertLease(_job, 0, IEpochTypes.LeaseState.Missed);
    }

    function test_an_update_is_in_time_until_the_second_before_the_deadline() external {
        _claim(_job, 1);
        _skip(LEASE_TIME - 1);
        _deliver(_job, 1);
        _skip(1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEpochTypes.SchedulerTooLate.selector,
                START + LEASE_TIME,
                START + LEASE_TIME
            )
        );
        _deliver(_job, 0);
    }

    function test_expiry_returns_the_range_and_takes_the_bond_for_the_treasury() external {
        _skip(LEASE_TIME);
        address node = parties[0].node;
        vm.expectEmit();
        emit IEpochTypes.LeaseMissed(_job, 1, node, 0, 4, BOND);
        vm.expectEmit();
        emit IStakeVault.Slashed(_job, parties[0].account, BOND);
        vm.prank(stranger);
        scheduler.expire(_job, node);
        vm.assertEq(scheduler.round(_job).taken, 0);
        vm.assertEq(_stakeOf(0).locked, 0);
        vm.assertEq(_stakeOf(0).free, STAKE - BOND);
        vm.assertEq(vault.account(treasury).credit, BOND);
        vm.assertEq(vault.account(stranger).credit, 0);
        vm.assertEq(vault.account(client).credit, 0);
        (, uint256 share, IEpochTypes.Lease memory lease) = scheduler.leaseOf(_job, node);
        vm.assertEq(share, 0);
        vm.assertEq(lease.bonded, 0);
        vm.assertEq(scheduler.nodeRecord(node).expired, 1);
        _assertSolvent();
    }

    function test_another_trains_what_expired() external {
        _skip(LEASE_TIME);
        _expire(0);
        (uint8 first, uint16 count) = _claim(_job, 1);
        vm.assertEq(first, 0);
        vm.assertEq(count, 2);
        _deliver(_job, 1);
        vm.assertEq(scheduler.round(_job).delivered, 3);
        vm.assertEq(scheduler.round(_job).updateSet, 1);
    }

    /// @dev Leases of several epochs and of one, expired in turn: each range returns as a whole, and alone.
    function test_several_leases_expire_one_after_another() external {
        for (uint256 i = 1; i < 4; ++i) _claim(_job, i);
        _skip(LEASE_TIME);
        _expire(3);
        vm.assertEq(scheduler.round(_job).taken, 0x7f);
        _expire(1);
        vm.assertEq(scheduler.round(_job).taken, 0x4f);
        uint256 heir = _join(8);
        (uint8 first, uint16 count) = _claim(_job, heir);
        vm.assertEq(first, 4);
        vm.assertEq(count, 2);
        _deliver(_job, heir);
        vm.assertEq(scheduler.round(_job).delivered, 0x30);
        _expire(0);
        _expire(2);
        vm.assertEq(scheduler.round(_job).taken, 0x30);
    }

    function test_who_missed_a_lease_is_barred_for_the_attempt() external {
        _skip(LEASE_TIME);
        _expire(0);
        _refuseBarred();
        // Even after its range went to another, and after the claim window.
        _claim(_job, 1);
        _refuseBarred();
        (bool held, , IEpochTypes.Lease memory lease) = scheduler.leaseOf(_job, parties[0].node);
        vm.assertTrue(held);
        vm.assertEq(uint256(lease.state), uint256(IEpochTypes.LeaseState.Missed));

        vm.warp(START + TRAINING);
        scheduler.reopen(_job);
        (held, , ) = scheduler.leaseOf(_job, parties[0].node);
        vm.assertFalse(held);
        _claim(_job, 0);
        // Counted once in the round, although it claimed in both attempts.
        vm.assertEq(scheduler.round(_job).claimedCapacity, 4 + 2);
    }

    function test_an_overdue_lease_that_nobody_expired_still_bars_its_holder() external {
        _skip(LEASE_TIME);
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerLeaseHeld.selector, parties[0].node, 0));
        _claim(_job, 0);
    }

    function test_a_lease_expires_once_and_a_delivered_one_never() external {
        _claim(_job, 1);
        _deliver(_job, 1);
        _skip(LEASE_TIME);
        _expire(0);
        _refuseExpiry(_job, parties[0].node);
        _refuseExpiry(_job, parties[1].node);
        _refuseExpiry(_job, parties[2].node);
        _refuseExpiry(_job, stranger);
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerUnknownJob.selector, 7));
        scheduler.expire(7, address(1));
    }

    function test_a_lease_of_an_attempt_that_is_over_cannot_be_expired() external {
        vm.warp(START + TRAINING);
        scheduler.reopen(_job);
        _refuseExpiry(_job, parties[0].node);
        // The range has returned with the attempt.
        vm.assertEq(scheduler.round(_job).taken, 0);
        vm.prank(client);
        scheduler.cancelJob(_job);
        _claim(_job, 0);
        vm.warp(scheduler.round(_job).trainingDeadline);
        scheduler.reopen(_job);
        _assertStatus(_job, IEpochTypes.JobStatus.Cancelled);
        _refuseExpiry(_job, parties[0].node);
    }

    function test_a_lease_may_expire_when_the_vote_is_open_already() external {
        _claim(_job, 1);
        _claim(_job, 2);
        _deliver(_job, 1);
        _deliver(_job, 2);
        vm.warp(START + TRAINING);
        _assertPhase(_job, IEpochTypes.Phase.Voting);
        Result memory result = _result(_job);
        _expire(0);
        vm.assertEq(scheduler.round(_job).taken, 0x70);
        vm.assertEq(scheduler.round(_job).delivered, 0x70);
        vm.assertEq(keccak256(abi.encode(_result(_job))), keccak256(abi.encode(result)));
        _agree(_job);
        vm.assertEq(vault.owedBy(_job), 3 * EPOCH_PRICE + 4 * VOTE_PRICE);
    }

    function test_what_nobody_expired_is_taken_at_settlement_once() external {
        _claim(_job, 1);
        _claim(_job, 2);
        _deliver(_job, 1);
        _deliver(_job, 2);
        vm.warp(START + TRAINING);
        Result memory result = _result(_job);
        for (uint256 i = 0; i < 4; ++i) _vote(_job, i, result);

        _settleNode(_job, 0);
        vm.assertEq(vault.account(treasury).credit, 0);
        _finalize(_job, result);
        _settleNode(_job, 0);
        _settleNode(_job, 0);
        _assertLease(_job, 0, IEpochTypes.LeaseState.Missed);
        vm.assertEq(vault.account(treasury).credit, BOND);
        vm.assertEq(_stakeOf(0).free, STAKE - BOND - VOTE_BOND);
        vm.assertEq(_stakeOf(0).locked, VOTE_BOND);
    }

    function test_what_nobody_expired_can_be_settled_once_its_attempt_is_over() external {
        vm.warp(START + TRAINING);
        _settleNode(_job, 0);
        _assertLease(_job, 0, IEpochTypes.LeaseState.Live);
        scheduler.reopen(_job);
        vm.expectEmit();
        emit IEpochTypes.LeaseMissed(_job, 1, parties[0].node, 0, 4, BOND);
        _settleNode(_job, 0);
        _assertLease(_job, 0, IEpochTypes.LeaseState.Missed);
        vm.assertEq(vault.account(treasury).credit, BOND);
    }

    function test_what_nobody_expired_is_taken_when_its_holder_claims_again() external {
        vm.warp(START + TRAINING);
        scheduler.reopen(_job);
        _claim(_job, 1);
        vm.assertEq(vault.account(treasury).credit, 0);
        (, uint16 count) = _claim(_job, 0);
        vm.assertEq(vault.account(treasury).credit, BOND);
        vm.assertEq(_stakeOf(0).locked, uint256(count) * LEASE_BOND);
        vm.assertEq(_stakeOf(0).free, STAKE - BOND - uint256(count) * LEASE_BOND);
    }

    function test_a_bond_of_nothing_costs_nothing_to_miss() external {
        scheduler.setParameters(0, VOTE_BOND, WHOLE_SHARE);
        uint256 job = _submitJob();
        _claim(job, 1);
        vm.assertEq(_stakeOf(1).locked, 0);
        _skip(LEASE_TIME);
        address node = parties[1].node;
        vm.expectEmit();
        emit IEpochTypes.LeaseMissed(job, 1, node, 0, 2, 0);
        scheduler.expire(job, node);
        vm.assertEq(_stakeOf(1).free, STAKE);
        vm.assertEq(scheduler.nodeRecord(node).expired, 1);
    }

    function test_a_bond_taken_from_the_minimum_stake_costs_the_seat() external {
        address account = parties[0].account;
        vm.prank(account);
        vault.unbond(STAKE - MINIMUM_STAKE);
        vm.assertTrue(vault.isBonded(account));
        vm.assertEq(registry.votingSeats(), 15);
        _skip(LEASE_TIME);
        _expire(0);
        vm.assertFalse(vault.isBonded(account));
        vm.assertEq(registry.votingSeats(), 14);
        // The open attempt is not touched by it.
        vm.assertEq(scheduler.round(_job).eligible, 15);
    }

    function _expire(uint256 party) private {
        scheduler.expire(_job, parties[party].node);
    }

    function _refuseExpiry(uint256 job, address node) private {
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerNoLease.selector, node));
        scheduler.expire(job, node);
    }

    function _refuseBarred() private {
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerBarred.selector, parties[0].node, 1));
        _claim(_job, 0);
    }
}
