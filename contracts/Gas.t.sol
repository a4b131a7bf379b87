// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochTypes} from "./interfaces/IEpochTypes.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

/// @title What each call costs once its slots exist, in a transaction of its own.
contract GasTest is ConsortiumFixture {
    uint256 private constant SUBMISSION = 50_000;
    uint256 private constant KEPT_SUBMISSION = 55_000;
    uint256 private constant CLAIM = 66_000;
    uint256 private constant BALLOT = 76_000;

    uint256 private _job;

    function setUp() external {
        _consortium();
        IEpochTypes.Terms memory terms = _terms();
        terms.rounds = 10;
        _job = _submitJob(terms);
    }

    /// hardhat-config: isolate = true
    function test_a_round_in_steady_state() external {
        for (uint256 i = 0; i < 2; ++i) _round(_job);
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
        _settleNode(_job, 0);
        vm.snapshotGasLastCall("milon", "settle, 1 lease");
        vote.settle(_job, 1);
        vm.snapshotGasLastCall("milon", "settle, 1 ballot");

        vm.assertTrue(claim <= CLAIM && lastClaim <= CLAIM, "claim");
        vm.assertTrue(update <= SUBMISSION && lastUpdate <= SUBMISSION, "submitUpdate");
        vm.assertTrue(ballot <= BALLOT && lastBallot <= BALLOT, "castVote");
    }

    /// @dev Who keeps its lease pays for the next one with the submission: no claim follows.
    /// hardhat-config: isolate = true
    function test_a_round_whose_leases_are_carried_over() external {
        for (uint256 i = 0; i < 3; ++i) {
            _trainAndKeep(_job);
            _agree(_job);
        }
        _deliver(_job, 0, true);
        uint256 first = vm.snapshotGasLastCall("milon", "submitUpdate, kept");
        for (uint256 i = 1; i < 4; ++i) _deliver(_job, i, true);
        uint256 last = vm.snapshotGasLastCall("milon", "submitUpdate, kept, fourth");
        vm.assertTrue(first <= KEPT_SUBMISSION && last <= KEPT_SUBMISSION, "submitUpdate");
        _agree(_job);
        vm.assertEq(scheduler.round(_job).taken, 0xff);
    }

    /// @dev Rewards of ten rounds cost hardly more to settle than those of one.
    /// hardhat-config: isolate = true
    function test_a_settlement_of_ten_rounds() external {
        for (uint256 i = 0; i < 10; ++i) {
            _trainAndKeep(_job);
            _agree(_job);
        }
        scheduler.settle(_job, _nodes());
        uint256 gas = vm.snapshotGasLastCall("milon", "settle, 4 nodes, 10 rounds");
        vm.assertTrue(gas <= 4 * 120_000, "settle");
        vm.assertEq(_credit(0), 10 * 4 * EPOCH_PRICE);
    }

    /// @dev What an agent pays does not depend on how many others there are, or on what they did before it.
    /// hardhat-config: isolate = true
    function test_gas_does_not_grow_with_the_consortium() external {
        for (uint256 i = 0; i < 40; ++i) _join(1);
        IEpochTypes.Terms memory terms = _terms();
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
