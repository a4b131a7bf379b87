// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {vm} from "../test/Vm.t.sol";
import {EpochBitmap} from "./EpochBitmap.sol";

/// @title The arithmetic of EpochBitmap against loops over the bits.
contract EpochBitmapTest {
    function testFuzz_popcount_counts_bits(uint256 bitmap) external pure {
        uint256 expected;
        for (uint256 i = 0; i < 256; ++i) expected += (bitmap >> i) & 1;
        vm.assertEq(EpochBitmap.popcount(bitmap), expected);
    }

    function test_popcount_at_its_ends() external pure {
        vm.assertEq(EpochBitmap.popcount(0), 0);
        vm.assertEq(EpochBitmap.popcount(type(uint256).max), 256);
        vm.assertEq(EpochBitmap.popcount(type(uint256).max - 1), 255);
        vm.assertEq(EpochBitmap.popcount(1 << 255), 1);
    }

    function testFuzz_lowest_finds_the_lowest_bit(uint256 bitmap, uint8 shift) external pure {
        bitmap = (bitmap | 1) << shift;
        vm.assertEq(EpochBitmap.lowest(bitmap), shift);
    }

    function testFuzz_range_sets_its_bits_and_no_others(uint8 first, uint16 count) external pure {
        count %= 257;
        uint256 range = EpochBitmap.range(first, count);
        for (uint256 i = 0; i < 256; ++i) {
            vm.assertEq((range >> i) & 1 == 1, i >= first && i < uint256(first) + count);
        }
    }

    function testFuzz_the_lowest_free_run_is_what_a_search_finds(
        uint256 taken,
        uint256 holes,
        uint16 epochs,
        uint16 limit
    ) external pure {
        // Combined so that long runs of either kind occur.
        taken |= holes << (epochs % 251);
        epochs = 1 + (epochs % 256);
        limit = 1 + (limit % 256);
        (uint256 first, uint256 count) = EpochBitmap.lowestFreeRun(taken, epochs, limit);
        uint256 from;
        while (from < epochs && (taken >> from) & 1 == 1) ++from;
        uint256 to = from;
        while (to < epochs && to - from < limit && (taken >> to) & 1 == 0) ++to;
        vm.assertEq(count, to - from, "count");
        if (count != 0) vm.assertEq(first, from, "first");
    }

    function test_the_lowest_free_run_at_its_ends() external pure {
        _assertRun(0, 256, 256, 0, 256);
        _assertRun(type(uint256).max, 256, 256, 0, 0);
        _assertRun(type(uint256).max >> 1, 256, 9, 255, 1);
        _assertRun(0xff, 8, 3, 0, 0);
        _assertRun(0, 8, 100, 0, 8);
    }

    /// @dev Cuts a round into leases by random lengths, delivers some and accepts some of those.
    function testFuzz_starts_spread_over_exactly_their_own_leases(
        bytes32 lengths,
        uint256 leases,
        uint256 accepts
    ) external pure {
        (uint256 tail, uint256 starts, uint256 covered, uint256 accepted, uint256 expected) = (0, 0, 0, 0, 0);
        uint256 next;
        for (uint256 i = 0; next < 256; ++i) {
            uint256 count = 1 + (uint256(uint8(lengths[i % 32])) >> (i % 8));
            if (next + count > 256) count = 256 - next;
            uint256 range = EpochBitmap.range(next, count);
            if ((leases >> i) & 1 == 1) {
                starts |= 1 << next;
                covered |= range;
                tail |= range & ~(1 << next);
                if ((accepts >> i) & 1 == 1) {
                    accepted |= 1 << next;
                    expected |= range;
                }
            }
            next += count;
        }
        vm.assertEq(EpochBitmap.spread(accepted, tail), expected);
        vm.assertEq(EpochBitmap.spread(starts, tail), covered);
        vm.assertEq(EpochBitmap.spread(0, tail), 0);
        vm.assertEq(EpochBitmap.spread(starts, 0), starts);
    }

    function test_starts_spread_at_their_ends() external pure {
        uint256 all = type(uint256).max;
        vm.assertEq(EpochBitmap.spread(1, all - 1), all);
        vm.assertEq(EpochBitmap.spread(1, 0), 1);
        vm.assertEq(EpochBitmap.spread(1 << 255, all >> 1), 1 << 255);
        // A lease that nothing is asked of lies between two others.
        vm.assertEq(EpochBitmap.spread(0x1001, 0xe0ee), 0xf00f);
    }

    function _assertRun(
        uint256 taken,
        uint256 epochs,
        uint256 limit,
        uint256 first,
        uint256 count
    ) private pure {
        (uint256 gotFirst, uint256 gotCount) = EpochBitmap.lowestFreeRun(taken, epochs, limit);
        vm.assertEq(gotCount, count, "count");
        vm.assertEq(gotFirst, first, "first");
    }
}
