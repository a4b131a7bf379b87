// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochTypes} from "./interfaces/IEpochTypes.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

/// @title However many nodes an organisation runs and whatever they declare, its share of a round has an end.
contract SharesAreCappedTest is ConsortiumFixture {
    /// @dev Of the epochs of a round: two of eight.
    uint16 private constant QUARTER = 2_500;
    uint256 private constant MOST = 2;

    uint256 private _job;

    function setUp() external {
        _consortium();
        _job = _submitJob();
    }

    function _maxShare() internal pure override returns (uint16) {
        return QUARTER;
    }

    function test_a_claim_is_cut_to_the_share() external {
        vm.assertEq(scheduler.job(_job).maxEpochs, MOST);
        vm.assertEq(scheduler.quota(_job, parties[0].node), MOST);
        (, uint16 count) = _claim(_job, 0);
        vm.assertEq(count, MOST);
        vm.assertEq(scheduler.quota(_job, parties[0].node), 0);
        _assertShare(0, MOST);
    }

    function test_a_further_lease_is_refused_at_the_share() external {
        _claim(_job, 0);
        _deliver(_job, 0);
        _skip(CLAIM_WINDOW);
        _refuseShare(0, parties[0].node);
        // Below it there is room for what is left of it.
        _claim(_job, 3);
        _deliver(_job, 3);
        (, uint16 count) = _claim(_job, 3);
        vm.assertEq(count, 1);
        _assertShare(3, MOST);
    }

    function test_many_nodes_of_one_organisation_share_one_share() external {
        address second = _addNode(0, 1, 65_535);
        address third = _addNode(0, 2, 65_535);
        (, uint16 count) = _claimBy(second);
        vm.assertEq(count, MOST);
        _refuseShare(0, parties[0].node);
        _refuseShare(0, third);
        vm.assertEq(scheduler.quota(_job, third), 0);
        // The others are not touched by it.
        (, count) = _claim(_job, 1);
        vm.assertEq(count, MOST);
    }

    function test_a_node_gets_what_its_sister_left_of_the_share() external {
        address second = _addNode(3, 1, 8);
        _claim(_job, 3);
        vm.assertEq(scheduler.quota(_job, second), 1);
        (, uint16 count) = _claimBy(second);
        vm.assertEq(count, 1);
        _assertShare(3, MOST);
        vm.prank(second);
        scheduler.submitUpdate(_job, "digest", 1, false, CID);
    }

    /// @dev A node's own leases of the last round make room for its next one; those of its sisters once settled.
    function test_what_a_sister_held_last_round_counts_until_it_is_settled() external {
        address second = _addNode(0, 1, 8);
        for (uint256 i = 0; i < 4; ++i) _claim(_job, i);
        for (uint256 i = 0; i < 4; ++i) _deliver(_job, i);
        vm.warp(scheduler.round(_job).trainingDeadline);
        _agree(_job);
        _assertShare(0, MOST);
        _refuseShare(0, second);
        vm.assertEq(scheduler.quota(_job, second), 0);
        vm.assertEq(scheduler.quota(_job, parties[0].node), MOST);
        vm.prank(stranger);
        scheduler.settle(_job, _only(parties[0].node));
        _assertShare(0, 0);
        (, uint16 count) = _claimBy(second);
        vm.assertEq(count, MOST);
        _refuseShare(0, parties[0].node);
        // Without a settlement a node's own claim goes on as ever.
        (, count) = _claim(_job, 1);
        vm.assertEq(count, MOST);
        _assertShare(1, MOST);
    }

    function test_a_carried_lease_counts_for_the_share() external {
        for (uint256 i = 0; i < 2; ++i) _claim(_job, i);
        for (uint256 i = 0; i < 2; ++i) _deliver(_job, i, true);
        vm.warp(scheduler.round(_job).trainingDeadline);
        _agree(_job);
        address second = _addNode(0, 1, 8);
        _assertShare(0, MOST);
        _refuseShare(0, second);
        _settleAll(_job);
        _refuseShare(0, second);
        _deliver(_job, 0);
        _skip(CLAIM_WINDOW);
        _refuseShare(0, parties[0].node);
    }

    function test_a_missed_lease_makes_room_for_a_sister() external {
        address second = _addNode(0, 1, 8);
        _claim(_job, 0);
        _refuseShare(0, second);
        _skip(LEASE_TIME);
        scheduler.expire(_job, parties[0].node);
        _assertShare(0, 0);
        (uint8 first, ) = _claimBy(second);
        vm.assertEq(first, 0);
    }

    function test_a_lease_that_nobody_expired_counts_until_it_is_settled() external {
        address second = _addNode(0, 1, 8);
        _claim(_job, 0);
        vm.warp(scheduler.round(_job).trainingDeadline);
        scheduler.reopen(_job);
        _refuseShare(0, second);
        _settleNode(_job, 0);
        _claimBy(second);
        _assertShare(0, MOST);
    }

    function test_further_leases_of_the_last_round_count_until_they_are_settled() external {
        _claim(_job, 3);
        _deliver(_job, 3);
        _claim(_job, 1);
        _deliver(_job, 1);
        _skip(CLAIM_WINDOW);
        _claim(_job, 3);
        _deliver(_job, 3);
        vm.warp(scheduler.round(_job).trainingDeadline);
        _agree(_job);
        _assertShare(3, MOST);
        // Its first lease makes room for one epoch, the further one of the last round still counts.
        (, uint16 count) = _claim(_job, 3);
        vm.assertEq(count, 1);
        _assertShare(3, MOST);
        _settleNode(_job, 3);
        _assertShare(3, 1);
    }

    function test_a_change_of_keys_does_not_double_the_share() external {
        _claim(_job, 0);
        uint256 newKey = 0xFEED;
        bytes memory consent = _consent(newKey, parties[0].account);
        vm.prank(parties[0].account);
        registry.rotateNode(parties[0].node, vm.addr(newKey), consent);
        _refuseShare(0, vm.addr(newKey));
        // The old key delivers what it holds.
        _deliver(_job, 0);
        _refuseShare(0, vm.addr(newKey));
    }

    /// @dev Three nodes of one organisation and one each of three others, all of which take what they can get.
    function test_no_organisation_ends_with_more_than_its_share_of_a_round() external {
        address[6] memory nodes = [
            _addNode(0, 1, 65_535),
            _addNode(0, 2, 65_535),
            parties[0].node,
            parties[1].node,
            parties[2].node,
            parties[3].node
        ];
        for (uint256 turn = 0; turn < 3; ++turn) {
            for (uint256 i = 0; i < 6; ++i) {
                vm.prank(nodes[i]);
                try scheduler.claim(_job) {
                    vm.prank(nodes[i]);
                    scheduler.submitUpdate(_job, "digest", 1, false, CID);
                    // solhint-disable-next-line no-empty-blocks
                } catch {}
            }
            _skip(CLAIM_WINDOW);
        }
        vm.assertEq(scheduler.round(_job).delivered, 0xff);
        for (uint256 i = 0; i < 4; ++i) _assertShare(i, MOST);
    }

    function test_a_share_is_at_least_one_epoch_and_rounded_down() external {
        _assertMost(8, 1, 1);
        _assertMost(8, 1_249, 1);
        _assertMost(8, 2_500, 2);
        _assertMost(8, 3_749, 2);
        _assertMost(8, 9_999, 7);
        _assertMost(8, 10_000, 8);
        _assertMost(1, 10_000, 1);
        _assertMost(256, 2_500, 64);
        _assertMost(256, 10_000, 256);
    }

    function testFuzz_a_share_is_never_more_than_its_part_of_the_epochs(
        uint16 epochs,
        uint16 share
    ) external {
        IEpochTypes.Terms memory terms = _terms();
        terms.epochsPerRound = 1 + (epochs % 256);
        terms.minUpdates = 1;
        share = 1 + (share % WHOLE_SHARE);
        scheduler.setParameters(0, VOTE_BOND, share);
        _job = _submitJob(terms);
        uint256 most = scheduler.job(_job).maxEpochs;
        vm.assertTrue(most == 1 || most * WHOLE_SHARE <= uint256(terms.epochsPerRound) * share, "more");
        vm.assertTrue((most + 1) * WHOLE_SHARE > uint256(terms.epochsPerRound) * share, "less");
        (, uint16 count) = _claimBy(_addNode(0, 1, 65_535));
        vm.assertEq(count, most);
    }

    function test_governance_sets_the_share_of_jobs_to_come() external {
        vm.expectEmit();
        emit IEpochTypes.ParametersSet(1, 2, 5_000);
        scheduler.setParameters(1, 2, 5_000);
        IEpochTypes.Parameters memory parameters = scheduler.parameters();
        vm.assertEq(parameters.leaseBond, 1);
        vm.assertEq(parameters.voteBond, 2);
        vm.assertEq(parameters.maxShare, 5_000);
        vm.assertEq(scheduler.job(_job).maxEpochs, MOST);
        vm.assertEq(scheduler.job(_job).leaseBond, LEASE_BOND);
        vm.assertEq(scheduler.job(_submitJob()).maxEpochs, 4);

        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerBadShare.selector, 0));
        scheduler.setParameters(1, 2, 0);
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerBadShare.selector, 10_001));
        scheduler.setParameters(1, 2, 10_001);
        vm.expectRevert(
            abi.encodeWithSelector(IEpochTypes.SchedulerNotGovernance.selector, parties[0].account)
        );
        vm.prank(parties[0].account);
        scheduler.setParameters(1, 2, 10_000);
    }

    function _assertMost(uint16 epochs, uint16 share, uint256 most) private {
        IEpochTypes.Terms memory terms = _terms();
        (terms.epochsPerRound, terms.minUpdates) = (epochs, 1);
        scheduler.setParameters(LEASE_BOND, VOTE_BOND, share);
        vm.assertEq(scheduler.job(_submitJob(terms)).maxEpochs, most);
    }

    function _addNode(uint256 party, uint256 number, uint32 capacity) private returns (address node) {
        uint256 key = 0xADD000 + 16 * party + number;
        _register(parties[party].account, key, TRAINER, capacity);
        return vm.addr(key);
    }

    function _claimBy(address node) private returns (uint8 first, uint16 count) {
        vm.prank(node);
        return scheduler.claim(_job);
    }

    function _only(address node) private pure returns (address[] memory nodes) {
        nodes = new address[](1);
        nodes[0] = node;
    }

    function _refuseShare(uint256 party, address node) private {
        vm.expectRevert(
            abi.encodeWithSelector(IEpochTypes.SchedulerShareReached.selector, parties[party].account, MOST)
        );
        _claimBy(node);
    }

    function _assertShare(uint256 party, uint256 expected) private view {
        (, uint256 share, ) = scheduler.leaseOf(_job, parties[party].node);
        vm.assertEq(share, expected, "share");
    }
}
