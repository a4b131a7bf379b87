// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IConsortiumRegistry} from "./interfaces/IConsortiumRegistry.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

contract NodesRotateKeysTest is ConsortiumFixture {
    uint256 private constant NEW_KEY = 0xF00D;

    address private _first;
    address private _old;
    address private _new;

    function setUp() external {
        _consortium();
        _first = parties[0].account;
        _old = parties[0].node;
        _new = vm.addr(NEW_KEY);
    }

    function test_a_new_key_takes_over_what_the_old_one_declared() external {
        vm.prank(_old);
        registry.updateNode(_old, BOTH, 9, "/ip4/127.0.0.1/tcp/4001");
        _skip(5);
        vm.expectEmit();
        emit IConsortiumRegistry.NodeRotated(_first, _old, _new);
        vm.expectEmit();
        emit IConsortiumRegistry.NodeRegistered(_first, _new, BOTH, 9, "/ip4/127.0.0.1/tcp/4001");
        _rotate(_first);

        IConsortiumRegistry.Node memory node = registry.node(_new);
        vm.assertEq(node.account, _first);
        vm.assertEq(node.capacity, 9);
        vm.assertEq(node.roles, BOTH);
        vm.assertTrue(node.active);
        vm.assertEq(node.since, START + 5);
        vm.assertEq(node.peer, "/ip4/127.0.0.1/tcp/4001");
        vm.assertTrue(registry.isActive(_new));
        vm.assertEq(registry.nodeCount(), 5);
        vm.assertEq(registry.nodes(4, 1)[0], _new);
    }

    function test_the_old_key_is_retired_for_ever() external {
        _rotate(_first);
        vm.assertFalse(registry.isActive(_old));
        vm.assertEq(registry.accountOf(_old), _first);
        (, , bool mayTrain) = registry.trainer(_old);
        vm.assertFalse(mayTrain);
        (, , , bool mayVote) = registry.validator(_old, uint40(START));
        vm.assertFalse(mayVote);
        bytes memory error_ = abi.encodeWithSelector(IConsortiumRegistry.RegistryNodeRetired.selector, _old);
        bytes memory consent = _consent(0xF00E, _first);
        vm.startPrank(_first);
        vm.expectRevert(error_);
        registry.rotateNode(_old, vm.addr(0xF00E), consent);
        vm.expectRevert(error_);
        registry.updateNode(_old, BOTH, 1, "");
        vm.stopPrank();
        // Nor does it come back as the successor of another.
        consent = _consent(parties[0].nodeKey, _first);
        vm.expectRevert(_known(_old, _first));
        vm.prank(_first);
        registry.rotateNode(_new, _old, consent);
    }

    function test_a_rotation_changes_no_count() external {
        _rotate(_old);
        vm.assertEq(registry.trainingCapacity(), 8);
        vm.assertEq(registry.votingSeats(), 15);
        (address account, uint32 capacity, bool mayTrain) = registry.trainer(_new);
        vm.assertEq(account, _first);
        vm.assertEq(capacity, 4);
        vm.assertTrue(mayTrain);
        (, uint8 seat, , bool mayVote) = registry.validator(_new, uint40(START));
        vm.assertEq(seat, 0);
        vm.assertTrue(mayVote);
        vm.prank(_new);
        registry.retireNode(_new);
        vm.assertEq(registry.trainingCapacity(), 4);
        vm.assertEq(registry.votingSeats(), 14);
    }

    function test_nobody_but_the_node_and_its_organisation_rotates() external {
        bytes memory consent = _consent(NEW_KEY, _first);
        address[3] memory others = [stranger, parties[1].account, _new];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(IConsortiumRegistry.RegistryNotOperator.selector, others[i], _old)
            );
            vm.prank(others[i]);
            registry.rotateNode(_old, _new, consent);
        }
        vm.expectRevert(abi.encodeWithSelector(IConsortiumRegistry.RegistryNodeUnknown.selector, stranger));
        vm.prank(stranger);
        registry.rotateNode(stranger, _new, consent);
    }

    function test_a_new_key_has_to_agree() external {
        bytes memory error_ = abi.encodeWithSelector(IConsortiumRegistry.RegistryBadConsent.selector, _new);
        bytes memory toAnother = _consent(NEW_KEY, parties[1].account);
        bytes memory byAnother = _consent(0xF00E, _first);
        address[2] memory callers = [_first, _old];
        for (uint256 i = 0; i < 2; ++i) {
            vm.startPrank(callers[i]);
            vm.expectRevert(error_);
            registry.rotateNode(_old, _new, "");
            vm.expectRevert(error_);
            registry.rotateNode(_old, _new, toAnother);
            vm.expectRevert(error_);
            registry.rotateNode(_old, _new, byAnother);
            vm.expectRevert(abi.encodeWithSelector(IConsortiumRegistry.RegistryZeroAddress.selector));
            registry.rotateNode(_old, address(0), "");
            vm.stopPrank();
        }
    }

    function test_a_known_key_is_not_used_again() external {
        bytes memory consent = _consent(parties[1].nodeKey, _first);
        vm.expectRevert(_known(parties[1].node, parties[1].account));
        vm.prank(_first);
        registry.rotateNode(_old, parties[1].node, consent);
        consent = _consent(parties[0].nodeKey, _first);
        vm.expectRevert(_known(_old, _first));
        vm.prank(_old);
        registry.rotateNode(_old, _old, consent);
    }

    function test_an_organisation_may_take_its_node_s_place() external {
        vm.prank(_first);
        registry.rotateNode(_old, _first, "");
        vm.assertTrue(registry.isActive(_first));
        vm.assertFalse(registry.isActive(_old));
    }

    function test_a_node_cannot_put_its_organisation_in_its_place() external {
        vm.expectRevert(abi.encodeWithSelector(IConsortiumRegistry.RegistryBadConsent.selector, _first));
        vm.prank(_old);
        registry.rotateNode(_old, _first, "");
    }

    function test_nodes_of_who_left_are_not_rotated() external {
        registry.remove(_first);
        bytes memory consent = _consent(NEW_KEY, _first);
        vm.expectRevert(abi.encodeWithSelector(IConsortiumRegistry.RegistryNotMember.selector, _first));
        vm.prank(_old);
        registry.rotateNode(_old, _new, consent);
    }

    function _rotate(address caller) private {
        bytes memory consent = _consent(NEW_KEY, _first);
        vm.prank(caller);
        registry.rotateNode(_old, _new, consent);
    }

    function _known(address node, address account) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IConsortiumRegistry.RegistryNodeKnown.selector, node, account);
    }
}
