// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IConsortiumRegistry} from "./interfaces/IConsortiumRegistry.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

contract RegistryCountsMembersTest is ConsortiumFixture {
    address private _first;

    function setUp() external {
        _consortium();
        _first = parties[0].account;
    }

    function test_an_organisation_is_recorded_as_admitted() external view {
        IConsortiumRegistry.Organisation memory organisation = registry.organisation(parties[1].account);
        vm.assertEq(organisation.account, parties[1].account);
        vm.assertEq(organisation.since, START);
        vm.assertEq(organisation.until, 0);
        vm.assertEq(organisation.seat, 1);
        vm.assertEq(organisation.name, "organisation");
        vm.assertEq(registry.organisation(stranger).account, address(0));
        vm.assertEq(registry.organisationCount(), 4);
        vm.assertEq(registry.organisations()[3], parties[3].account);
        vm.assertTrue(registry.isMember(_first));
        vm.assertFalse(registry.isMember(stranger));
    }

    function test_only_governance_admits_and_removes() external {
        bytes memory error_ = abi.encodeWithSelector(
            IConsortiumRegistry.RegistryNotGovernance.selector,
            stranger
        );
        vm.startPrank(stranger);
        vm.expectRevert(error_);
        registry.admit(stranger, "x");
        vm.expectRevert(error_);
        registry.remove(_first);
        vm.expectRevert(error_);
        registry.proposeGovernance(stranger);
        vm.expectRevert(abi.encodeWithSelector(IConsortiumRegistry.RegistryNotVault.selector, stranger));
        registry.setBonded(_first, false);
        vm.stopPrank();
    }

    function test_an_admission_needs_an_account_a_name_and_a_newcomer() external {
        vm.expectRevert(abi.encodeWithSelector(IConsortiumRegistry.RegistryZeroAddress.selector));
        registry.admit(address(0), "x");
        vm.expectRevert(abi.encodeWithSelector(IConsortiumRegistry.RegistryBadName.selector, 0));
        registry.admit(stranger, "");
        vm.expectRevert(abi.encodeWithSelector(IConsortiumRegistry.RegistryBadName.selector, 65));
        registry.admit(stranger, string(new bytes(65)));
        vm.expectRevert(abi.encodeWithSelector(IConsortiumRegistry.RegistryAlreadyMember.selector, _first));
        registry.admit(_first, "x");
        vm.expectRevert(abi.encodeWithSelector(IConsortiumRegistry.RegistryNotMember.selector, stranger));
        registry.remove(stranger);
    }

    function test_there_are_64_seats_and_a_free_one_is_taken_again() external {
        for (uint160 i = 4; i < 64; ++i) registry.admit(address(0xE000 + i), "x");
        vm.assertEq(registry.organisationCount(), 64);
        vm.assertEq(registry.organisations()[63], address(0xE000 + 63));
        vm.expectRevert(abi.encodeWithSelector(IConsortiumRegistry.RegistryFull.selector, 64));
        registry.admit(stranger, "x");

        address left = parties[2].account;
        registry.remove(left);
        vm.assertEq(registry.organisation(left).until, START);
        // Not in the same second: an attempt that opened in it may count the seat.
        vm.expectRevert(abi.encodeWithSelector(IConsortiumRegistry.RegistryFull.selector, 64));
        registry.admit(stranger, "x");
        _skip(1);
        registry.admit(stranger, "x");
        vm.assertEq(registry.organisation(stranger).seat, 2);
        vm.assertEq(registry.organisations()[2], stranger);
    }

    function test_training_capacity_is_that_of_active_trainers_of_members() external {
        vm.assertEq(registry.trainingCapacity(), 8);
        _register(_first, 0xF00D, TRAINER, 100);
        vm.assertEq(registry.trainingCapacity(), 108);
        vm.prank(vm.addr(0xF00D));
        registry.updateNode(vm.addr(0xF00D), TRAINER, 50, "peer");
        vm.assertEq(registry.trainingCapacity(), 58);
        vm.prank(_first);
        registry.updateNode(parties[0].node, VALIDATOR, 0, "");
        vm.assertEq(registry.trainingCapacity(), 54);
        registry.remove(_first);
        vm.assertEq(registry.trainingCapacity(), 4);
        vm.prank(vm.addr(0xF00D));
        registry.updateNode(vm.addr(0xF00D), TRAINER, 60, "");
        vm.assertEq(registry.trainingCapacity(), 4);
        registry.admit(_first, "again");
        vm.assertEq(registry.trainingCapacity(), 64);
        vm.prank(_first);
        registry.retireNode(vm.addr(0xF00D));
        vm.assertEq(registry.trainingCapacity(), 4);
    }

    function test_voting_seats_are_those_of_bonded_members_with_a_validator() external {
        vm.assertEq(registry.votingSeats(), 15);
        _register(_first, 0xF00D, VALIDATOR, 0);
        vm.startPrank(_first);
        registry.retireNode(parties[0].node);
        vm.assertEq(registry.votingSeats(), 15);
        registry.retireNode(vm.addr(0xF00D));
        vm.assertEq(registry.votingSeats(), 14);
        vm.stopPrank();
        _register(_first, 0xF00E, VALIDATOR, 0);
        vm.assertEq(registry.votingSeats(), 15);

        vm.prank(_first);
        vault.unbond(STAKE - MINIMUM_STAKE);
        vm.assertEq(registry.votingSeats(), 15);
        vm.prank(_first);
        vault.unbond(1);
        vm.assertEq(registry.votingSeats(), 14);
        _stake(_first, 1);
        vm.assertEq(registry.votingSeats(), 15);
        registry.remove(_first);
        vm.assertEq(registry.votingSeats(), 14);
    }

    function test_what_who_left_does_reaches_no_seat_that_is_another_s() external {
        registry.remove(_first);
        _skip(1);
        uint256 heir = _join(1);
        vm.assertEq(registry.organisation(parties[heir].account).seat, 0);
        vm.assertEq(registry.votingSeats(), 15);
        vm.startPrank(_first);
        vault.unbond(STAKE);
        registry.retireNode(parties[0].node);
        vm.stopPrank();
        vm.assertEq(registry.votingSeats(), 15);
    }

    function test_a_node_needs_the_consent_of_its_key() external {
        bytes memory consent = _consent(0xF00D, _first);
        bytes memory forged = _consent(0xF00E, _first);
        address node = vm.addr(0xF00D);
        vm.startPrank(_first);
        bytes memory error_ = abi.encodeWithSelector(IConsortiumRegistry.RegistryBadConsent.selector, node);
        vm.expectRevert(error_);
        registry.registerNode(node, TRAINER, 1, "", forged);
        vm.expectRevert(error_);
        registry.registerNode(node, TRAINER, 1, "", "");
        vm.expectRevert(error_);
        registry.registerNode(node, TRAINER, 1, "", "short");
        vm.stopPrank();
        // A consent to one organisation is none to another.
        vm.expectRevert(error_);
        vm.prank(parties[1].account);
        registry.registerNode(node, TRAINER, 1, "", consent);
        vm.prank(_first);
        registry.registerNode(node, TRAINER, 1, "/ip4/127.0.0.1/tcp/4001", consent);

        IConsortiumRegistry.Node memory record = registry.node(node);
        vm.assertEq(record.account, _first);
        vm.assertEq(record.peer, "/ip4/127.0.0.1/tcp/4001");
        vm.assertEq(registry.nodeCount(), 5);
        vm.assertEq(registry.nodes(4, 10)[0], node);
        vm.assertEq(registry.nodes(1, 2).length, 2);
        vm.assertEq(registry.nodes(5, 1).length, 0);
    }

    function test_an_organisation_may_be_its_own_node() external {
        vm.startPrank(_first);
        vm.expectRevert(abi.encodeWithSelector(IConsortiumRegistry.RegistryZeroAddress.selector));
        registry.registerNode(address(0), BOTH, 1, "", "");
        registry.registerNode(_first, BOTH, 1, "", "");
        vm.stopPrank();
        vm.assertTrue(registry.isActive(_first));
    }

    function test_a_node_belongs_to_one_organisation_for_ever() external {
        address node = parties[0].node;
        vm.prank(_first);
        registry.retireNode(node);
        vm.assertFalse(registry.isActive(node));
        vm.assertEq(registry.accountOf(node), _first);
        bytes memory error_ = abi.encodeWithSelector(
            IConsortiumRegistry.RegistryNodeKnown.selector,
            node,
            _first
        );
        bytes memory consent = _consent(parties[0].nodeKey, parties[1].account);
        vm.expectRevert(error_);
        vm.prank(parties[1].account);
        registry.registerNode(node, TRAINER, 1, "", consent);
        consent = _consent(parties[0].nodeKey, _first);
        vm.expectRevert(error_);
        vm.prank(_first);
        registry.registerNode(node, TRAINER, 1, "", consent);
    }

    function test_a_node_is_changed_by_itself_or_its_organisation_until_it_retires() external {
        address node = parties[0].node;
        vm.expectRevert(
            abi.encodeWithSelector(IConsortiumRegistry.RegistryNotOperator.selector, stranger, node)
        );
        vm.prank(stranger);
        registry.updateNode(node, TRAINER, 1, "");
        vm.expectRevert(abi.encodeWithSelector(IConsortiumRegistry.RegistryNodeUnknown.selector, stranger));
        vm.prank(stranger);
        registry.retireNode(stranger);
        vm.startPrank(node);
        registry.retireNode(node);
        vm.expectRevert(abi.encodeWithSelector(IConsortiumRegistry.RegistryNodeRetired.selector, node));
        registry.updateNode(node, TRAINER, 1, "");
        vm.expectRevert(abi.encodeWithSelector(IConsortiumRegistry.RegistryNodeRetired.selector, node));
        registry.retireNode(node);
        vm.stopPrank();
    }

    function test_a_declaration_has_bounds() external {
        address node = parties[0].node;
        vm.startPrank(node);
        vm.expectRevert(abi.encodeWithSelector(IConsortiumRegistry.RegistryBadRoles.selector, 0));
        registry.updateNode(node, 0, 0, "");
        vm.expectRevert(abi.encodeWithSelector(IConsortiumRegistry.RegistryBadRoles.selector, 16));
        registry.updateNode(node, 16, 0, "");
        vm.expectRevert(abi.encodeWithSelector(IConsortiumRegistry.RegistryBadCapacity.selector, 0, TRAINER));
        registry.updateNode(node, TRAINER, 0, "");
        vm.expectRevert(
            abi.encodeWithSelector(IConsortiumRegistry.RegistryBadCapacity.selector, 65_536, TRAINER)
        );
        registry.updateNode(node, TRAINER, 65_536, "");
        vm.expectRevert(
            abi.encodeWithSelector(IConsortiumRegistry.RegistryBadCapacity.selector, 1, VALIDATOR)
        );
        registry.updateNode(node, VALIDATOR, 1, "");
        vm.expectRevert(abi.encodeWithSelector(IConsortiumRegistry.RegistryPeerTooLong.selector, 257));
        registry.updateNode(node, BOTH, 1, string(new bytes(257)));
        registry.updateNode(node, 15, 65_535, string(new bytes(256)));
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IConsortiumRegistry.RegistryNotMember.selector, stranger));
        vm.prank(stranger);
        registry.registerNode(stranger, TRAINER, 1, "", "");
    }

    function test_governance_moves_in_two_steps() external {
        registry.endFounding();
        vm.startPrank(timelock);
        vm.expectEmit();
        emit IConsortiumRegistry.GovernanceProposed(timelock, stranger);
        registry.proposeGovernance(stranger);
        vm.stopPrank();
        vm.assertEq(registry.governance(), timelock);
        vm.assertEq(registry.proposedGovernance(), stranger);
        vm.expectRevert(abi.encodeWithSelector(IConsortiumRegistry.RegistryNotGovernance.selector, client));
        vm.prank(client);
        registry.acceptGovernance();
        vm.prank(stranger);
        registry.acceptGovernance();
        vm.assertEq(registry.governance(), stranger);
        vm.expectRevert(abi.encodeWithSelector(IConsortiumRegistry.RegistryNotGovernance.selector, timelock));
        vm.prank(timelock);
        registry.remove(_first);
        // A proposal is used up by its acceptance.
        vm.expectRevert(abi.encodeWithSelector(IConsortiumRegistry.RegistryNotGovernance.selector, client));
        vm.prank(client);
        registry.acceptGovernance();
    }

    function test_a_proposed_governance_can_be_taken_back() external {
        registry.endFounding();
        vm.startPrank(timelock);
        registry.proposeGovernance(stranger);
        registry.proposeGovernance(address(0));
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IConsortiumRegistry.RegistryNotGovernance.selector, stranger));
        vm.prank(stranger);
        registry.acceptGovernance();
    }
}
