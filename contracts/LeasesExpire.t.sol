// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochScheduler} from "./interfaces/IEpochScheduler.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

contract LeasesExpireTest is ConsortiumFixture {
    uint256 private _job;

    function setUp() external {
        _consortium();
        _job = _submitJob();
        _claim(_job, 0);
    }

    function test_a_lease_is_overdue_at_its_deadline_and_not_before() external {
        _skip(LEASE_TIME - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IEpochScheduler.SchedulerLeaseNotOverdue.selector, 0, START + LEASE_TIME)
        );
        scheduler.expire(_job, 0);
        _skip(1);
        scheduler.expire(_job, 0);
        _assertLease(_job, 0, IEpochScheduler.LeaseState.Missed);
    }

    function test_an_update_is_in_time_until_the_second_before_the_deadline() external {
        _claim(_job, 1);
        _skip(LEASE_TIME - 1);
        _deliver(_job, 1);
        _skip(1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEpochScheduler.SchedulerTooLate.selector,
                START + LEASE_TIME,
                START + LEASE_TIME
            )
        );
        _deliver(_job, 0);
    }

    function test_expiry_returns_the_range_and_takes_the_bond_for_the_treasury() external {
        _skip(LEASE_TIME);
        vm.prank(stranger);
        scheduler.expire(_job, 0);
        vm.assertEq(scheduler.round(_job).taken, 0);
        vm.assertEq(_stakeOf(0).locked, 0);
        vm.assertEq(_stakeOf(0).free, STAKE - LEASE_BOND);
        vm.assertEq(vault.account(treasury).credit, LEASE_BOND);
        vm.assertEq(vault.account(stranger).credit, 0);
        vm.assertEq(vault.account(client).credit, 0);
        _assertSolvent();
    }

    function test_another_trains_what_expired() external {
        _skip(LEASE_TIME);
        scheduler.expire(_job, 0);
        (uint8 first, uint16 count) = _claim(_job, 1);
        vm.assertEq(first, 0);
        vm.assertEq(count, 2);
        _deliver(_job, 1);
        vm.assertEq(scheduler.round(_job).delivered, 3);
    }

    function test_who_missed_a_lease_is_barred_for_the_attempt() external {
        _skip(LEASE_TIME);
        scheduler.expire(_job, 0);
        _refuseBarred();
        // Even after its slot went to another, and after the claim window.
        _claim(_job, 1);
        _refuseBarred();
        (bool held, uint8 first, IEpochScheduler.Lease memory lease) = scheduler.leaseOf(
            _job,
            parties[0].node
        );
        vm.assertTrue(held);
        vm.assertEq(first, 0);
        vm.assertEq(lease.node, parties[0].node);
        vm.assertEq(uint256(lease.state), uint256(IEpochScheduler.LeaseState.Missed));

        vm.warp(START + TRAINING);
        scheduler.reopen(_job);
        (held, , ) = scheduler.leaseOf(_job, parties[0].node);
        vm.assertFalse(held);
        _claim(_job, 0);
    }

    function test_an_overdue_lease_that_nobody_expired_still_bars_its_holder() external {
        _skip(LEASE_TIME);
        vm.expectRevert(
            abi.encodeWithSelector(IEpochScheduler.SchedulerLeaseHeld.selector, parties[0].node, 0)
        );
        _claim(_job, 0);
    }

    function test_a_lease_expires_once_and_a_delivered_one_never() external {
        _claim(_job, 1);
        _deliver(_job, 1);
        _skip(LEASE_TIME);
        scheduler.expire(_job, 0);
        vm.expectRevert(abi.encodeWithSelector(IEpochScheduler.SchedulerNoLease.selector, parties[0].node));
        scheduler.expire(_job, 0);
        vm.expectRevert(abi.encodeWithSelector(IEpochScheduler.SchedulerNoLease.selector, parties[1].node));
        scheduler.expire(_job, 4);
        vm.expectRevert(abi.encodeWithSelector(IEpochScheduler.SchedulerNoLease.selector, address(0)));
        scheduler.expire(_job, 200);
    }

    function test_what_nobody_expired_is_taken_at_settlement_once() external {
        _claim(_job, 1);
        _claim(_job, 2);
        _deliver(_job, 1);
        _deliver(_job, 2);
        vm.warp(START + TRAINING);
        Result memory result = _result(_job);
        for (uint256 i = 0; i < 4; ++i) _vote(_job, i, result);

        scheduler.settle(_job, 1);
        vm.assertEq(vault.account(treasury).credit, 0);
        _finalize(_job, result);
        scheduler.settle(_job, 1);
        scheduler.settle(_job, 1);
        _assertLease(_job, 0, IEpochScheduler.LeaseState.Missed);
        vm.assertEq(vault.account(treasury).credit, LEASE_BOND);
        vm.assertEq(_stakeOf(0).free, STAKE - LEASE_BOND - VOTE_BOND);
    }

    function test_what_nobody_expired_can_be_settled_once_its_attempt_is_over() external {
        vm.warp(START + TRAINING);
        scheduler.settle(_job, 1);
        _assertLease(_job, 0, IEpochScheduler.LeaseState.Live);
        scheduler.reopen(_job);
        scheduler.settle(_job, 1);
        _assertLease(_job, 0, IEpochScheduler.LeaseState.Missed);
        vm.assertEq(vault.account(treasury).credit, LEASE_BOND);
    }

    function test_what_nobody_expired_is_taken_when_its_slot_is_used_again() external {
        vm.warp(START + TRAINING);
        scheduler.reopen(_job);
        vm.assertEq(vault.account(treasury).credit, 0);
        _claim(_job, 1);
        vm.assertEq(vault.account(treasury).credit, LEASE_BOND);
        vm.assertEq(_stakeOf(0).locked, 0);
    }

    function test_a_bond_taken_from_the_minimum_stake_costs_the_seat() external {
        address account = parties[0].account;
        vm.prank(account);
        vault.unbond(STAKE - MINIMUM_STAKE);
        vm.assertTrue(vault.isBonded(account));
        vm.assertEq(registry.votingSeats(), 15);
        _skip(LEASE_TIME);
        scheduler.expire(_job, 0);
        vm.assertFalse(vault.isBonded(account));
        vm.assertEq(registry.votingSeats(), 14);
        // The open attempt is not touched by it.
        vm.assertEq(scheduler.round(_job).eligible, 15);
    }

    function _refuseBarred() private {
        vm.expectRevert(abi.encodeWithSelector(IEpochScheduler.SchedulerBarred.selector, parties[0].node, 1));
        _claim(_job, 0);
    }
}
