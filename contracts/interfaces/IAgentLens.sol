// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAggregationVote} from "./IAggregationVote.sol";
import {IConsortiumRegistry} from "./IConsortiumRegistry.sol";
import {IEpochTypes} from "./IEpochTypes.sol";
import {IStakeVault} from "./IStakeVault.sol";

/// @title All that an agent needs to decide, in one call pinned to one block. Holds no state and has no power.
interface IAgentLens {
    struct JobView {
        uint256 jobId;
        IEpochTypes.Phase phase;
        IEpochTypes.Job job;
        IEpochTypes.Round round;
        /// Whether `lease` is the node's lease in the open attempt; if not, it tells what is due from earlier ones.
        bool leaseHeld;
        IEpochTypes.Lease lease;
        /// Epochs that the organisation's nodes hold, as far as their leases are settled.
        uint256 share;
        uint256 quota;
        IAggregationVote.Attempt attempt;
        uint256 revealableFrom;
        bool voted;
        /// The organisation's last ballot in the job, and what earlier ones have earned; empty if it has none.
        IAggregationVote.Ballot ballot;
        /// While the job trains: nodes whose live lease of the open attempt is overdue.
        address[] overdue;
    }

    struct AgentView {
        uint256 blockNumber;
        uint256 timestamp;
        IConsortiumRegistry.Node node;
        IConsortiumRegistry.Organisation organisation;
        bool active;
        IEpochTypes.NodeRecord record;
        IAggregationVote.VoteRecord votes;
        IStakeVault.Account account;
        bool paused;
        JobView[] jobs;
    }

    /// @param node The agent's node; the zero address for a view of the open jobs alone.
    /// @param from Open jobs to pass over, in the order of `openJobs`.
    /// @param limit The most jobs to show: a call that showed all could be made too dear by whoever submits many.
    function viewFor(address node, uint256 from, uint256 limit) external view returns (AgentView memory);

    function jobView(uint256 jobId, address node) external view returns (JobView memory);
}
