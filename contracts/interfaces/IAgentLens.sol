// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAggregationVote} from "./IAggregationVote.sol";
import {IConsortiumRegistry} from "./IConsortiumRegistry.sol";
import {IEpochScheduler} from "./IEpochScheduler.sol";
import {IStakeVault} from "./IStakeVault.sol";

/// @title All that an agent needs to decide, in one call pinned to one block. Holds no state and has no power.
interface IAgentLens {
    struct JobView {
        uint256 jobId;
        IEpochScheduler.Phase phase;
        IEpochScheduler.Job job;
        IEpochScheduler.Round round;
        bool leaseHeld;
        uint8 leaseFirst;
        IEpochScheduler.Lease lease;
        uint256 quota;
        IAggregationVote.Attempt attempt;
        uint256 revealableFrom;
        bool voted;
        /// Live leases of the open attempt that are overdue, by first epoch.
        uint256 overdue;
    }

    struct AgentView {
        uint256 blockNumber;
        uint256 timestamp;
        IConsortiumRegistry.Node node;
        IConsortiumRegistry.Organisation organisation;
        bool active;
        IStakeVault.Account account;
        JobView[] jobs;
    }

    /// @param node The agent's node; the zero address for a view of the open jobs alone.
    /// @param from Open jobs to pass over, in the order of `openJobs`.
    /// @param limit The most jobs to show: a call that showed all could be made too dear by whoever submits many.
    function viewFor(address node, uint256 from, uint256 limit) external view returns (AgentView memory);

    function jobView(uint256 jobId, address node) external view returns (JobView memory);
}
