// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {ConsortiumToken} from "./ConsortiumToken.sol";
import {IConsortiumRegistry} from "./interfaces/IConsortiumRegistry.sol";
import {IEpochTypes} from "./interfaces/IEpochTypes.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

// solhint-disable-next-line interface-starts-with-i
interface VmLogs {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    function recordLogs() external;
    function getRecordedLogs() external returns (Log[] memory);
}

contract FoundersStepDownTest is ConsortiumFixture {
    function setUp() external {
        _consortium();
    }

    function test_the_founder_governs_until_it_ends_the_founding() external {
        vm.assertEq(registry.founder(), address(this));
        vm.assertEq(registry.governance(), address(this));
        vm.assertEq(registry.proposedGovernance(), timelock);

        vm.expectEmit();
        emit IConsortiumRegistry.FoundingEnded(address(this));
        vm.expectEmit();
        emit IConsortiumRegistry.GovernanceTransferred(address(this), timelock);
        registry.endFounding();
        vm.assertEq(registry.founder(), address(0));
        vm.assertEq(registry.governance(), timelock);
        vm.assertEq(registry.proposedGovernance(), address(0));
        vm.expectRevert(
            abi.encodeWithSelector(IConsortiumRegistry.RegistryNotFounder.selector, address(this))
        );
        registry.endFounding();
    }

    function test_nobody_else_ends_the_founding() external {
        vm.expectRevert(abi.encodeWithSelector(IConsortiumRegistry.RegistryNotFounder.selector, stranger));
        vm.prank(stranger);
        registry.endFounding();
        vm.expectRevert(abi.encodeWithSelector(IConsortiumRegistry.RegistryNotFounder.selector, timelock));
        vm.prank(timelock);
        registry.endFounding();
    }

    function test_a_consortium_without_members_is_not_founded() external {
        _deploy();
        vm.expectRevert(abi.encodeWithSelector(IConsortiumRegistry.RegistryNoMembers.selector));
        registry.endFounding();
        registry.admit(stranger, "the first");
        registry.endFounding();
        vm.assertEq(registry.governance(), timelock);
    }

    function test_governance_does_not_move_in_another_way_during_the_founding() external {
        bytes memory error_ = abi.encodeWithSelector(
            IConsortiumRegistry.RegistryFounding.selector,
            address(this)
        );
        vm.expectRevert(error_);
        registry.proposeGovernance(stranger);
        vm.expectRevert(error_);
        vm.prank(timelock);
        registry.acceptGovernance();
        vm.expectRevert(abi.encodeWithSelector(IConsortiumRegistry.RegistryNotGovernance.selector, timelock));
        vm.prank(timelock);
        registry.remove(parties[0].account);
    }

    function test_the_founder_has_no_power_afterwards() external {
        registry.endFounding();
        bytes memory error_ = abi.encodeWithSelector(
            IConsortiumRegistry.RegistryNotGovernance.selector,
            address(this)
        );
        vm.expectRevert(error_);
        registry.admit(stranger, "x");
        vm.expectRevert(error_);
        registry.remove(parties[0].account);
        vm.expectRevert(error_);
        registry.proposeGovernance(address(this));
        vm.expectRevert(error_);
        registry.acceptGovernance();
        vm.expectRevert(abi.encodeWithSelector(ConsortiumToken.TokenNotGovernance.selector, address(this)));
        token.mint(address(this), 1);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelsNotGovernance.selector, address(this)));
        models.setReleaser(address(this), true);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.VaultNotGovernance.selector, address(this)));
        vault.setParameters(0, 0, address(this));
        error_ = abi.encodeWithSelector(IEpochTypes.SchedulerNotGovernance.selector, address(this));
        vm.expectRevert(error_);
        scheduler.setParameters(0, 0, WHOLE_SHARE);
        vm.expectRevert(error_);
        scheduler.setPaused(true);
    }

    /// @dev All roles that the timelock has ever granted, from its events: AccessControl keeps no list.
    function test_no_key_has_a_role_at_the_timelock() external {
        VmLogs logs = VmLogs(address(vm));
        logs.recordLogs();
        address fresh = _create("ConsortiumTimelock", abi.encode(TIMELOCK_DELAY, governor));
        bytes32 executor = keccak256("EXECUTOR_ROLE");
        VmLogs.Log[] memory entries = logs.getRecordedLogs();
        uint256 granted;
        for (uint256 i = 0; i < entries.length; ++i) {
            if (entries[i].topics[0] != IAccessControl.RoleGranted.selector) continue;
            ++granted;
            (bytes32 role, address holder) = (
                entries[i].topics[1],
                address(uint160(uint256(entries[i].topics[2])))
            );
            if (role == bytes32(0)) vm.assertEq(holder, fresh);
            else if (role == executor) vm.assertEq(holder, address(0));
            else vm.assertEq(holder, address(governor));
        }
        vm.assertEq(granted, 4);
        IAccessControl roles = IAccessControl(timelock);
        vm.assertTrue(roles.hasRole(keccak256("PROPOSER_ROLE"), address(governor)));
        vm.assertTrue(roles.hasRole(keccak256("CANCELLER_ROLE"), address(governor)));
        vm.assertTrue(roles.hasRole(executor, address(0)));
        vm.assertTrue(roles.hasRole(bytes32(0), timelock));
        vm.assertFalse(roles.hasRole(bytes32(0), address(this)));
    }

    function test_a_registry_needs_governance_a_founder_and_a_vault() external {
        address zero = address(0);
        vm.assertEq(_tryCreate("ConsortiumRegistry", abi.encode(zero, stranger, stranger)), zero);
        vm.assertEq(_tryCreate("ConsortiumRegistry", abi.encode(stranger, zero, stranger)), zero);
        vm.assertEq(_tryCreate("ConsortiumRegistry", abi.encode(stranger, stranger, zero)), zero);
    }
}
