// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochTypes} from "./interfaces/IEpochTypes.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

/// @title What becomes of leases that were kept: live in the next round without a transaction, or void.
/// @dev Leases of `_consortium` start at 0 (four epochs), 4 (two), 6 and 7: all of them are the bitmap 0xd1.
contract LeasesCarryOverTest is ConsortiumFixture {
    uint256 private constant ALL = 0xd1;

    uint256 private _job;

    function setUp() external {
        _consortium();
        _job = _submitJob();
    }

    function test_a_kept_lease_is_live_when_the_next_round_opens() external {
        _trainAndKeep(_job);
        vm.assertEq(scheduler.round(_job).keptSet, ALL);
        _skip(20);
        Result memory result = _result(_job);
        for (uint256 i = 0; i < 4; ++i) _vote(_job, i, result);
        uint40 opened = uint40(_now());
        vm.expectEmit();
        emit IEpochTypes.RoundOpened(
            _job,
            2,
            1,
            opened + TRAINING,
            opened + TRAINING + VOTING,
            opened + TRAINING + VOTING + REVEAL,
            15,
            3,
            result.digest,
            ALL
        );
        _finalize(_job, result);
        vm.assertTrue(scheduler.outcome(_job, 1).carried);
        IEpochTypes.Round memory round = scheduler.round(_job);
        vm.assertEq(round.taken, 0xff);
        vm.assertEq(round.delivered | round.updateSet | round.keptSet, 0);
        vm.assertEq(round.claimedCapacity, 8);
        for (uint256 i = 0; i < 4; ++i) {
            (bool held, , IEpochTypes.Lease memory lease) = scheduler.leaseOf(_job, parties[i].node);
            vm.assertTrue(held);
            vm.assertEq(uint256(lease.state), uint256(IEpochTypes.LeaseState.Live));
            vm.assertEq(lease.round, 2);
            vm.assertEq(lease.deadline, opened + LEASE_TIME);
            vm.assertFalse(lease.kept);
        }
        vm.assertEq(_lease(_job, 1).first, 4);
        vm.assertEq(_lease(_job, 1).count, 2);
        vm.assertEq(_stakeOf(1).locked, 2 * LEASE_BOND + VOTE_BOND);
    }

    function test_a_carried_lease_is_delivered_and_kept_again_without_a_claim() external {
        for (uint256 i = 0; i < 3; ++i) {
            for (uint256 party = 0; party < 4; ++party) {
                if (i == 0) _claim(_job, party);
                else
                    _refuseClaim(
                        party,
                        abi.encodeWithSelector(
                            IEpochTypes.SchedulerLeaseHeld.selector,
                            parties[party].node,
                            _lease(_job, party).first
                        )
                    );
            }
            for (uint256 party = 0; party < 4; ++party) _deliver(_job, party, true);
            vm.assertEq(scheduler.round(_job).delivered, 0xff);
            _agree(_job);
        }
        _assertStatus(_job, IEpochTypes.JobStatus.Completed);
        // The last round has no next one: what was kept in it is over.
        vm.assertFalse(scheduler.outcome(_job, 3).carried);
        _settleAll(_job);
        for (uint256 i = 0; i < 4; ++i) {
            _assertLease(_job, i, IEpochTypes.LeaseState.Settled);
            vm.assertEq(_stakeOf(i).free, STAKE);
        }
        vm.assertEq(_credit(0), 3 * (4 * EPOCH_PRICE + VOTE_PRICE));
        vm.assertEq(vault.owedBy(_job), 0);
    }

    function test_only_what_was_kept_goes_on() external {
        for (uint256 i = 0; i < 4; ++i) _claim(_job, i);
        for (uint256 i = 0; i < 4; ++i) _deliver(_job, i, i != 1);
        _agree(_job);
        IEpochTypes.Round memory round = scheduler.round(_job);
        vm.assertEq(round.taken, 0xcf);
        // By their epochs: six of eight.
        vm.assertEq(round.claimedCapacity, 6);
        vm.assertEq(round.quotaCapacity, 8);
        _refuseDelivery(1);
        // What is left is leased as ever.
        (uint8 first, uint16 count) = _claim(_job, 1);
        vm.assertEq(first, 4);
        vm.assertEq(count, 2);
        vm.assertEq(scheduler.round(_job).claimedCapacity, 8);
        for (uint256 i = 0; i < 4; ++i) _deliver(_job, i);
        _assertPhase(_job, IEpochTypes.Phase.Voting);
    }

    function test_epochs_that_nobody_leased_stay_free_beside_what_is_carried() external {
        _claim(_job, 0);
        _claim(_job, 2);
        _deliver(_job, 0, true);
        _deliver(_job, 2, true);
        vm.warp(scheduler.round(_job).trainingDeadline);
        _agree(_job);
        vm.assertEq(scheduler.round(_job).taken, 0x1f);
        (uint8 first, ) = _claim(_job, 3);
        vm.assertEq(first, 5);
    }

    // Deadlines, and what is missed

    function test_a_carried_lease_ends_its_time_after_the_opening() external {
        _trainAndKeep(_job);
        _skip(30);
        _agree(_job);
        uint256 deadline = _now() + LEASE_TIME;
        vm.warp(deadline - 1);
        _deliver(_job, 0, true);
        vm.warp(deadline);
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerTooLate.selector, deadline, deadline));
        _deliver(_job, 1, true);
    }

    function test_a_carried_lease_of_the_longest_time_ends_with_training() external {
        IEpochTypes.Terms memory terms = _terms();
        terms.leaseTime = TRAINING;
        _job = _submitJob(terms);
        _trainAndKeep(_job);
        _agree(_job);
        vm.assertEq(_lease(_job, 0).deadline, scheduler.round(_job).trainingDeadline);
        vm.warp(scheduler.round(_job).trainingDeadline - 1);
        for (uint256 i = 0; i < 4; ++i) _deliver(_job, i, true);
        vm.assertEq(_lease(_job, 0).round, 2);
    }

    function test_a_carried_lease_that_is_missed_expires_and_what_it_earned_before_is_paid() external {
        _trainAndKeep(_job);
        _agree(_job);
        address node = parties[0].node;
        uint256 deadline = _now() + LEASE_TIME;
        vm.warp(deadline - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IEpochTypes.SchedulerLeaseNotOverdue.selector, node, deadline)
        );
        scheduler.expire(_job, node);
        vm.warp(deadline);
        vm.expectEmit();
        emit IEpochTypes.LeaseMissed(_job, 2, node, 0, 4, 4 * LEASE_BOND);
        scheduler.expire(_job, node);
        vm.assertEq(scheduler.round(_job).taken, 0xf0);
        vm.assertEq(vault.account(treasury).credit, 4 * LEASE_BOND);
        _refuseClaim(0, abi.encodeWithSelector(IEpochTypes.SchedulerBarred.selector, node, 2));
        _refuseDelivery(0);
        // Another takes over.
        (uint8 first, uint16 count) = _claim(_job, _join(8));
        vm.assertEq(first, 0);
        vm.assertEq(count, 4);
        _settleNode(_job, 0);
        vm.assertEq(_credit(0), 4 * EPOCH_PRICE);
        vm.assertEq(_stakeOf(0).free, STAKE - 4 * LEASE_BOND - VOTE_BOND);
        vm.assertEq(scheduler.nodeRecord(node).accepted, 1);
        vm.assertEq(scheduler.nodeRecord(node).expired, 1);
    }

    /// @dev Its holder never sends anything again: the record is as it was two rounds ago.
    function test_a_carried_lease_that_nobody_touched_is_missed_all_the_same() external {
        _trainAndKeep(_job);
        _agree(_job);
        for (uint256 i = 1; i < 4; ++i) _deliver(_job, i, true);
        vm.warp(scheduler.round(_job).trainingDeadline);
        _assertPhase(_job, IEpochTypes.Phase.Voting);
        _agree(_job);
        _assertLease(_job, 0, IEpochTypes.LeaseState.Missed);
        vm.assertEq(scheduler.round(_job).taken, 0xf0);
        _refuseDelivery(0);
        for (uint256 i = 1; i < 4; ++i) _deliver(_job, i, true);
        vm.warp(scheduler.round(_job).trainingDeadline);
        _agree(_job);
        _assertStatus(_job, IEpochTypes.JobStatus.Completed);
        vm.expectEmit();
        emit IEpochTypes.LeaseMissed(_job, 2, parties[0].node, 0, 4, 4 * LEASE_BOND);
        _settleNode(_job, 0);
        _settleNode(_job, 0);
        vm.assertEq(_credit(0), 4 * EPOCH_PRICE);
        vm.assertEq(vault.account(treasury).credit, 4 * LEASE_BOND);
        (, uint256 share, ) = scheduler.leaseOf(_job, parties[0].node);
        vm.assertEq(share, 0);
        _settleAll(_job);
        vm.assertEq(vault.owedBy(_job), 0);
        for (uint256 i = 0; i < 4; ++i) vm.assertEq(_stakeOf(i).locked, 0);
    }

    // Several rounds, and attempts that fail

    function test_several_rounds_are_paid_at_once() external {
        for (uint256 i = 0; i < 2; ++i) {
            _trainAndKeep(_job);
            _agree(_job);
        }
        vm.assertEq(_lease(_job, 0).due, 8);
        vm.assertEq(_lease(_job, 0).accepted, 2);
        vm.assertEq(scheduler.storedLease(_job, parties[0].node, 0).due, 4);
        vm.expectEmit();
        emit IEpochTypes.RewardsSettled(_job, parties[0].account, parties[0].node, 8, 8 * EPOCH_PRICE, 0);
        _settleNode(_job, 0);
        vm.assertEq(_credit(0), 8 * EPOCH_PRICE);
        // The lease is live, its bond stays, and it can be delivered.
        vm.assertEq(_stakeOf(0).locked, 4 * LEASE_BOND + VOTE_BOND);
        vm.assertEq(scheduler.storedLease(_job, parties[0].node, 0).round, 3);
        _deliver(_job, 0);
        for (uint256 i = 1; i < 4; ++i) _deliver(_job, i);
        _agree(_job);
        _settleAll(_job);
        vm.assertEq(_credit(0), 3 * (4 * EPOCH_PRICE + VOTE_PRICE));
    }

    function test_an_attempt_that_fails_after_leases_were_carried_takes_those_not_delivered() external {
        IEpochTypes.Terms memory terms = _terms();
        terms.minUpdates = 3;
        _job = _submitJob(terms);
        _trainAndKeep(_job);
        _agree(_job);
        _deliver(_job, 1, true);
        vm.warp(scheduler.round(_job).trainingDeadline);
        scheduler.reopen(_job);
        IEpochTypes.Round memory round = scheduler.round(_job);
        vm.assertEq(round.attempt, 2);
        vm.assertEq(round.taken, 0x30);
        vm.assertEq(round.keptSet, 0x10);
        _assertLease(_job, 0, IEpochTypes.LeaseState.Missed);
        _refuseDelivery(0);
        // What was delivered stays so, and kept; who missed its lease claims anew.
        _assertLease(_job, 1, IEpochTypes.LeaseState.Delivered);
        uint256 claimed = scheduler.round(_job).claimedCapacity;
        _claim(_job, 0);
        vm.assertEq(vault.account(treasury).credit, 4 * LEASE_BOND);
        vm.assertEq(scheduler.round(_job).claimedCapacity, claimed);
        _claim(_job, 2);
        _deliver(_job, 0, true);
        _deliver(_job, 2);
        vm.warp(scheduler.round(_job).trainingDeadline);
        uint256 epochs = scheduler.round(_job).deliveredEpochs;
        _agree(_job);
        vm.assertEq(scheduler.round(_job).number, 3);
        _assertLease(_job, 0, IEpochTypes.LeaseState.Live);
        _assertLease(_job, 1, IEpochTypes.LeaseState.Live);
        _assertLease(_job, 2, IEpochTypes.LeaseState.Settled);
        vm.assertEq(vault.owedBy(_job), (8 + epochs) * EPOCH_PRICE + 2 * 4 * VOTE_PRICE);
        _settleAll(_job);
        vm.assertEq(vault.owedBy(_job), 0);
    }

    function test_a_vote_that_fails_takes_no_lease_that_was_kept() external {
        _trainAndKeep(_job);
        _agree(_job);
        for (uint256 i = 0; i < 4; ++i) _deliver(_job, i, true);
        for (uint256 i = 0; i < 4; ++i) {
            _vote(_job, i, Result({digest: bytes32(i + 1), accepted: ALL, invalid: 0}));
        }
        vote.fail(_job);
        vm.assertEq(scheduler.round(_job).attempt, 2);
        vm.assertEq(scheduler.round(_job).keptSet, ALL);
        _assertPhase(_job, IEpochTypes.Phase.Voting);
        _agree(_job);
        vm.assertEq(scheduler.round(_job).number, 3);
        for (uint256 i = 0; i < 4; ++i) _deliver(_job, i, true);
        _agree(_job);
        _settleAll(_job);
        vm.assertEq(_credit(0), 3 * (4 * EPOCH_PRICE + VOTE_PRICE));
        for (uint256 i = 0; i < 4; ++i) vm.assertEq(_stakeOf(i).free, STAKE);
    }

    function test_a_lease_that_was_carried_and_not_kept_ends_with_its_round() external {
        _trainAndKeep(_job);
        _agree(_job);
        for (uint256 i = 0; i < 4; ++i) _deliver(_job, i, i == 0);
        _agree(_job);
        vm.assertEq(scheduler.round(_job).taken, 0x0f);
        _assertLease(_job, 0, IEpochTypes.LeaseState.Live);
        for (uint256 i = 1; i < 4; ++i) _assertLease(_job, i, IEpochTypes.LeaseState.Settled);
    }

    /// @dev Who keeps, whose update counts and whose is invalid at random, round after round.
    function testFuzz_what_is_taken_is_what_is_live_and_all_is_paid(bytes32 noise) external {
        uint256 earned;
        for (uint256 round = 1; round <= 3; ++round) {
            uint256 bits = uint256(keccak256(abi.encode(noise, round)));
            for (uint256 i = 0; i < 4; ++i) {
                (bool held, , ) = scheduler.leaseOf(_job, parties[i].node);
                if (!held && scheduler.round(_job).taken != 0xff) _claim(_job, i);
                (held, , ) = scheduler.leaseOf(_job, parties[i].node);
                if (held) _deliver(_job, i, (bits >> i) & 1 == 1);
            }
            uint256 updates = scheduler.round(_job).updateSet;
            uint256 invalid = updates & (bits >> 8) & (bits >> 16);
            uint256 accepted = updates & ~invalid & ((bits >> 24) | (bits >> 32));
            uint256 kept = scheduler.round(_job).keptSet & ~invalid;
            vm.warp(scheduler.round(_job).trainingDeadline);
            if (scheduler.phase(_job) != IEpochTypes.Phase.Voting) return;
            for (uint256 i = 0; i < 4; ++i) {
                IEpochTypes.Lease memory lease = _lease(_job, i);
                if (lease.round == round && (accepted >> lease.first) & 1 == 1) earned += lease.count;
            }
            _decide(accepted, invalid);
            if (round == 3) break;
            uint256 live;
            uint256 starts;
            for (uint256 i = 0; i < 4; ++i) {
                (bool held, , IEpochTypes.Lease memory lease) = scheduler.leaseOf(_job, parties[i].node);
                if (!held) continue;
                live |= ((1 << lease.count) - 1) << lease.first;
                starts |= 1 << lease.first;
            }
            vm.assertEq(starts, kept, "what was kept is live");
            vm.assertEq(scheduler.round(_job).taken, live, "what is taken is live");
        }
        _settleAll(_job);
        uint256 credits;
        for (uint256 i = 0; i < 4; ++i) {
            credits += _credit(i);
            vm.assertEq(_stakeOf(i).locked, 0, "locked");
        }
        vm.assertEq(credits, earned * EPOCH_PRICE + 3 * 4 * VOTE_PRICE, "paid");
        vm.assertEq(vault.owedBy(_job), 0, "owed");
        _assertSolvent();
    }

    function _decide(uint256 accepted, uint256 invalid) private {
        bytes32 digest = keccak256(abi.encode("model", scheduler.round(_job).number));
        Result memory result = Result({digest: digest, accepted: accepted, invalid: invalid});
        for (uint256 i = 0; i < 4; ++i) _vote(_job, i, result);
        vm.assertTrue(_finalize(_job, result), "not final");
    }

    function _refuseDelivery(uint256 party) private {
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerNoLease.selector, parties[party].node));
        _deliver(_job, party);
    }

    function _refuseClaim(uint256 party, bytes memory error_) private {
        vm.expectRevert(error_);
        _claim(_job, party);
    }
}
