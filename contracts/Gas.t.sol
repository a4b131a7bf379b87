// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ConsortiumFixture} from "./test/ConsortiumFixture.sol";
import {vm} from "./test/Vm.sol";

/// @title What each call costs once its slots exist, in a transaction of its own.
contract GasTest is ConsortiumFixture {
    uint256 private _job;

    function setUp() external {
        _consortium();
        _job = _submitJob();
        _round(_job);
    }

    /// hardhat-config: isolate = true
    function test_a_round_in_steady_state() external {
        _claim(_job, 0);
        uint256 claim = vm.snapshotGasLastCall("milon", "claim");
        for (uint256 i = 1; i < 4; ++i) _claim(_job, i);
        uint256 lastClaim = vm.snapshotGasLastCall("milon", "claim, fourth");
        _deliver(_job, 0);
        uint256 update = vm.snapshotGasLastCall("milon", "submitUpdate");
        for (uint256 i = 1; i < 4; ++i) _deliver(_job, i);
        uint256 lastUpdate = vm.snapshotGasLastCall("milon", "submitUpdate, fourth");

        Result memory result = _result(_job);
        _vote(_job, 0, result);
        uint256 ballot = vm.snapshotGasLastCall("milon", "castVote");
        for (uint256 i = 1; i < 4; ++i) _vote(_job, i, result);
        uint256 lastBallot = vm.snapshotGasLastCall("milon", "castVote, fourth");
        _finalize(_job, result);
        vm.snapshotGasLastCall("milon", "finalize, 4 voters");
        scheduler.settle(_job, 1);
        vm.snapshotGasLastCall("milon", "settle, 1 lease");
        vote.settle(_job, 1);
        vm.snapshotGasLastCall("milon", "settle, 1 ballot");

        vm.assertTrue(claim < 130_000 && lastClaim < 130_000, "claim");
        vm.assertTrue(update < 110_000 && lastUpdate < 110_000, "submitUpdate");
        vm.assertTrue(ballot < 120_000 && lastBallot < 120_000, "castVote");
    }
}
