// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochTypes} from "../interfaces/IEpochTypes.sol";
import {RoundState} from "./RoundState.sol";

/// @title Packed records of the scheduler, read and written in one go.
/// @dev The compiler reads and writes a packed struct field by field, at 100 gas or more each; this does what it
/// does to the whole slot at once. The layout is the compiler's own: the first field lowest. A test holds the
/// two equal.
// solhint-disable no-inline-assembly
library EpochSlots {
    function read(IEpochTypes.Lease storage stored) internal view returns (IEpochTypes.Lease memory value) {
        uint256 word;
        assembly ("memory-safe") {
            word := sload(stored.slot)
        }
        value.first = uint8(word);
        value.count = uint16(word >> 8);
        value.round = uint16(word >> 24);
        value.attempt = uint8(word >> 40);
        value.state = IEpochTypes.LeaseState(uint8(word >> 48));
        value.kept = uint8(word >> 56) != 0;
        value.deadline = uint40(word >> 64);
        value.bonded = uint16(word >> 104);
        value.due = uint32(word >> 120);
        value.accepted = uint16(word >> 152);
        value.outliers = uint16(word >> 168);
        value.extra = uint8(word >> 184);
        value.extras = uint8(word >> 192);
    }

    function write(IEpochTypes.Lease storage stored, IEpochTypes.Lease memory value) internal {
        uint256 word = uint256(value.first);
        word |= (uint256(value.count) << 8);
        word |= (uint256(value.round) << 24);
        word |= (uint256(value.attempt) << 40);
        word |= (uint256(value.state) << 48);
        word |= (uint256(value.kept ? 1 : 0) << 56);
        word |= (uint256(value.deadline) << 64);
        word |= (uint256(value.bonded) << 104);
        word |= (uint256(value.due) << 120);
        word |= (uint256(value.accepted) << 152);
        word |= (uint256(value.outliers) << 168);
        word |= (uint256(value.extra) << 184);
        word |= (uint256(value.extras) << 192);
        assembly ("memory-safe") {
            sstore(stored.slot, word)
        }
    }

    function read(RoundState.Head storage stored) internal view returns (RoundState.Head memory value) {
        uint256 word;
        assembly ("memory-safe") {
            word := sload(stored.slot)
        }
        value.number = uint16(word);
        value.attempt = uint8(word >> 16);
        value.flags = uint8(word >> 24);
        value.next = uint16(word >> 32);
        value.openedAt = uint40(word >> 48);
        value.claimedCapacity = uint32(word >> 88);
        value.quotaCapacity = uint32(word >> 120);
        value.leaseTime = uint24(word >> 152);
        value.eligible = uint64(word >> 176);
    }

    function write(RoundState.Head storage stored, RoundState.Head memory value) internal {
        uint256 word = uint256(value.number);
        word |= (uint256(value.attempt) << 16);
        word |= (uint256(value.flags) << 24);
        word |= (uint256(value.next) << 32);
        word |= (uint256(value.openedAt) << 48);
        word |= (uint256(value.claimedCapacity) << 88);
        word |= (uint256(value.quotaCapacity) << 120);
        word |= (uint256(value.leaseTime) << 152);
        word |= (uint256(value.eligible) << 176);
        assembly ("memory-safe") {
            sstore(stored.slot, word)
        }
    }

    function read(RoundState.Tally storage stored) internal view returns (RoundState.Tally memory value) {
        uint256 word;
        assembly ("memory-safe") {
            word := sload(stored.slot)
        }
        value.accumulator = bytes24(uint192(word));
        value.round = uint16(word >> 192);
        value.attempt = uint8(word >> 208);
        value.deliveredEpochs = uint16(word >> 216);
        value.updates = uint16(word >> 232);
        value.sets = uint8(word >> 248);
    }

    function write(RoundState.Tally storage stored, RoundState.Tally memory value) internal {
        uint256 word = uint256(uint192(value.accumulator));
        word |= (uint256(value.round) << 192);
        word |= (uint256(value.attempt) << 208);
        word |= (uint256(value.deliveredEpochs) << 216);
        word |= (uint256(value.updates) << 232);
        word |= (uint256(value.sets) << 248);
        assembly ("memory-safe") {
            sstore(stored.slot, word)
        }
    }
}
