// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochTypes} from "./interfaces/IEpochTypes.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

/// @title A node is leased by what it declares times how it has done so far.
contract RecordsScaleCapacityTest is ConsortiumFixture {
    uint16 private constant FULL = 10_000;
    uint16 private constant RECOVERY = 500;

    uint256 private _job;

    function setUp() external {
        _consortium();
        _job = _submitJob();
    }

    function test_a_node_starts_with_its_full_capacity() external view {
        _assertRecord(0, 0, 0, 0, 0, 0);
        _assertReliability(0, FULL);
        vm.assertEq(scheduler.nodeRecord(stranger).reliability, FULL);
        vm.assertEq(scheduler.reliabilityOf(stranger), FULL);
    }

    function test_good_work_is_counted_when_it_is_settled() external {
        _round(_job);
        _assertRecord(0, 0, 0, 0, 0, 0);
        _settleAll(_job);
        _assertRecord(0, 1, 0, 1, 0, 0);
        // There is nothing above full.
        _assertReliability(0, FULL);
        _round(_job);
        _round(_job);
        _settleAll(_job);
        _assertRecord(0, 3, 0, 3, 0, 0);
        _settleAll(_job);
        _assertRecord(0, 3, 0, 3, 0, 0);
    }

    function test_an_outlier_is_good_work_that_was_left_out() external {
        _miss(0);
        _finishAndTrain(0);
        _final(Result({digest: "m", accepted: _updates() & ~uint256(1), invalid: 0}));
        _settleNode(_job, 0);
        _assertRecord(0, 1, 1, 0, 1, 0);
        _assertReliability(0, FULL / 2 + RECOVERY);
    }

    function test_a_missed_lease_halves_the_capacity() external {
        vm.assertEq(_quota(0), 4);
        _miss(0);
        _assertRecord(0, 0, 1, 0, 0, 0);
        _assertReliability(0, 5_000);
        vm.assertEq(_quota(0), 2);
        vm.warp(scheduler.round(_job).trainingDeadline);
        scheduler.reopen(_job);
        (, uint16 count) = _claim(_job, 0);
        vm.assertEq(count, 2);
        _skip(LEASE_TIME);
        scheduler.expire(_job, parties[0].node);
        _assertReliability(0, 2_500);
        vm.assertEq(_quota(0), 1);
        // Who missed nothing is leased as before.
        _assertReliability(1, FULL);
        vm.assertEq(_quota(1), 2);
    }

    function test_an_invalid_update_takes_three_quarters() external {
        _train(_job);
        _final(Result({digest: "m", accepted: 0xd0, invalid: 0x01}));
        _settleAll(_job);
        _assertRecord(0, 1, 0, 0, 0, 1);
        _assertReliability(0, 2_500);
        vm.assertEq(_quota(0), 1);
        // Of what is left, not of all.
        _trainAll();
        _final(Result({digest: "n", accepted: _updates() & ~uint256(1), invalid: 0x01}));
        _settleAll(_job);
        _assertRecord(0, 2, 0, 0, 0, 2);
        _assertReliability(0, 625);
    }

    /// @dev The claim itself takes what the last lease has to pay, before it looks at the record.
    function test_a_claim_is_by_the_record_as_it_is_then() external {
        _claim(_job, 0);
        vm.warp(scheduler.round(_job).trainingDeadline);
        scheduler.reopen(_job);
        (, uint16 count) = _claim(_job, 0);
        vm.assertEq(count, 2);
        _assertReliability(0, 5_000);
        vm.assertEq(scheduler.round(_job).claimedCapacity, 4);
        _deliver(_job, 0);
        for (uint256 i = 1; i < 4; ++i) _claim(_job, i);
        for (uint256 i = 1; i < 4; ++i) _deliver(_job, i);
        vm.warp(scheduler.round(_job).trainingDeadline);
        _final(Result({digest: "m", accepted: _updates() & ~uint256(1), invalid: 1}));
        vm.expectEmit();
        emit IEpochTypes.UpdateRejected(_job, 1, parties[0].node, 0, 2, 2 * LEASE_BOND);
        (, count) = _claim(_job, 0);
        vm.assertEq(count, 1);
        _assertReliability(0, 1_250);
        // It counts for the next quotas by what is left to it, and by one unit at least.
        vm.assertEq(scheduler.round(_job).claimedCapacity, 1);
    }

    function test_claims_count_for_the_next_quotas_by_what_a_node_is_trusted_with() external {
        _miss(0);
        vm.warp(scheduler.round(_job).trainingDeadline);
        scheduler.reopen(_job);
        _claim(_job, 1);
        vm.assertEq(scheduler.round(_job).claimedCapacity, 4 + 2);
        uint256 job = _submitJob();
        _claim(job, 0);
        vm.assertEq(scheduler.round(job).claimedCapacity, 2);
    }

    function test_a_node_is_always_trusted_with_one_unit_so_that_it_can_recover() external {
        uint256 job = _job;
        _stake(parties[0].account, STAKE);
        for (uint256 i = 0; i < 20; ++i) {
            (, uint16 count) = _claim(job, 0);
            if (i > 2) vm.assertEq(count, 1);
            _skip(LEASE_TIME);
            scheduler.expire(job, parties[0].node);
            job = _submitJob();
        }
        // Halves are rounded up, so that it ends at one ten-thousandth.
        _assertReliability(0, 1);
        vm.assertEq(scheduler.nodeRecord(parties[0].node).expired, 20);
        _job = job;
        (, uint16 last) = _claim(_job, 0);
        vm.assertEq(last, 1);
    }

    function test_good_work_earns_the_record_back() external {
        _miss(0);
        _finishAndTrain(0);
        _agree(_job);
        _settleNode(_job, 0);
        _assertReliability(0, 5_500);
        IEpochTypes.Terms memory terms = _terms();
        terms.rounds = 12;
        _job = _submitJob(terms);
        for (uint256 i = 1; i <= 12; ++i) {
            _trainAll();
            _agree(_job);
            _settleNode(_job, 0);
            uint256 reliability = 5_500 + i * RECOVERY;
            _assertReliability(0, reliability < FULL ? uint16(reliability) : FULL);
        }
        vm.assertEq(scheduler.reliabilityOf(parties[0].account), FULL);
    }

    function test_rounds_that_settle_at_once_recover_as_much() external {
        _miss(0);
        _finishAndTrain(0);
        _agree(_job);
        _trainAll();
        _agree(_job);
        _trainAll();
        _agree(_job);
        _settleNode(_job, 0);
        _assertRecord(0, 3, 1, 3, 0, 0);
        _assertReliability(0, 5_000 + 3 * RECOVERY);
    }

    function test_a_round_that_failed_says_nothing() external {
        _train(_job);
        for (uint256 attempt = 0; attempt < 3; ++attempt) {
            vm.warp(scheduler.round(_job).revealDeadline);
            vote.fail(_job);
        }
        _assertStatus(_job, IEpochTypes.JobStatus.Failed);
        _settleAll(_job);
        _assertRecord(0, 0, 0, 0, 0, 0);
        _assertReliability(0, FULL);
    }

    function test_a_record_holds_in_every_job() external {
        uint256 another = _submitJob();
        _miss(0);
        vm.assertEq(scheduler.quota(another, parties[0].node), 2);
        (, uint16 count) = _claim(another, 0);
        vm.assertEq(count, 2);
    }

    // Fresh keys

    function test_a_new_node_starts_with_what_its_organisation_has() external {
        _miss(0);
        vm.assertEq(scheduler.reliabilityOf(parties[0].account), 5_000);
        address fresh = _addNode(0, 1, 4);
        vm.assertEq(scheduler.nodeRecord(fresh).reliability, 5_000);
        vm.assertEq(scheduler.nodeRecord(fresh).expired, 0);
        vm.assertEq(scheduler.quota(_job, fresh), 2);
        // And other organisations with what they have.
        vm.assertEq(scheduler.nodeRecord(_addNode(1, 1, 4)).reliability, FULL);
    }

    function test_a_rotated_key_starts_with_what_the_old_one_lost() external {
        _miss(0);
        uint256 newKey = 0xFEED;
        bytes memory consent = _consent(newKey, parties[0].account);
        vm.prank(parties[0].account);
        registry.rotateNode(parties[0].node, vm.addr(newKey), consent);
        vm.assertEq(scheduler.nodeRecord(vm.addr(newKey)).reliability, 5_000);
        vm.assertEq(scheduler.quota(_job, vm.addr(newKey)), 2);
        // What the old key still has to answer for reaches the organisation too.
        vm.prank(vm.addr(newKey));
        (, uint16 count) = scheduler.claim(_job);
        vm.assertEq(count, 2);
    }

    function test_a_fresh_key_is_no_better_for_a_lease_missed_after_it_came() external {
        address fresh = _addNode(0, 1, 4);
        vm.assertEq(scheduler.nodeRecord(fresh).reliability, FULL);
        _miss(0);
        vm.assertEq(scheduler.nodeRecord(fresh).reliability, 5_000);
    }

    function test_a_node_with_a_record_of_its_own_keeps_it() external {
        _round(_job);
        address sister = _addNode(0, 1, 4);
        _settleAll(_job);
        _claim(_job, 1);
        vm.prank(sister);
        scheduler.claim(_job);
        _skip(LEASE_TIME);
        scheduler.expire(_job, sister);
        vm.assertEq(scheduler.nodeRecord(sister).reliability, 5_000);
        // What party 0 has shown counts for it, not what its sister did.
        _assertReliability(0, FULL);
        vm.assertEq(scheduler.reliabilityOf(parties[0].account), 5_000);
    }

    function test_an_organisation_remembers_the_worst_of_its_nodes_until_good_work_makes_up_for_it()
        external
    {
        address sister = _addNode(0, 1, 1);
        _miss(0);
        vm.prank(sister);
        scheduler.claim(_job);
        _skip(LEASE_TIME);
        scheduler.expire(_job, sister);
        // The sister had nothing of its own to show: it started with half, and lost half of that.
        vm.assertEq(scheduler.nodeRecord(sister).reliability, 2_500);
        vm.assertEq(scheduler.reliabilityOf(parties[0].account), 2_500);
        _assertReliability(0, 5_000);
        _finishAndTrain(0);
        _agree(_job);
        _settleNode(_job, 0);
        _assertReliability(0, 5_500);
        vm.assertEq(scheduler.reliabilityOf(parties[0].account), 3_000);
        vm.assertEq(scheduler.nodeRecord(sister).reliability, 2_500);
    }

    function test_coming_back_does_not_wash_off_a_record() external {
        _miss(0);
        address account = parties[0].account;
        vm.prank(account);
        registry.resign();
        _skip(1);
        registry.admit(account, "again");
        _assertReliability(0, 5_000);
        vm.assertEq(scheduler.nodeRecord(_addNode(0, 1, 1)).reliability, 5_000);
    }

    /// @dev Claims, and lets its lease expire.
    function _miss(uint256 party) private {
        _claim(_job, party);
        _skip(LEASE_TIME);
        scheduler.expire(_job, parties[party].node);
    }

    /// @dev The attempt in which `party` missed its lease fails; in the next it claims first, and all deliver.
    function _finishAndTrain(uint256 party) private {
        vm.warp(scheduler.round(_job).trainingDeadline);
        scheduler.reopen(_job);
        (uint8 first, ) = _claim(_job, party);
        vm.assertEq(first, 0);
        _deliver(_job, party);
        for (uint256 i = 0; i < 4; ++i) {
            if (i != party) _claim(_job, i);
            if (i != party) _deliver(_job, i);
        }
        vm.warp(scheduler.round(_job).trainingDeadline);
    }

    /// @dev All that can claim do, and deliver.
    function _trainAll() private {
        for (uint256 i = 0; i < 4; ++i) {
            if (scheduler.round(_job).taken == 0xff) break;
            _claim(_job, i);
            _deliver(_job, i);
        }
        vm.warp(scheduler.round(_job).trainingDeadline);
    }

    function _final(Result memory result) private {
        for (uint256 i = 0; i < 4; ++i) _vote(_job, i, result);
        vm.assertTrue(_finalize(_job, result), "not final");
    }

    function _updates() private view returns (uint256) {
        return scheduler.round(_job).updateSet;
    }

    function _addNode(uint256 party, uint256 number, uint32 capacity) private returns (address node) {
        uint256 key = 0xADD000 + 16 * party + number;
        _register(parties[party].account, key, TRAINER, capacity);
        return vm.addr(key);
    }

    function _quota(uint256 party) private view returns (uint256) {
        return scheduler.quota(_job, parties[party].node);
    }

    function _assertReliability(uint256 party, uint16 expected) private view {
        vm.assertEq(scheduler.nodeRecord(parties[party].node).reliability, expected, "reliability");
    }

    function _assertRecord(
        uint256 party,
        uint256 delivered,
        uint256 expired,
        uint256 accepted,
        uint256 outliers,
        uint256 invalid
    ) private view {
        IEpochTypes.NodeRecord memory record = scheduler.nodeRecord(parties[party].node);
        vm.assertEq(record.delivered, delivered, "delivered");
        vm.assertEq(record.expired, expired, "expired");
        vm.assertEq(record.accepted, accepted, "accepted");
        vm.assertEq(record.outliers, outliers, "outliers");
        vm.assertEq(record.invalid, invalid, "invalid");
    }
}
