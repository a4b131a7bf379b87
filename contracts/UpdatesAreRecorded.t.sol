// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochTypes} from "./interfaces/IEpochTypes.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

contract UpdatesAreRecordedTest is ConsortiumFixture {
    uint256 private _job;

    function setUp() external {
        _consortium();
        _job = _submitJob();
    }

    function test_the_accumulator_binds_every_update_in_order() external {
        for (uint256 i = 0; i < 4; ++i) _claim(_job, i);
        _submit(2, "c", 7, false);
        _submit(0, "a", 5, true);
        bytes24 expected = _link(_link(0, 2, 6, 1, 7, "c"), 0, 0, 4, 5, "a");
        IEpochTypes.Round memory round = scheduler.round(_job);
        vm.assertEq(bytes32(round.accumulator), bytes32(expected));
        vm.assertEq(round.delivered, 0x4f);
        vm.assertEq(round.updateSet, 0x41);
        vm.assertEq(round.keptSet, 0x01);
        vm.assertEq(round.deliveredEpochs, 5);
        vm.assertEq(round.updates, 2);
        vm.assertEq(round.taken, 0xff);
    }

    function test_an_update_is_told_with_all_that_validators_need_of_it() external {
        _claim(_job, 0);
        _claim(_job, 1);
        vm.expectEmit();
        emit IEpochTypes.UpdateSubmitted(_job, 1, parties[1].node, 4, 2, 9, "digest", true, CID);
        _submit(1, "digest", 9, true);
        IEpochTypes.Lease memory lease = _lease(_job, 1);
        vm.assertEq(uint256(lease.state), uint256(IEpochTypes.LeaseState.Delivered));
        vm.assertTrue(lease.kept);
        vm.assertEq(lease.bonded, 2);
    }

    function test_a_new_round_starts_from_nothing() external {
        _round(_job);
        IEpochTypes.Round memory round = scheduler.round(_job);
        vm.assertEq(round.number, 2);
        vm.assertEq(bytes32(round.accumulator), 0);
        vm.assertEq(round.delivered | round.taken | round.updateSet | round.keptSet, 0);
        vm.assertEq(round.deliveredEpochs, 0);
        vm.assertEq(round.modelDigest, keccak256(abi.encode("model", 1)));

        _claim(_job, 3);
        _submit(3, "d", 1, false);
        round = scheduler.round(_job);
        vm.assertEq(bytes32(round.accumulator), bytes32(_link(0, 3, 0, 1, 1, "d")));
        vm.assertEq(round.delivered, 1);
        vm.assertEq(round.updateSet, 1);
        vm.assertEq(round.taken, 1);
    }

    /// @dev The bitmaps of an earlier round are still in store: none of their bits may show in the next.
    function test_what_a_bitmap_holds_from_an_earlier_round_does_not_count() external {
        for (uint256 i = 0; i < 4; ++i) _claim(_job, i);
        for (uint256 i = 0; i < 4; ++i) _deliver(_job, i, i % 2 == 0);
        _assertSets(0xd1, 0x41);
        _agree(_job);
        _assertSets(0, 0);
        vm.assertEq(scheduler.round(_job).taken, 0x4f);
        // Of round 2 only party 2, with a kept update, and then party 3 in what party 1 gave up.
        _deliver(_job, 2, true);
        _assertSets(0x40, 0x40);
        _claim(_job, 3);
        _deliver(_job, 3);
        _assertSets(0x50, 0x40);
        vm.warp(scheduler.round(_job).trainingDeadline);
        _agree(_job);
        // Of round 3 only one that is not kept.
        _deliver(_job, 2, false);
        _assertSets(0x40, 0);
        vm.assertEq(scheduler.round(_job).updates, 1);
    }

    function test_an_update_is_submitted_once() external {
        _claim(_job, 0);
        _deliver(_job, 0);
        vm.expectRevert(
            abi.encodeWithSelector(IEpochTypes.SchedulerAlreadyDelivered.selector, parties[0].node, 0)
        );
        _deliver(_job, 0);
    }

    /// @dev An attack: the last round ends early, and the lease's deadline has not passed.
    function test_an_update_that_was_settled_cannot_be_submitted_and_paid_again() external {
        vm.prank(client);
        scheduler.cancelJob(_job);
        _round(_job);
        vm.expectRevert(
            abi.encodeWithSelector(IEpochTypes.SchedulerAlreadyDelivered.selector, parties[0].node, 0)
        );
        _deliver(_job, 0);
        _settleAll(_job);
        uint256 credit = _credit(0);
        _refuse(0);
        _settleAll(_job);
        vm.assertEq(_credit(0), credit);
    }

    function test_an_update_needs_a_lease_of_the_open_attempt() external {
        _refuse(0);
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerNoLease.selector, parties[0].node));
        _deliver(99, 0);

        _claim(_job, 0);
        vm.warp(START + TRAINING);
        scheduler.reopen(_job);
        _refuse(0);
        _settleNode(_job, 0);
        _refuse(0);
    }

    function test_an_update_of_the_round_before_is_no_lease_in_this_one() external {
        _round(_job);
        _refuse(0);
        _settleNode(_job, 0);
        _refuse(0);
    }

    function test_an_expired_lease_that_went_to_another_cannot_be_delivered() external {
        _claim(_job, 0);
        _skip(LEASE_TIME);
        scheduler.expire(_job, parties[0].node);
        _claim(_job, 1);
        _refuse(0);
    }

    function test_an_update_needs_a_digest_a_weight_and_a_place() external {
        _claim(_job, 0);
        _refuseUpdate("", 1, CID, "digest");
        _refuseUpdate("a", 0, CID, "samples");
        _refuseUpdate("a", 1, "", "cid");
        _refuseUpdate("a", 1, string(new bytes(129)), "cid");
        vm.prank(parties[0].node);
        scheduler.submitUpdate(_job, "a", type(uint64).max, false, string(new bytes(128)));
    }

    function test_a_retired_node_still_delivers_the_lease_that_it_holds() external {
        _claim(_job, 0);
        vm.prank(parties[0].account);
        registry.retireNode(parties[0].node);
        _deliver(_job, 0);
        _assertLease(_job, 0, IEpochTypes.LeaseState.Delivered);
    }

    function test_the_last_delivery_opens_voting_and_moves_no_deadline() external {
        IEpochTypes.Round memory before = scheduler.round(_job);
        _skip(1);
        _train(_job);
        _assertPhase(_job, IEpochTypes.Phase.Voting);
        IEpochTypes.Round memory after_ = scheduler.round(_job);
        vm.assertEq(after_.trainingDeadline, before.trainingDeadline);
        vm.assertEq(after_.voteDeadline, before.voteDeadline);
        vm.assertEq(after_.revealDeadline, before.revealDeadline);
    }

    function test_a_closed_round_tells_the_accumulator_of_its_updates() external {
        _train(_job);
        bytes24 accumulator = scheduler.round(_job).accumulator;
        Result memory result = _result(_job);
        for (uint256 i = 0; i < 4; ++i) _vote(_job, i, result);
        vm.expectEmit();
        emit IEpochTypes.RoundClosed(_job, 1, 1, result.digest, 0xd1, 0, 900_000, VOTE_PRICE, accumulator);
        _finalize(_job, result);
    }

    /// @dev The accumulator after one more update.
    function _link(
        bytes24 previous,
        uint256 party,
        uint8 first,
        uint16 count,
        uint64 samples,
        bytes32 digest
    ) private view returns (bytes24) {
        return bytes24(keccak256(abi.encode(previous, parties[party].node, first, count, samples, digest)));
    }

    function _submit(uint256 party, bytes32 digest, uint64 samples, bool keep) private {
        vm.prank(parties[party].node);
        scheduler.submitUpdate(_job, digest, samples, keep, CID);
    }

    function _assertSets(uint256 updates, uint256 kept) private view {
        vm.assertEq(scheduler.round(_job).updateSet, updates, "updates");
        vm.assertEq(scheduler.round(_job).keptSet, kept, "kept");
    }

    function _refuse(uint256 party) private {
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerNoLease.selector, parties[party].node));
        _deliver(_job, party);
    }

    function _refuseUpdate(bytes32 digest, uint64 samples, string memory cid, string memory field) private {
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerBadUpdate.selector, field));
        vm.prank(parties[0].node);
        scheduler.submitUpdate(_job, digest, samples, false, cid);
    }
}
