// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochTypes} from "../interfaces/IEpochTypes.sol";

/// @dev What claims, updates and votes need to know of a job, in one word; windows are seconds.
type Schedule is uint256;

using {
    ScheduleFields.status,
    ScheduleFields.minValidators,
    ScheduleFields.maxAttempts,
    ScheduleFields.rounds,
    ScheduleFields.epochsPerRound,
    ScheduleFields.minUpdates,
    ScheduleFields.maxEpochs,
    ScheduleFields.claimWindow,
    ScheduleFields.leaseTime,
    ScheduleFields.minLeaseTime,
    ScheduleFields.trainingWindow,
    ScheduleFields.voteWindow,
    ScheduleFields.revealWindow,
    ScheduleFields.grace,
    ScheduleFields.ended
} for Schedule global;

/// @title The fields of a schedule, the first one lowest.
library ScheduleFields {
    function status(Schedule schedule) internal pure returns (IEpochTypes.JobStatus) {
        return IEpochTypes.JobStatus(uint8(Schedule.unwrap(schedule)));
    }

    function minValidators(Schedule schedule) internal pure returns (uint8) {
        return uint8(Schedule.unwrap(schedule) >> 8);
    }

    function maxAttempts(Schedule schedule) internal pure returns (uint8) {
        return uint8(Schedule.unwrap(schedule) >> 16);
    }

    function rounds(Schedule schedule) internal pure returns (uint16) {
        return uint16(Schedule.unwrap(schedule) >> 24);
    }

    function epochsPerRound(Schedule schedule) internal pure returns (uint16) {
        return uint16(Schedule.unwrap(schedule) >> 40);
    }

    function minUpdates(Schedule schedule) internal pure returns (uint16) {
        return uint16(Schedule.unwrap(schedule) >> 56);
    }

    function maxEpochs(Schedule schedule) internal pure returns (uint16) {
        return uint16(Schedule.unwrap(schedule) >> 72);
    }

    function claimWindow(Schedule schedule) internal pure returns (uint24) {
        return uint24(Schedule.unwrap(schedule) >> 88);
    }

    function leaseTime(Schedule schedule) internal pure returns (uint24) {
        return uint24(Schedule.unwrap(schedule) >> 112);
    }

    function minLeaseTime(Schedule schedule) internal pure returns (uint24) {
        return uint24(Schedule.unwrap(schedule) >> 136);
    }

    function trainingWindow(Schedule schedule) internal pure returns (uint24) {
        return uint24(Schedule.unwrap(schedule) >> 160);
    }

    function voteWindow(Schedule schedule) internal pure returns (uint24) {
        return uint24(Schedule.unwrap(schedule) >> 184);
    }

    function revealWindow(Schedule schedule) internal pure returns (uint24) {
        return uint24(Schedule.unwrap(schedule) >> 208);
    }

    function grace(Schedule schedule) internal pure returns (uint24) {
        return uint24(Schedule.unwrap(schedule) >> 232);
    }

    /// @notice The same schedule of a job that has ended with `status_`.
    function ended(Schedule schedule, IEpochTypes.JobStatus status_) internal pure returns (Schedule) {
        uint256 others = Schedule.unwrap(schedule) & ~uint256(type(uint8).max);
        return Schedule.wrap(others | uint8(status_));
    }

    /// @notice The schedule of an open job. The terms have been checked: every window fits 24 bits.
    function pack(IEpochTypes.Terms calldata terms, uint16 maxEpochs_) internal pure returns (Schedule) {
        uint256 word = uint256(IEpochTypes.JobStatus.Open);
        word |= uint256(terms.minValidators) << 8;
        word |= uint256(terms.maxAttempts) << 16;
        word |= uint256(terms.rounds) << 24;
        word |= uint256(terms.epochsPerRound) << 40;
        word |= uint256(terms.minUpdates) << 56;
        word |= uint256(maxEpochs_) << 72;
        word |= uint256(terms.claimWindow) << 88;
        word |= uint256(terms.leaseTime) << 112;
        word |= uint256(terms.minLeaseTime) << 136;
        word |= uint256(terms.trainingWindow) << 160;
        word |= uint256(terms.voteWindow) << 184;
        word |= uint256(terms.revealWindow) << 208;
        word |= uint256(terms.grace) << 232;
        return Schedule.wrap(word);
    }
}

/// @title How a job is kept: packed by who reads it. Claims, updates and votes read the schedule alone.
library JobRecord {
    /// @dev Two slots. `departures` is the registry's counter when the round opened.
    struct Stakes {
        uint96 leaseBond;
        uint96 voteBond;
        uint40 departures;
        uint8 voters;
        bool cancelRequested;
        // Second slot
        uint96 epochPrice;
        uint96 votePrice;
        uint64 maxUpdateBytes;
    }

    struct Record {
        Schedule schedule;
        Stakes stakes;
        address client;
        bytes32 specDigest;
        bytes32 ruleset;
    }

    uint256 private constant MAX_EPOCHS = 256;
    uint256 private constant MAX_VALIDATORS = 64;
    uint256 private constant MAX_ATTEMPTS = 16;
    uint256 private constant ALL = 10_000;
    /// @dev Bonds are locked until a round is over: no client may keep those of others for years.
    uint256 private constant MAX_WINDOW = 30 days;

    /// @notice Reverts with the name of the first term that is out of its bounds; see IEpochTypes.Terms.
    function check(IEpochTypes.Terms calldata terms) internal pure {
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
        _require(terms.claimWindow <= MAX_WINDOW, "claimWindow");
        _require(terms.voteWindow != 0 && terms.voteWindow <= MAX_WINDOW, "voteWindow");
        _require(terms.revealWindow != 0 && terms.revealWindow <= MAX_WINDOW, "revealWindow");
        _require(terms.grace <= MAX_WINDOW, "grace");
        _require(terms.maxUpdateBytes != 0, "maxUpdateBytes");
        _require(terms.ruleset != 0, "ruleset");
    }

    /// @notice The most that a job can cost: every epoch accepted and the whole vote budget of every round
    /// spent.
    function budget(IEpochTypes.Terms calldata terms, uint256 voters) internal pure returns (uint256) {
        uint256 perRound = uint256(terms.epochsPerRound) * terms.epochPrice + voters * terms.votePrice;
        return terms.rounds * perRound;
    }

    /// @notice Epochs of a round that one organisation may hold where its share is limited to `share`
    /// ten-thousandths; at least 1.
    function maxEpochs(uint16 epochsPerRound, uint16 share) internal pure returns (uint16) {
        uint256 epochs = (uint256(epochsPerRound) * share) / ALL;
        // Fits: no more than epochsPerRound.
        return epochs == 0 ? 1 : uint16(epochs);
    }

    function open(
        Record storage record,
        IEpochTypes.Terms calldata terms,
        address client,
        bytes32 specDigest,
        uint8 voters,
        IEpochTypes.Parameters memory parameters
    ) internal {
        record.schedule = ScheduleFields.pack(terms, maxEpochs(terms.epochsPerRound, parameters.maxShare));
        record.stakes = Stakes({
            leaseBond: parameters.leaseBond,
            voteBond: parameters.voteBond,
            departures: 0,
            voters: voters,
            cancelRequested: false,
            epochPrice: terms.epochPrice,
            votePrice: terms.votePrice,
            maxUpdateBytes: terms.maxUpdateBytes
        });
        record.client = client;
        record.specDigest = specDigest;
        record.ruleset = terms.ruleset;
    }

    function toJob(Record storage record) internal view returns (IEpochTypes.Job memory job) {
        Schedule schedule = record.schedule;
        Stakes memory stakes = record.stakes;
        job.client = record.client;
        job.status = schedule.status();
        job.cancelRequested = stakes.cancelRequested;
        job.voters = stakes.voters;
        job.leaseBond = stakes.leaseBond;
        job.voteBond = stakes.voteBond;
        job.maxEpochs = schedule.maxEpochs();
        job.specDigest = record.specDigest;
        job.terms = IEpochTypes.Terms({
            rounds: schedule.rounds(),
            epochsPerRound: schedule.epochsPerRound(),
            minUpdates: schedule.minUpdates(),
            minValidators: schedule.minValidators(),
            maxAttempts: schedule.maxAttempts(),
            claimWindow: schedule.claimWindow(),
            leaseTime: schedule.leaseTime(),
            minLeaseTime: schedule.minLeaseTime(),
            trainingWindow: schedule.trainingWindow(),
            voteWindow: schedule.voteWindow(),
            revealWindow: schedule.revealWindow(),
            grace: schedule.grace(),
            epochPrice: stakes.epochPrice,
            votePrice: stakes.votePrice,
            maxUpdateBytes: stakes.maxUpdateBytes,
            ruleset: record.ruleset
        });
    }

    function _require(bool holds, string memory field) private pure {
        if (!holds) revert IEpochTypes.SchedulerBadTerms(field);
    }
}
