// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title Jobs, rounds, leases of epochs, and update records.
/// @notice Guarantees:
/// 1. Per round: epochs unleased + on live leases + delivered = epochs per round.
/// 2. No epoch is paid twice; nothing is paid for an update outside the accepted set of a final round.
/// 3. One final model per round.
/// 4. From any reachable state, someone can bring the job to an end in bounded time.
/// 5. Terms, prices, bonds and ruleset of a job never change once it is submitted.
/// 6. Only an active node of a member organisation claims; after removal a held lease may still be submitted.
/// 7. Gas of `claim` and `submitUpdate` does not depend on how many nodes, leases or updates there are.
/// 8. No call by one party moves another's deadline. An act is in time iff block.timestamp < deadline.
/// @dev A lease is named by its first epoch: live and delivered ranges of a round are disjoint, so that is unique
/// among them. Bit `i` of a bitmap of updates stands for the update whose lease starts at epoch `i`.
interface IEpochScheduler {
    enum JobStatus {
        None,
        Open,
        Completed,
        Failed,
        Cancelled
    }

    /// @dev Training: leases are claimed and delivered. Voting: sealed votes are cast. Reveal: the vote deadline has
    /// passed and a tally may be revealed. Stalled: the attempt has failed; anyone may close it by `reopen` (training)
    /// or `AggregationVote.fail` (voting). Ended: the job is not open.
    enum Phase {
        None,
        Training,
        Voting,
        Reveal,
        Stalled,
        Ended
    }

    enum LeaseState {
        None,
        Live,
        Delivered,
        Settled,
        Missed
    }

    /// @param rounds 1 to 65,535.
    /// @param epochsPerRound 1 to 256.
    /// @param minUpdates Updates without which a round cannot be voted on when training ends; at least 1.
    /// @param minValidators Eligible organisations without which an attempt fails; at least 1.
    /// @param maxAttempts Attempts of one round before the job fails; 1 to 16.
    /// @param claimWindow Seconds from an attempt's opening during which a node may claim once only.
    /// @param leaseTime Seconds from a claim to the lease's deadline, which never passes the training deadline.
    /// @param minLeaseTime A claim is refused when less than this is left of training; 1 to leaseTime.
    /// @param trainingWindow Seconds from opening to the training deadline; leaseTime to 30 days.
    /// @param voteWindow Seconds from the training deadline to the vote deadline; 1 to 30 days.
    /// @param revealWindow Seconds from the vote deadline to the reveal deadline; 1 to 30 days.
    /// @param grace Seconds from a tally quorum until anyone may reveal although some have not voted.
    /// @param epochPrice Paid per accepted epoch, base units of the token.
    /// @param votePrice Paid per matching vote, base units; less if more vote than were members at submission.
    /// @param maxUpdateBytes Largest update or model that a node has to fetch, bytes.
    /// @param ruleset The version of training and aggregation rules that all validators must implement, ASCII.
    struct Terms {
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
        uint32 grace;
        uint96 epochPrice;
        uint96 votePrice;
        uint64 maxUpdateBytes;
        bytes32 ruleset;
    }

    /// @param digest SHA-256 of the content. @param cid Where IPFS finds it; 1 to 128 bytes.
    struct Content {
        bytes32 digest;
        string cid;
    }

    /// @param leaseBond Locked per lease, and lost when it is missed or the update is invalid.
    /// @param voteBond Locked per vote, and lost for a false seal or a withheld result.
    /// @param voters Organisations at submission: the vote budget of a round is voters * votePrice.
    struct Job {
        address client;
        JobStatus status;
        bool cancelRequested;
        uint8 voters;
        uint96 leaseBond;
        uint96 voteBond;
        bytes32 specDigest;
        Terms terms;
    }

    /// @notice The round that a job is in.
    /// @param number 1 to rounds. @param attempt From 1.
    /// @param openedAt When this attempt opened (chain time, seconds), as are the deadlines.
    /// @param deliveredEpochs Epochs delivered. @param updates Updates delivered.
    /// @param claimedCapacity Sum of the capacities of the nodes that claimed in this round, each once.
    /// @param quotaCapacity What a node's capacity is divided by for its quota.
    /// @param eligible Seats that may vote in this attempt. @param quorum Matching seals needed.
    /// @param taken Epochs on live leases or delivered. @param delivered Epochs delivered.
    /// @param updateSet First epochs of the delivered updates.
    /// @param accumulator keccak256(abi.encode(previous, node, first, count, samples, digest)) over the updates in
    /// the order of their events, from zero at the round's opening.
    /// @param modelDigest Digest of the model that the round starts from.
    struct Round {
        uint16 number;
        uint8 attempt;
        uint40 openedAt;
        uint40 trainingDeadline;
        uint40 voteDeadline;
        uint40 revealDeadline;
        uint16 deliveredEpochs;
        uint16 updates;
        uint64 claimedCapacity;
        uint64 quotaCapacity;
        uint64 eligible;
        uint8 quorum;
        uint256 taken;
        uint256 delivered;
        uint256 updateSet;
        bytes32 accumulator;
        bytes32 modelDigest;
    }

    struct Lease {
        address node;
        uint16 round;
        uint8 attempt;
        uint16 count;
        uint40 deadline;
        LeaseState state;
    }

    /// @param modelDigest Zero when the job failed in this round.
    /// @param unpaid Updates outside the accepted set (outliers and invalid ones). @param invalid Those that lose bonds.
    /// @param score Lower median of the matching votes' scores, millionths.
    struct Outcome {
        bytes32 modelDigest;
        uint256 unpaid;
        uint256 invalid;
        uint40 closedAt;
        uint32 score;
        uint8 attempt;
    }

    event JobSubmitted(
        uint256 indexed jobId,
        address indexed client,
        bytes32 specDigest,
        string specCid,
        bytes32 modelDigest,
        string modelCid,
        uint256 budget
    );
    event RoundOpened(
        uint256 indexed jobId,
        uint16 indexed round,
        uint8 attempt,
        uint40 trainingDeadline,
        uint40 voteDeadline,
        uint40 revealDeadline,
        uint64 eligible,
        uint8 quorum,
        bytes32 modelDigest
    );
    event EpochsLeased(
        uint256 indexed jobId,
        uint16 indexed round,
        address indexed node,
        uint8 attempt,
        uint8 first,
        uint16 count,
        uint40 deadline
    );
    event LeaseMissed(
        uint256 indexed jobId,
        uint16 indexed round,
        address indexed node,
        uint8 first,
        uint16 count,
        uint256 penalty
    );
    event UpdateSubmitted(
        uint256 indexed jobId,
        uint16 indexed round,
        address indexed node,
        uint8 first,
        uint16 count,
        uint64 samples,
        bytes32 digest,
        string cid
    );
    event LeaseSettled(
        uint256 indexed jobId,
        uint16 indexed round,
        address indexed node,
        uint8 first,
        uint256 reward,
        uint256 penalty
    );
    event RoundClosed(
        uint256 indexed jobId,
        uint16 indexed round,
        uint8 attempt,
        bytes32 modelDigest,
        uint256 accepted,
        uint256 invalid,
        uint32 score,
        uint256 votePayment,
        bytes32 accumulator
    );
    event AttemptFailed(uint256 indexed jobId, uint16 indexed round, uint8 attempt, bool voting);
    event JobCancelRequested(uint256 indexed jobId);
    event JobEnded(uint256 indexed jobId, JobStatus status, uint256 refund);
    event ParametersSet(uint96 leaseBond, uint96 voteBond);

    error SchedulerBadTerms(string field);
    error SchedulerBadContent(string field);
    error SchedulerUnknownJob(uint256 jobId);
    error SchedulerNotMember(address client);
    error SchedulerNotClient(address caller, address client);
    error SchedulerNotGovernance(address caller);
    error SchedulerNotVote(address caller);
    error SchedulerNotTrainer(address node);
    error SchedulerWrongPhase(uint256 jobId, Phase actual, Phase expected);
    error SchedulerTooLate(uint256 nowTime, uint256 deadline);
    error SchedulerNoEpochsLeft(uint256 jobId, uint16 round);
    error SchedulerLeaseHeld(address node, uint8 first);
    error SchedulerAlreadyClaimed(address node, uint16 round, uint256 again);
    error SchedulerBarred(address node, uint16 round);
    error SchedulerNoLease(address node);
    error SchedulerAlreadyDelivered(address node, uint8 first);
    error SchedulerLeaseNotOverdue(uint8 first, uint256 deadline);
    error SchedulerBadUpdate(string field);
    error SchedulerBadResult(uint256 accepted, uint256 invalid, uint256 updates);
    error SchedulerCancelled(uint256 jobId);

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

    /// @notice Leases to the calling node one contiguous range of at most its quota of epochs, locking the bond of its
    /// organisation. The range is the lowest free one.
    function claim(uint256 jobId) external returns (uint8 first, uint16 count);

    /// @notice Anyone: ends an overdue lease of the open attempt; its range returns and its holder's bond pays.
    function expire(uint256 jobId, uint8 first) external;

    /// @notice Records the calling node's update for the lease it holds. `samples` is a weight, at least 1.
    function submitUpdate(uint256 jobId, bytes32 digest, uint64 samples, string calldata cid) external;

    /// @notice Anyone: after a training phase that failed, opens the next attempt or fails the job.
    function reopen(uint256 jobId) external;

    /// @notice Anyone: settles the leases whose first epochs are set in `leases`, where their round is over; the others
    /// are passed over.
    function settle(uint256 jobId, uint256 leases) external;

    /// @notice AggregationVote only: makes the round final and opens the next, or ends the job.
    /// @param matching Number of matching seals.
    /// @return votePayment What each matching vote is paid.
    function closeRound(
        uint256 jobId,
        bytes32 modelDigest,
        uint256 accepted,
        uint256 invalid,
        uint32 score,
        uint256 matching
    ) external returns (uint256 votePayment);

    /// @notice AggregationVote only: a vote failed; opens the next attempt with the same updates, or fails the job.
    function failVote(uint256 jobId) external;

    /// @notice Governance only; holds for jobs submitted from now on.
    function setParameters(uint96 leaseBond, uint96 voteBond) external;

    function jobCount() external view returns (uint256);

    /// @notice The open jobs, oldest first where none has ended in between. For off-chain readers.
    function openJobs() external view returns (uint256[] memory);

    function job(uint256 jobId) external view returns (Job memory);

    function round(uint256 jobId) external view returns (Round memory);

    function lease(uint256 jobId, uint8 first) external view returns (Lease memory);

    /// @notice The lease that a node claimed last in the open attempt. `held` is false when there is none.
    function leaseOf(
        uint256 jobId,
        address node
    ) external view returns (bool held, uint8 first, Lease memory);

    /// @notice Kept for ever.
    function outcome(uint256 jobId, uint16 round_) external view returns (Outcome memory);

    function phase(uint256 jobId) external view returns (Phase);

    /// @notice Epochs that a node of this capacity may claim at once.
    function quota(uint256 jobId, uint32 capacity) external view returns (uint256);

    /// @notice What the vote contract needs of an attempt, in one call.
    function ballotBox(
        uint256 jobId
    )
        external
        view
        returns (
            Phase phase_,
            uint16 round_,
            uint8 attempt,
            uint40 openedAt,
            uint40 voteDeadline,
            uint40 revealDeadline,
            uint64 eligible,
            uint8 quorum,
            uint32 grace,
            uint96 voteBond
        );

    function leaseBond() external view returns (uint96);

    function voteBond() external view returns (uint96);
}
