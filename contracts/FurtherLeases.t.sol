// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochTypes} from "./interfaces/IEpochTypes.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

/// @title A node that has delivered may lease what others left over, in the same round.
contract FurtherLeasesTest is ConsortiumFixture {
    uint256 private _job;

    function setUp() external {
        _consortium();
        _job = _submitJob();
    }

    function test_a_further_lease_has_a_record_and_a_bond_of_its_own() external {
        _first(1, false);
        _further(1);
        IEpochTypes.Lease memory lease = _lease(_job, 1);
        vm.assertEq(lease.first, 2);
        vm.assertEq(lease.count, 2);
        vm.assertEq(uint256(lease.state), uint256(IEpochTypes.LeaseState.Live));
        vm.assertEq(lease.extra, 1);
        vm.assertEq(lease.extras, 1);
        vm.assertEq(lease.deadline, _now() + LEASE_TIME);
        vm.assertEq(_slot(1, 0).first, 0);
        vm.assertEq(uint256(_slot(1, 0).state), uint256(IEpochTypes.LeaseState.Delivered));
        vm.assertEq(_slot(1, 1).first, 2);
        vm.assertEq(_slot(1, 1).bonded, 2);
        vm.assertEq(_stakeOf(1).locked, 4 * LEASE_BOND);
        (, uint256 share, ) = scheduler.leaseOf(_job, parties[1].node);
        vm.assertEq(share, 4);
    }

    function test_all_leases_of_a_round_are_paid() external {
        _first(1, false);
        for (uint256 i = 0; i < 3; ++i) {
            _further(1);
            _deliver(_job, 1);
        }
        vm.assertEq(scheduler.round(_job).updates, 4);
        _assertPhase(_job, IEpochTypes.Phase.Voting);
        _agree(_job);
        vm.assertEq(_stakeOf(1).locked, 8 * LEASE_BOND + VOTE_BOND);
        vm.expectEmit();
        emit IEpochTypes.RewardsSettled(
            _job,
            parties[1].account,
            parties[1].node,
            8,
            8 * EPOCH_PRICE,
            8 * LEASE_BOND
        );
        _settleNode(_job, 1);
        vm.assertEq(_credit(1), 8 * EPOCH_PRICE);
        vm.assertEq(_stakeOf(1).locked, VOTE_BOND);
        vm.assertEq(scheduler.nodeRecord(parties[1].node).accepted, 4);
        (, uint256 share, ) = scheduler.leaseOf(_job, parties[1].node);
        vm.assertEq(share, 0);
        _settleNode(_job, 1);
        vm.assertEq(_credit(1), 8 * EPOCH_PRICE);
    }

    function test_a_further_lease_comes_after_the_claim_window_and_after_delivery() external {
        _first(1, false);
        bytes memory early = abi.encodeWithSelector(
            IEpochTypes.SchedulerAlreadyClaimed.selector,
            parties[1].node,
            1,
            START + CLAIM_WINDOW
        );
        vm.expectRevert(early);
        _claim(_job, 1);
        _further(1);
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerLeaseHeld.selector, parties[1].node, 2));
        _claim(_job, 1);
        _deliver(_job, 1);
        vm.expectRevert(
            abi.encodeWithSelector(IEpochTypes.SchedulerAlreadyDelivered.selector, parties[1].node, 2)
        );
        _deliver(_job, 1);
        // The window is of the attempt, not of each claim.
        _claim(_job, 1);
        vm.assertEq(_lease(_job, 1).extra, 2);
    }

    function test_a_further_lease_is_never_kept() external {
        _first(1, true);
        _further(1);
        vm.expectEmit();
        emit IEpochTypes.UpdateSubmitted(
            _job,
            1,
            parties[1].node,
            2,
            2,
            100,
            keccak256(abi.encode("update", _job, uint256(1))),
            false,
            CID
        );
        _deliver(_job, 1, true);
        vm.assertFalse(_slot(1, 1).kept);
        vm.assertEq(scheduler.round(_job).keptSet, 0x01);
        vm.assertEq(scheduler.round(_job).updateSet, 0x05);
        vm.warp(scheduler.round(_job).trainingDeadline);
        _agree(_job);
        vm.assertEq(scheduler.round(_job).taken, 0x03);
        // In the new round it holds its first lease alone, and may have a further one again.
        IEpochTypes.Lease memory lease = _lease(_job, 1);
        vm.assertEq(lease.first, 0);
        vm.assertEq(lease.extra, 0);
        vm.assertEq(lease.due, 2);
        _deliver(_job, 1, true);
        _further(1);
        // That took over the record of the last round's, with what it has earned.
        vm.assertEq(_slot(1, 1).round, 2);
        vm.assertEq(_slot(1, 1).due, 2);
        vm.assertEq(_lease(_job, 1).extra, 1);
        _deliver(_job, 1);
        _agree(_job);
        _settleNode(_job, 1);
        // Alone in the round before, it got all that was left.
        vm.assertEq(_credit(1), (2 + 2 + 2 + 6) * EPOCH_PRICE);
        vm.assertEq(_stakeOf(1).locked, 2 * LEASE_BOND + VOTE_BOND);
    }

    function test_records_of_further_leases_are_used_again_in_later_rounds() external {
        for (uint256 round = 0; round < 3; ++round) {
            _first(1, false);
            // Two at a time in the first round, and three in the others, by the capacity that has claimed.
            while (scheduler.round(_job).deliveredEpochs < 6) {
                _further(1);
                _deliver(_job, 1);
            }
            _first(0, false);
            _agree(_job);
            vm.assertEq(_slot(1, 0).extras, 2);
        }
        _settleAll(_job);
        vm.assertEq(_credit(1), 3 * (6 * EPOCH_PRICE + VOTE_PRICE));
        vm.assertEq(_credit(0), 3 * (2 * EPOCH_PRICE + VOTE_PRICE));
        vm.assertEq(vault.owedBy(_job), 0);
        vm.assertEq(_stakeOf(1).free, STAKE);
        vm.assertEq(scheduler.nodeRecord(parties[1].node).delivered, 3 + 2 + 2);
    }

    function test_a_further_lease_that_is_missed_costs_its_own_bond_and_bars_its_holder() external {
        _first(1, true);
        _further(1);
        _skip(LEASE_TIME);
        vm.expectEmit();
        emit IEpochTypes.LeaseMissed(_job, 1, parties[1].node, 2, 2, 2 * LEASE_BOND);
        scheduler.expire(_job, parties[1].node);
        vm.assertEq(scheduler.round(_job).taken, 0x03);
        vm.assertEq(_stakeOf(1).locked, 2 * LEASE_BOND);
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerBarred.selector, parties[1].node, 1));
        _claim(_job, 1);
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerNoLease.selector, parties[1].node));
        _deliver(_job, 1);
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerNoLease.selector, parties[1].node));
        scheduler.expire(_job, parties[1].node);

        // In the next attempt it may try again, in the same record; the first lease is delivered and kept.
        vm.warp(scheduler.round(_job).trainingDeadline);
        scheduler.reopen(_job);
        (, uint16 count) = _claim(_job, 1);
        vm.assertEq(count, 1);
        vm.assertEq(_slot(1, 1).attempt, 2);
        vm.assertEq(_slot(1, 0).extras, 1);
        _deliver(_job, 1);
        vm.warp(scheduler.round(_job).trainingDeadline);
        _agree(_job);
        _assertLease(_job, 1, IEpochTypes.LeaseState.Live);
        _settleNode(_job, 1);
        vm.assertEq(_credit(1), 3 * EPOCH_PRICE);
    }

    function test_a_further_lease_that_nobody_expired_is_taken_with_its_attempt() external {
        _first(1, false);
        _further(1);
        vm.warp(scheduler.round(_job).trainingDeadline);
        scheduler.reopen(_job);
        vm.assertEq(scheduler.round(_job).taken, 0x03);
        _settleNode(_job, 1);
        vm.assertEq(vault.account(treasury).credit, 2 * LEASE_BOND);
        vm.assertEq(_stakeOf(1).locked, 2 * LEASE_BOND);
        _claim(_job, 1);
        vm.assertEq(_slot(1, 1).attempt, 2);
    }

    /// @dev What was delivered in a failed attempt stays: its node needs no claim window to go on.
    function test_who_delivered_in_an_earlier_attempt_may_claim_at_once() external {
        _first(1, false);
        vm.warp(scheduler.round(_job).trainingDeadline);
        scheduler.reopen(_job);
        (uint8 first, uint16 count) = _claim(_job, 1);
        vm.assertEq(first, 2);
        vm.assertEq(count, 2);
        vm.assertEq(_lease(_job, 1).extra, 1);
        vm.assertEq(scheduler.round(_job).claimedCapacity, 2);
        _deliver(_job, 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEpochTypes.SchedulerAlreadyClaimed.selector,
                parties[1].node,
                1,
                _now() + CLAIM_WINDOW
            )
        );
        _claim(_job, 1);
    }

    function test_an_invalid_further_update_costs_nothing_of_the_first() external {
        _first(1, true);
        _further(1);
        _deliver(_job, 1);
        _first(0, false);
        Result memory result = Result({digest: "m", accepted: 0x11, invalid: 0x04});
        for (uint256 i = 0; i < 4; ++i) _vote(_job, i, result);
        _finalize(_job, result);
        _assertLease(_job, 1, IEpochTypes.LeaseState.Live);
        vm.expectEmit();
        emit IEpochTypes.UpdateRejected(_job, 1, parties[1].node, 2, 2, 2 * LEASE_BOND);
        vm.expectEmit();
        emit IEpochTypes.RewardsSettled(_job, parties[1].account, parties[1].node, 2, 2 * EPOCH_PRICE, 0);
        _settleNode(_job, 1);
        vm.assertEq(_stakeOf(1).locked, 2 * LEASE_BOND + VOTE_BOND);
        vm.assertEq(_stakeOf(1).free, STAKE - 4 * LEASE_BOND - VOTE_BOND);
    }

    /// @dev The most that there can be: 256 leases of one epoch each.
    function test_a_node_may_hold_every_epoch_of_a_round_by_a_lease_of_its_own() external {
        IEpochTypes.Terms memory terms = _terms();
        (terms.rounds, terms.epochsPerRound, terms.claimWindow) = (1, 256, 0);
        _join(2047);
        _stake(parties[2].account, 256 * LEASE_BOND);
        _job = _submitJob(terms);
        for (uint256 i = 0; i < 256; ++i) {
            (uint8 first, uint16 count) = _claim(_job, 2);
            vm.assertEq(first, i);
            vm.assertEq(count, 1);
            _deliver(_job, 2);
        }
        vm.assertEq(_slot(2, 0).extras, 255);
        vm.assertEq(scheduler.round(_job).updates, 256);
        vm.expectRevert(
            abi.encodeWithSelector(IEpochTypes.SchedulerAlreadyClaimed.selector, parties[2].node, 1, START)
        );
        _claim(_job, 2);
        _agree(_job);
        uint256 before = gasleft();
        _settleNode(_job, 2);
        vm.assertTrue(before - gasleft() < 15_000_000, "a settlement is too dear for a block");
        vm.assertEq(_credit(2), 256 * EPOCH_PRICE);
        vm.assertEq(_stakeOf(2).locked, VOTE_BOND);
    }

    /// @dev Its first lease of the round.
    function _first(uint256 party, bool keep) private {
        _claim(_job, party);
        _deliver(_job, party, keep);
    }

    function _further(uint256 party) private {
        uint256 from = scheduler.round(_job).openedAt + CLAIM_WINDOW;
        if (_now() < from) vm.warp(from);
        _claim(_job, party);
    }

    function _slot(uint256 party, uint8 slot) private view returns (IEpochTypes.Lease memory) {
        return scheduler.storedLease(_job, parties[party].node, slot);
    }
}
