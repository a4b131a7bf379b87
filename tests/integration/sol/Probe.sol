// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// What the tests of chain/ need a contract to do.
contract Probe {
    struct Pair {
        uint256 amount;
        address holder;
    }

    error TooSmall(uint256 given, uint256 least);
    error Taken(address holder, bytes32 digest, string note);

    event Set(address indexed who, uint256 value, string indexed tag, bytes blob);
    event Paired(Pair pair, uint256[] list, address[2] indexed both);

    uint256 public value;
    uint256 public count;
    address public taker;

    function set(uint256 newValue) external {
        if (newValue < 10) revert TooSmall(newValue, 10);
        value = newValue;
        count++;
        emit Set(msg.sender, newValue, "tag", hex"c0ffee");
    }

    function pair(address holder) external {
        uint256[] memory list = new uint256[](2);
        list[1] = 7;
        emit Paired(Pair(5, holder), list, [holder, holder]);
    }

    function takeOnce() external {
        if (taker != address(0)) revert Taken(taker, keccak256("x"), "gone");
        taker = msg.sender;
    }

    function refuse() external pure {
        require(false, "because");
    }

    function divide(uint256 by) external pure returns (uint256) {
        return 1 / by;
    }

    function shapes(address who) external pure returns (Pair memory, address[] memory, bytes32) {
        address[] memory list = new address[](1);
        list[0] = who;
        return (Pair(3, who), list, bytes32(uint256(1)));
    }
}
