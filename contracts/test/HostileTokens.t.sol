// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title A token that keeps a hundredth of every transfer.
contract FeeToken is ERC20 {
    constructor() ERC20("Fee", "FEE") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (from != address(0) && to != address(0)) super._update(to, address(0), value / 100);
    }
}

/// @title A token that calls back once in the middle of a transfer, as whoever it was told to.
contract ReentrantToken is ERC20 {
    address private _target;
    bytes private _call;
    bool public attempted;
    bytes public answer;

    constructor() ERC20("Reentrant", "RE") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function arm(address target, bytes calldata call) external {
        (_target, _call, attempted) = (target, call, false);
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        address target = _target;
        if (target == address(0) || from == address(0)) return;
        _target = address(0);
        bool succeeded;
        // solhint-disable-next-line avoid-low-level-calls
        (succeeded, answer) = target.call(_call);
        attempted = true;
        if (succeeded) answer = "succeeded";
    }
}
