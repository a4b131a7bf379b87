// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title Sealed votes on the result of a round.
/// @notice Definitions, all by keccak256 over abi.encode:
///   result    = (bytes32 modelDigest, uint256 accepted, uint256 invalid)
///   candidate = first 16 bytes of (chain id, this contract, jobId, round, attempt, result)
///   seal      = first 16 bytes of (chain id, this contract, jobId, round, attempt, result, organisation's account)
/// Guarantees:
/// 1. At most one vote per organisation and attempt; a vote is never changed.
/// 2. A result is final only with a quorum of seals that match it; who merely copied a candidate cannot have one.
/// 3. An early reveal cannot fail an attempt: before the vote deadline, while some have not voted, it reverts unless
///    the seals suffice.
/// 4. A false seal, and withholding a result whose tally had a quorum, cost the bond; an honest minority loses nothing.
/// 5. Gas of `castVote` does not depend on how many voted. Only finalisation loops, over at most 64 seats.
interface IAggregationVote {
    enum BallotState {
        None,
        Cast,
        Settled
    }

    struct Ballot {
        bytes16 candidate;
        bytes16 seal;
        address account;
        uint16 round;
        uint8 attempt;
        uint32 score;
        BallotState state;
    }

    /// @param voted Seats that have voted. @param quorumAt When a tally first reached quorum; 0 if none has.
    /// @param leading The candidate whose tally did.
    struct Attempt {
        uint16 round;
        uint8 attempt;
        uint64 voted;
        uint40 quorumAt;
        bytes16 leading;
    }

    /// @notice What became of an attempt's votes. @param matching Seats that are paid `payment` each.
    /// @param penalised Seats whose bond pays. All others get their bond back.
    struct Verdict {
        bool closed;
        uint64 matching;
        uint64 penalised;
        uint96 payment;
    }

    event VoteCast(
        uint256 indexed jobId,
        uint16 indexed round,
        address indexed account,
        uint8 attempt,
        address node,
        bytes16 candidate,
        bytes16 seal,
        uint32 score
    );
    event QuorumReached(uint256 indexed jobId, uint16 indexed round, uint8 attempt, bytes16 candidate);
    event ResultRevealed(
        uint256 indexed jobId,
        uint16 indexed round,
        uint8 attempt,
        bytes32 modelDigest,
        uint256 accepted,
        uint256 invalid,
        uint64 matching,
        uint64 penalised,
        string cid
    );
    event VoteFailed(uint256 indexed jobId, uint16 indexed round, uint8 attempt, uint64 penalised);
    event VoteSettled(
        uint256 indexed jobId,
        uint16 indexed round,
        address indexed account,
        uint8 attempt,
        uint256 reward,
        uint256 penalty
    );
    event ModelAnnounced(uint256 indexed jobId, bytes32 indexed digest, address indexed by, string cid);

    error VoteNotValidator(address node);
    error VoteNotEligible(address account, uint8 seat);
    error VoteWrongPhase(uint256 jobId, uint8 actual);
    error VoteWrongAttempt(uint16 round, uint8 attempt, uint16 openRound, uint8 openAttempt);
    error VoteAlreadyCast(address account);
    error VoteBadScore(uint32 score);
    error VoteBadCandidate();
    error VoteNotRevealable(uint256 jobId, uint256 from);
    error VoteNoTallyQuorum(bytes16 candidate, uint256 tally, uint256 quorum);
    error VoteTooFewSeals(uint256 matching, uint256 quorum);
    error VoteNotFailed(uint256 jobId);
    error VoteBadCid(uint256 length);

    /// @notice Casts the vote of the calling node's organisation, locking its bond.
    /// @param round The round and attempt that the vote is for; it is refused when another is open.
    /// @param score The validator's own evaluation of the result, millionths, at most 1,000,000.
    function castVote(
        uint256 jobId,
        uint16 round,
        uint8 attempt,
        bytes16 candidate,
        bytes16 seal,
        uint32 score
    ) external;

    /// @notice Anyone: reveals a result whose tally has a quorum, once every eligible organisation has voted, or the
    /// grace after the quorum is over, or the vote deadline has passed. With a quorum of matching seals the round is
    /// final; with fewer, the attempt fails (never before the vote deadline while some have not voted).
    /// @param cid Where the aggregate is; a hint, at most 128 bytes. @return final_ Whether the round became final.
    function finalize(
        uint256 jobId,
        bytes32 modelDigest,
        uint256 accepted,
        uint256 invalid,
        string calldata cid
    ) external returns (bool final_);

    /// @notice Anyone: closes an attempt whose vote failed: all voted or the vote deadline passed without a tally quorum,
    /// or nobody revealed in time.
    function fail(uint256 jobId) external;

    /// @notice Anyone: settles the last ballots of these seats, where their attempt is closed.
    function settle(uint256 jobId, uint64 seats) external;

    /// @notice An active node says where else content of a digest can be fetched. A hint.
    function announce(uint256 jobId, bytes32 digest, string calldata cid) external;

    function attempt(uint256 jobId) external view returns (Attempt memory);

    function ballot(uint256 jobId, uint8 seat) external view returns (Ballot memory);

    function verdict(uint256 jobId, uint16 round, uint8 attempt_) external view returns (Verdict memory);

    function tally(uint256 jobId, bytes16 candidate) external view returns (uint256);

    /// @notice When the open attempt may be revealed (chain time); the maximum value when that is not known yet.
    function revealableFrom(uint256 jobId) external view returns (uint256);

    function hashResult(
        bytes32 modelDigest,
        uint256 accepted,
        uint256 invalid
    ) external pure returns (bytes32);

    function candidateOf(
        uint256 jobId,
        uint16 round,
        uint8 attempt_,
        bytes32 result
    ) external view returns (bytes16);

    function sealOf(
        uint256 jobId,
        uint16 round,
        uint8 attempt_,
        bytes32 result,
        address account
    ) external view returns (bytes16);
}
