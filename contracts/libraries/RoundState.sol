// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IEpochScheduler} from "../interfaces/IEpochScheduler.sol";
import {EpochBitmap} from "./EpochBitmap.sol";
import {JobRecord} from "./JobRecord.sol";

/// @title What the stored state of a round means now. Phases follow from deadlines and counters alone: nobody
/// pokes a keeper.
/// @dev The bitmaps and the accumulator of a round are not cleared when the next one opens: writing over what
/// was there costs a fifth of filling an empty slot. Until a counter says that they were written in this
/// round, they count as zero.
library RoundState {
    function phase(
        IEpochScheduler.Round storage round,
        JobRecord.Record storage record
    ) internal view returns (IEpochScheduler.Phase) {
        IEpochScheduler.JobStatus status = record.status;
        if (status == IEpochScheduler.JobStatus.None) return IEpochScheduler.Phase.None;
        if (status != IEpochScheduler.JobStatus.Open) return IEpochScheduler.Phase.Ended;
        bool votable = mayVote(round, record);
        if (block.timestamp < round.trainingDeadline) {
            return votable ? IEpochScheduler.Phase.Voting : IEpochScheduler.Phase.Training;
        }
        if (!votable) return IEpochScheduler.Phase.Stalled;
        if (block.timestamp < round.voteDeadline) return IEpochScheduler.Phase.Voting;
        return
            block.timestamp < round.revealDeadline
                ? IEpochScheduler.Phase.Reveal
                : IEpochScheduler.Phase.Stalled;
    }

    /// @notice Whether there is something to vote on, and enough to vote on it. Once true it stays so in the
    /// attempt.
    function mayVote(
        IEpochScheduler.Round storage round,
        JobRecord.Record storage record
    ) internal view returns (bool) {
        bool trained =
            round.deliveredEpochs == record.epochsPerRound ||
                (block.timestamp >= round.trainingDeadline && round.updates >= record.minUpdates);
        return trained && EpochBitmap.popcount(round.eligible) >= record.minValidators;
    }

    /// @notice Epochs that a node of this capacity may claim at once: its share, rounded up.
    function quota(
        IEpochScheduler.Round storage round,
        uint256 epochsPerRound,
        uint256 capacity
    ) internal view returns (uint256) {
        uint256 share = Math.ceilDiv(epochsPerRound * capacity, round.quotaCapacity);
        return Math.min(Math.max(share, 1), epochsPerRound);
    }

    function takenSet(IEpochScheduler.Round storage round) internal view returns (uint256) {
        return round.claimedCapacity == 0 ? 0 : round.taken;
    }

    function deliveredSet(IEpochScheduler.Round storage round) internal view returns (uint256) {
        return round.updates == 0 ? 0 : round.delivered;
    }

    function updateStarts(IEpochScheduler.Round storage round) internal view returns (uint256) {
        return round.updates == 0 ? 0 : round.updateSet;
    }

    function accumulated(IEpochScheduler.Round storage round) internal view returns (bytes32) {
        return round.updates == 0 ? bytes32(0) : round.accumulator;
    }
}
