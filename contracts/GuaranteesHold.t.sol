// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ConsortiumAudit} from "./test/ConsortiumAudit.t.sol";
import {ConsortiumState} from "./test/ConsortiumState.t.sol";
import {vm} from "./test/Vm.t.sol";

/// @dev The fuzzer knows the contracts of this file only.
// solhint-disable-next-line no-empty-blocks
contract Consortium is ConsortiumAudit {}

/// @title What holds whatever a consortium does: the first eight guarantees of docs/protocol.md.
contract GuaranteesHoldTest {
    uint256 private constant CONSORTIA = 24;
    uint256 private constant ACTIONS = 100;

    Consortium private _consortium;

    function setUp() external {
        _consortium = new Consortium();
    }

    /// @dev The fuzzer calls the consortium alone.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_consortium);
    }

    /// @dev One function: each is a campaign of its own, which would take the same walk again.
    function invariant_the_guarantees_hold() external view {
        _consortium.auditTokens();
        _consortium.auditBonds();
        _consortium.auditRounds();
        _consortium.auditConduct();
    }

    /// @dev The fifth: after whatever happened, time alone brings every job to its end, and nothing stays locked, owed
    /// or in escrow.
    function afterInvariant() external {
        _consortium.finish();
    }

    /// @dev Else the guarantees would hold because nothing happens.
    function test_a_campaign_comes_to_whatever_may_happen() external {
        uint256 last = uint256(type(ConsortiumState.Happened).max);
        uint256[] memory times = new uint256[](last + 1);
        for (uint256 i = 0; i < CONSORTIA; ++i) {
            _consortium = new Consortium();
            for (uint256 j = 0; j < ACTIONS; ++j) _act(uint256(keccak256(abi.encode(i, j))));
            for (uint256 k = 0; k <= last; ++k) {
                times[k] += _consortium.happened(ConsortiumState.Happened(k));
            }
            _consortium.auditConduct();
            _consortium.finish();
        }
        for (uint256 k = 0; k <= last; ++k) vm.assertTrue(times[k] != 0, "never happened");
    }
    function _act(uint256 seed) private {
        bytes4[13] memory actions = [
            _consortium.work.selector,
            _consortium.workTogether.selector,
            _consortium.carryVotes.selector,
            _consortium.expire.selector,
            _consortium.enlist.selector,
            _consortium.settle.selector,
            _consortium.pass.selector,
            _consortium.changeMembers.selector,
            _consortium.changeMachines.selector,
            _consortium.changeStake.selector,
            _consortium.withdraw.selector,
            _consortium.changeJobs.selector,
            _consortium.changeRules.selector
        ];
        // As in the campaign, what reverts is passed over; the second argument is for those that take one.
        // solhint-disable-next-line avoid-low-level-calls
        (bool done, ) = address(_consortium).call(
            abi.encodePacked(actions[seed % actions.length], seed, seed >> 192)
        );
        done;
    }
}
