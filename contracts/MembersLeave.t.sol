// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IConsortiumRegistry} from "./interfaces/IConsortiumRegistry.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

contract MembersLeaveTest is ConsortiumFixture {
    address private _first;

    function setUp() external {
        _consortium();
        _first = parties[0].account;
    }

    function test_who_leaves_is_a_member_no_more() external {
        _skip(1);
        vm.expectEmit();
        emit IConsortiumRegistry.OrganisationLeft(_first, 0);
        _leave(0);
        vm.assertFalse(registry.isMember(_first));
        vm.assertFalse(registry.isActive(parties[0].node));
        vm.assertEq(registry.organisation(_first).until, START + 1);
        vm.assertEq(registry.organisationCount(), 3);
        vm.assertEq(registry.votingSeats(), 14);
        vm.assertEq(registry.trainingCapacity(), 4);
        vm.assertEq(registry.getVotes(_first), 0);
        (, , bool mayTrain) = registry.trainer(parties[0].node);
        vm.assertFalse(mayTrain);
    }

    function test_who_left_votes_in_attempts_that_were_open_and_in_no_later_one() external {
        address node = parties[0].node;
        _skip(5);
        _leave(0);
        (address account, uint8 seat, uint40 since, bool mayVote) = registry.validator(node, uint40(START));
        vm.assertEq(account, _first);
        vm.assertEq(seat, 0);
        vm.assertEq(since, START);
        vm.assertTrue(mayVote);
        (, , , mayVote) = registry.validator(node, uint40(START + 6));
        vm.assertFalse(mayVote);
        // Nor in one that opened before it was admitted.
        (, , , mayVote) = registry.validator(node, uint40(START - 1));
        vm.assertFalse(mayVote);
        (account, , since, mayVote) = registry.validator(stranger, uint40(START));
        vm.assertEq(account, address(0));
        vm.assertEq(since, 0);
        vm.assertFalse(mayVote);
    }

    function test_who_left_takes_its_stake_along_after_the_unbonding_period() external {
        _leave(0);
        vm.startPrank(_first);
        vault.unbond(STAKE);
        _skip(UNBONDING);
        vault.withdraw();
        vm.stopPrank();
        vm.assertEq(token.balanceOf(_first), STAKE);
    }

    function test_only_members_leave() external {
        bytes memory error_ = abi.encodeWithSelector(IConsortiumRegistry.RegistryNotMember.selector, _first);
        _leave(0);
        vm.expectRevert(error_);
        _leave(0);
        vm.expectRevert(error_);
        registry.remove(_first);
        vm.expectRevert(abi.encodeWithSelector(IConsortiumRegistry.RegistryNotMember.selector, stranger));
        vm.prank(stranger);
        registry.resign();
    }

    function test_the_last_member_stays() external {
        _leave(0);
        _leave(3);
        registry.remove(parties[1].account);
        address last = parties[2].account;
        bytes memory error_ = abi.encodeWithSelector(IConsortiumRegistry.RegistryLastMember.selector, last);
        vm.expectRevert(error_);
        _leave(2);
        vm.expectRevert(error_);
        registry.remove(last);
        // An heir makes it one of two.
        registry.admit(stranger, "heir");
        _leave(2);
        vm.assertEq(registry.organisations()[0], stranger);
    }

    function test_who_left_may_be_admitted_again() external {
        _leave(0);
        _skip(1);
        registry.admit(_first, "again");
        vm.assertEq(registry.organisation(_first).since, START + 1);
        vm.assertEq(registry.organisation(_first).until, 0);
        vm.assertTrue(registry.isActive(parties[0].node));
        vm.assertEq(registry.votingSeats(), 15);
        vm.assertEq(registry.trainingCapacity(), 8);
        // For an attempt that was open in between, it is a newcomer.
        (, , uint40 since, bool mayVote) = registry.validator(parties[0].node, uint40(START));
        vm.assertEq(since, START + 1);
        vm.assertFalse(mayVote);
    }

    function test_a_seat_given_up_in_this_second_is_not_given_again_in_it() external {
        _leave(0);
        registry.admit(stranger, "newcomer");
        vm.assertEq(registry.organisation(stranger).seat, 4);
        _skip(1);
        registry.admit(client, "later");
        vm.assertEq(registry.organisation(client).seat, 0);
    }

    function test_departures_count_all_by_which_a_node_may_cease_to_work() external {
        vm.assertEq(registry.departures(), 0);
        _leave(0);
        vm.assertEq(registry.departures(), 1);
        registry.remove(parties[1].account);
        vm.assertEq(registry.departures(), 2);
        address node = parties[2].node;
        vm.startPrank(node);
        registry.updateNode(node, BOTH, 3, "more");
        vm.assertEq(registry.departures(), 2);
        registry.updateNode(node, VALIDATOR, 0, "");
        vm.assertEq(registry.departures(), 3);
        registry.updateNode(node, VALIDATOR, 0, "elsewhere");
        vm.assertEq(registry.departures(), 3);
        registry.updateNode(node, TRAINER, 1, "");
        vm.assertEq(registry.departures(), 4);
        registry.retireNode(node);
        vm.assertEq(registry.departures(), 5);
        vm.stopPrank();
        bytes memory consent = _consent(0xF00D, parties[3].account);
        vm.prank(parties[3].account);
        registry.rotateNode(parties[3].node, vm.addr(0xF00D), consent);
        vm.assertEq(registry.departures(), 6);
        registry.admit(stranger, "arrivals do not count");
        vm.assertEq(registry.departures(), 6);
    }

    function test_who_left_cannot_go_on_departing() external {
        address node = parties[0].node;
        _leave(0);
        vm.startPrank(node);
        registry.updateNode(node, VALIDATOR, 0, "");
        registry.updateNode(node, BOTH, 1, "");
        registry.updateNode(node, VALIDATOR, 0, "");
        registry.retireNode(node);
        vm.stopPrank();
        vm.assertEq(registry.departures(), 1);
    }

    function test_a_snapshot_shows_what_the_single_views_show() external {
        _leave(1);
        _register(_first, 0xF00D, TRAINER, 100);
        (uint64 votingSeats, uint40 departures, uint256 capacity) = registry.snapshot();
        vm.assertEq(votingSeats, 13);
        vm.assertEq(votingSeats, registry.votingSeats());
        vm.assertEq(departures, 1);
        vm.assertEq(departures, registry.departures());
        vm.assertEq(capacity, 106);
        vm.assertEq(capacity, registry.trainingCapacity());
    }

    function _leave(uint256 party) private {
        vm.prank(parties[party].account);
        registry.resign();
    }
}
