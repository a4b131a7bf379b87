// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochTypes} from "./IEpochTypes.sol";

/// @title Jobs, settlement, parameters and views of the scheduler.
interface IEpochBooks is IEpochTypes {
    /// @notice Submits a job and escrows rounds * (epochsPerRound * epochPrice + voters * votePrice) from the caller.
    /// Round 1 opens at once. A job that pays nothing is for members alone.
    /// @param spec What is trained and how, for the nodes; the chain keeps its digest.
    /// @param model The initial weights.
    function submitJob(
        Terms calldata terms,
        Content calldata spec,
        Content calldata model
    ) external returns (uint256 jobId);

    /// @notice The job ends after its current round, which is still paid; only the client.
    function cancelJob(uint256 jobId) external;

    /// @notice A trainer for whom nothing is left, since all leases were carried over, asks for a share: the next round is
    /// leased anew.
    function enlist(uint256 jobId) external;

    /// @notice Anyone: ends a node's overdue lease of the open attempt; its range returns and its holder's bond pays.
    function expire(uint256 jobId, address node) external;

    /// @notice Anyone: pays out what these nodes have earned in the closed rounds of a job, takes what they lost, and
    /// unlocks what is not at stake any more. Nodes that nothing is due for are passed over.
    function settle(uint256 jobId, address[] calldata nodes) external;

    /// @notice Governance only; holds for jobs submitted from now on.
    function setParameters(uint96 leaseBond, uint96 voteBond, uint16 maxShare) external;

    /// @notice Governance only. In a pause no job is submitted, and nothing is leased in attempts that open in it. What is
    /// leased may be delivered, open votes go on, everything can be settled and withdrawn. A job that a pause outlasts
    /// in all its attempts fails and is refunded.
    function setPaused(bool paused) external;

    function jobCount() external view returns (uint256);

    /// @notice The open jobs, oldest first where none has ended in between. For off-chain readers.
    function openJobs() external view returns (uint256[] memory);

    function job(uint256 jobId) external view returns (Job memory);

    function round(uint256 jobId) external view returns (Round memory);

    /// @notice What a node holds in a job as it is now, were it brought up to date. `held` says whether its last lease is
    /// one of the open attempt, `share` how many epochs its organisation's nodes hold, as far as they are up to date.
    function leaseOf(
        uint256 jobId,
        address node
    ) external view returns (bool held, uint256 share, Lease memory lease);

    /// @notice The record of a node's lease as it is stored; `slot` 0, or that of a further lease in one round.
    function storedLease(uint256 jobId, address node, uint8 slot) external view returns (Lease memory);

    function nodeRecord(address node) external view returns (NodeRecord memory);

    /// @notice Ten-thousandths: the reliability that the next new node of an organisation starts with.
    function reliabilityOf(address account) external view returns (uint16);

    /// @notice Kept for ever.
    function outcome(uint256 jobId, uint16 round_) external view returns (Outcome memory);

    function phase(uint256 jobId) external view returns (Phase);

    /// @notice Epochs that a node may claim at once, by its declared capacity, its record and its organisation's share.
    function quota(uint256 jobId, address node) external view returns (uint256);

    function parameters() external view returns (Parameters memory);

    function paused() external view returns (bool);
}
