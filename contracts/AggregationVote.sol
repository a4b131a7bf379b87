// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IAggregationVote} from "./interfaces/IAggregationVote.sol";
import {IConsortiumRegistry} from "./interfaces/IConsortiumRegistry.sol";
import {IEpochScheduler} from "./interfaces/IEpochScheduler.sol";
import {IEpochTypes} from "./interfaces/IEpochTypes.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {BallotWord, BallotWords} from "./libraries/BallotWord.sol";
import {EpochBitmap} from "./libraries/EpochBitmap.sol";
import {VoteSlots} from "./libraries/VoteSlots.sol";

/// @title AggregationVote
/// @notice See IAggregationVote for what is guaranteed.
/// @dev One slot per seat and job is written by a vote. It counts what earlier votes have earned, which `settle`
/// pays, of any number of rounds at once; the bond stays locked from one vote to the next.
contract AggregationVote is IAggregationVote, EIP712 {
    using SafeCast for uint256;
    using VoteSlots for Ballot;
    using BallotWords for Ballot;
    using VoteSlots for Attempt;
    using VoteSlots for Verdict;

    /// @dev What the scheduler says of the open attempt, its front (see below), and the verdict that was read last:
    /// mostly that of the round before, for every vote of a batch.
    struct Box {
        IEpochTypes.Phase phase;
        uint16 round;
        uint8 attempt;
        uint40 openedAt;
        uint40 voteDeadline;
        uint64 eligible;
        uint8 quorum;
        uint32 grace;
        bytes16 front;
        uint64 frontSeats;
        uint256 verdictKey;
        uint256 verdict;
    }

    /// @dev The candidate that the first vote of the attempt named, and the seats that named it too. Where
    /// all agree that is all the tally there is, and its slot is recycled; tallies of other candidates need a
    /// new slot each.
    struct Front {
        bytes16 candidate;
        uint64 seats;
    }

    /// @dev Whom a node votes for.
    struct Voter {
        address account;
        uint8 seat;
        uint40 since;
    }

    enum Refusal {
        None,
        NotEligible,
        AlreadyCast,
        NoStake
    }

    uint256 private constant MAX_CID = 128;
    uint32 private constant MAX_SCORE = 1_000_000;
    uint256 private constant FAR = 50_000;
    /// @dev Votes that a ballot counts before they are paid. One less than fits: where it is settled in mid-vote
    /// the count begins anew, but that vote may still match.
    uint8 private constant MOST_COUNTED = type(uint8).max - 1;
    bytes32 private constant VOTE_TYPEHASH = keccak256(
        "Vote(uint256 jobId,uint16 round,uint8 attempt,bytes16 candidate,bytes16 seal,uint32 score)"
    );

    IConsortiumRegistry public immutable REGISTRY;
    IStakeVault public immutable VAULT;
    IEpochScheduler public immutable SCHEDULER;

    mapping(uint256 jobId => Attempt) private _attempts;
    mapping(uint256 jobId => Front) private _fronts;
    mapping(uint256 jobId => mapping(uint256 seat => Ballot)) private _ballots;
    /// @dev Whose the ballot of a seat is; written when that changes.
    mapping(uint256 jobId => mapping(uint256 seat => address)) private _holders;
    mapping(uint256 jobId => mapping(uint256 attemptKey => Verdict)) private _verdicts;
    /// @dev By attempt: else a vote for the candidate of an earlier attempt would inherit that one's votes.
    mapping(uint256 jobId => mapping(uint256 attemptKey => mapping(bytes16 candidate => uint64 seats)))
        private _tallies;
    mapping(address account => VoteRecord) private _records;
    /// @dev What the registry said of a node, and its count of departures then: account, since, seat, departures,
    /// the last one lowest.
    mapping(address node => uint256) private _voters;

    error VoteZeroAddress();

    constructor(
        IConsortiumRegistry registry,
        IStakeVault vault,
        IEpochScheduler scheduler
    ) EIP712("Milon votes", "1") {
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
        (Box memory box, Attempt memory open) = _openBox(jobId, round, attempt_);
        (address account, uint8 seat, uint40 since, bool mayVote) = REGISTRY.validator(
            msg.sender,
            box.openedAt
        );
        if (!mayVote) revert VoteNotValidator(msg.sender);
        Refusal refusal = _cast(
            jobId,
            box,
            open,
            Voter({account: account, seat: seat, since: since}),
            msg.sender,
            candidate,
            seal,
            score,
            false
        );
        if (refusal == Refusal.NotEligible) revert VoteNotEligible(account, seat);
        if (refusal == Refusal.AlreadyCast) revert VoteAlreadyCast(account);
        _store(jobId, box, open);
    }

    /// @inheritdoc IAggregationVote
    function castVotes(
        uint256 jobId,
        uint16 round,
        uint8 attempt_,
        SignedVote[] calldata votes
    ) external returns (uint256 counted) {
        (Box memory box, Attempt memory open) = _openBox(jobId, round, attempt_);
        uint40 departures = REGISTRY.departures();
        bytes32 domain = _domainSeparatorV4();
        for (uint256 i = 0; i < votes.length; ++i) {
            SignedVote calldata vote = votes[i];
            if (vote.score > MAX_SCORE || vote.candidate == 0) continue;
            bytes32 hash = MessageHashUtils.toTypedDataHash(
                domain,
                _structHash(jobId, round, attempt_, vote.candidate, vote.seal, vote.score)
            );
            (address node, ECDSA.RecoverError error_, ) = ECDSA.tryRecover(hash, vote.r, vote.vs);
            if (error_ != ECDSA.RecoverError.NoError) continue;
            Voter memory voter = _voter(node, box.openedAt, departures);
            if (voter.account == address(0)) continue;
            Refusal refusal = _cast(
                jobId,
                box,
                open,
                voter,
                node,
                vote.candidate,
                vote.seal,
                vote.score,
                true
            );
            if (refusal != Refusal.None) continue;
            unchecked {
                // No more than there are votes.
                ++counted;
            }
        }
        if (counted == 0) revert VoteNoneCounted(votes.length);
        _store(jobId, box, open);
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
            (, uint256 price) = SCHEDULER.voteTerms(jobId);
            _verdicts[jobId][_key(box.round, box.attempt)] = Verdict({
                state: payment == price ? VerdictState.Final : VerdictState.FinalReduced,
                matching: matching,
                penalised: penalised,
                payment: payment.toUint96(),
                score: uint24(score)
            });
        } else {
            _fail(jobId, box, penalised);
        }
    }

    /// @inheritdoc IAggregationVote
    function fail(uint256 jobId) external {
        Box memory box = _box(jobId);
        Attempt memory open = _openAttempt(jobId, box);
        bool over = box.phase == IEpochTypes.Phase.Stalled;
        if (open.quorumAt == 0) {
            over = over || box.phase == IEpochTypes.Phase.Reveal;
            over = over || (box.phase == IEpochTypes.Phase.Voting && open.voted == box.eligible);
        }
        if (!over) revert VoteNotFailed(jobId);
        _fail(jobId, box, open.quorumAt == 0 ? 0 : _seatsFor(jobId, open.round, open.attempt, open.leading));
    }

    /// @inheritdoc IAggregationVote
    function settle(uint256 jobId, uint64 seats) external {
        for (uint256 left = seats; left != 0; left &= left - 1) {
            uint256 seat = EpochBitmap.lowest(left);
            Ballot memory owing = _ballots[jobId][seat].read();
            if (owing.state == BallotState.None) continue;
            address account = _holders[jobId][seat];
            Verdict memory verdict_ = _verdictOf(jobId, owing);
            _resolve(jobId, seat, account, owing, verdict_);
            bool over = owing.state == BallotState.Cast && verdict_.state != VerdictState.None;
            if (over) owing.state = BallotState.Settled;
            _pay(jobId, account, owing, over);
            _ballots[jobId][seat].write(owing);
        }
    }

    // Views

    /// @inheritdoc IAggregationVote
    function attempt(uint256 jobId) external view returns (Attempt memory) {
        return _attempts[jobId];
    }

    /// @inheritdoc IAggregationVote
    function ballot(uint256 jobId, uint8 seat) external view returns (address, Ballot memory) {
        return (_holders[jobId][seat], _ballots[jobId][seat]);
    }

    /// @inheritdoc IAggregationVote
    function voteRecord(address account) external view returns (VoteRecord memory) {
        return _records[account];
    }

    /// @inheritdoc IAggregationVote
    function voteHash(
        uint256 jobId,
        uint16 round,
        uint8 attempt_,
        bytes16 candidate,
        bytes16 seal,
        uint32 score
    ) public view returns (bytes32) {
        return _hashTypedDataV4(_structHash(jobId, round, attempt_, candidate, seal, score));
    }

    /// @inheritdoc IAggregationVote
    function verdict(uint256 jobId, uint16 round, uint8 attempt_) external view returns (Verdict memory) {
        return _verdicts[jobId][_key(round, attempt_)];
    }

    /// @inheritdoc IAggregationVote
    function tally(uint256 jobId, bytes16 candidate) public view returns (uint256) {
        Attempt storage last = _attempts[jobId];
        return EpochBitmap.popcount(_seatsFor(jobId, last.round, last.attempt, candidate));
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

    /// @dev The open attempt, which must be in voting and the one that the vote is for.
    function _openBox(
        uint256 jobId,
        uint16 round,
        uint8 attempt_
    ) private view returns (Box memory box, Attempt memory open) {
        box = _box(jobId);
        if (round != box.round || attempt_ != box.attempt) {
            revert VoteWrongAttempt(round, attempt_, box.round, box.attempt);
        }
        if (box.phase != IEpochTypes.Phase.Voting) revert VoteWrongPhase(jobId, uint8(box.phase));
        open = _openAttempt(jobId, box);
        if (open.voted != 0) {
            Front storage front = _fronts[jobId];
            (box.front, box.frontSeats) = (front.candidate, front.seats);
        }
    }

    function _structHash(
        uint256 jobId,
        uint16 round,
        uint8 attempt_,
        bytes16 candidate,
        bytes16 seal,
        uint32 score
    ) private pure returns (bytes32) {
        return keccak256(abi.encode(VOTE_TYPEHASH, jobId, round, attempt_, candidate, seal, score));
    }

    function _store(uint256 jobId, Box memory box, Attempt memory open) private {
        _attempts[jobId].write(open);
        _fronts[jobId] = Front({candidate: box.front, seats: box.frontSeats});
    }

    /// @dev For a batch: whom a node may vote for; the zero account where it may not. A validator of a current
    /// member stays one until the registry counts a departure: so it is asked once.
    function _voter(address node, uint40 openedAt, uint40 departures) private returns (Voter memory voter) {
        uint256 known = _voters[node];
        if (known != 0 && uint40(known) == departures) {
            voter.since = uint40(known >> 48);
            if (voter.since <= openedAt) {
                (voter.account, voter.seat) = (address(uint160(known >> 88)), uint8(known >> 40));
                return voter;
            }
        }
        bool mayVote;
        (voter.account, voter.seat, voter.since, mayVote) = REGISTRY.validator(node, openedAt);
        if (!mayVote) {
            voter.account = address(0);
        } else if (REGISTRY.isActive(node)) {
            known = (uint256(uint160(voter.account)) << 88) | (uint256(voter.since) << 48);
            _voters[node] = known | (uint256(voter.seat) << 40) | departures;
        }
    }

    /// @dev Records the vote of a node's organisation, if it may be cast. Changes `box` and `open` in memory; the
    /// caller stores them. @param lenient Whether a vote whose bond cannot be locked is refused, not reverted.
    function _cast(
        uint256 jobId,
        Box memory box,
        Attempt memory open,
        Voter memory voter,
        address node,
        bytes16 candidate,
        bytes16 seal,
        uint32 score,
        bool lenient
    ) private returns (Refusal) {
        (address account, uint8 seat) = (voter.account, voter.seat);
        if ((box.eligible >> seat) & 1 == 0) return Refusal.NotEligible;
        if ((open.voted >> seat) & 1 != 0) return Refusal.AlreadyCast;
        bool bonded = _replace(jobId, box, open, voter, seal, score);
        if (!bonded) {
            if (lenient && !_canLock(jobId, account, seat, voter.since)) return Refusal.NoStake;
            bonded = _recast(jobId, open, voter, box.openedAt, seal, score);
        }
        bool quorumReached = _count(jobId, box, open, seat, candidate);
        emit VoteCast(jobId, open.round, account, open.attempt, node, candidate, seal, score);
        if (quorumReached) emit QuorumReached(jobId, open.round, open.attempt, candidate);
        if (!bonded) {
            (uint256 bond, ) = SCHEDULER.voteTerms(jobId);
            if (bond != 0) VAULT.lock(account, bond);
        }
        return Refusal.None;
    }

    /// @dev Puts a ballot in the place of the same organisation's last one where that has matched: what it
    /// earned is counted, its bond stays. @return done Whether it did; nothing is changed if not.
    function _replace(
        uint256 jobId,
        Box memory box,
        Attempt memory open,
        Voter memory voter,
        bytes16 seal,
        uint32 score
    ) private returns (bool done) {
        Ballot storage stored = _ballots[jobId][voter.seat];
        BallotWord last = stored.load();
        if (last.openedAt() < voter.since || last.state() != BallotState.Cast) return false;
        if (last.cast() >= MOST_COUNTED) return false;
        uint256 key = _key(last.round(), last.attempt());
        if (key != box.verdictKey) (box.verdictKey, box.verdict) = (key, _verdicts[jobId][key].load());
        (bool paid, uint24 recorded) = VoteSlots.paysInFull(box.verdict, voter.seat);
        if (!paid) return false;
        bool far = _isFar(last.score(), recorded);
        // Fits: at most MAX_SCORE.
        last.replaced(seal, uint24(score), open.round, open.attempt, box.openedAt, far).store(stored);
        return true;
    }

    /// @dev As `_replace`, whatever became of the last ballot, and whosever it was.
    /// @return bonded Whether the bond is still locked from that one.
    function _recast(
        uint256 jobId,
        Attempt memory open,
        Voter memory voter,
        uint40 openedAt,
        bytes16 seal,
        uint32 score
    ) private returns (bool bonded) {
        Ballot memory last = _ballots[jobId][voter.seat].read();
        // Else the seat was another organisation's, or this one's before it was removed and admitted again.
        if (last.openedAt >= voter.since) {
            _resolve(jobId, voter.seat, voter.account, last, _verdictOf(jobId, last));
            if (last.cast >= MOST_COUNTED) _pay(jobId, voter.account, last, false);
            bonded = last.state == BallotState.Cast;
        } else {
            _handOver(jobId, voter.seat, voter.account, last);
        }
        // Fits: at most MAX_SCORE.
        (last.seal, last.score, last.state) = (seal, uint24(score), BallotState.Cast);
        (last.round, last.attempt) = (open.round, open.attempt);
        last.openedAt = openedAt;
        ++last.cast;
        _ballots[jobId][voter.seat].write(last);
    }

    /// @dev Counts a vote. @return quorumReached Whether this vote made a tally reach quorum. At most one
    /// can: quorum is more than half of the seats.
    function _count(
        uint256 jobId,
        Box memory box,
        Attempt memory open,
        uint8 seat,
        bytes16 candidate
    ) private returns (bool quorumReached) {
        uint64 bit = uint64(1) << seat;
        uint64 seats = bit;
        if (open.voted == 0) {
            (box.front, box.frontSeats) = (candidate, bit);
        } else if (candidate == box.front) {
            seats |= box.frontSeats;
            box.frontSeats = seats;
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
    }

    /// @dev Whether the bond of a vote is locked from the last one, or can be.
    function _canLock(uint256 jobId, address account, uint8 seat, uint40 since) private view returns (bool) {
        Ballot memory last = _ballots[jobId][seat].read();
        bool cast = last.openedAt >= since && last.state == BallotState.Cast;
        if (cast && (_verdictOf(jobId, last).penalised >> seat) & 1 == 0) return true;
        (uint256 bond, ) = SCHEDULER.voteTerms(jobId);
        return VAULT.account(account).free >= bond;
    }

    // Internal: what votes are owed and owe

    /// @dev Counts what became of a ballot whose attempt is closed; the caller stores it. A ballot that was
    /// penalised has no bond any more: its state is Settled.
    function _resolve(
        uint256 jobId,
        uint256 seat,
        address account,
        Ballot memory last,
        Verdict memory verdict_
    ) private {
        if (last.state != BallotState.Cast || verdict_.state == VerdictState.None) return;
        if ((verdict_.penalised >> seat) & 1 != 0) {
            last.state = BallotState.Settled;
            ++_records[account].penalised;
            (uint256 bond, ) = SCHEDULER.voteTerms(jobId);
            emit VotePenalised(jobId, last.round, account, last.attempt, bond);
            if (bond != 0) VAULT.slash(jobId, account, bond);
        } else if ((verdict_.matching >> seat) & 1 != 0) {
            if (_isFar(last.score, verdict_.score)) ++last.far;
            if (verdict_.state == VerdictState.Final) {
                ++last.matched;
            } else {
                ++_records[account].matched;
                emit VotesPaid(jobId, account, 1, verdict_.payment, 0);
                if (verdict_.payment != 0) VAULT.release(jobId, account, 0, verdict_.payment);
            }
        }
    }

    /// @dev Pays what a ballot counts. @param unlock Whether its bond is free as well.
    function _pay(uint256 jobId, address account, Ballot memory last, bool unlock) private {
        if (last.cast != 0 || last.matched != 0 || last.far != 0) {
            VoteRecord memory record = _records[account];
            record.cast += last.cast;
            record.matched += last.matched;
            record.far += last.far;
            _records[account] = record;
        }
        (uint256 bond, uint256 price) = SCHEDULER.voteTerms(jobId);
        (uint256 votes, uint256 reward, uint256 freed) = (last.matched, last.matched * price, 0);
        if (unlock) freed = bond;
        (last.matched, last.cast, last.far) = (0, 0, 0);
        if (votes + freed == 0) return;
        emit VotesPaid(jobId, account, votes, reward, freed);
        if (reward + freed != 0) VAULT.release(jobId, account, freed, reward);
    }

    /// @dev Settles the ballot of a seat's former holder for good, if there was one, and empties it in memory.
    function _handOver(uint256 jobId, uint8 seat, address account, Ballot memory last) private {
        if (last.state != BallotState.None) {
            address former = _holders[jobId][seat];
            _resolve(jobId, seat, former, last, _verdictOf(jobId, last));
            _pay(jobId, former, last, last.state == BallotState.Cast);
        }
        _holders[jobId][seat] = account;
    }

    function _isFar(uint24 score, uint24 recorded) private pure returns (bool) {
        return (score > recorded ? score - recorded : recorded - score) > FAR;
    }

    function _verdictOf(uint256 jobId, Ballot memory last) private view returns (Verdict memory) {
        return _verdicts[jobId][_key(last.round, last.attempt)].read();
    }

    function _seatsFor(
        uint256 jobId,
        uint16 round,
        uint8 attempt_,
        bytes16 candidate
    ) private view returns (uint64) {
        Front memory front = _fronts[jobId];
        return candidate == front.candidate ? front.seats : _tallies[jobId][_key(round, attempt_)][candidate];
    }

    // Internal: verdicts

    /// @dev Stores the verdict on a failed vote before the scheduler opens the next attempt.
    function _fail(uint256 jobId, Box memory box, uint64 penalised) private {
        _verdicts[jobId][_key(box.round, box.attempt)] = Verdict({
            state: VerdictState.Failed,
            matching: 0,
            penalised: penalised,
            payment: 0,
            score: 0
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
        uint64 supporters = _seatsFor(jobId, open.round, open.attempt, open.leading);
        for (uint256 left = open.voted; left != 0; left &= left - 1) {
            uint256 seat = EpochBitmap.lowest(left);
            Ballot storage cast = _ballots[jobId][seat];
            // Fits: seats are below 64.
            uint64 bit = uint64(1 << seat);
            bytes16 seal = sealOf(jobId, open.round, open.attempt, result, _holders[jobId][seat]);
            if (cast.seal == seal) {
                matching |= bit;
                _insert(scores, count, cast.score);
                ++count;
            } else if (supporters & bit != 0) {
                penalised |= bit;
            }
        }
    }

    function _checkRevealable(
        uint256 jobId,
        Box memory box,
        Attempt memory open,
        bytes16 candidate
    ) private view {
        if (box.phase != IEpochTypes.Phase.Voting && box.phase != IEpochTypes.Phase.Reveal) {
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
        open = _attempts[jobId].read();
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
            box.eligible,
            box.quorum,
            box.grace
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
