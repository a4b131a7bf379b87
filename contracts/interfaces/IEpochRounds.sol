// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochTypes} from "./IEpochTypes.sol";

/// @title What a round of training needs of the scheduler.
interface IEpochRounds is IEpochTypes {
    /// @notice Leases to the calling node one contiguous range of at most its quota of epochs, locking the bond of its
    /// organisation. The range is the lowest free one.
    function claim(uint256 jobId) external returns (uint8 first, uint16 count);

    /// @notice Records the calling node's update for the lease it holds. `samples` is a weight, at least 1.
    /// @param keep Reserves the same epochs for the node in the next round: the lease begins when that round opens, with
    /// the bond that is locked already. Void if that round never opens, if the update is invalid, if a trainer waits or if
    /// any node or organisation left the consortium in between. A further lease in a round is never kept.
    function submitUpdate(
        uint256 jobId,
        bytes32 digest,
        uint64 samples,
        bool keep,
        string calldata cid
    ) external;

    /// @notice Anyone: after a training phase that failed, opens the next attempt or fails the job.
    function reopen(uint256 jobId) external;

    /// @notice AggregationVote only: makes the round final and opens the next, or ends the job.
    /// @param matching Number of matching seals.
    /// @return votePayment What each matching vote is paid.
    function closeRound(
        uint256 jobId,
        bytes32 modelDigest,
        uint256 accepted,
        uint256 invalid,
        uint32 score,
        uint256 matching
    ) external returns (uint256 votePayment);

    /// @notice AggregationVote only: a vote failed; opens the next attempt with the same updates, or fails the job.
    function failVote(uint256 jobId) external;

    /// @notice What the vote contract needs of an attempt, in one call.
    function ballotBox(
        uint256 jobId
    )
        external
        view
        returns (
            Phase phase_,
            uint16 round_,
            uint8 attempt,
            uint40 openedAt,
            uint40 voteDeadline,
            uint64 eligible,
            uint8 quorum,
            uint32 grace
        );

    /// @notice What a vote locks and earns at most, base units.
    function voteTerms(uint256 jobId) external view returns (uint96 voteBond, uint96 votePrice);
}
