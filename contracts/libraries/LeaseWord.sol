// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochTypes} from "../interfaces/IEpochTypes.sol";

/// @dev A lease record as it lies in its slot, for the paths that every round takes: nothing is unpacked that is
/// not needed. The layout is that of IEpochTypes.Lease, the first field lowest; a test holds the two equal.
type LeaseWord is uint256;

using {
    LeaseWords.first,
    LeaseWords.count,
    LeaseWords.round,
    LeaseWords.attempt,
    LeaseWords.state,
    LeaseWords.kept,
    LeaseWords.deadline,
    LeaseWords.bonded,
    LeaseWords.extra,
    LeaseWords.accepted,
    LeaseWords.begun,
    LeaseWords.delivered,
    LeaseWords.leased,
    LeaseWords.store
} for LeaseWord global;

/// @title Reading and writing lease records without unpacking them.
// solhint-disable no-inline-assembly
library LeaseWords {
    uint256 private constant LIVE = uint256(IEpochTypes.LeaseState.Live) << 48;
    uint256 private constant DELIVERED = uint256(IEpochTypes.LeaseState.Delivered) << 48;
    /// @dev Round, attempt, state, whether it is kept, and deadline.
    uint256 private constant COURSE = uint256(type(uint80).max) << 24;
    uint256 private constant STATE_AND_KEPT = uint256(type(uint16).max) << 48;
    uint256 private constant RANGE = type(uint24).max;
    uint256 private constant BONDED = uint256(type(uint16).max) << 104;
    uint256 private constant EXTRA = uint256(type(uint8).max) << 184;

    function load(IEpochTypes.Lease storage stored) internal view returns (LeaseWord lease) {
        assembly ("memory-safe") {
            lease := sload(stored.slot)
        }
    }

    function store(LeaseWord lease, IEpochTypes.Lease storage stored) internal {
        assembly ("memory-safe") {
            sstore(stored.slot, lease)
        }
    }

    function first(LeaseWord lease) internal pure returns (uint8) {
        return uint8(LeaseWord.unwrap(lease));
    }

    function count(LeaseWord lease) internal pure returns (uint16) {
        return uint16(LeaseWord.unwrap(lease) >> 8);
    }

    function round(LeaseWord lease) internal pure returns (uint16) {
        return uint16(LeaseWord.unwrap(lease) >> 24);
    }

    function attempt(LeaseWord lease) internal pure returns (uint8) {
        return uint8(LeaseWord.unwrap(lease) >> 40);
    }

    function state(LeaseWord lease) internal pure returns (IEpochTypes.LeaseState) {
        return IEpochTypes.LeaseState(uint8(LeaseWord.unwrap(lease) >> 48));
    }

    function kept(LeaseWord lease) internal pure returns (bool) {
        return uint8(LeaseWord.unwrap(lease) >> 56) != 0;
    }

    function deadline(LeaseWord lease) internal pure returns (uint40) {
        return uint40(LeaseWord.unwrap(lease) >> 64);
    }

    function bonded(LeaseWord lease) internal pure returns (uint16) {
        return uint16(LeaseWord.unwrap(lease) >> 104);
    }

    function extra(LeaseWord lease) internal pure returns (uint8) {
        return uint8(LeaseWord.unwrap(lease) >> 184);
    }

    /// @notice Its update counted as accepted, and its epochs as due.
    /// @dev Neither runs over: both count one update per round, of at most 65,535 rounds and 256 epochs each.
    function accepted(LeaseWord lease) internal pure returns (LeaseWord) {
        return LeaseWord.wrap(LeaseWord.unwrap(lease) + (uint256(count(lease)) << 120) + (1 << 152));
    }

    /// @notice Live from the opening of a round, with the epochs that it has.
    function begun(LeaseWord lease, uint16 round_, uint40 deadline_) internal pure returns (LeaseWord) {
        uint256 word = LeaseWord.unwrap(lease) & ~(COURSE | EXTRA);
        return LeaseWord.wrap(word | (uint256(round_) << 24) | (1 << 40) | LIVE | (uint256(deadline_) << 64));
    }

    function delivered(LeaseWord lease, bool kept_) internal pure returns (LeaseWord) {
        uint256 word = (LeaseWord.unwrap(lease) & ~STATE_AND_KEPT) | DELIVERED;
        return LeaseWord.wrap(kept_ ? word | (1 << 56) : word);
    }

    /// @notice Live, with epochs that were claimed and are bonded.
    function leased(
        LeaseWord lease,
        uint8 first_,
        uint16 count_,
        uint16 round_,
        uint8 attempt_,
        uint40 deadline_
    ) internal pure returns (LeaseWord) {
        uint256 word = LeaseWord.unwrap(lease) & ~(COURSE | EXTRA | RANGE | BONDED);
        word |= uint256(first_) | (uint256(count_) << 8) | (uint256(count_) << 104);
        word |= (uint256(round_) << 24) | (uint256(attempt_) << 40) | LIVE | (uint256(deadline_) << 64);
        return LeaseWord.wrap(word);
    }
}
