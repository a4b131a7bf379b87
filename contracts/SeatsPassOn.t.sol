// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAggregationVote} from "./interfaces/IAggregationVote.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

/// @title A seat that passes on takes nothing of its last holder along.
contract SeatsPassOnTest is ConsortiumFixture {
    uint256 private constant LEAVING = 3;

    /// @dev Found by the fuzzer: who was removed may vote after its seat's next holder was admitted.
    function test_a_vote_cast_after_the_seat_passed_on_stays_with_whom_cast_it() external {
        _consortium();
        uint256 job = _submitJob();
        _train(job);
        _skip(1);
        registry.remove(parties[LEAVING].account);
        _skip(1);
        uint256 joined = _join(1);
        uint8 seat = registry.organisation(parties[joined].account).seat;
        vm.assertEq(registry.organisation(parties[LEAVING].account).seat, seat, "another seat");
        _skip(1);
        Result memory result = _result(job);
        for (uint256 i = 0; i <= LEAVING; ++i) _vote(job, i, result);
        vm.assertTrue(_finalize(job, result), "not final");

        for (uint256 i = 0; i <= joined; ++i) if (i != LEAVING) _claim(job, i);
        for (uint256 i = 0; i <= joined; ++i) if (i != LEAVING) _deliver(job, i);
        uint256 locked = _stakeOf(joined).locked;
        _vote(job, joined, _result(job));

        (address holder, ) = vote.ballot(job, seat);
        vm.assertEq(holder, parties[joined].account);
        vm.assertEq(_stakeOf(joined).locked, locked + VOTE_BOND, "the bond of the new holder");
        _settleNode(job, LEAVING);
        vm.assertEq(_stakeOf(LEAVING).locked, 0, "the bond of the last holder");
        vm.assertEq(_credit(LEAVING), EPOCH_PRICE + VOTE_PRICE, "what the last holder earned");
        (, IAggregationVote.Ballot memory ballot) = vote.ballot(job, seat);
        vm.assertEq(ballot.matched, 0, "what the new holder has not earned");
    }
}
