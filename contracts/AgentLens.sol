// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IAgentLens} from "./interfaces/IAgentLens.sol";
import {IAggregationVote} from "./interfaces/IAggregationVote.sol";
import {IConsortiumRegistry} from "./interfaces/IConsortiumRegistry.sol";
import {IEpochScheduler} from "./interfaces/IEpochScheduler.sol";
import {IEpochTypes} from "./interfaces/IEpochTypes.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";

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
        result.record = SCHEDULER.nodeRecord(node);
        result.votes = VOTE.voteRecord(account);
        result.account = VAULT.account(account);
        result.paused = SCHEDULER.paused();
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
        if (result.job.status == IEpochTypes.JobStatus.None) return result;
        result.round = SCHEDULER.round(jobId);
        (result.leaseHeld, result.share, result.lease) = SCHEDULER.leaseOf(jobId, node);
        result.quota = SCHEDULER.quota(jobId, node);
        result.revealableFrom = VOTE.revealableFrom(jobId);
        result.overdue = _overdue(result);

        (address holder, IAggregationVote.Ballot memory ballot) = VOTE.ballot(jobId, seat);
        if (holder == record.account) result.ballot = ballot;
        IAggregationVote.Attempt memory attempt = VOTE.attempt(jobId);
        if (attempt.round == result.round.number && attempt.attempt == result.round.attempt) {
            result.attempt = attempt;
            result.voted = (attempt.voted >> seat) & 1 != 0 && holder == record.account;
        }
    }

    /// @dev Looks at every node there is, but only when a lease can be overdue at all: none is before the
    /// first that could have been claimed ends.
    function _overdue(JobView memory job) private view returns (address[] memory overdue) {
        IEpochTypes.Round memory round = job.round;
        uint256 earliest = Math.min(
            uint256(round.openedAt) + job.job.terms.leaseTime,
            round.trainingDeadline
        );
        if (job.phase != IEpochTypes.Phase.Training || round.taken == round.delivered) return overdue;
        if (block.timestamp < earliest) return overdue;
        address[] memory nodes = REGISTRY.nodes(0, REGISTRY.nodeCount());
        uint256 count;
        for (uint256 i = 0; i < nodes.length; ++i) {
            (bool held, , IEpochTypes.Lease memory lease) = SCHEDULER.leaseOf(job.jobId, nodes[i]);
            bool live = held && lease.state == IEpochTypes.LeaseState.Live;
            if (!live || block.timestamp < lease.deadline) continue;
            nodes[count] = nodes[i];
            ++count;
        }
        overdue = new address[](count);
        for (uint256 i = 0; i < count; ++i) overdue[i] = nodes[i];
    }
}
