// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {EnumerableSet} from "@openzeppelin/contracts/utils/structs/EnumerableSet.sol";
import {IConsortiumRegistry} from "./interfaces/IConsortiumRegistry.sol";
import {IEpochTypes} from "./interfaces/IEpochTypes.sol";
import {EpochBitmap} from "./libraries/EpochBitmap.sol";
import {JobRecord, Schedule} from "./libraries/JobRecord.sol";
import {RoundState} from "./libraries/RoundState.sol";

/// @title EpochRecords
/// @notice What the scheduler keeps, in one layout for both parts of its code.
/// @dev Slots are recycled, never cleared: what a slot holds from an earlier round is told by its round stamp
/// or, for the bitmaps and the accumulator of a round, by a counter or a flag (see RoundState).
abstract contract EpochRecords is IEpochTypes {
    using EnumerableSet for EnumerableSet.UintSet;
    using JobRecord for JobRecord.Record;
    using RoundState for RoundState.Record;
    using RoundState for RoundState.Head;
    using RoundState for RoundState.Tally;

    /// @dev What a lease that is brought up to date has to pay for: an update that was judged invalid, which
    /// ends it, or that it was not delivered in time.
    enum Fault {
        None,
        Rejected,
        Missed
    }

    /// @dev A record as it is kept: with what is missing to full reliability, so that nothing is the best.
    struct Conduct {
        uint32 delivered;
        uint32 expired;
        uint32 accepted;
        uint32 outliers;
        uint32 invalid;
        uint16 deficit;
        bool known;
    }

    /// @dev `flags` tell which bitmaps are not empty, so that those need not be read.
    struct Result {
        bytes32 modelDigest;
        uint40 closedAt;
        uint32 score;
        uint8 attempt;
        bool carried;
        bool anyUnpaid;
        bool anyInvalid;
        uint256 unpaid;
        uint256 invalid;
    }

    uint16 internal constant FULL = 10_000;

    IConsortiumRegistry public immutable REGISTRY;

    Parameters internal _parameters;
    bool internal _paused;
    uint64 internal _jobCount;
    EnumerableSet.UintSet internal _openJobs;

    mapping(uint256 jobId => JobRecord.Record) internal _jobs;
    mapping(uint256 jobId => RoundState.Record) internal _rounds;
    mapping(uint256 jobId => mapping(uint256 holding => Lease)) internal _leases;
    mapping(uint256 jobId => mapping(address account => uint256 epochs)) internal _shares;
    mapping(uint256 jobId => mapping(uint256 round => Result)) internal _results;
    mapping(address node => Conduct) internal _conducts;
    mapping(address account => uint16) internal _deficits;

    constructor(IConsortiumRegistry registry) {
        REGISTRY = registry;
    }

    // Internal

    /// @dev Makes a stored lease what it is now: the outcome of its round counted, the lease that it was kept
    /// for begun, and missed if that is over. Changes `lease` in memory.
    /// @return fault What it has to pay for. @return number In which round. @return released Epochs that its
    /// organisation holds no more.
    function _bringUpToDate(
        uint256 jobId,
        Schedule schedule,
        RoundState.Head memory head,
        Lease memory lease
    ) internal view returns (Fault fault, uint16 number, uint256 released) {
        bool open = schedule.status() == JobStatus.Open;
        if (lease.state == LeaseState.Delivered && !(open && lease.round == head.number)) {
            bool carried;
            (carried, fault) = _count(jobId, head, open, lease);
            if (carried) {
                (lease.round, lease.attempt, lease.extra) = (lease.round + 1, 1, 0);
                lease.state = LeaseState.Live;
                lease.deadline = head.leaseDeadline(schedule, head.openedAt);
            } else {
                lease.state = LeaseState.Settled;
                (number, released) = (lease.round, lease.count);
            }
            lease.kept = false;
        }
        if (
            lease.state == LeaseState.Live &&
            !(open && lease.round == head.number && lease.attempt == head.attempt)
        ) {
            lease.state = LeaseState.Missed;
            (fault, number, released) = (Fault.Missed, lease.round, lease.count);
        }
    }

    /// @dev Counts what became of a delivered update whose round is over. @return carried Whether its lease
    /// went on into the next round.
    function _count(
        uint256 jobId,
        RoundState.Head memory head,
        bool open,
        Lease memory lease
    ) private view returns (bool carried, Fault fault) {
        if (open && head.flags & RoundState.CLEAN != 0 && lease.round + 1 == head.number) {
            lease.due += lease.count;
            ++lease.accepted;
            return (lease.kept && head.flags & RoundState.CARRIED != 0, Fault.None);
        }
        Result storage result = _results[jobId][lease.round];
        // A failed round pays nobody and says nothing of its updates.
        if (result.modelDigest == 0) return (false, Fault.None);
        uint256 bit = 1 << lease.first;
        if (result.anyInvalid && result.invalid & bit != 0) return (false, Fault.Rejected);
        if (result.anyUnpaid && result.unpaid & bit != 0) {
            ++lease.outliers;
        } else {
            lease.due += lease.count;
            ++lease.accepted;
        }
        return (lease.kept && result.carried, Fault.None);
    }

    function _setParameters(Parameters memory next) internal {
        if (next.maxShare == 0 || next.maxShare > FULL) revert SchedulerBadShare(next.maxShare);
        _parameters = next;
        emit ParametersSet(next.leaseBond, next.voteBond, next.maxShare);
    }

    function _requirePhase(uint256 jobId, Phase actual, Phase expected) internal pure {
        if (actual != expected) revert SchedulerWrongPhase(jobId, actual, expected);
    }

    function _known(uint256 jobId) internal view returns (JobRecord.Record storage record) {
        record = _jobs[jobId];
        if (record.schedule.status() == JobStatus.None) revert SchedulerUnknownJob(jobId);
    }

    function _deficitOf(address node, address account) internal view returns (uint16) {
        Conduct storage conduct = _conducts[node];
        return conduct.known ? conduct.deficit : _deficits[account];
    }

    /// @dev The capacity that a node is leased by: at least 1, so that it can earn its record back.
    function _trusted(uint256 capacity, uint16 deficit) internal pure returns (uint256 trusted) {
        trusted = (capacity * (FULL - deficit)) / FULL;
        if (trusted == 0) trusted = 1;
    }

    /// @dev Fits: at most 43 of 64 seats.
    function _quorum(uint64 eligible) internal pure returns (uint8) {
        return uint8((2 * EpochBitmap.popcount(eligible)) / 3 + 1);
    }

    function _holding(address node, uint8 slot) internal pure returns (uint256) {
        return (uint256(slot) << 160) | uint160(node);
    }
}
