// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title ConsortiumTimelock
/// @notice Does what the governor decided, once a delay has passed; it is the consortium's `governance`.
/// Guarantees:
/// 1. The governor alone schedules and cancels; whoever wants to may execute what is due.
/// 2. No key has a role, the deployer's neither: the timelock administers itself, by decisions of the members.
/// 3. The delay never exceeds 30 days, so that no decision can put all later ones out of reach.
contract ConsortiumTimelock is TimelockController {
    /// @notice Seconds.
    uint256 public constant MAX_DELAY = 30 days;

    error TimelockZeroGovernor();

    /// @param minDelay Seconds from queueing to execution.
    /// @param governor May be deployed later at a predicted address.
    constructor(
        uint256 minDelay,
        address governor
    ) TimelockController(minDelay, _only(governor), _only(address(0)), address(0)) {
        if (governor == address(0)) revert TimelockZeroGovernor();
    }

    /// @notice Seconds from queueing to execution: what was set, and MAX_DELAY at most.
    function getMinDelay() public view override returns (uint256) {
        return Math.min(super.getMinDelay(), MAX_DELAY);
    }

    function _only(address account) private pure returns (address[] memory accounts) {
        accounts = new address[](1);
        accounts[0] = account;
    }
}
