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
/// 5. The recorded score is the lower median of the matching voters' own: no minority can raise or lower it.
/// 6. Gas of `castVote` does not depend on how many voted. Only finalisation loops, over at most 64 seats.
interface IAggregationVote {
    enum BallotState {
        None,
        Cast,
        Settled
    }

    /// @notice The last vote of a seat in a job, and what earlier ones have earned and not been paid yet.
    /// @param score Millionths. @param openedAt When the attempt opened, chain time in seconds:
    /// later than the admission of whose vote it is, and sooner than that of any later holder of the seat.
    /// @param matched Matching votes that are not paid out yet.
    /// @param cast Votes that the organisation's record does not count yet. @param far So for scores far from the median.
    struct Ballot {
        bytes16 seal;
        uint24 score;
        uint16 round;
        uint8 attempt;
        uint40 openedAt;
        BallotState state;
        uint8 matched;
        uint8 cast;
        uint8 far;
    }

    /// @notice A vote that its node has signed (EIP-712, see `voteHash`), for anyone to carry.
    /// @param r As ECDSA has it. @param vs The parity of the signature and s in one word (EIP-2098).
    struct SignedVote {
        bytes16 candidate;
        bytes16 seal;
        uint32 score;
        bytes32 r;
        bytes32 vs;
    }

    /// @notice How an organisation has voted in all jobs, as far as its votes are settled.
    /// @param cast Votes. @param matched Those that sealed the final result. @param penalised False seals and withheld
    /// results. @param far Matching votes whose score was more than 50,000 millionths away from the recorded median.
    struct VoteRecord {
        uint64 cast;
        uint64 matched;
        uint64 penalised;
        uint64 far;
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

    enum VerdictState {
        None,
        Failed,
        Final,
        FinalReduced
    }

    /// @notice What became of an attempt's votes. `FinalReduced`: more seals matched than the vote budget pays in full.
    /// @param matching Seats that are paid `payment` each, base units.
    /// @param penalised Seats whose bond pays. All others get their bond back.
    /// @param score The recorded score, millionths.
    struct Verdict {
        VerdictState state;
        uint64 matching;
        uint64 penalised;
        uint96 payment;
        uint24 score;
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
    event VotePenalised(
        uint256 indexed jobId,
        uint16 indexed round,
        address indexed account,
        uint8 attempt,
        uint256 penalty
    );
    event VotesPaid(
        uint256 indexed jobId,
        address indexed account,
        uint256 votes,
        uint256 reward,
        uint256 unlocked
    );
    event ModelAnnounced(uint256 indexed jobId, bytes32 indexed digest, address indexed by, string cid);

    error VoteNotValidator(address node);
    error VoteNotEligible(address account, uint8 seat);
    error VoteWrongPhase(uint256 jobId, uint8 actual);
    error VoteWrongAttempt(uint16 round, uint8 attempt, uint16 openRound, uint8 openAttempt);
    error VoteAlreadyCast(address account);
    error VoteNoneCounted(uint256 votes);
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

    /// @notice Anyone: casts votes that nodes have signed. A signature is good for its job, round, attempt, contract and
    /// chain alone. An organisation's second vote is passed over, as is one that may not be cast or whose bond cannot be
    /// locked; the call is refused if none counts.
    /// @return counted How many were.
    function castVotes(
        uint256 jobId,
        uint16 round,
        uint8 attempt,
        SignedVote[] calldata votes
    ) external returns (uint256 counted);

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

    /// @notice Anyone: pays out what the votes of these seats in closed attempts have earned, takes what they lost, and
    /// unlocks their bonds.
    function settle(uint256 jobId, uint64 seats) external;

    /// @notice An active node says where else content of a digest can be fetched. A hint.
    function announce(uint256 jobId, bytes32 digest, string calldata cid) external;

    function attempt(uint256 jobId) external view returns (Attempt memory);

    /// @notice The last ballot of a seat, and the organisation that cast it.
    function ballot(uint256 jobId, uint8 seat) external view returns (address account, Ballot memory);

    function voteRecord(address account) external view returns (VoteRecord memory);

    /// @notice What a node signs: `Vote(uint256 jobId,uint16 round,uint8 attempt,bytes16 candidate,bytes16 seal,uint32
    /// score)` in the domain of name "Milon votes", version "1", chain id and this contract.
    function voteHash(
        uint256 jobId,
        uint16 round,
        uint8 attempt,
        bytes16 candidate,
        bytes16 seal,
        uint32 score
    ) external view returns (bytes32);

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
