// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IEpochTypes} from "../interfaces/IEpochTypes.sol";
import {EpochBitmap} from "./EpochBitmap.sol";
import {Schedule} from "./JobRecord.sol";

/// @title How a round is kept, and what that means now. Phases follow from deadlines and counters alone:
/// nobody pokes a keeper.
/// @dev Packed by who writes: a claim writes the head (and `tail` where it takes more than one epoch), an
/// update the tally and one of two bitmaps. The bitmaps are not cleared when the next round opens, since
/// writing over what was there costs a fifth of filling an empty slot: until a counter or a flag says that
/// they were written in this round, they count as empty.
library RoundState {
    /// @param flags See the constants. @param next Epochs from here on were never leased in this round.
    /// @param leaseTime Of the job's schedule, seconds.
    struct Head {
        uint16 number;
        uint8 attempt;
        uint8 flags;
        uint16 next;
        uint40 openedAt;
        uint32 claimedCapacity;
        uint32 quotaCapacity;
        uint24 leaseTime;
        uint64 eligible;
    }

    /// @param round The head's number. @param attempt And its attempt: all that most updates need of it.
    /// @param sets Which of `keptSet` and `freedSet` count; see the constants.
    struct Tally {
        bytes24 accumulator;
        uint16 round;
        uint8 attempt;
        uint16 deliveredEpochs;
        uint16 updates;
        uint8 sets;
    }

    /// @param keptSet First epochs of kept updates. @param freedSet First epochs of the others.
    /// @param tail Leased epochs that are not the first of their lease. @param holes Epochs below `next` that
    /// are free again.
    struct Record {
        Head head;
        Tally tally;
        uint256 keptSet;
        uint256 freedSet;
        uint256 tail;
        uint256 holes;
        bytes32 modelDigest;
    }

    /// @dev The attempt repeats only the vote.
    uint8 internal constant VOTE_ONLY = 1;
    /// @dev `holes` counts.
    uint8 internal constant HOLED = 2;
    /// @dev `tail` counts.
    uint8 internal constant TAILED = 4;
    /// @dev A trainer without a lease waits: no lease is carried into the next round.
    uint8 internal constant AWAITED = 8;
    /// @dev All updates of the previous round were accepted.
    uint8 internal constant CLEAN = 16;
    /// @dev The leases kept in the previous round are live in this one.
    uint8 internal constant CARRIED = 32;
    /// @dev The consortium was paused when the attempt opened.
    uint8 internal constant PAUSED = 64;
    /// @dev Somebody waited in the round before: quotas are rounded down, so that there is something left.
    uint8 internal constant SHARED = 128;
    /// @dev Of a tally: `keptSet` counts.
    uint8 internal constant KEPT = 1;
    /// @dev Of a tally: `freedSet` counts.
    uint8 internal constant FREED = 2;

    function phase(
        Head memory head,
        Tally memory tally,
        Schedule schedule
    ) internal view returns (IEpochTypes.Phase) {
        if (schedule.status() == IEpochTypes.JobStatus.None) return IEpochTypes.Phase.None;
        if (schedule.status() != IEpochTypes.JobStatus.Open) return IEpochTypes.Phase.Ended;
        bool votable = mayVote(head, tally, schedule);
        (uint40 training, uint40 vote, uint40 reveal) = deadlines(head, schedule);
        if (block.timestamp < training) {
            return votable ? IEpochTypes.Phase.Voting : IEpochTypes.Phase.Training;
        }
        if (!votable) return IEpochTypes.Phase.Stalled;
        if (block.timestamp < vote) return IEpochTypes.Phase.Voting;
        return block.timestamp < reveal ? IEpochTypes.Phase.Reveal : IEpochTypes.Phase.Stalled;
    }

    /// @notice Whether there is something to vote on, and enough to vote on it. Once true it stays so in the
    /// attempt.
    function mayVote(Head memory head, Tally memory tally, Schedule schedule) internal view returns (bool) {
        (uint40 training, , ) = deadlines(head, schedule);
        bool trained =
            tally.deliveredEpochs == schedule.epochsPerRound() ||
                (block.timestamp >= training && tally.updates >= schedule.minUpdates());
        return trained && EpochBitmap.popcount(head.eligible) >= schedule.minValidators();
    }

    function deadlines(
        Head memory head,
        Schedule schedule
    ) internal pure returns (uint40 training, uint40 vote, uint40 reveal) {
        training = head.openedAt + (head.flags & VOTE_ONLY != 0 ? 0 : schedule.trainingWindow());
        vote = training + schedule.voteWindow();
        reveal = vote + schedule.revealWindow();
    }

    /// @notice When a lease ends that begins at `from`.
    function leaseDeadline(Head memory head, Schedule schedule, uint256 from) internal pure returns (uint40) {
        (uint40 training, , ) = deadlines(head, schedule);
        // Fits: no more than a deadline that does.
        return uint40(Math.min(from + schedule.leaseTime(), training));
    }

    /// @notice Epochs that a node of this capacity may claim at once: its share, rounded up; at least 1.
    function quota(
        Head memory head,
        uint256 epochsPerRound,
        uint256 capacity
    ) internal pure returns (uint256) {
        uint256 share = epochsPerRound * capacity;
        share =
            head.flags & SHARED != 0 ? share / head.quotaCapacity : Math.ceilDiv(share, head.quotaCapacity);
        return Math.min(Math.max(share, 1), epochsPerRound);
    }

    function takenSet(Record storage round, Head memory head) internal view returns (uint256) {
        uint256 holes = head.flags & HOLED != 0 ? round.holes : 0;
        return EpochBitmap.range(0, head.next) & ~holes;
    }

    function keptStarts(Record storage round, Tally memory tally) internal view returns (uint256) {
        return tally.sets & KEPT == 0 ? 0 : round.keptSet;
    }

    function updateStarts(Record storage round, Tally memory tally) internal view returns (uint256) {
        return keptStarts(round, tally) | (tally.sets & FREED == 0 ? 0 : round.freedSet);
    }

    /// @notice The epochs of the leases whose first epochs are set in `starts`.
    function epochsOf(
        Record storage round,
        Head memory head,
        uint256 starts
    ) internal view returns (uint256) {
        return EpochBitmap.spread(starts, head.flags & TAILED != 0 ? round.tail : 0);
    }

    /// @notice Makes `leased` all that is leased: whatever else was is free again.
    /// @dev Changes `head` in memory; the caller stores it.
    function keepOnly(
        Record storage round,
        Head memory head,
        uint256 leased,
        uint16 epochsPerRound
    ) internal {
        if (leased == 0) {
            head.next = 0;
            head.flags &= ~(HOLED | TAILED);
            return;
        }
        uint256 free = EpochBitmap.range(0, epochsPerRound) & ~leased;
        head.next = epochsPerRound;
        head.flags &= ~HOLED;
        if (free == 0) return;
        head.flags |= HOLED;
        round.holes = free;
        if (head.flags & TAILED != 0) round.tail &= leased;
    }

    function accumulated(Tally memory tally) internal pure returns (bytes24) {
        return tally.updates == 0 ? bytes24(0) : tally.accumulator;
    }
}
