// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochScheduler} from "../interfaces/IEpochScheduler.sol";

/// @title How a job is kept: packed by who reads it. The first two slots are all that claims and votes need.
library JobRecord {
    struct Record {
        uint96 leaseBond;
        uint96 voteBond;
        uint32 grace;
        IEpochScheduler.JobStatus status;
        bool cancelRequested;
        uint8 voters;
        // Second slot
        uint16 rounds;
        uint16 epochsPerRound;
        uint16 minUpdates;
        uint8 minValidators;
        uint8 maxAttempts;
        uint32 claimWindow;
        uint32 leaseTime;
        uint32 minLeaseTime;
        uint32 trainingWindow;
        uint32 voteWindow;
        uint32 revealWindow;
        // Third slot
        uint96 epochPrice;
        uint96 votePrice;
        uint64 maxUpdateBytes;
        // One each
        address client;
        bytes32 specDigest;
        bytes32 ruleset;
    }

    uint256 private constant MAX_EPOCHS = 256;
    uint256 private constant MAX_VALIDATORS = 64;
    uint256 private constant MAX_ATTEMPTS = 16;
    /// @dev Bonds are locked until a round is over: no client may keep those of others for years.
    uint256 private constant MAX_WINDOW = 30 days;

    /// @notice Reverts with the name of the first term that is out of its bounds; see IEpochScheduler.Terms.
    function check(IEpochScheduler.Terms calldata terms) internal pure {
        _require(terms.rounds != 0, "rounds");
        _require(terms.epochsPerRound != 0 && terms.epochsPerRound <= MAX_EPOCHS, "epochsPerRound");
        _require(terms.minUpdates != 0 && terms.minUpdates <= terms.epochsPerRound, "minUpdates");
        _require(terms.minValidators != 0 && terms.minValidators <= MAX_VALIDATORS, "minValidators");
        _require(terms.maxAttempts != 0 && terms.maxAttempts <= MAX_ATTEMPTS, "maxAttempts");
        _require(terms.minLeaseTime != 0 && terms.minLeaseTime <= terms.leaseTime, "minLeaseTime");
        _require(
            terms.trainingWindow >= terms.leaseTime && terms.trainingWindow <= MAX_WINDOW,
            "trainingWindow"
        );
        _require(terms.voteWindow != 0 && terms.voteWindow <= MAX_WINDOW, "voteWindow");
        _require(terms.revealWindow != 0 && terms.revealWindow <= MAX_WINDOW, "revealWindow");
        _require(terms.maxUpdateBytes != 0, "maxUpdateBytes");
        _require(terms.ruleset != 0, "ruleset");
    }

    /// @notice The most that a job can cost: every epoch accepted and the whole vote budget of every round
    /// spent.
    function budget(IEpochScheduler.Terms calldata terms, uint256 voters) internal pure returns (uint256) {
        uint256 perRound = uint256(terms.epochsPerRound) * terms.epochPrice + voters * terms.votePrice;
        return terms.rounds * perRound;
    }

    function open(
        Record storage record,
        IEpochScheduler.Terms calldata terms,
        address client,
        bytes32 specDigest,
        uint8 voters,
        uint96 leaseBond,
        uint96 voteBond
    ) internal {
        record.leaseBond = leaseBond;
        record.voteBond = voteBond;
        record.grace = terms.grace;
        record.status = IEpochScheduler.JobStatus.Open;
        record.voters = voters;
        record.rounds = terms.rounds;
        record.epochsPerRound = terms.epochsPerRound;
        record.minUpdates = terms.minUpdates;
        record.minValidators = terms.minValidators;
        record.maxAttempts = terms.maxAttempts;
        record.claimWindow = terms.claimWindow;
        record.leaseTime = terms.leaseTime;
        record.minLeaseTime = terms.minLeaseTime;
        record.trainingWindow = terms.trainingWindow;
        record.voteWindow = terms.voteWindow;
        record.revealWindow = terms.revealWindow;
        record.epochPrice = terms.epochPrice;
        record.votePrice = terms.votePrice;
        record.maxUpdateBytes = terms.maxUpdateBytes;
        record.client = client;
        record.specDigest = specDigest;
        record.ruleset = terms.ruleset;
    }

    function toJob(Record storage record) internal view returns (IEpochScheduler.Job memory job) {
        job.client = record.client;
        job.status = record.status;
        job.cancelRequested = record.cancelRequested;
        job.voters = record.voters;
        job.leaseBond = record.leaseBond;
        job.voteBond = record.voteBond;
        job.specDigest = record.specDigest;
        job.terms = IEpochScheduler.Terms({
            rounds: record.rounds,
            epochsPerRound: record.epochsPerRound,
            minUpdates: record.minUpdates,
            minValidators: record.minValidators,
            maxAttempts: record.maxAttempts,
            claimWindow: record.claimWindow,
            leaseTime: record.leaseTime,
            minLeaseTime: record.minLeaseTime,
            trainingWindow: record.trainingWindow,
            voteWindow: record.voteWindow,
            revealWindow: record.revealWindow,
            grace: record.grace,
            epochPrice: record.epochPrice,
            votePrice: record.votePrice,
            maxUpdateBytes: record.maxUpdateBytes,
            ruleset: record.ruleset
        });
    }

    function _require(bool holds, string memory field) private pure {
        if (!holds) revert IEpochScheduler.SchedulerBadTerms(field);
    }
}
