// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title Arithmetic on sets of at most 256 epochs (or seats), one bit each. Nothing here loops over the
/// bits.
library EpochBitmap {
    /// @notice The bits from `first` to `first + count - 1`. Bits beyond the 256th are lost.
    function range(uint256 first, uint256 count) internal pure returns (uint256) {
        unchecked {
            // 1 << 256 is 0, and 0 - 1 is meant to wrap to all ones: the range of 256 bits.
            return ((1 << count) - 1) << first;
        }
    }

    /// @notice The lowest run of clear bits below `epochs`, cut to `limit`; a count of zero when there is
    /// none.
    function lowestFreeRun(
        uint256 taken,
        uint256 epochs,
        uint256 limit
    ) internal pure returns (uint256 first, uint256 count) {
        uint256 free = ~taken & range(0, epochs);
        if (free == 0) return (0, 0);
        first = lowest(free);
        uint256 end = ~(free >> first);
        count = Math.min(end == 0 ? 256 : lowest(end), limit);
    }

    /// @notice The epochs of the leases whose first epochs are set in `starts`.
    /// @dev Kogge-Stone fill: each step doubles how far the starts have spread over tails.
    /// @param starts First epochs. @param tail Epochs that belong to the same lease as the one before them.
    function spread(uint256 starts, uint256 tail) internal pure returns (uint256 covered) {
        covered = starts;
        if (tail == 0) return covered;
        for (uint256 step = 1; step < 256; step <<= 1) {
            covered |= tail & (covered << step);
            tail &= tail << step;
        }
    }

    /// @notice How many bits are set.
    function popcount(uint256 bitmap) internal pure returns (uint256 count) {
        if (bitmap == type(uint256).max) return 256;
        unchecked {
            // Sums of 2, 4 and 8 neighbours: each fits its field, so nothing wraps or spills into the next
            // one.
            bitmap -= (bitmap >> 1) & 0x5555555555555555555555555555555555555555555555555555555555555555;
            bitmap =
                (bitmap & 0x3333333333333333333333333333333333333333333333333333333333333333) +
                ((bitmap >> 2) & 0x3333333333333333333333333333333333333333333333333333333333333333);
            bitmap =
                (bitmap + (bitmap >> 4)) & 0x0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f;
            // The product gathers the sum of all 32 bytes in its highest one (at most 255, as 256 has
            // returned above); what wraps is discarded.
            count = (bitmap * 0x0101010101010101010101010101010101010101010101010101010101010101) >> 248;
        }
    }

    /// @notice Index of the lowest set bit; zero for the empty set.
    function lowest(uint256 bitmap) internal pure returns (uint256) {
        unchecked {
            // Two's complement negation, which wraps by definition.
            return Math.log2(bitmap & (0 - bitmap));
        }
    }
}
