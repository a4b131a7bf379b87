// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {EnumerableSet} from "@openzeppelin/contracts/utils/structs/EnumerableSet.sol";
import {EpochRecords} from "./EpochRecords.sol";
import {IConsortiumRegistry} from "./interfaces/IConsortiumRegistry.sol";
import {IEpochScheduler} from "./interfaces/IEpochScheduler.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {EpochBitmap} from "./libraries/EpochBitmap.sol";
import {JobRecord} from "./libraries/JobRecord.sol";
import {RoundState} from "./libraries/RoundState.sol";

/// @title EpochScheduler
/// @notice See IEpochScheduler for what is guaranteed.
/// @dev Mutators check, change state, emit, and only then call the vault, which calls no token but for `escrow`.
contract EpochScheduler is EpochRecords {
    using SafeCast for uint256;
    using EnumerableSet for EnumerableSet.UintSet;
    using JobRecord for JobRecord.Record;
    using RoundState for Round;

    uint256 private constant MAX_CID = 128;

    /// @notice The only caller of `closeRound` and `failVote`.
    address public immutable VOTE;
    IConsortiumRegistry public immutable REGISTRY;
    IStakeVault public immutable VAULT;

    error SchedulerZeroAddress();

    modifier onlyVote() {
        if (msg.sender != VOTE) revert SchedulerNotVote(msg.sender);
        _;
    }

    /// @param vote The vote contract, which may be deployed later at a predicted address.
    constructor(
        IConsortiumRegistry registry,
        IStakeVault vault,
        address vote,
        uint96 leaseBond_,
        uint96 voteBond_
    ) {
        if (address(registry) == address(0) || address(vault) == address(0) || vote == address(0)) {
            revert SchedulerZeroAddress();
        }
        REGISTRY = registry;
        VAULT = vault;
        VOTE = vote;
        _setParameters(leaseBond_, voteBond_);
    }

    // Clients

    /// @inheritdoc IEpochScheduler
    function submitJob(
        Terms calldata terms,
        Content calldata spec,
        Content calldata model
    ) external returns (uint256 jobId) {
        JobRecord.check(terms);
        _checkContent(spec, "spec");
        _checkContent(model, "model");
        uint256 voters = REGISTRY.organisationCount();
        uint256 budget = JobRecord.budget(terms, voters);
        // A free job costs its client nothing but gas: strangers could fill the list of open jobs.
        if (budget == 0 && !REGISTRY.isMember(msg.sender)) revert SchedulerNotMember(msg.sender);

        jobId = ++_jobCount;
        JobRecord.Record storage record = _jobs[jobId];
        record.open(terms, msg.sender, spec.digest, voters.toUint8(), _leaseBond, _voteBond);
        // The set cannot hold a new id already.
        _openJobs.add(jobId);
        emit JobSubmitted(jobId, msg.sender, spec.digest, spec.cid, model.digest, model.cid, budget);

        _openRound(jobId, record, _rounds[jobId], 1, model.digest);
        if (budget != 0) VAULT.escrow(jobId, msg.sender, budget);
    }

    /// @inheritdoc IEpochScheduler
    function cancelJob(uint256 jobId) external {
        JobRecord.Record storage record = _known(jobId);
        if (msg.sender != record.client) revert SchedulerNotClient(msg.sender, record.client);
        if (record.status != JobStatus.Open) revert SchedulerWrongPhase(jobId, Phase.Ended, Phase.Training);
        if (record.cancelRequested) revert SchedulerCancelled(jobId);
        record.cancelRequested = true;
        emit JobCancelRequested(jobId);
    }

    // Trainers

    /// @inheritdoc IEpochScheduler
    function claim(uint256 jobId) external returns (uint8 first, uint16 count) {
        JobRecord.Record storage record = _known(jobId);
        Round storage round_ = _rounds[jobId];
        _requirePhase(jobId, record, round_, Phase.Training);
        (address account, uint32 capacity, bool mayTrain) = REGISTRY.trainer(msg.sender);
        if (!mayTrain) revert SchedulerNotTrainer(msg.sender);
        uint40 deadline = _leaseDeadline(record, round_);
        uint16 number = round_.number;
        uint8 attempt = round_.attempt;

        Claim storage last = _claims[jobId][msg.sender];
        uint64 claimed = round_.claimedCapacity;
        uint256 taken = claimed == 0 ? 0 : round_.taken;
        if (last.round != number) round_.claimedCapacity = claimed + capacity;
        else if (last.attempt == attempt) _checkClaimAgain(jobId, record, round_, last.first);

        (uint256 start, uint256 length) = EpochBitmap.lowestFreeRun(
            taken,
            record.epochsPerRound,
            round_.quota(record.epochsPerRound, capacity)
        );
        if (length == 0) revert SchedulerNoEpochsLeft(jobId, number);
        // Both fit: start < 256 and length <= 256.
        first = uint8(start);
        count = uint16(length);

        round_.taken = taken | EpochBitmap.range(start, length);
        (last.round, last.attempt, last.first) = (number, attempt, first);
        Lease memory old = _leases[jobId][start];
        _leases[jobId][start] = Lease({
            node: msg.sender,
            round: number,
            attempt: attempt,
            count: count,
            deadline: deadline,
            state: LeaseState.Live
        });
        emit EpochsLeased(jobId, number, msg.sender, attempt, first, count, deadline);

        uint256 bond = record.leaseBond;
        _payOut(jobId, record, first, old, bond);
        if (bond != 0) VAULT.lock(account, bond);
    }

    /// @inheritdoc IEpochScheduler
    /// @dev Reads nothing of the job: a live lease of the last attempt whose deadline has not passed implies
    /// that the job is open and training, since no lease outlasts training, and voting opens early, and a job
    /// ends early, only when no lease is live.
    function submitUpdate(uint256 jobId, bytes32 digest, uint64 samples, string calldata cid) external {
        if (digest == 0) revert SchedulerBadUpdate("digest");
        if (samples == 0) revert SchedulerBadUpdate("samples");
        if (bytes(cid).length == 0 || bytes(cid).length > MAX_CID) revert SchedulerBadUpdate("cid");

        Round storage round_ = _rounds[jobId];
        (uint16 number, uint8 attempt) = (round_.number, round_.attempt);
        (uint8 first, uint16 count) = _deliver(jobId, number, attempt);

        (uint16 deliveredEpochs, uint16 updates) = (round_.deliveredEpochs, round_.updates);
        uint256 range = EpochBitmap.range(first, count);
        bytes32 previous;
        if (updates == 0) {
            round_.delivered = range;
            round_.updateSet = EpochBitmap.range(first, 1);
        } else {
            previous = round_.accumulator;
            round_.delivered |= range;
            round_.updateSet |= EpochBitmap.range(first, 1);
        }
        round_.accumulator = keccak256(abi.encode(previous, msg.sender, first, count, samples, digest));
        unchecked {
            // Ranges are disjoint: neither can exceed the 256 epochs of a round.
            round_.deliveredEpochs = deliveredEpochs + count;
            round_.updates = updates + 1;
        }
        emit UpdateSubmitted(jobId, number, msg.sender, first, count, samples, digest, cid);
    }

    // Anyone

    /// @inheritdoc IEpochScheduler
    function expire(uint256 jobId, uint8 first) external {
        Round storage round_ = _rounds[jobId];
        Lease storage lease_ = _leases[jobId][first];
        Lease memory overdue = lease_;
        if (
            overdue.state != LeaseState.Live ||
            overdue.round != round_.number ||
            overdue.attempt != round_.attempt
        ) revert SchedulerNoLease(overdue.node);
        if (block.timestamp < overdue.deadline) revert SchedulerLeaseNotOverdue(first, overdue.deadline);

        lease_.state = LeaseState.Missed;
        round_.taken &= ~EpochBitmap.range(first, overdue.count);
        _payOut(jobId, _jobs[jobId], first, overdue, _jobs[jobId].leaseBond);
    }

    /// @inheritdoc IEpochScheduler
    function reopen(uint256 jobId) external {
        JobRecord.Record storage record = _known(jobId);
        Round storage round_ = _rounds[jobId];
        _requirePhase(jobId, record, round_, Phase.Stalled);
        // An attempt that reached voting is the vote contract's to close, with what that costs its voters.
        if (round_.mayVote(record)) revert SchedulerWrongPhase(jobId, Phase.Stalled, Phase.Training);
        _failAttempt(jobId, record, round_, false);
    }

    /// @inheritdoc IEpochScheduler
    function settle(uint256 jobId, uint256 leases) external {
        JobRecord.Record storage record = _known(jobId);
        Round storage round_ = _rounds[jobId];
        bool open = record.status == JobStatus.Open;
        (uint16 number, uint8 attempt, uint256 bond) = (round_.number, round_.attempt, record.leaseBond);
        for (; leases != 0; leases &= leases - 1) {
            // Fits: the index of a bit.
            uint8 first = uint8(EpochBitmap.lowest(leases));
            Lease memory owing = _leases[jobId][first];
            bool sameRound = open && owing.round == number;
            if (owing.state == LeaseState.Delivered && !sameRound) {
                _leases[jobId][first].state = LeaseState.Settled;
            } else if (owing.state == LeaseState.Live && !(sameRound && owing.attempt == attempt)) {
                _leases[jobId][first].state = LeaseState.Missed;
            } else {
                continue;
            }
            _payOut(jobId, record, first, owing, bond);
        }
    }

    // The vote contract

    /// @inheritdoc IEpochScheduler
    function closeRound(
        uint256 jobId,
        bytes32 modelDigest,
        uint256 accepted,
        uint256 invalid,
        uint32 score,
        uint256 matching
    ) external onlyVote returns (uint256 votePayment) {
        JobRecord.Record storage record = _jobs[jobId];
        Round storage round_ = _rounds[jobId];
        uint256 owed;
        {
            uint256 updateSet = round_.updateStarts();
            if (modelDigest == 0 || (accepted | invalid) & ~updateSet != 0 || accepted & invalid != 0) {
                revert SchedulerBadResult(accepted, invalid, updateSet);
            }
            uint256 paidEpochs = EpochBitmap.popcount(
                EpochBitmap.flood(accepted, round_.deliveredSet(), updateSet)
            );
            votePayment = Math.min(record.votePrice, (uint256(record.voters) * record.votePrice) / matching);
            owed = paidEpochs * record.epochPrice + matching * votePayment;
            _recordOutcome(jobId, round_, modelDigest, updateSet & ~accepted, invalid, score);
        }
        uint16 number = round_.number;
        emit RoundClosed(
            jobId,
            number,
            round_.attempt,
            modelDigest,
            accepted,
            invalid,
            score,
            votePayment,
            round_.accumulated()
        );

        if (owed != 0) VAULT.owe(jobId, owed);
        if (number == record.rounds) _endJob(jobId, record, JobStatus.Completed);
        else if (record.cancelRequested) _endJob(jobId, record, JobStatus.Cancelled);
        else _openRound(jobId, record, round_, number + 1, modelDigest);
    }

    /// @inheritdoc IEpochScheduler
    function failVote(uint256 jobId) external onlyVote {
        JobRecord.Record storage record = _jobs[jobId];
        Round storage round_ = _rounds[jobId];
        if (!round_.mayVote(record)) {
            revert SchedulerWrongPhase(jobId, round_.phase(record), Phase.Voting);
        }
        _failAttempt(jobId, record, round_, true);
    }

    // Governance

    /// @inheritdoc IEpochScheduler
    function setParameters(uint96 leaseBond_, uint96 voteBond_) external {
        if (msg.sender != REGISTRY.governance()) revert SchedulerNotGovernance(msg.sender);
        _setParameters(leaseBond_, voteBond_);
    }

    // Internal: rounds

    function _openRound(
        uint256 jobId,
        JobRecord.Record storage record,
        Round storage round_,
        uint16 number,
        bytes32 modelDigest
    ) private {
        uint256 capacity = round_.claimedCapacity;
        if (capacity == 0) capacity = REGISTRY.trainingCapacity();
        // At least 1, so that it can be divided by where no trainer is registered yet.
        round_.quotaCapacity = Math.max(capacity, 1).toUint64();
        round_.claimedCapacity = 0;
        round_.number = number;
        round_.deliveredEpochs = 0;
        round_.updates = 0;
        round_.modelDigest = modelDigest;
        _openAttempt(jobId, record, round_, 1, false);
    }

    /// @dev An attempt that repeats only the vote has its training deadline at its opening. Where too few may
    /// vote it gets the deadlines of any attempt instead: attempts must not be used up faster than validators
    /// can come back.
    function _openAttempt(
        uint256 jobId,
        JobRecord.Record storage record,
        Round storage round_,
        uint8 attempt,
        bool voteOnly
    ) private {
        uint64 eligible = REGISTRY.votingSeats();
        uint256 seats = EpochBitmap.popcount(eligible);
        uint40 now_ = block.timestamp.toUint40();
        uint40 trainingDeadline =
            voteOnly && seats >= record.minValidators ? now_ : now_ + record.trainingWindow;
        uint40 voteDeadline = trainingDeadline + record.voteWindow;
        uint40 revealDeadline = voteDeadline + record.revealWindow;
        // Fits: at most 43 of 64 seats.
        uint8 quorum = uint8((2 * seats) / 3 + 1);

        round_.attempt = attempt;
        round_.openedAt = now_;
        round_.trainingDeadline = trainingDeadline;
        round_.voteDeadline = voteDeadline;
        round_.revealDeadline = revealDeadline;
        round_.eligible = eligible;
        round_.quorum = quorum;
        emit RoundOpened(
            jobId,
            round_.number,
            attempt,
            trainingDeadline,
            voteDeadline,
            revealDeadline,
            eligible,
            quorum,
            round_.modelDigest
        );
    }

    function _failAttempt(
        uint256 jobId,
        JobRecord.Record storage record,
        Round storage round_,
        bool voting
    ) private {
        (uint16 number, uint8 attempt) = (round_.number, round_.attempt);
        emit AttemptFailed(jobId, number, attempt, voting);
        if (record.cancelRequested || attempt == record.maxAttempts) {
            _recordOutcome(jobId, round_, 0, round_.updateStarts(), 0, 0);
            _endJob(jobId, record, record.cancelRequested ? JobStatus.Cancelled : JobStatus.Failed);
            return;
        }
        // Live leases of the failed attempt are missed: their ranges return here, their bonds are taken at
        // settlement.
        if (round_.claimedCapacity != 0) round_.taken = round_.deliveredSet();
        _openAttempt(jobId, record, round_, attempt + 1, voting);
    }

    /// @param unpaid For a failed round all updates, so that settlement needs to look at nothing else.
    function _recordOutcome(
        uint256 jobId,
        Round storage round_,
        bytes32 modelDigest,
        uint256 unpaid,
        uint256 invalid,
        uint32 score
    ) private {
        _outcomes[jobId][round_.number] = Outcome({
            modelDigest: modelDigest,
            unpaid: unpaid,
            invalid: invalid,
            closedAt: block.timestamp.toUint40(),
            score: score,
            attempt: round_.attempt
        });
    }

    function _endJob(uint256 jobId, JobRecord.Record storage record, JobStatus status) private {
        record.status = status;
        // The set holds every open job.
        _openJobs.remove(jobId);
        uint256 refund = VAULT.refund(jobId, record.client);
        emit JobEnded(jobId, status, refund);
    }

    // Internal: leases

    /// @dev Marks the caller's live lease of the open attempt as delivered.
    function _deliver(
        uint256 jobId,
        uint16 number,
        uint8 attempt
    ) private returns (uint8 first, uint16 count) {
        Claim storage last = _claims[jobId][msg.sender];
        first = last.first;
        Lease storage lease_ = _leases[jobId][first];
        if (number == 0 || last.round != number || last.attempt != attempt || lease_.node != msg.sender) {
            revert SchedulerNoLease(msg.sender);
        }
        LeaseState state = lease_.state;
        if (state == LeaseState.Delivered || state == LeaseState.Settled) {
            revert SchedulerAlreadyDelivered(msg.sender, first);
        }
        if (block.timestamp >= lease_.deadline) revert SchedulerTooLate(block.timestamp, lease_.deadline);
        lease_.state = LeaseState.Delivered;
        count = lease_.count;
    }

    /// @dev Settles what a lease owes and is owed; the caller has made sure that it is over, and has stored
    /// its new state.
    function _payOut(
        uint256 jobId,
        JobRecord.Record storage record,
        uint8 first,
        Lease memory owing,
        uint256 bond
    ) private {
        if (owing.state == LeaseState.Live) {
            emit LeaseMissed(jobId, owing.round, owing.node, first, owing.count, bond);
            if (bond != 0) VAULT.slash(REGISTRY.accountOf(owing.node), bond);
        } else if (owing.state == LeaseState.Delivered) {
            Outcome storage result = _outcomes[jobId][owing.round];
            uint256 bit = 1 << first;
            address account = REGISTRY.accountOf(owing.node);
            if (result.invalid & bit != 0) {
                emit LeaseSettled(jobId, owing.round, owing.node, first, 0, bond);
                if (bond != 0) VAULT.slash(account, bond);
            } else {
                uint256 reward = result.unpaid & bit != 0 ? 0 : uint256(owing.count) * record.epochPrice;
                emit LeaseSettled(jobId, owing.round, owing.node, first, reward, 0);
                VAULT.release(jobId, account, bond, reward);
            }
        }
    }

    /// @dev For a node that has claimed in this attempt already.
    function _checkClaimAgain(
        uint256 jobId,
        JobRecord.Record storage record,
        Round storage round_,
        uint8 first
    ) private view {
        Lease storage lease_ = _leases[jobId][first];
        LeaseState state = lease_.node == msg.sender ? lease_.state : LeaseState.Missed;
        if (state == LeaseState.Live) revert SchedulerLeaseHeld(msg.sender, first);
        if (state != LeaseState.Delivered) revert SchedulerBarred(msg.sender, round_.number);
        uint256 again = uint256(round_.openedAt) + record.claimWindow;
        if (block.timestamp < again) revert SchedulerAlreadyClaimed(msg.sender, round_.number, again);
    }

    function _leaseDeadline(
        JobRecord.Record storage record,
        Round storage round_
    ) private view returns (uint40) {
        uint256 trainingDeadline = round_.trainingDeadline;
        if (block.timestamp + record.minLeaseTime > trainingDeadline) {
            revert SchedulerTooLate(block.timestamp, trainingDeadline - record.minLeaseTime);
        }
        return Math.min(block.timestamp + record.leaseTime, trainingDeadline).toUint40();
    }

    // Internal: terms

    function _setParameters(uint96 leaseBond_, uint96 voteBond_) private {
        _leaseBond = leaseBond_;
        _voteBond = voteBond_;
        emit ParametersSet(leaseBond_, voteBond_);
    }

    function _checkContent(Content calldata content, string memory what) private pure {
        if (content.digest == 0) revert SchedulerBadContent(string.concat(what, ".digest"));
        uint256 length = bytes(content.cid).length;
        if (length == 0 || length > MAX_CID) revert SchedulerBadContent(string.concat(what, ".cid"));
    }
}
