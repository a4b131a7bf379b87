// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAggregationVote} from "../interfaces/IAggregationVote.sol";

/// @dev A ballot as it lies in its slot, for the path that every round takes. The layout is that of
/// IAggregationVote.Ballot, the first field lowest; a test holds the two equal.
type BallotWord is uint256;

using {
    BallotWords.score,
    BallotWords.round,
    BallotWords.attempt,
    BallotWords.openedAt,
    BallotWords.state,
    BallotWords.cast,
    BallotWords.matched,
    BallotWords.replaced,
    BallotWords.store
} for BallotWord global;

/// @title Reading and writing ballots without unpacking them.
// solhint-disable no-inline-assembly
library BallotWords {
    uint256 private constant CAST = uint256(IAggregationVote.BallotState.Cast) << 216;
    /// @dev What earlier votes have earned.
    uint256 private constant COUNTS = uint256(type(uint24).max) << 224;
    uint256 private constant ONE_MATCHED = 1 << 224;
    uint256 private constant ONE_CAST = 1 << 232;
    uint256 private constant ONE_FAR = 1 << 240;

    function load(IAggregationVote.Ballot storage stored) internal view returns (BallotWord ballot) {
        assembly ("memory-safe") {
            ballot := sload(stored.slot)
        }
    }

    function store(BallotWord ballot, IAggregationVote.Ballot storage stored) internal {
        assembly ("memory-safe") {
            sstore(stored.slot, ballot)
        }
    }

    function score(BallotWord ballot) internal pure returns (uint24) {
        return uint24(BallotWord.unwrap(ballot) >> 128);
    }

    function round(BallotWord ballot) internal pure returns (uint16) {
        return uint16(BallotWord.unwrap(ballot) >> 152);
    }

    function attempt(BallotWord ballot) internal pure returns (uint8) {
        return uint8(BallotWord.unwrap(ballot) >> 168);
    }

    function openedAt(BallotWord ballot) internal pure returns (uint40) {
        return uint40(BallotWord.unwrap(ballot) >> 176);
    }

    function state(BallotWord ballot) internal pure returns (IAggregationVote.BallotState) {
        return IAggregationVote.BallotState(uint8(BallotWord.unwrap(ballot) >> 216));
    }

    function matched(BallotWord ballot) internal pure returns (uint8) {
        return uint8(BallotWord.unwrap(ballot) >> 224);
    }

    function cast(BallotWord ballot) internal pure returns (uint8) {
        return uint8(BallotWord.unwrap(ballot) >> 232);
    }

    /// @notice The next ballot of a seat whose last one matched. @param far Whether that one's score was far off.
    /// @dev The caller has made sure that the counts do not run over: `far` is the least of the three.
    function replaced(
        BallotWord last,
        bytes16 seal,
        uint24 score_,
        uint16 round_,
        uint8 attempt_,
        uint40 openedAt_,
        bool far
    ) internal pure returns (BallotWord) {
        uint256 word = (BallotWord.unwrap(last) & COUNTS) + ONE_MATCHED + ONE_CAST;
        if (far) word += ONE_FAR;
        word |= uint256(uint128(seal)) | (uint256(score_) << 128) | (uint256(round_) << 152);
        word |= (uint256(attempt_) << 168) | (uint256(openedAt_) << 176) | CAST;
        return BallotWord.wrap(word);
    }
}
