// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IAgentLens} from "./interfaces/IAgentLens.sol";
import {IAggregationVote} from "./interfaces/IAggregationVote.sol";
import {IConsortiumRegistry} from "./interfaces/IConsortiumRegistry.sol";
import {IEpochScheduler} from "./interfaces/IEpochScheduler.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {EpochBitmap} from "./libraries/EpochBitmap.sol";

/// @title AgentLens
/// @notice See IAgentLens. For calls from off the chain only: what it costs grows with the number of jobs shown.
contract AgentLens is IAgentLens {
    IConsortiumRegistry public immutable REGISTRY;
    IStakeVault public immutable VAULT;
    IEpochScheduler public immutable SCHEDULER;
    IAggregationVote public immutable VOTE;

    constructor(
        IConsortiumRegistry registry,
        IStakeVault vault,
        IEpochScheduler scheduler,
        IAggregationVote vote
    ) {
        REGISTRY = registry;
        VAULT = vault;
        SCHEDULER = scheduler;
        VOTE = vote;
    }

    /// @inheritdoc IAgentLens
    function viewFor(
        address node,
        uint256 from,
        uint256 limit
    ) external view returns (AgentView memory result) {
        result.blockNumber = block.number;
        result.timestamp = block.timestamp;
        result.node = REGISTRY.node(node);
        address account = result.node.account;
        result.organisation = REGISTRY.organisation(account);
        result.active = REGISTRY.isActive(node);
        result.account = VAULT.account(account);
        uint256[] memory jobs = SCHEDULER.openJobs();
        if (from >= jobs.length) return result;
        result.jobs = new JobView[](Math.min(limit, jobs.length - from));
        for (uint256 i = 0; i < result.jobs.length; ++i) {
            result.jobs[i] = _jobView(jobs[from + i], node, result.node, result.organisation.seat);
        }
    }

    /// @inheritdoc IAgentLens
    function jobView(uint256 jobId, address node) external view returns (JobView memory) {
        IConsortiumRegistry.Node memory record = REGISTRY.node(node);
        return _jobView(jobId, node, record, REGISTRY.organisation(record.account).seat);
    }

    /// @dev The view of an attempt without votes is empty, whatever the vote contract still has of an earlier
    /// one.
    function _jobView(
        uint256 jobId,
        address node,
        IConsortiumRegistry.Node memory record,
        uint8 seat
    ) private view returns (JobView memory result) {
        result.jobId = jobId;
        result.phase = SCHEDULER.phase(jobId);
        result.job = SCHEDULER.job(jobId);
        if (result.job.status == IEpochScheduler.JobStatus.None) return result;
        result.round = SCHEDULER.round(jobId);
        (result.leaseHeld, result.leaseFirst, result.lease) = SCHEDULER.leaseOf(jobId, node);
        if (record.capacity != 0) result.quota = SCHEDULER.quota(jobId, record.capacity);
        result.revealableFrom = VOTE.revealableFrom(jobId);
        result.overdue = _overdue(jobId, result.round);

        IAggregationVote.Attempt memory attempt = VOTE.attempt(jobId);
        if (attempt.round == result.round.number && attempt.attempt == result.round.attempt) {
            result.attempt = attempt;
            result.voted =
                (attempt.voted >> seat) & 1 != 0 &&
                VOTE.ballot(jobId, seat).account == record.account;
        }
    }

    /// @dev Live leases are what is taken and not delivered; their ranges are contiguous and disjoint, so the
    /// lowest epoch that is left is always the first of one.
    function _overdue(
        uint256 jobId,
        IEpochScheduler.Round memory round
    ) private view returns (uint256 overdue) {
        uint256 live = round.taken & ~round.delivered;
        while (live != 0) {
            uint256 first = EpochBitmap.lowest(live);
            // Fits: the index of a bit.
            IEpochScheduler.Lease memory lease = SCHEDULER.lease(jobId, uint8(first));
            if (block.timestamp >= lease.deadline) overdue |= 1 << first;
            live &= ~EpochBitmap.range(first, lease.count);
        }
    }
}
