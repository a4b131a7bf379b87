// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IVotes} from "@openzeppelin/contracts/governance/utils/IVotes.sol";
import {Votes} from "@openzeppelin/contracts/governance/utils/Votes.sol";
import {IERC6372} from "@openzeppelin/contracts/interfaces/IERC6372.sol";
import {Time} from "@openzeppelin/contracts/utils/types/Time.sol";
import {IConsortiumRegistry} from "./interfaces/IConsortiumRegistry.sol";

/// @title MemberVotes
/// @notice OpenZeppelin's Votes, with units that stay with whom they belong to and a history by timestamp.
abstract contract MemberVotes is Votes {
    /// @inheritdoc IVotes
    function delegate(address) public pure override {
        revert IConsortiumRegistry.RegistryNoDelegation();
    }

    /// @inheritdoc IVotes
    function delegateBySig(address, uint256, uint256, uint8, bytes32, bytes32) public pure override {
        revert IConsortiumRegistry.RegistryNoDelegation();
    }

    /// @inheritdoc IVotes
    /// @dev Always itself, so that an admission has no delegation to write.
    function delegates(address account) public pure override returns (address) {
        return account;
    }

    /// @inheritdoc IERC6372
    function clock() public view override returns (uint48) {
        return Time.timestamp();
    }

    /// @inheritdoc IERC6372
    // solhint-disable-next-line func-name-mixedcase
    function CLOCK_MODE() public pure override returns (string memory) {
        return "mode=timestamp";
    }
}
