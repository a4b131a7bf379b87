// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IVotes} from "@openzeppelin/contracts/governance/utils/IVotes.sol";
import {Votes} from "@openzeppelin/contracts/governance/utils/Votes.sol";
import {IConsortiumRegistry} from "./interfaces/IConsortiumRegistry.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

contract MembersHoldOneVoteTest is ConsortiumFixture {
    address private _first;

    function setUp() external {
        _consortium();
        _first = parties[0].account;
    }

    function test_a_member_has_one_vote_whatever_it_stakes_and_runs() external {
        _stake(_first, 10 * STAKE);
        _register(_first, 0xF00D, BOTH, 1000);
        _skip(1);
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertEq(registry.getVotes(parties[i].account), 1);
            vm.assertEq(registry.getPastVotes(parties[i].account, START), 1);
        }
        vm.assertEq(registry.getVotes(parties[0].node), 0);
        vm.assertEq(registry.getVotes(stranger), 0);
        vm.assertEq(registry.getPastTotalSupply(START), 4);
    }

    function test_votes_come_with_admission_and_go_with_membership() external {
        registry.remove(_first);
        vm.assertEq(registry.getVotes(_first), 0);
        _skip(10);
        vm.expectEmit();
        emit IVotes.DelegateVotesChanged(_first, 0, 1);
        registry.admit(_first, "again");
        vm.assertEq(registry.getVotes(_first), 1);
        _skip(10);
        vm.prank(_first);
        registry.resign();
        _skip(1);
        // In the second of the removal itself it had none any more.
        vm.assertEq(registry.getPastVotes(_first, START - 1), 0);
        vm.assertEq(registry.getPastVotes(_first, START), 0);
        vm.assertEq(registry.getPastVotes(_first, START + 10), 1);
        vm.assertEq(registry.getPastVotes(_first, START + 19), 1);
        vm.assertEq(registry.getPastVotes(_first, START + 20), 0);
        vm.assertEq(registry.getPastTotalSupply(START), 3);
        vm.assertEq(registry.getPastTotalSupply(START + 10), 4);
        vm.assertEq(registry.getPastTotalSupply(START + 20), 3);
    }

    function test_votes_of_this_second_are_not_known_yet() external {
        vm.expectRevert(abi.encodeWithSelector(Votes.ERC5805FutureLookup.selector, START, uint48(START)));
        registry.getPastVotes(_first, START);
        vm.expectRevert(abi.encodeWithSelector(Votes.ERC5805FutureLookup.selector, START, uint48(START)));
        registry.getPastTotalSupply(START);
    }

    function test_votes_are_not_delegated() external {
        vm.assertEq(registry.delegates(_first), _first);
        bytes memory error_ = abi.encodeWithSelector(IConsortiumRegistry.RegistryNoDelegation.selector);
        vm.expectRevert(error_);
        vm.prank(_first);
        registry.delegate(stranger);
        vm.expectRevert(error_);
        registry.delegateBySig(stranger, 0, type(uint256).max, 27, 0, 0);
        vm.assertEq(registry.getVotes(stranger), 0);
    }

    function test_votes_are_counted_by_time() external {
        vm.assertEq(registry.clock(), START);
        _skip(5);
        vm.assertEq(registry.clock(), START + 5);
        vm.assertEq(registry.CLOCK_MODE(), "mode=timestamp");
    }

    /// @dev Whatever comes and goes, the votes are those of the members.
    function test_the_sum_of_the_votes_is_the_number_of_members(uint256 random) external {
        for (uint256 i = 0; i < 24; ++i) {
            random = uint256(keccak256(abi.encode(random)));
            address account = address(uint160(0xACC000 + (random % 8)));
            if (random & 0x100 != 0) _skip(1);
            if (!registry.isMember(account)) {
                registry.admit(account, "x");
            } else if (registry.organisationCount() > 1) {
                if (random & 0x200 == 0) {
                    registry.remove(account);
                } else {
                    vm.prank(account);
                    registry.resign();
                }
            }
            uint256 sum;
            for (uint160 k = 0; k < 8; ++k) sum += registry.getVotes(address(0xACC000 + k));
            vm.assertEq(sum, registry.organisationCount());
            vm.assertEq(registry.getVotes(account), registry.isMember(account) ? 1 : 0);
        }
        _skip(1);
        vm.assertEq(registry.getPastTotalSupply(_now() - 1), registry.organisationCount());
    }
}
