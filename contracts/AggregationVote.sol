// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IAggregationVote} from "./interfaces/IAggregationVote.sol";
import {IConsortiumRegistry} from "./interfaces/IConsortiumRegistry.sol";
import {IEpochScheduler} from "./interfaces/IEpochScheduler.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {EpochBitmap} from "./libraries/EpochBitmap.sol";

/// @title AggregationVote
/// @notice See IAggregationVote for what is guaranteed. A final model may be promoted for prediction by a
/// model registry, which reads the outcomes of the scheduler and needs nothing from here.
/// @dev Ballots are recycled per seat: a new vote first settles what the old one is owed or owes, in the same
/// transaction.
contract AggregationVote is IAggregationVote {
    using SafeCast for uint256;

    /// @dev What the scheduler says of the open attempt.
    struct Box {
        IEpochScheduler.Phase phase;
        uint16 round;
        uint8 attempt;
        uint40 openedAt;
        uint40 voteDeadline;
        uint64 eligible;
        uint8 quorum;
        uint32 grace;
        uint96 voteBond;
    }

    /// @dev The candidate that the first vote of the attempt named, and the seats that named it too. Where
    /// all agree that is all the tally there is, and its slot is recycled; tallies of other candidates need a
    /// new slot each.
    struct Front {
        bytes16 candidate;
        uint64 seats;
    }

    uint256 private constant MAX_CID = 128;
    uint32 private constant MAX_SCORE = 1_000_000;

    IConsortiumRegistry public immutable REGISTRY;
    IStakeVault public immutable VAULT;
    IEpochScheduler public immutable SCHEDULER;

    mapping(uint256 jobId => Attempt) private _attempts;
    mapping(uint256 jobId => Front) private _fronts;
    mapping(uint256 jobId => mapping(uint256 seat => Ballot)) private _ballots;
    mapping(uint256 jobId => mapping(uint256 attemptKey => Verdict)) private _verdicts;
    /// @dev By attempt: else a vote for the candidate of an earlier attempt would inherit that one's votes.
    mapping(uint256 jobId => mapping(uint256 attemptKey => mapping(bytes16 candidate => uint64 seats)))
        private _tallies;

    error VoteZeroAddress();

    constructor(IConsortiumRegistry registry, IStakeVault vault, IEpochScheduler scheduler) {
        if (
            address(registry) == address(0) ||
            address(vault) == address(0) ||
            address(scheduler) == address(0)
        ) {
            revert VoteZeroAddress();
        }
        REGISTRY = registry;
        VAULT = vault;
        SCHEDULER = scheduler;
    }

    // Validators

    /// @inheritdoc IAggregationVote
    function castVote(
        uint256 jobId,
        uint16 round,
        uint8 attempt_,
        bytes16 candidate,
        bytes16 seal,
        uint32 score
    ) external {
        if (score > MAX_SCORE) revert VoteBadScore(score);
        if (candidate == 0) revert VoteBadCandidate();
        Box memory box = _box(jobId);
        if (round != box.round || attempt_ != box.attempt) {
            revert VoteWrongAttempt(round, attempt_, box.round, box.attempt);
        }
        if (box.phase != IEpochScheduler.Phase.Voting) revert VoteWrongPhase(jobId, uint8(box.phase));
        (address account, uint8 seat, bool mayVote) = REGISTRY.validator(msg.sender, box.openedAt);
        if (!mayVote) revert VoteNotValidator(msg.sender);
        if ((box.eligible >> seat) & 1 == 0) revert VoteNotEligible(account, seat);

        bool quorumReached = _count(jobId, box, account, seat, candidate);
        Ballot storage slot = _ballots[jobId][seat];
        Ballot memory old = slot;
        slot.candidate = candidate;
        slot.seal = seal;
        slot.account = account;
        slot.round = round;
        slot.attempt = attempt_;
        slot.score = score;
        slot.state = BallotState.Cast;
        emit VoteCast(jobId, round, account, attempt_, msg.sender, candidate, seal, score);
        if (quorumReached) emit QuorumReached(jobId, round, attempt_, candidate);

        bool locked = _payOut(jobId, seat, old, box.voteBond, account);
        if (!locked && box.voteBond != 0) VAULT.lock(account, box.voteBond);
    }

    /// @inheritdoc IAggregationVote
    function announce(uint256 jobId, bytes32 digest, string calldata cid) external {
        if (!REGISTRY.isActive(msg.sender)) revert VoteNotValidator(msg.sender);
        if (bytes(cid).length == 0 || bytes(cid).length > MAX_CID) revert VoteBadCid(bytes(cid).length);
        emit ModelAnnounced(jobId, digest, msg.sender, cid);
    }

    // Anyone

    /// @inheritdoc IAggregationVote
    function finalize(
        uint256 jobId,
        bytes32 modelDigest,
        uint256 accepted,
        uint256 invalid,
        string calldata cid
    ) external returns (bool final_) {
        if (bytes(cid).length > MAX_CID) revert VoteBadCid(bytes(cid).length);
        Box memory box = _box(jobId);
        Attempt memory open = _openAttempt(jobId, box);
        bytes32 result = hashResult(modelDigest, accepted, invalid);
        _checkRevealable(jobId, box, open, candidateOf(jobId, box.round, box.attempt, result));

        (uint64 matching, uint64 penalised, uint256[] memory scores, uint256 count) = _checkSeals(
            jobId,
            open,
            result
        );
        final_ = count >= box.quorum;
        if (!final_ && open.voted != box.eligible && block.timestamp < box.voteDeadline) {
            revert VoteTooFewSeals(count, box.quorum);
        }
        emit ResultRevealed(
            jobId,
            box.round,
            box.attempt,
            modelDigest,
            accepted,
            invalid,
            matching,
            penalised,
            cid
        );
        if (final_) {
            // The lower median: of an even number, the smaller of the two in the middle. Fits: at most
            // MAX_SCORE.
            uint32 score = uint32(scores[(count - 1) / 2]);
            uint256 payment = SCHEDULER.closeRound(jobId, modelDigest, accepted, invalid, score, count);
            _verdicts[jobId][_key(box.round, box.attempt)] = Verdict({
                closed: true,
                matching: matching,
                penalised: penalised,
                payment: payment.toUint96()
            });
        } else {
            _fail(jobId, box, penalised);
        }
    }

    /// @inheritdoc IAggregationVote
    function fail(uint256 jobId) external {
        Box memory box = _box(jobId);
        Attempt memory open = _openAttempt(jobId, box);
        bool over = box.phase == IEpochScheduler.Phase.Stalled;
        if (open.quorumAt == 0) {
            over = over || box.phase == IEpochScheduler.Phase.Reveal;
            over = over || (box.phase == IEpochScheduler.Phase.Voting && open.voted == box.eligible);
        }
        if (!over) revert VoteNotFailed(jobId);
        _fail(jobId, box, open.quorumAt == 0 ? 0 : _supporters(jobId, open));
    }

    /// @inheritdoc IAggregationVote
    function settle(uint256 jobId, uint64 seats) external {
        uint96 bond = _box(jobId).voteBond;
        for (uint256 left = seats; left != 0; left &= left - 1) {
            uint256 seat = EpochBitmap.lowest(left);
            Ballot memory owing = _ballots[jobId][seat];
            if (owing.state != BallotState.Cast) continue;
            if (!_verdicts[jobId][_key(owing.round, owing.attempt)].closed) continue;
            _ballots[jobId][seat].state = BallotState.Settled;
            _payOut(jobId, seat, owing, bond, address(0));
        }
    }

    // Views

    /// @inheritdoc IAggregationVote
    function attempt(uint256 jobId) external view returns (Attempt memory) {
        return _attempts[jobId];
    }

    /// @inheritdoc IAggregationVote
    function ballot(uint256 jobId, uint8 seat) external view returns (Ballot memory) {
        return _ballots[jobId][seat];
    }

    /// @inheritdoc IAggregationVote
    function verdict(uint256 jobId, uint16 round, uint8 attempt_) external view returns (Verdict memory) {
        return _verdicts[jobId][_key(round, attempt_)];
    }

    /// @inheritdoc IAggregationVote
    function tally(uint256 jobId, bytes16 candidate) public view returns (uint256) {
        Front storage front = _fronts[jobId];
        Attempt storage last = _attempts[jobId];
        uint64 seats =
            candidate == front.candidate
                ? front.seats
                : _tallies[jobId][_key(last.round, last.attempt)][candidate];
        return EpochBitmap.popcount(seats);
    }

    /// @inheritdoc IAggregationVote
    function revealableFrom(uint256 jobId) external view returns (uint256) {
        Box memory box = _box(jobId);
        return _revealableFrom(box, _openAttempt(jobId, box));
    }

    /// @inheritdoc IAggregationVote
    function hashResult(
        bytes32 modelDigest,
        uint256 accepted,
        uint256 invalid
    ) public pure returns (bytes32) {
        return keccak256(abi.encode(modelDigest, accepted, invalid));
    }

    /// @inheritdoc IAggregationVote
    function candidateOf(
        uint256 jobId,
        uint16 round,
        uint8 attempt_,
        bytes32 result
    ) public view returns (bytes16) {
        return bytes16(keccak256(abi.encode(block.chainid, address(this), jobId, round, attempt_, result)));
    }

    /// @inheritdoc IAggregationVote
    function sealOf(
        uint256 jobId,
        uint16 round,
        uint8 attempt_,
        bytes32 result,
        address account
    ) public view returns (bytes16) {
        return
            bytes16(
                keccak256(abi.encode(block.chainid, address(this), jobId, round, attempt_, result, account))
            );
    }

    // Internal: votes

    /// @dev Counts a vote. @return quorumReached Whether this vote made a tally reach quorum. At most one
    /// can: quorum is more than half of the seats.
    function _count(
        uint256 jobId,
        Box memory box,
        address account,
        uint8 seat,
        bytes16 candidate
    ) private returns (bool quorumReached) {
        Attempt memory open = _openAttempt(jobId, box);
        uint64 bit = uint64(1) << seat;
        if (open.voted & bit != 0) revert VoteAlreadyCast(account);

        Front storage front = _fronts[jobId];
        uint64 seats = bit;
        if (open.voted == 0) {
            (front.candidate, front.seats) = (candidate, bit);
        } else if (candidate == front.candidate) {
            seats |= front.seats;
            front.seats = seats;
        } else {
            uint256 key = _key(box.round, box.attempt);
            seats |= _tallies[jobId][key][candidate];
            _tallies[jobId][key][candidate] = seats;
        }

        open.voted |= bit;
        if (open.quorumAt == 0 && EpochBitmap.popcount(seats) >= box.quorum) {
            quorumReached = true;
            open.quorumAt = block.timestamp.toUint40();
            open.leading = candidate;
        }
        _attempts[jobId] = open;
    }

    /// @dev Settles a ballot whose attempt is closed; the caller has stored what takes its place.
    /// @param next The account whose vote takes the ballot's place, if any: where it is the same one and
    /// keeps its bond, that stays locked. @return carried Whether it did.
    function _payOut(
        uint256 jobId,
        uint256 seat,
        Ballot memory owing,
        uint256 bond,
        address next
    ) private returns (bool carried) {
        if (owing.state != BallotState.Cast) return false;
        Verdict storage sentence = _verdicts[jobId][_key(owing.round, owing.attempt)];
        uint256 bit = 1 << seat;
        if (sentence.penalised & bit != 0) {
            emit VoteSettled(jobId, owing.round, owing.account, owing.attempt, 0, bond);
            if (bond != 0) VAULT.slash(owing.account, bond);
            return false;
        }
        uint256 payment = sentence.matching & bit != 0 ? sentence.payment : 0;
        emit VoteSettled(jobId, owing.round, owing.account, owing.attempt, payment, 0);
        carried = owing.account == next;
        uint256 unlocked = carried ? 0 : bond;
        if (unlocked != 0 || payment != 0) VAULT.release(jobId, owing.account, unlocked, payment);
    }

    // Internal: verdicts

    /// @dev Stores the verdict on a failed vote before the scheduler opens the next attempt.
    function _fail(uint256 jobId, Box memory box, uint64 penalised) private {
        _verdicts[jobId][_key(box.round, box.attempt)] = Verdict({
            closed: true,
            matching: 0,
            penalised: penalised,
            payment: 0
        });
        emit VoteFailed(jobId, box.round, box.attempt, penalised);
        SCHEDULER.failVote(jobId);
    }

    /// @dev Looks at every seal. @param matching Who sealed this result. @param penalised Who named its
    /// candidate but could not seal it. @param scores Of the matching ones, rising; `count` of them.
    function _checkSeals(
        uint256 jobId,
        Attempt memory open,
        bytes32 result
    ) private view returns (uint64 matching, uint64 penalised, uint256[] memory scores, uint256 count) {
        scores = new uint256[](EpochBitmap.popcount(open.voted));
        for (uint256 left = open.voted; left != 0; left &= left - 1) {
            uint256 seat = EpochBitmap.lowest(left);
            Ballot storage cast = _ballots[jobId][seat];
            // Fits: seats are below 64.
            uint64 bit = uint64(1 << seat);
            if (cast.seal == sealOf(jobId, open.round, open.attempt, result, cast.account)) {
                matching |= bit;
                _insert(scores, count, cast.score);
                ++count;
            } else if (cast.candidate == open.leading) {
                penalised |= bit;
            }
        }
    }

    /// @dev The seats that voted for the candidate that reached quorum.
    function _supporters(uint256 jobId, Attempt memory open) private view returns (uint64 seats) {
        for (uint256 left = open.voted; left != 0; left &= left - 1) {
            uint256 seat = EpochBitmap.lowest(left);
            // Fits: seats are below 64.
            if (_ballots[jobId][seat].candidate == open.leading) seats |= uint64(1 << seat);
        }
    }

    function _checkRevealable(
        uint256 jobId,
        Box memory box,
        Attempt memory open,
        bytes16 candidate
    ) private view {
        if (box.phase != IEpochScheduler.Phase.Voting && box.phase != IEpochScheduler.Phase.Reveal) {
            revert VoteWrongPhase(jobId, uint8(box.phase));
        }
        if (open.quorumAt == 0 || candidate != open.leading) {
            uint256 votes = open.voted == 0 ? 0 : tally(jobId, candidate);
            revert VoteNoTallyQuorum(candidate, votes, box.quorum);
        }
        uint256 from = _revealableFrom(box, open);
        if (block.timestamp < from) revert VoteNotRevealable(jobId, from);
    }

    function _revealableFrom(Box memory box, Attempt memory open) private pure returns (uint256) {
        if (open.quorumAt == 0) return type(uint256).max;
        if (open.voted == box.eligible) return open.quorumAt;
        return Math.min(uint256(open.quorumAt) + box.grace, box.voteDeadline);
    }

    // Internal: helpers

    /// @dev The votes of the open attempt: none, where those in store are of an earlier one.
    function _openAttempt(uint256 jobId, Box memory box) private view returns (Attempt memory open) {
        open = _attempts[jobId];
        if (open.round != box.round || open.attempt != box.attempt) {
            open = Attempt({round: box.round, attempt: box.attempt, voted: 0, quorumAt: 0, leading: 0});
        }
    }

    function _box(uint256 jobId) private view returns (Box memory box) {
        (
            box.phase,
            box.round,
            box.attempt,
            box.openedAt,
            box.voteDeadline,
            ,
            box.eligible,
            box.quorum,
            box.grace,
            box.voteBond
        ) = SCHEDULER.ballotBox(jobId);
    }

    /// @dev Insertion sort: cheap for the few that there are, and no worse than the storage reads for 64.
    function _insert(uint256[] memory sorted, uint256 count, uint256 value) private pure {
        for (; count != 0 && sorted[count - 1] > value; --count) sorted[count] = sorted[count - 1];
        sorted[count] = value;
    }

    function _key(uint16 round, uint8 attempt_) private pure returns (uint256) {
        return (uint256(round) << 8) | attempt_;
    }
}
