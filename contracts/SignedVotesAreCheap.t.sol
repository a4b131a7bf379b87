// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAggregationVote} from "./interfaces/IAggregationVote.sol";
import {IEpochTypes} from "./interfaces/IEpochTypes.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

/// @title What a vote costs that another carries, in a transaction of its own for each batch.
contract SignedVotesAreCheapTest is ConsortiumFixture {
    uint256 private constant VOTERS = 10;
    uint256 private constant MOST_GAS = 20_000;

    /// @dev In the third round, when every slot has been written before.
    /// hardhat-config: isolate = true
    function test_one_more_vote_in_a_batch_of_ten_costs_at_most_20_000_gas() external {
        _consortium();
        while (parties.length < VOTERS) _join(1);
        IEpochTypes.Terms memory terms = _terms();
        (terms.rounds, terms.epochsPerRound) = (4, 14);
        uint256 job = _submitJob(terms);
        for (uint16 round = 1; round < 3; ++round) _carriedRound(job, round, VOTERS);
        uint256 all = _carriedRound(job, 3, VOTERS);
        uint256 one = _carriedRound(job, 4, 1);
        vm.assertTrue((all - one) / (VOTERS - 1) <= MOST_GAS, "a signed vote costs more");
    }

    /// @dev A round whose first `count` votes are carried in one batch. @return gas What that batch costs.
    function _carriedRound(uint256 job, uint16 round, uint256 count) private returns (uint256 gas) {
        _train(job);
        Result memory result = _result(job);
        IAggregationVote.SignedVote[] memory votes = new IAggregationVote.SignedVote[](count);
        for (uint256 i = 0; i < count; ++i) votes[i] = _signedVote(job, i, result);
        vote.castVotes(job, round, 1, votes);
        gas = vm.snapshotGasLastCall(
            "milon",
            count == 1 ? "castVotes, 1 signed vote" : "castVotes, 10 signed votes"
        );
        for (uint256 i = count; i < VOTERS; ++i) _vote(job, i, result);
        _finalize(job, result);
    }
}
