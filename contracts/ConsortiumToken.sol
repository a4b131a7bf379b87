// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IConsortiumRegistry} from "./interfaces/IConsortiumRegistry.sol";

/// @title The consortium's unit of account: organisations stake it, clients pay with it.
/// @notice Only the registry's governance mints; nobody can burn or freeze what another holds.
contract ConsortiumToken is ERC20 {
    IConsortiumRegistry public immutable REGISTRY;

    error TokenNotGovernance(address caller);
    error TokenZeroAddress();

    constructor(IConsortiumRegistry registry) ERC20("Milon credit", "MLN") {
        if (address(registry) == address(0)) revert TokenZeroAddress();
        REGISTRY = registry;
    }

    /// @notice Creates `amount` base units (18 decimals) for `to`; only governance.
    function mint(address to, uint256 amount) external {
        if (msg.sender != REGISTRY.governance()) revert TokenNotGovernance(msg.sender);
        _mint(to, amount);
    }
}
