// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {EnumerableSet} from "@openzeppelin/contracts/utils/structs/EnumerableSet.sol";
import {IEpochScheduler} from "./interfaces/IEpochScheduler.sol";
import {JobRecord} from "./libraries/JobRecord.sol";
import {RoundState} from "./libraries/RoundState.sol";

/// @title EpochRecords
/// @notice What the scheduler keeps, and the views of it.
/// @dev Slots are recycled, never cleared: what a slot holds from an earlier round is told by its round stamp
/// or, for the bitmaps and the accumulator of a round, by a counter that is still zero (see RoundState).
abstract contract EpochRecords is IEpochScheduler {
    using EnumerableSet for EnumerableSet.UintSet;
    using JobRecord for JobRecord.Record;
    using RoundState for Round;

    /// @dev What a node claimed last in a job.
    struct Claim {
        uint16 round;
        uint8 attempt;
        uint8 first;
    }

    uint96 internal _leaseBond;
    uint96 internal _voteBond;
    uint64 internal _jobCount;
    EnumerableSet.UintSet internal _openJobs;

    mapping(uint256 jobId => JobRecord.Record) internal _jobs;
    mapping(uint256 jobId => Round) internal _rounds;
    mapping(uint256 jobId => mapping(uint256 first => Lease)) internal _leases;
    mapping(uint256 jobId => mapping(address node => Claim)) internal _claims;
    mapping(uint256 jobId => mapping(uint256 round => Outcome)) internal _outcomes;

    /// @inheritdoc IEpochScheduler
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
            uint40 revealDeadline,
            uint64 eligible,
            uint8 quorum,
            uint32 grace,
            uint96 voteBond_
        )
    {
        JobRecord.Record storage record = _jobs[jobId];
        Round storage current = _rounds[jobId];
        phase_ = current.phase(record);
        (round_, attempt, openedAt) = (current.number, current.attempt, current.openedAt);
        (voteDeadline, revealDeadline) = (current.voteDeadline, current.revealDeadline);
        (eligible, quorum) = (current.eligible, current.quorum);
        (grace, voteBond_) = (record.grace, record.voteBond);
    }

    /// @inheritdoc IEpochScheduler
    function phase(uint256 jobId) external view returns (Phase) {
        return _rounds[jobId].phase(_jobs[jobId]);
    }

    /// @inheritdoc IEpochScheduler
    function quota(uint256 jobId, uint32 capacity) external view returns (uint256) {
        return _rounds[jobId].quota(_known(jobId).epochsPerRound, capacity);
    }

    /// @inheritdoc IEpochScheduler
    function jobCount() external view returns (uint256) {
        return _jobCount;
    }

    /// @inheritdoc IEpochScheduler
    function openJobs() external view returns (uint256[] memory) {
        return _openJobs.values();
    }

    /// @inheritdoc IEpochScheduler
    function job(uint256 jobId) external view returns (Job memory) {
        return _jobs[jobId].toJob();
    }

    /// @inheritdoc IEpochScheduler
    function round(uint256 jobId) external view returns (Round memory current) {
        Round storage stored = _rounds[jobId];
        current = stored;
        current.taken = stored.takenSet();
        current.delivered = stored.deliveredSet();
        current.updateSet = stored.updateStarts();
        current.accumulator = stored.accumulated();
    }

    /// @inheritdoc IEpochScheduler
    function lease(uint256 jobId, uint8 first) external view returns (Lease memory) {
        return _leases[jobId][first];
    }

    /// @inheritdoc IEpochScheduler
    /// @dev Where the slot of a missed lease has gone to another node, its state `Missed` is all that is left
    /// of it.
    function leaseOf(
        uint256 jobId,
        address node
    ) external view returns (bool held, uint8 first, Lease memory lease_) {
        Round storage round_ = _rounds[jobId];
        Claim storage last = _claims[jobId][node];
        (uint16 number, uint8 attempt) = (round_.number, round_.attempt);
        if (_jobs[jobId].status != JobStatus.Open || last.round != number || last.attempt != attempt) {
            return (false, 0, lease_);
        }
        first = last.first;
        lease_ = _leases[jobId][first];
        if (lease_.node != node) {
            lease_ = Lease({
                node: node,
                round: number,
                attempt: attempt,
                count: 0,
                deadline: 0,
                state: LeaseState.Missed
            });
        }
        return (true, first, lease_);
    }

    /// @inheritdoc IEpochScheduler
    function outcome(uint256 jobId, uint16 round_) external view returns (Outcome memory) {
        return _outcomes[jobId][round_];
    }

    /// @inheritdoc IEpochScheduler
    function leaseBond() external view returns (uint96) {
        return _leaseBond;
    }

    /// @inheritdoc IEpochScheduler
    function voteBond() external view returns (uint96) {
        return _voteBond;
    }

    function _requirePhase(
        uint256 jobId,
        JobRecord.Record storage record,
        Round storage round_,
        Phase expected
    ) internal view {
        Phase actual = round_.phase(record);
        if (actual != expected) revert SchedulerWrongPhase(jobId, actual, expected);
    }

    function _known(uint256 jobId) internal view returns (JobRecord.Record storage record) {
        record = _jobs[jobId];
        if (record.status == JobStatus.None) revert SchedulerUnknownJob(jobId);
    }
}
