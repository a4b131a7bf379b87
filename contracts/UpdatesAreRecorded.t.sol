// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochScheduler} from "./interfaces/IEpochScheduler.sol";
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
        _submit(2, "c", 7);
        _submit(0, "a", 5);
        bytes32 expected = keccak256(
            abi.encode(bytes32(0), parties[2].node, uint8(6), uint16(1), uint64(7), bytes32("c"))
        );
        expected = keccak256(
            abi.encode(expected, parties[0].node, uint8(0), uint16(4), uint64(5), bytes32("a"))
        );
        IEpochScheduler.Round memory round = scheduler.round(_job);
        vm.assertEq(round.accumulator, expected);
        vm.assertEq(round.delivered, 0x4f);
        vm.assertEq(round.updateSet, 0x41);
        vm.assertEq(round.deliveredEpochs, 5);
        vm.assertEq(round.updates, 2);
        vm.assertEq(round.taken, 0xff);
    }

    function test_a_new_round_starts_from_nothing() external {
        _round(_job);
        IEpochScheduler.Round memory round = scheduler.round(_job);
        vm.assertEq(round.number, 2);
        vm.assertEq(round.accumulator, 0);
        vm.assertEq(round.delivered | round.taken | round.updateSet, 0);
        vm.assertEq(round.deliveredEpochs, 0);
        vm.assertEq(round.modelDigest, keccak256(abi.encode("model", 1)));

        _claim(_job, 3);
        _submit(3, "d", 1);
        round = scheduler.round(_job);
        vm.assertEq(
            round.accumulator,
            keccak256(abi.encode(bytes32(0), parties[3].node, uint8(0), uint16(1), uint64(1), bytes32("d")))
        );
        vm.assertEq(round.delivered, 1);
        vm.assertEq(round.updateSet, 1);
        vm.assertEq(round.taken, 1);
    }

    function test_an_update_is_submitted_once() external {
        _claim(_job, 0);
        _deliver(_job, 0);
        vm.expectRevert(
            abi.encodeWithSelector(IEpochScheduler.SchedulerAlreadyDelivered.selector, parties[0].node, 0)
        );
        _deliver(_job, 0);
    }

    /// @dev An attack: the last round ends early, its lease is settled, and its deadline has not passed.
    function test_an_update_that_was_settled_cannot_be_submitted_and_paid_again() external {
        vm.prank(client);
        scheduler.cancelJob(_job);
        _round(_job);
        _settleAll(_job);
        uint256 credit = _credit(0);
        vm.expectRevert(
            abi.encodeWithSelector(IEpochScheduler.SchedulerAlreadyDelivered.selector, parties[0].node, 0)
        );
        _deliver(_job, 0);
        _settleAll(_job);
        vm.assertEq(_credit(0), credit);
    }

    function test_an_update_needs_a_lease_of_the_open_attempt() external {
        _refuse(0);
        vm.expectRevert(abi.encodeWithSelector(IEpochScheduler.SchedulerNoLease.selector, parties[0].node));
        _deliver(99, 0);

        _claim(_job, 0);
        vm.warp(START + TRAINING);
        scheduler.reopen(_job);
        _refuse(0);
    }

    function test_an_expired_lease_that_went_to_another_cannot_be_delivered() external {
        _claim(_job, 0);
        _skip(LEASE_TIME);
        scheduler.expire(_job, 0);
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
        scheduler.submitUpdate(_job, "a", 1, string(new bytes(128)));
    }

    function test_a_retired_node_still_delivers_the_lease_that_it_holds() external {
        _claim(_job, 0);
        vm.prank(parties[0].account);
        registry.retireNode(parties[0].node);
        _deliver(_job, 0);
        _assertLease(_job, 0, IEpochScheduler.LeaseState.Delivered);
    }

    function test_the_last_delivery_opens_voting_and_moves_no_deadline() external {
        IEpochScheduler.Round memory before = scheduler.round(_job);
        _skip(1);
        _train(_job);
        _assertPhase(_job, IEpochScheduler.Phase.Voting);
        IEpochScheduler.Round memory after_ = scheduler.round(_job);
        vm.assertEq(after_.trainingDeadline, before.trainingDeadline);
        vm.assertEq(after_.voteDeadline, before.voteDeadline);
        vm.assertEq(after_.revealDeadline, before.revealDeadline);
    }

    function _submit(uint256 party, bytes32 digest, uint64 samples) private {
        vm.prank(parties[party].node);
        scheduler.submitUpdate(_job, digest, samples, CID);
    }

    function _refuse(uint256 party) private {
        vm.expectRevert(
            abi.encodeWithSelector(IEpochScheduler.SchedulerNoLease.selector, parties[party].node)
        );
        _deliver(_job, party);
    }

    function _refuseUpdate(bytes32 digest, uint64 samples, string memory cid, string memory field) private {
        vm.expectRevert(abi.encodeWithSelector(IEpochScheduler.SchedulerBadUpdate.selector, field));
        vm.prank(parties[0].node);
        scheduler.submitUpdate(_job, digest, samples, cid);
    }
}
