// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochScheduler} from "./interfaces/IEpochScheduler.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

contract ClaimsFollowCapacityTest is ConsortiumFixture {
    function setUp() external {
        _consortium();
    }

    function test_a_quota_is_the_share_of_capacity_rounded_up() external {
        IEpochScheduler.Terms memory terms = _terms();
        terms.epochsPerRound = 10;
        uint256 job = _submitJob(terms);
        vm.assertEq(scheduler.quota(job, 4), 5);
        vm.assertEq(scheduler.quota(job, 2), 3);
        vm.assertEq(scheduler.quota(job, 1), 2);
        vm.assertEq(scheduler.quota(job, 65_535), 10);

        _assertClaim(job, 0, 0, 5);
        _assertClaim(job, 1, 5, 3);
        _assertClaim(job, 2, 8, 2);
        vm.expectRevert(abi.encodeWithSelector(IEpochScheduler.SchedulerNoEpochsLeft.selector, job, 1));
        _claim(job, 3);
    }

    function test_a_quota_is_at_least_one_epoch() external {
        IEpochScheduler.Terms memory terms = _terms();
        (terms.epochsPerRound, terms.minUpdates) = (1, 1);
        uint256 job = _submitJob(terms);
        vm.assertEq(scheduler.quota(job, 1), 1);
        _assertClaim(job, 3, 0, 1);
    }

    function test_a_claim_takes_the_lowest_free_run_cut_to_its_gap() external {
        IEpochScheduler.Terms memory terms = _terms();
        terms.epochsPerRound = 16;
        uint256 job = _submitJob(terms);
        _assertClaim(job, 1, 0, 4);
        _skip(10);
        _assertClaim(job, 2, 4, 2);
        _skip(LEASE_TIME - 10);
        scheduler.expire(job, 0);
        // Four epochs are free below those of party 2, and the quota is eight.
        _assertClaim(job, 0, 0, 4);
        _assertClaim(job, 3, 6, 2);
    }

    function test_all_256_epochs_of_a_round_can_be_claimed_at_once() external {
        IEpochScheduler.Terms memory terms = _terms();
        terms.epochsPerRound = 256;
        terms.minUpdates = 1;
        for (uint256 i = 1; i < 4; ++i) {
            vm.prank(parties[i].node);
            registry.retireNode(parties[i].node);
        }
        uint256 job = _submitJob(terms);
        _assertClaim(job, 0, 0, 256);
        vm.assertEq(scheduler.round(job).taken, type(uint256).max);
        _deliver(job, 0);
        vm.assertEq(scheduler.round(job).delivered, type(uint256).max);
        vm.assertEq(scheduler.round(job).deliveredEpochs, 256);
    }

    function test_a_node_claims_once_until_the_claim_window_is_over() external {
        IEpochScheduler.Terms memory terms = _terms();
        terms.epochsPerRound = 80;
        uint256 job = _submitJob(terms);
        _claim(job, 0);
        _deliver(job, 0);
        uint256 again = _now() + CLAIM_WINDOW;
        _skip(CLAIM_WINDOW - 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEpochScheduler.SchedulerAlreadyClaimed.selector,
                parties[0].node,
                1,
                again
            )
        );
        _claim(job, 0);
        _skip(1);
        _assertClaim(job, 0, 40, 40);
    }

    function test_a_node_holds_one_live_lease_at_a_time() external {
        uint256 job = _submitJob();
        _claim(job, 2);
        _claim(job, 1);
        _skip(CLAIM_WINDOW);
        vm.expectRevert(
            abi.encodeWithSelector(IEpochScheduler.SchedulerLeaseHeld.selector, parties[1].node, 1)
        );
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
        // A second claim in one attempt does not count twice.
        _claim(job, 1);
        _deliver(job, 1);
        vm.assertEq(scheduler.round(job).claimedCapacity, 6);
        Result memory result = _result(job);
        for (uint256 i = 0; i < 4; ++i) _vote(job, i, result);
        _finalize(job, result);
        vm.assertEq(scheduler.round(job).quotaCapacity, 6);
        vm.assertEq(scheduler.quota(job, 4), 6);
        vm.assertEq(scheduler.quota(job, 2), 3);
    }

    function test_a_job_that_no_trainer_is_registered_for_waits_for_one() external {
        for (uint256 i = 0; i < 4; ++i) {
            vm.prank(parties[i].node);
            registry.updateNode(parties[i].node, VALIDATOR, 0, "");
        }
        uint256 job = _submitJob();
        vm.prank(parties[3].node);
        registry.updateNode(parties[3].node, BOTH, 1, "");
        _assertClaim(job, 3, 0, 8);
    }

    function test_a_change_of_capacity_counts_from_the_next_claim() external {
        uint256 job = _submitJob();
        vm.prank(parties[3].node);
        registry.updateNode(parties[3].node, BOTH, 3, "");
        _assertClaim(job, 3, 0, 3);
        vm.assertEq(scheduler.round(job).claimedCapacity, 3);
    }

    function test_claims_end_when_less_than_the_minimum_lease_time_is_left() external {
        uint256 job = _submitJob();
        uint256 last = START + TRAINING - MIN_LEASE_TIME;
        vm.warp(last);
        _claim(job, 0);
        // No lease outlasts training.
        vm.assertEq(scheduler.lease(job, 0).deadline, START + TRAINING);
        vm.warp(last + 1);
        vm.expectRevert(abi.encodeWithSelector(IEpochScheduler.SchedulerTooLate.selector, last + 1, last));
        _claim(job, 1);
        vm.warp(START + TRAINING);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEpochScheduler.SchedulerWrongPhase.selector,
                job,
                IEpochScheduler.Phase.Stalled,
                IEpochScheduler.Phase.Training
            )
        );
        _claim(job, 1);
    }

    function test_a_claim_locks_the_bond_and_records_the_lease() external {
        uint256 job = _submitJob();
        _skip(5);
        _assertClaim(job, 0, 0, 4);
        vm.assertEq(_stakeOf(0).locked, LEASE_BOND);
        vm.assertEq(_stakeOf(0).free, STAKE - LEASE_BOND);
        IEpochScheduler.Lease memory lease = scheduler.lease(job, 0);
        vm.assertEq(lease.node, parties[0].node);
        vm.assertEq(lease.round, 1);
        vm.assertEq(lease.attempt, 1);
        vm.assertEq(lease.count, 4);
        vm.assertEq(lease.deadline, START + 5 + LEASE_TIME);
        _assertLease(job, 0, IEpochScheduler.LeaseState.Live);
        (bool held, uint8 first, ) = scheduler.leaseOf(job, parties[0].node);
        vm.assertTrue(held);
        vm.assertEq(first, 0);
        vm.assertEq(scheduler.round(job).taken, 0x0f);
    }

    function test_a_claim_needs_stake_for_its_bond() external {
        uint256 job = _submitJob();
        address account = parties[0].account;
        vm.prank(account);
        vault.unbond(STAKE - LEASE_BOND + 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IStakeVault.VaultInsufficientStake.selector,
                account,
                LEASE_BOND - 1,
                uint256(LEASE_BOND)
            )
        );
        _claim(job, 0);
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
    }

    function test_an_unknown_job_cannot_be_claimed_from() external {
        vm.expectRevert(abi.encodeWithSelector(IEpochScheduler.SchedulerUnknownJob.selector, 7));
        _claim(7, 0);
    }

    function testFuzz_claims_never_overlap_and_never_pass_the_last_epoch(
        uint16[6] calldata capacities,
        uint16 epochs
    ) external {
        IEpochScheduler.Terms memory terms = _terms();
        terms.epochsPerRound = 1 + (epochs % 256);
        terms.minUpdates = 1;
        for (uint256 i = 0; i < capacities.length; ++i) _join(1 + (capacities[i] >> 1));
        uint256 job = _submitJob(terms);
        uint256 covered;
        for (uint256 i = 0; i < parties.length; ++i) {
            if (scheduler.round(job).taken == _all(terms.epochsPerRound)) break;
            (uint8 first, uint16 count) = _claim(job, i);
            uint256 range = _all(count) << first;
            vm.assertTrue(count > 0 && uint256(first) + count <= terms.epochsPerRound, "outside");
            vm.assertEq(covered & range, 0, "overlap");
            covered |= range;
            vm.assertEq(scheduler.round(job).taken, covered);
        }
    }

    function _all(uint256 count) private pure returns (uint256) {
        return count == 256 ? type(uint256).max : (1 << count) - 1;
    }

    function _assertClaim(uint256 job, uint256 party, uint256 first, uint256 count) private {
        (uint8 gotFirst, uint16 gotCount) = _claim(job, party);
        vm.assertEq(gotFirst, first, "first");
        vm.assertEq(gotCount, count, "count");
    }

    function _refuseClaim(uint256 job, address node) private {
        vm.expectRevert(abi.encodeWithSelector(IEpochScheduler.SchedulerNotTrainer.selector, node));
        vm.prank(node);
        scheduler.claim(job);
    }
}
