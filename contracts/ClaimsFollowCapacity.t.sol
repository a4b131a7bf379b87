// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochTypes} from "./interfaces/IEpochTypes.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

contract ClaimsFollowCapacityTest is ConsortiumFixture {
    function setUp() external {
        _consortium();
    }

    function test_a_quota_is_the_share_of_capacity_rounded_up() external {
        IEpochTypes.Terms memory terms = _terms();
        terms.epochsPerRound = 10;
        uint256 job = _submitJob(terms);
        vm.assertEq(_quota(job, 0), 5);
        vm.assertEq(_quota(job, 1), 3);
        vm.assertEq(_quota(job, 2), 2);
        _declare(3, 65_535);
        vm.assertEq(_quota(job, 3), 10);

        _assertClaim(job, 0, 0, 5);
        _assertClaim(job, 1, 5, 3);
        _assertClaim(job, 2, 8, 2);
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerNoEpochsLeft.selector, job, 1));
        _claim(job, 3);
    }

    function test_a_quota_is_at_least_one_epoch() external {
        IEpochTypes.Terms memory terms = _terms();
        (terms.epochsPerRound, terms.minUpdates) = (1, 1);
        uint256 job = _submitJob(terms);
        vm.assertEq(_quota(job, 3), 1);
        _assertClaim(job, 3, 0, 1);
    }

    function test_who_may_not_train_has_no_quota() external {
        uint256 job = _submitJob();
        vm.assertEq(scheduler.quota(job, stranger), 0);
        vm.prank(parties[0].node);
        registry.updateNode(parties[0].node, VALIDATOR, 0, "");
        vm.assertEq(_quota(job, 0), 0);
        registry.remove(parties[1].account);
        vm.assertEq(_quota(job, 1), 0);
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerUnknownJob.selector, 7));
        scheduler.quota(7, parties[2].node);
    }

    function test_a_claim_takes_the_lowest_free_run_cut_to_its_gap() external {
        IEpochTypes.Terms memory terms = _terms();
        terms.epochsPerRound = 16;
        uint256 job = _submitJob(terms);
        _assertClaim(job, 1, 0, 4);
        _skip(10);
        _assertClaim(job, 2, 4, 2);
        _skip(LEASE_TIME - 10);
        scheduler.expire(job, parties[1].node);
        // Four epochs are free below those of party 2, and the quota is eight.
        _assertClaim(job, 0, 0, 4);
        _assertClaim(job, 3, 6, 2);
        vm.assertEq(scheduler.round(job).taken, 0xff);
    }

    function test_a_claim_runs_from_a_gap_on_into_what_was_never_leased() external {
        IEpochTypes.Terms memory terms = _terms();
        terms.epochsPerRound = 16;
        uint256 job = _submitJob(terms);
        _assertClaim(job, 1, 0, 4);
        _assertClaim(job, 2, 4, 2);
        _deliver(job, 1);
        _skip(LEASE_TIME);
        scheduler.expire(job, parties[2].node);
        _assertClaim(job, 0, 4, 8);
        _assertClaim(job, 3, 12, 2);
        _deliver(job, 0);
        // The lease is one again, although the gap that it began in was two epochs long.
        vm.assertEq(scheduler.round(job).delivered, 0x0fff);
        vm.assertEq(scheduler.round(job).taken, 0x3fff);
    }

    function test_all_256_epochs_of_a_round_can_be_claimed_at_once() external {
        IEpochTypes.Terms memory terms = _terms();
        terms.epochsPerRound = 256;
        terms.minUpdates = 1;
        for (uint256 i = 1; i < 4; ++i) {
            vm.prank(parties[i].node);
            registry.retireNode(parties[i].node);
        }
        _stake(parties[0].account, 256 * LEASE_BOND);
        uint256 job = _submitJob(terms);
        _assertClaim(job, 0, 0, 256);
        vm.assertEq(scheduler.round(job).taken, type(uint256).max);
        vm.assertEq(_stakeOf(0).locked, 256 * LEASE_BOND);
        _deliver(job, 0);
        vm.assertEq(scheduler.round(job).delivered, type(uint256).max);
        vm.assertEq(scheduler.round(job).deliveredEpochs, 256);
    }

    function test_a_node_claims_once_until_the_claim_window_is_over() external {
        uint256 job = _submitJob();
        _claim(job, 0);
        _deliver(job, 0);
        uint256 again = _now() + CLAIM_WINDOW;
        _skip(CLAIM_WINDOW - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IEpochTypes.SchedulerAlreadyClaimed.selector, parties[0].node, 1, again)
        );
        _claim(job, 0);
        _skip(1);
        _assertClaim(job, 0, 4, 4);
    }

    function test_a_node_holds_one_live_lease_at_a_time() external {
        uint256 job = _submitJob();
        _claim(job, 2);
        _claim(job, 1);
        _skip(CLAIM_WINDOW);
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerLeaseHeld.selector, parties[1].node, 1));
        _claim(job, 1);
    }

    function test_the_next_round_divides_by_the_capacity_that_claimed() external {
        uint256 job = _submitJob();
        vm.assertEq(scheduler.round(job).quotaCapacity, 8);
        _claim(job, 0);
        _claim(job, 1);
        _deliver(job, 0);
        _deliver(job, 1);
        _skip(CLAIM_WINDOW);
        // A second claim in one round does not count twice.
        _claim(job, 1);
        _deliver(job, 1);
        vm.assertEq(scheduler.round(job).claimedCapacity, 6);
        _agree(job);
        vm.assertEq(scheduler.round(job).quotaCapacity, 6);
        vm.assertEq(scheduler.round(job).claimedCapacity, 0);
        vm.assertEq(_quota(job, 0), 6);
        vm.assertEq(_quota(job, 1), 3);
    }

    function test_a_job_that_no_trainer_is_registered_for_waits_for_one() external {
        for (uint256 i = 0; i < 4; ++i) {
            vm.prank(parties[i].node);
            registry.updateNode(parties[i].node, VALIDATOR, 0, "");
        }
        uint256 job = _submitJob();
        vm.assertEq(scheduler.round(job).quotaCapacity, 1);
        _declare(3, 1);
        _assertClaim(job, 3, 0, 8);
    }

    function test_a_change_of_capacity_counts_from_the_next_claim() external {
        uint256 job = _submitJob();
        _declare(3, 3);
        _assertClaim(job, 3, 0, 3);
        vm.assertEq(scheduler.round(job).claimedCapacity, 3);
    }

    function test_claims_end_when_less_than_the_minimum_lease_time_is_left() external {
        uint256 job = _submitJob();
        uint256 last = START + TRAINING - MIN_LEASE_TIME;
        vm.warp(last);
        _claim(job, 0);
        // No lease outlasts training.
        vm.assertEq(_lease(job, 0).deadline, START + TRAINING);
        vm.warp(last + 1);
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerTooLate.selector, last + 1, last));
        _claim(job, 1);
        vm.warp(START + TRAINING);
        _refusePhase(job, IEpochTypes.Phase.Stalled);
    }

    function test_a_job_that_has_ended_cannot_be_claimed_from() external {
        uint256 job = _submitJob();
        vm.prank(client);
        scheduler.cancelJob(job);
        _round(job);
        _refusePhase(job, IEpochTypes.Phase.Ended);
    }

    function test_a_claim_locks_the_bond_of_every_epoch_and_records_the_lease() external {
        uint256 job = _submitJob();
        _skip(5);
        vm.expectEmit();
        emit IEpochTypes.EpochsLeased(job, 1, parties[0].node, 1, 0, 4, uint40(START + 5 + LEASE_TIME));
        _claim(job, 0);
        vm.assertEq(_stakeOf(0).locked, 4 * LEASE_BOND);
        vm.assertEq(_stakeOf(0).free, STAKE - 4 * LEASE_BOND);
        (bool held, uint256 share, IEpochTypes.Lease memory lease) = scheduler.leaseOf(job, parties[0].node);
        vm.assertTrue(held);
        vm.assertEq(share, 4);
        vm.assertEq(lease.first, 0);
        vm.assertEq(lease.count, 4);
        vm.assertEq(lease.round, 1);
        vm.assertEq(lease.attempt, 1);
        vm.assertEq(lease.bonded, 4);
        vm.assertEq(lease.deadline, START + 5 + LEASE_TIME);
        vm.assertFalse(lease.kept);
        vm.assertEq(uint256(lease.state), uint256(IEpochTypes.LeaseState.Live));
        vm.assertEq(keccak256(abi.encode(lease)), _stored(job, 0));
        vm.assertEq(scheduler.round(job).taken, 0x0f);
    }

    function test_a_claim_needs_stake_for_its_bond() external {
        uint256 job = _submitJob();
        address account = parties[0].account;
        vm.prank(account);
        vault.unbond(STAKE - 4 * LEASE_BOND + 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IStakeVault.VaultInsufficientStake.selector,
                account,
                4 * LEASE_BOND - 1,
                4 * uint256(LEASE_BOND)
            )
        );
        _claim(job, 0);
    }

    /// @dev The lease of party 1 grows from two epochs to six, and shrinks to three.
    function test_a_bond_follows_the_size_of_the_lease() external {
        uint256 job = _submitJob();
        _claim(job, 1);
        _claim(job, 2);
        _deliver(job, 1);
        _deliver(job, 2);
        vm.warp(scheduler.round(job).trainingDeadline);
        _agree(job);
        vm.assertEq(scheduler.round(job).quotaCapacity, 3);
        _assertClaim(job, 1, 0, 6);
        vm.assertEq(_stakeOf(1).locked, 6 * LEASE_BOND + VOTE_BOND);
        _assertClaim(job, 2, 6, 2);
        vm.assertEq(_stakeOf(2).locked, 2 * LEASE_BOND + VOTE_BOND);
        _deliver(job, 1);
        _deliver(job, 2);
        _agree(job);
        _declare(1, 1);
        _assertClaim(job, 1, 0, 3);
        vm.assertEq(_stakeOf(1).locked, 3 * LEASE_BOND + VOTE_BOND);
        vm.assertEq(_stakeOf(1).free, STAKE - 3 * LEASE_BOND - VOTE_BOND);
    }

    function test_only_active_trainers_claim() external {
        uint256 job = _submitJob();
        _refuseClaim(job, stranger);
        _refuseClaim(job, parties[0].account);

        vm.prank(parties[0].node);
        registry.updateNode(parties[0].node, VALIDATOR, 0, "");
        _refuseClaim(job, parties[0].node);

        vm.prank(parties[1].node);
        registry.retireNode(parties[1].node);
        _refuseClaim(job, parties[1].node);

        registry.remove(parties[2].account);
        _refuseClaim(job, parties[2].node);

        address account = parties[3].account;
        vm.prank(account);
        registry.resign();
        _refuseClaim(job, parties[3].node);
    }

    function test_an_unknown_job_cannot_be_claimed_from() external {
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerUnknownJob.selector, 7));
        _claim(7, 0);
    }

    function testFuzz_claims_never_overlap_and_never_pass_the_last_epoch(
        uint16[6] calldata capacities,
        uint16 epochs
    ) external {
        IEpochTypes.Terms memory terms = _terms();
        terms.epochsPerRound = 1 + (epochs % 256);
        terms.minUpdates = 1;
        // What is locked is not the question here.
        scheduler.setParameters(0, VOTE_BOND, WHOLE_SHARE);
        for (uint256 i = 0; i < capacities.length; ++i) _join(1 + (capacities[i] >> 1));
        uint256 job = _submitJob(terms);
        uint256 covered;
        for (uint256 i = 0; i < parties.length; ++i) {
            if (scheduler.round(job).taken == _all(terms.epochsPerRound)) break;
            uint256 quota = _quota(job, i);
            (uint8 first, uint16 count) = _claim(job, i);
            uint256 range = _all(count) << first;
            vm.assertTrue(count > 0 && uint256(first) + count <= terms.epochsPerRound, "outside");
            vm.assertTrue(count <= quota, "more than its quota");
            vm.assertEq(covered & range, 0, "overlap");
            covered |= range;
            vm.assertEq(scheduler.round(job).taken, covered);
            vm.assertEq(_stakeOf(i).locked, 0);
        }
    }

    function _all(uint256 count) private pure returns (uint256) {
        return count == 256 ? type(uint256).max : (1 << count) - 1;
    }

    function _quota(uint256 job, uint256 party) private view returns (uint256) {
        return scheduler.quota(job, parties[party].node);
    }

    function _stored(uint256 job, uint256 party) private view returns (bytes32) {
        return keccak256(abi.encode(scheduler.storedLease(job, parties[party].node, 0)));
    }

    function _declare(uint256 party, uint32 capacity) private {
        vm.prank(parties[party].node);
        registry.updateNode(parties[party].node, BOTH, capacity, "");
    }

    function _assertClaim(uint256 job, uint256 party, uint256 first, uint256 count) private {
        (uint8 gotFirst, uint16 gotCount) = _claim(job, party);
        vm.assertEq(gotFirst, first, "first");
        vm.assertEq(gotCount, count, "count");
    }

    function _refuseClaim(uint256 job, address node) private {
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerNotTrainer.selector, node));
        vm.prank(node);
        scheduler.claim(job);
    }

    function _refusePhase(uint256 job, IEpochTypes.Phase actual) private {
        vm.expectRevert(
            abi.encodeWithSelector(
                IEpochTypes.SchedulerWrongPhase.selector,
                job,
                actual,
                IEpochTypes.Phase.Training
            )
        );
        _claim(job, 1);
    }
}
