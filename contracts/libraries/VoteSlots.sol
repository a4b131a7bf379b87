// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAggregationVote} from "../interfaces/IAggregationVote.sol";

/// @title Packed records of votes, read and written in one go.
/// @dev The compiler reads and writes a packed struct field by field, at 100 gas or more each; this does what it
/// does to the whole slot at once. The layout is the compiler's own: the first field lowest. A test holds the
/// two equal.
// solhint-disable no-inline-assembly
library VoteSlots {
    function read(
        IAggregationVote.Ballot storage stored
    ) internal view returns (IAggregationVote.Ballot memory value) {
        uint256 word;
        assembly ("memory-safe") {
            word := sload(stored.slot)
        }
        value.seal = bytes16(uint128(word));
        value.score = uint24(word >> 128);
        value.round = uint16(word >> 152);
        value.attempt = uint8(word >> 168);
        value.openedAt = uint40(word >> 176);
        value.state = IAggregationVote.BallotState(uint8(word >> 216));
        value.matched = uint8(word >> 224);
        value.cast = uint8(word >> 232);
        value.far = uint8(word >> 240);
    }

    function write(IAggregationVote.Ballot storage stored, IAggregationVote.Ballot memory value) internal {
        uint256 word = uint256(uint128(value.seal));
        word |= (uint256(value.score) << 128);
        word |= (uint256(value.round) << 152);
        word |= (uint256(value.attempt) << 168);
        word |= (uint256(value.openedAt) << 176);
        word |= (uint256(value.state) << 216);
        word |= (uint256(value.matched) << 224);
        word |= (uint256(value.cast) << 232);
        word |= (uint256(value.far) << 240);
        assembly ("memory-safe") {
            sstore(stored.slot, word)
        }
    }

    function read(
        IAggregationVote.Attempt storage stored
    ) internal view returns (IAggregationVote.Attempt memory value) {
        uint256 word;
        assembly ("memory-safe") {
            word := sload(stored.slot)
        }
        value.round = uint16(word);
        value.attempt = uint8(word >> 16);
        value.voted = uint64(word >> 24);
        value.quorumAt = uint40(word >> 88);
        value.leading = bytes16(uint128(word >> 128));
    }

    function write(IAggregationVote.Attempt storage stored, IAggregationVote.Attempt memory value) internal {
        uint256 word = uint256(value.round);
        word |= (uint256(value.attempt) << 16);
        word |= (uint256(value.voted) << 24);
        word |= (uint256(value.quorumAt) << 88);
        word |= (uint256(uint128(value.leading)) << 128);
        assembly ("memory-safe") {
            sstore(stored.slot, word)
        }
    }

    function read(
        IAggregationVote.Verdict storage stored
    ) internal view returns (IAggregationVote.Verdict memory value) {
        uint256 word;
        assembly ("memory-safe") {
            word := sload(stored.slot)
        }
        value.state = IAggregationVote.VerdictState(uint8(word));
        value.matching = uint64(word >> 8);
        value.penalised = uint64(word >> 72);
        value.payment = uint96(word >> 136);
        value.score = uint24(word >> 232);
    }

    function load(IAggregationVote.Verdict storage stored) internal view returns (uint256 word) {
        assembly ("memory-safe") {
            word := sload(stored.slot)
        }
    }

    /// @notice Whether a verdict, as it lies in its slot, pays a seat's vote in full, and the score that was
    /// recorded.
    function paysInFull(uint256 word, uint8 seat) internal pure returns (bool paid, uint24 score) {
        bool full = uint8(word) == uint8(IAggregationVote.VerdictState.Final);
        // The matching seats follow the state.
        paid = full && (word >> (8 + uint256(seat))) & 1 != 0;
        score = uint24(word >> 232);
    }
}
