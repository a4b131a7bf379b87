// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title What jobs, rounds, leases and updates are made of, and what the scheduler tells of them.
/// @dev Live and delivered ranges of a round are disjoint: bit `i` of a bitmap of updates stands for the update whose
/// lease starts at epoch `i`. Each node keeps one record per job, which is brought up to date whenever it is touched:
/// a lease that is kept by its delivery becomes the node's lease of the next round without a transaction.
interface IEpochTypes {
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
    /// @param claimWindow Seconds from an attempt's opening during which a node may claim once only; at most 30 days.
    /// @param leaseTime Seconds from a claim to the lease's deadline, which never passes the training deadline.
    /// @param minLeaseTime A claim is refused when less than this is left of training; 1 to leaseTime.
    /// @param trainingWindow Seconds from opening to the training deadline; leaseTime to 30 days.
    /// @param voteWindow Seconds from the training deadline to the vote deadline; 1 to 30 days.
    /// @param revealWindow Seconds from the vote deadline to the reveal deadline; 1 to 30 days.
    /// @param grace Seconds from a tally quorum until anyone may reveal although some have not voted; at most 30 days.
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

    /// @notice What governance sets, for jobs submitted from then on.
    /// @param leaseBond Locked per leased epoch, base units of the token.
    /// @param voteBond Locked per vote, base units.
    /// @param maxShare Of the epochs of a round, the share that one organisation may hold; ten-thousandths, 1 to 10,000.
    struct Parameters {
        uint96 leaseBond;
        uint96 voteBond;
        uint16 maxShare;
    }

    /// @param digest SHA-256 of the content. @param cid Where IPFS finds it; 1 to 128 bytes.
    struct Content {
        bytes32 digest;
        string cid;
    }

    /// @param leaseBond Locked per leased epoch, and lost when the lease is missed or its update is invalid.
    /// @param voteBond Locked per vote, and lost for a false seal or a withheld result.
    /// @param voters Organisations at submission: the vote budget of a round is voters * votePrice.
    /// @param maxEpochs Epochs of a round that one organisation may hold.
    struct Job {
        address client;
        JobStatus status;
        bool cancelRequested;
        uint8 voters;
        uint96 leaseBond;
        uint96 voteBond;
        uint16 maxEpochs;
        bytes32 specDigest;
        Terms terms;
    }

    /// @notice The round that a job is in.
    /// @param number 1 to rounds. @param attempt From 1.
    /// @param openedAt When this attempt opened (chain time, seconds), as are the deadlines.
    /// @param deliveredEpochs Epochs delivered. @param updates Updates delivered.
    /// @param claimedCapacity Sum of the capacities of the nodes that claimed in this round, each once; leases that were
    /// carried over from the last round count by their epochs.
    /// @param quotaCapacity What a node's capacity is divided by for its quota.
    /// @param eligible Seats that may vote in this attempt. @param quorum Matching seals needed.
    /// @param taken Epochs on live leases or delivered. @param delivered Epochs delivered.
    /// @param updateSet First epochs of the delivered updates. @param keptSet Of those, whose lease is kept.
    /// @param awaited A trainer without a lease waits, so that no lease will be carried into the next round.
    /// @param paused The attempt opened in a pause: nothing is leased in it.
    /// @param accumulator First 24 bytes of keccak256(abi.encode(previous, node, first, count, samples, digest)) over the
    /// updates in the order of their events, from zero at the round's opening.
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
        uint256 keptSet;
        bool awaited;
        bool paused;
        bytes24 accumulator;
        bytes32 modelDigest;
    }

    /// @notice What a node holds in a job: its last lease, and what earlier ones have earned and not been paid yet.
    /// @param kept Delivered, and to be the node's lease in the next round as well.
    /// @param bonded Epochs that a bond is locked for.
    /// @param due Accepted epochs that are not paid out yet.
    /// @param accepted Updates accepted that the node's record does not count yet. @param outliers So for those left out.
    /// @param extra Which further lease of the round is the last one; 0 for the first. In the first alone.
    /// @param extras The most further leases that the node ever held in one round. In the first alone.
    struct Lease {
        uint8 first;
        uint16 count;
        uint16 round;
        uint8 attempt;
        LeaseState state;
        bool kept;
        uint40 deadline;
        uint16 bonded;
        uint32 due;
        uint16 accepted;
        uint16 outliers;
        uint8 extra;
        uint8 extras;
    }

    /// @notice How a node has done in all jobs, as far as its leases are settled.
    /// @param delivered Updates of rounds that became final. @param expired Leases missed.
    /// @param accepted Updates in the accepted set. @param outliers Left out by the rule, which costs nothing.
    /// @param invalid Updates judged invalid.
    /// @param reliability Ten-thousandths of its declared capacity that it is leased by. A missed lease halves it, an
    /// invalid update takes three quarters of it, an update of a final round that is not invalid adds 500. A new node
    /// starts with what its organisation has.
    struct NodeRecord {
        uint32 delivered;
        uint32 expired;
        uint32 accepted;
        uint32 outliers;
        uint32 invalid;
        uint16 reliability;
    }

    /// @param modelDigest Zero when the job failed in this round.
    /// @param unpaid Updates outside the accepted set (outliers and invalid ones). @param invalid Those that lose bonds.
    /// @param score Lower median of the matching votes' scores, millionths.
    /// @param carried Kept leases of the round, but for those of invalid updates, went on into the next one.
    struct Outcome {
        bytes32 modelDigest;
        uint256 unpaid;
        uint256 invalid;
        uint40 closedAt;
        uint32 score;
        uint8 attempt;
        bool carried;
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
        bytes32 modelDigest,
        uint256 carried
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
        bool kept,
        string cid
    );
    event UpdateRejected(
        uint256 indexed jobId,
        uint16 indexed round,
        address indexed node,
        uint8 first,
        uint16 count,
        uint256 penalty
    );
    event RewardsSettled(
        uint256 indexed jobId,
        address indexed account,
        address indexed node,
        uint256 epochs,
        uint256 reward,
        uint256 unlocked
    );
    event TrainerWaits(uint256 indexed jobId, uint16 indexed round, address indexed node);
    event RoundClosed(
        uint256 indexed jobId,
        uint16 indexed round,
        uint8 attempt,
        bytes32 modelDigest,
        uint256 accepted,
        uint256 invalid,
        uint32 score,
        uint256 votePayment,
        bytes24 accumulator
    );
    event AttemptFailed(uint256 indexed jobId, uint16 indexed round, uint8 attempt, bool voting);
    event JobCancelRequested(uint256 indexed jobId);
    event JobEnded(uint256 indexed jobId, JobStatus status, uint256 refund);
    event ParametersSet(uint96 leaseBond, uint96 voteBond, uint16 maxShare);
    event PauseSet(bool paused);

    error SchedulerBadTerms(string field);
    error SchedulerBadShare(uint16 share);
    error SchedulerPaused();
    /// @dev The scheduler's second part was called at its own address.
    error SchedulerNotHere(address books);
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
    error SchedulerLeaseNotOverdue(address node, uint256 deadline);
    error SchedulerShareReached(address account, uint256 maxEpochs);
    error SchedulerEpochsLeft(uint256 jobId, uint16 round);
    error SchedulerBadUpdate(string field);
    error SchedulerBadResult(uint256 accepted, uint256 invalid, uint256 updates);
    error SchedulerCancelled(uint256 jobId);
}
