// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochTypes} from "../interfaces/IEpochTypes.sol";
import {ConsortiumFixture} from "./ConsortiumFixture.t.sol";

/// @title What the tests' own book of a consortium holds, and what follows from it.
abstract contract ConsortiumState is ConsortiumFixture {
    struct Machine {
        address node;
        uint256 key;
        uint256 party;
        uint8 roles;
        bool active;
    }

    struct Membership {
        uint40 since;
        uint40 until;
    }

    /// @dev A lease of the round that is live or delivered.
    struct Holding {
        address node;
        address account;
        uint8 first;
        uint16 count;
        uint8 attempt;
        uint40 deadline;
        bool delivered;
        bool kept;
    }

    /// @dev A vote of the open attempt.
    struct Cast {
        address account;
        bytes16 candidate;
        bytes16 seal;
        uint32 score;
    }

    struct JobBook {
        IEpochTypes.JobStatus status;
        bool cancelRequested;
        bool awaited;
        bool paused;
        uint8 attempt;
        uint8 maxAttempts;
        uint8 voters;
        uint8 minValidators;
        uint8 quorum;
        uint16 round;
        uint16 rounds;
        uint16 epochs;
        uint16 minUpdates;
        uint16 maxEpochs;
        uint40 trainingDeadline;
        uint40 quorumAt;
        uint64 eligible;
        uint40 openedAt;
        bytes16 leading;
        uint96 leaseBond;
        uint96 voteBond;
        uint96 epochPrice;
        uint96 votePrice;
        uint256 escrow;
        uint256 departures;
        bytes24 accumulator;
        bytes32 model;
    }

    /// @dev Base units of the token. @param earned In all, paid or not; of the treasury, what others lost.
    /// @param collected Of it, withdrawn. @param lost In all, taken or not.
    struct Money {
        uint256 staked;
        uint256 unstaked;
        uint256 earned;
        uint256 collected;
        uint256 lost;
    }

    struct Deeds {
        uint256 expired;
        uint256 accepted;
        uint256 outliers;
        uint256 invalid;
    }

    struct Votes {
        uint256 cast;
        uint256 matched;
        uint256 penalised;
        uint256 far;
    }

    /// @param departures As the registry counts them: members that left, and machines of members that ceased to work.
    /// @param parameters Of jobs that are submitted from now on.
    struct Rules {
        bool paused;
        uint256 departures;
        IEpochTypes.Parameters parameters;
    }

    enum Happened {
        RoundFinal,
        PaymentReduced,
        LeaseCarried,
        FurtherLease,
        LeaseMissed,
        LeaseExpired,
        UpdateInvalid,
        UpdateOutlier,
        TrainerWaited,
        RemovedDelivered,
        RemovedVoted,
        BatchCounted,
        SealFalse,
        ResultWithheld,
        RevealFailed,
        VoteFailed,
        TrainingFailed,
        AttemptPaused,
        JobCompleted,
        JobFailed,
        JobCancelled
    }

    /// @notice The first thing that must not have happened, in words; empty if nothing did.
    string public violation;
    /// @notice How often each came about, so that a campaign that reaches nothing is noticed.
    mapping(Happened => uint256) public happened;

    Machine[] internal machines;
    mapping(uint256 party => Membership) internal memberships;
    mapping(address account => Money) internal money;
    mapping(address node => Deeds) internal deeds;
    mapping(address account => Votes) internal votes;
    mapping(uint256 job => JobBook) internal books;
    mapping(uint256 job => Holding[]) internal holdings;
    mapping(uint256 job => Cast[]) internal casts;
    mapping(uint256 job => mapping(uint256 round => IEpochTypes.Outcome)) internal outcomes;
    mapping(bytes32 attemptAndNode => bool) internal barred;
    /// @dev Whose last lease in a job went well, and whose last vote there was not false: the next one writes over the
    /// same records and settles nothing.
    mapping(uint256 job => mapping(address node => bool)) internal steadyTrainer;
    mapping(bytes32 jobAndMember => bool) internal steadyVoter;
    Rules internal rules;

    // Violations

    /// @dev Not a revert, which would undo the call and with it the violation.
    function _expect(bool holds, string memory what) internal {
        if (!holds && bytes(violation).length == 0) violation = what;
    }

    /// @dev A refusal with a reason is no violation, a panic is: the sums of the contracts did not add up.
    function _refused(bytes memory reason) internal {
        bytes4 selector = bytes4(reason);
        _expect(selector != bytes4(keccak256("Panic(uint256)")), "a call panics");
        _expect(
            selector != bytes4(keccak256("SafeCastOverflowedUintDowncast(uint8,uint256)")),
            "a number does not fit"
        );
        _expect(reason.length > 3, "a call is refused without a reason");
    }

    // Leases and votes

    /// @dev Whether a node holds a live lease, and where it is.
    function _live(uint256 job, address node) internal view returns (bool found, uint256 spot) {
        for (; spot < holdings[job].length; ++spot) {
            if (holdings[job][spot].node == node && !holdings[job][spot].delivered) return (true, spot);
        }
    }

    /// @dev But for the phase, and for whether its seat was eligible when the attempt opened.
    function _mayVote(uint256 job, uint256 index) internal view returns (bool) {
        Machine storage machine = machines[index];
        Membership storage member = memberships[machine.party];
        if (!machine.active || machine.roles & VALIDATOR == 0) return false;
        if (member.since > books[job].openedAt) return false;
        if (member.until != 0 && member.until < books[job].openedAt) return false;
        return !_voted(job, parties[machine.party].account);
    }

    function _voted(uint256 job, address account) internal view returns (bool) {
        for (uint256 i = 0; i < casts[job].length; ++i) {
            if (casts[job][i].account == account) return true;
        }
        return false;
    }

    /// @dev Whose seals prove that they know the result.
    function _matching(
        uint256 job,
        bytes32 result
    ) internal view returns (bool[] memory matching, uint256 count) {
        JobBook storage book = books[job];
        matching = new bool[](casts[job].length);
        for (uint256 i = 0; i < matching.length; ++i) {
            Cast storage cast = casts[job][i];
            if (cast.seal != vote.sealOf(job, book.round, book.attempt, result, cast.account)) continue;
            matching[i] = true;
            ++count;
        }
    }

    /// @dev Live or delivered epochs, delivered ones, first epochs of updates, and of those, whose lease is kept.
    function _sets(
        uint256 job
    ) internal view returns (uint256 taken, uint256 delivered, uint256 starts, uint256 kept) {
        for (uint256 i = 0; i < holdings[job].length; ++i) {
            Holding storage held = holdings[job][i];
            uint256 range = _range(held.first, held.count);
            taken |= range;
            if (!held.delivered) continue;
            delivered |= range;
            starts |= 1 << held.first;
            if (held.kept) kept |= 1 << held.first;
        }
    }

    function _taken(uint256 job) internal view returns (uint256 taken) {
        (taken, , , ) = _sets(job);
    }

    // Jobs, members and keys

    function _open(uint256 job) internal view returns (bool) {
        return books[job].status == IEpochTypes.JobStatus.Open;
    }

    function _isMember(uint256 party) internal view returns (bool) {
        return memberships[party].since != 0 && memberships[party].until == 0;
    }

    function _mayTrain(address node) internal view returns (bool) {
        for (uint256 i = 0; i < machines.length; ++i) {
            Machine storage machine = machines[i];
            if (machine.node != node) continue;
            return machine.active && machine.roles & TRAINER != 0 && _isMember(machine.party);
        }
        return false;
    }

    function _partyOf(address account) internal view returns (uint256 party) {
        while (parties[party].account != account) ++party;
    }

    function _attemptKey(uint256 job, address node) internal view returns (bytes32) {
        return keccak256(abi.encode(job, books[job].round, books[job].attempt, node));
    }

    /// @dev Who is admitted again is another voter.
    function _voterKey(uint256 job, address account) internal view returns (bytes32) {
        return keccak256(abi.encode(job, account, memberships[_partyOf(account)].since));
    }

    function _range(uint256 first, uint256 count) internal pure returns (uint256) {
        return ((1 << count) - 1) << first;
    }

    function _bits(uint256 bitmap) internal pure returns (uint256 count) {
        for (; bitmap != 0; bitmap &= bitmap - 1) ++count;
    }
}
