// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochScheduler} from "./interfaces/IEpochScheduler.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

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

        vm.assertTrue(claim < 120_000 && lastClaim < 120_000, "claim");
        vm.assertTrue(update < 62_000 && lastUpdate < 62_000, "submitUpdate");
        vm.assertTrue(ballot < 100_000 && lastBallot < 100_000, "castVote");
    }

    /// hardhat-config: isolate = true
    function test_a_claim_that_settles_another_s_lease() external {
        _claim(_job, 3);
        uint256 gas = vm.snapshotGasLastCall("milon", "claim, paying another");
        vm.assertTrue(gas < 130_000, "claim");
        vm.assertEq(_credit(0), 4 * EPOCH_PRICE);
    }

    /// @dev What an agent pays does not depend on how many others there are, or on what they did before it.
    /// hardhat-config: isolate = true
    function test_gas_does_not_grow_with_the_consortium() external {
        for (uint256 i = 0; i < 40; ++i) _join(1);
        IEpochScheduler.Terms memory terms = _terms();
        // As many as there is capacity, so that all get their share and none is left.
        terms.epochsPerRound = 48;
        uint256 job = _submitJob(terms);
        _round(job);

        uint256 claim = _claimGas(job, 2);
        for (uint256 i = 0; i < 43; ++i) {
            if (i != 2) _claim(job, i);
        }
        _assertNear(_claimGas(job, 43), claim);
        uint256 update = _deliverGas(job, 2);
        for (uint256 i = 0; i < 43; ++i) {
            if (i != 2) _deliver(job, i);
        }
        _assertNear(_deliverGas(job, 43), update);
        Result memory result = _result(job);
        uint256 ballot = _voteGas(job, 2, result);
        for (uint256 i = 0; i < 43; ++i) {
            if (i != 2) _vote(job, i, result);
        }
        _assertNear(_voteGas(job, 43, result), ballot);
        _finalize(job, result);
        vm.snapshotGasLastCall("milon", "finalize, 44 voters");
    }

    function _claimGas(uint256 job, uint256 party) private returns (uint256) {
        _claim(job, party);
        return vm.snapshotGasLastCall("milon", "claim, one of 44");
    }

    function _deliverGas(uint256 job, uint256 party) private returns (uint256) {
        _deliver(job, party);
        return vm.snapshotGasLastCall("milon", "submitUpdate, one of 44");
    }

    function _voteGas(uint256 job, uint256 party, Result memory result) private returns (uint256) {
        _vote(job, party, result);
        return vm.snapshotGasLastCall("milon", "castVote, one of 44");
    }

    function _assertNear(uint256 last, uint256 first) private pure {
        vm.assertTrue(last < first + 3_000, "grows");
    }
}
