// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {LeaseLedger} from "./LeaseLedger.sol";
import {EpochBitmap} from "./libraries/EpochBitmap.sol";
import {EpochSlots} from "./libraries/EpochSlots.sol";
import {JobRecord, Schedule} from "./libraries/JobRecord.sol";
import {RoundState} from "./libraries/RoundState.sol";

/// @title RoundOpening
/// @notice How rounds and attempts open, at the submission of a job and after a round.
abstract contract RoundOpening is LeaseLedger {
    using EpochSlots for Lease;
    using EpochSlots for RoundState.Head;
    using EpochSlots for RoundState.Tally;
    using SafeCast for uint256;
    using RoundState for RoundState.Record;
    using RoundState for RoundState.Head;

    /// @param head Of the round before. @param carried First epochs of the leases that go on into this round.
    /// @param clean Whether all updates of the round before were accepted.
    function _openRound(
        uint256 jobId,
        JobRecord.Record storage record,
        Schedule schedule,
        RoundState.Head memory head,
        uint256 carried,
        bool clean,
        bytes32 modelDigest
    ) internal {
        RoundState.Record storage round_ = _rounds[jobId];
        uint256 claimed = head.claimedCapacity;
        (, uint40 departures, uint256 registered) = REGISTRY.snapshot();
        // At least 1, so that it can be divided by where no trainer is registered yet.
        uint256 total = Math.max(claimed == 0 ? registered : claimed, 1);
        // Fits, and a sum that is cut only makes quotas larger.
        head.quotaCapacity = uint32(Math.min(total, type(uint32).max));
        uint8 flags = clean ? RoundState.CLEAN : 0;
        if (head.flags & RoundState.AWAITED != 0) flags |= RoundState.SHARED;
        if (carried != 0) {
            uint256 taken = EpochBitmap.popcount(round_.takenSet(head));
            uint256 epochs = round_.epochsOf(head, carried);
            // Fits: a part of what did.
            head.claimedCapacity = uint32((claimed * EpochBitmap.popcount(epochs)) / taken);
            round_.keepOnly(head, epochs, schedule.epochsPerRound());
            flags |= RoundState.CARRIED | (head.flags & (RoundState.HOLED | RoundState.TAILED));
        } else {
            (head.claimedCapacity, head.next) = (0, 0);
        }
        head.flags = flags;
        ++head.number;
        RoundState.Tally memory tally = round_.tally.read();
        (tally.deliveredEpochs, tally.updates, tally.sets) = (0, 0, 0);
        (tally.round, tally.attempt) = (head.number, 1);
        round_.tally.write(tally);
        head.leaseTime = schedule.leaseTime();
        round_.modelDigest = modelDigest;
        if (record.stakes.departures != departures) record.stakes.departures = departures;
        _openAttempt(jobId, schedule, head, 1, false, carried);
    }

    /// @dev An attempt that repeats only the vote has its training deadline at its opening. Where too few may
    /// vote it gets the deadlines of any attempt instead: attempts must not be used up faster than validators
    /// can come back.
    function _openAttempt(
        uint256 jobId,
        Schedule schedule,
        RoundState.Head memory head,
        uint8 attempt,
        bool voteOnly,
        uint256 carried
    ) internal {
        head.eligible = REGISTRY.votingSeats();
        head.attempt = attempt;
        if (attempt != 1) _rounds[jobId].tally.attempt = attempt;
        head.openedAt = block.timestamp.toUint40();
        head.flags &= ~(RoundState.VOTE_ONLY | RoundState.PAUSED);
        if (voteOnly && EpochBitmap.popcount(head.eligible) >= schedule.minValidators()) {
            head.flags |= RoundState.VOTE_ONLY;
        }
        if (_paused) head.flags |= RoundState.PAUSED;
        RoundState.Record storage round_ = _rounds[jobId];
        round_.head.write(head);
        (uint40 training, uint40 vote, uint40 reveal) = head.deadlines(schedule);
        emit RoundOpened(
            jobId,
            head.number,
            attempt,
            training,
            vote,
            reveal,
            head.eligible,
            _quorum(head.eligible),
            round_.modelDigest,
            carried
        );
    }
}
