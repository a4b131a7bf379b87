// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {EnumerableSet} from "@openzeppelin/contracts/utils/structs/EnumerableSet.sol";
import {EpochRecords} from "./EpochRecords.sol";
import {LeaseLedger} from "./LeaseLedger.sol";
import {RoundOpening} from "./RoundOpening.sol";
import {IConsortiumRegistry} from "./interfaces/IConsortiumRegistry.sol";
import {IEpochRounds} from "./interfaces/IEpochRounds.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {EpochBitmap} from "./libraries/EpochBitmap.sol";
import {EpochSlots} from "./libraries/EpochSlots.sol";
import {JobRecord, Schedule} from "./libraries/JobRecord.sol";
import {LeaseWord, LeaseWords} from "./libraries/LeaseWord.sol";
import {RoundState} from "./libraries/RoundState.sol";

/// @title EpochScheduler
/// @notice See IEpochScheduler for what is guaranteed.
/// @dev Mutators check, change state, emit, and only then call the vault, which calls no token but for `escrow`.
/// What is not here is in EpochBooks, whose code is fixed at deployment and runs on this contract's records.
contract EpochScheduler is RoundOpening, IEpochRounds {
    using EpochSlots for Lease;
    using LeaseWords for Lease;
    using EpochSlots for RoundState.Head;
    using EpochSlots for RoundState.Tally;
    using SafeCast for uint256;
    using EnumerableSet for EnumerableSet.UintSet;
    using RoundState for RoundState.Record;
    using RoundState for RoundState.Head;
    using RoundState for RoundState.Tally;

    uint256 private constant MAX_CID = 128;
    uint256 private constant MAX_EXTRAS = 255;

    /// @notice The only caller of `closeRound` and `failVote`.
    address public immutable VOTE;
    /// @notice The other part of the code; see EpochBooks.
    address public immutable BOOKS;

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
        address books,
        Parameters memory initial
    ) EpochRecords(registry) LeaseLedger(vault) {
        if (address(registry) == address(0) || address(vault) == address(0) || vote == address(0)) {
            revert SchedulerZeroAddress();
        }
        if (books.code.length == 0) revert SchedulerZeroAddress();
        VOTE = vote;
        BOOKS = books;
        _setParameters(initial);
    }

    /// @dev Everything of IEpochBooks. A static call stays one.
    // solhint-disable-next-line no-complex-fallback
    fallback() external {
        address books = BOOKS;
        // solhint-disable-next-line no-inline-assembly
        assembly {
            calldatacopy(0, 0, calldatasize())
            let success := delegatecall(gas(), books, 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            if iszero(success) {
                revert(0, returndatasize())
            }
            return(0, returndatasize())
        }
    }

    // Trainers

    /// @inheritdoc IEpochRounds
    function claim(uint256 jobId) external returns (uint8 first, uint16 count) {
        JobRecord.Record storage record = _jobs[jobId];
        Schedule schedule = record.schedule;
        RoundState.Head memory head = _rounds[jobId].head.read();
        (address account, uint32 declared, uint40 deadline) = _checkTraining(jobId, schedule, head);
        uint256 bonded;
        LeaseWord last = _leases[jobId][_holding(msg.sender, 0)].load();
        if (_wentWell(head, last)) {
            uint256 capacity = _capacity(account, declared);
            head.claimedCapacity += uint32(capacity);
            bonded = last.bonded();
            (first, count) = _lease(jobId, schedule, head, account, capacity, last.count());
            last = last.accepted().leased(first, count, head.number, head.attempt, deadline);
            last.store(_leases[jobId][_holding(msg.sender, 0)]);
        } else {
            (first, count, bonded) = _leaseAfter(jobId, schedule, head, account, declared, deadline);
        }
        emit EpochsLeased(jobId, head.number, msg.sender, head.attempt, first, count, deadline);
        if (count != bonded) _adjustBond(jobId, record, account, bonded, count);
    }

    /// @inheritdoc IEpochRounds
    /// @dev Reads nothing of the job for a lease that goes on well: a live lease of the last attempt whose
    /// deadline has not passed implies that the job is open and training, since no lease outlasts training,
    /// and voting opens early, and a job ends early, only when no lease is live.
    function submitUpdate(
        uint256 jobId,
        bytes32 digest,
        uint64 samples,
        bool keep,
        string calldata cid
    ) external {
        if (digest == 0) revert SchedulerBadUpdate("digest");
        if (samples == 0) revert SchedulerBadUpdate("samples");
        if (bytes(cid).length == 0 || bytes(cid).length > MAX_CID) revert SchedulerBadUpdate("cid");

        RoundState.Record storage round_ = _rounds[jobId];
        RoundState.Tally memory tally = round_.tally.read();
        (uint8 first, uint16 count, bool kept) = _deliver(jobId, tally, keep);

        uint256 bit = 1 << first;
        if (kept) {
            round_.keptSet = tally.sets & RoundState.KEPT == 0 ? bit : round_.keptSet | bit;
            tally.sets |= RoundState.KEPT;
        } else {
            round_.freedSet = tally.sets & RoundState.FREED == 0 ? bit : round_.freedSet | bit;
            tally.sets |= RoundState.FREED;
        }
        bytes24 previous = tally.accumulated();
        tally.accumulator = bytes24(
            keccak256(abi.encode(previous, msg.sender, first, count, samples, digest))
        );
        unchecked {
            // Ranges are disjoint: neither can exceed the 256 epochs of a round.
            ++tally.updates;
            tally.deliveredEpochs += count;
        }
        round_.tally.write(tally);
        emit UpdateSubmitted(jobId, tally.round, msg.sender, first, count, samples, digest, kept, cid);
    }

    // Anyone

    /// @inheritdoc IEpochRounds
    function reopen(uint256 jobId) external {
        JobRecord.Record storage record = _known(jobId);
        Schedule schedule = record.schedule;
        RoundState.Record storage round_ = _rounds[jobId];
        RoundState.Head memory head = round_.head.read();
        _requirePhase(jobId, head.phase(round_.tally.read(), schedule), Phase.Stalled);
        // An attempt that reached voting is the vote contract's to close, with what that costs its voters.
        if (RoundState.mayVote(head, round_.tally.read(), schedule)) {
            revert SchedulerWrongPhase(jobId, Phase.Stalled, Phase.Training);
        }
        _failAttempt(jobId, record, schedule, head, false);
    }

    // The vote contract

    /// @inheritdoc IEpochRounds
    function closeRound(
        uint256 jobId,
        bytes32 modelDigest,
        uint256 accepted,
        uint256 invalid,
        uint32 score,
        uint256 matching
    ) external onlyVote returns (uint256 votePayment) {
        JobRecord.Record storage record = _jobs[jobId];
        Schedule schedule = record.schedule;
        RoundState.Record storage round_ = _rounds[jobId];
        RoundState.Head memory head = round_.head.read();
        uint256 owed;
        (votePayment, owed) = _price(jobId, record, head, modelDigest, accepted, invalid, matching);

        bool ends = head.number == schedule.rounds() || record.stakes.cancelRequested;
        uint256 carried = ends ? 0 : _carried(record, round_, head, invalid);
        uint256 unpaid = round_.updateStarts(round_.tally.read()) & ~accepted;
        _recordResult(jobId, head, modelDigest, unpaid, invalid, score, carried != 0);
        emit RoundClosed(
            jobId,
            head.number,
            head.attempt,
            modelDigest,
            accepted,
            invalid,
            score,
            votePayment,
            round_.tally.read().accumulated()
        );

        if (owed != 0) VAULT.owe(jobId, owed);
        if (head.number == schedule.rounds()) _endJob(jobId, record, JobStatus.Completed);
        else if (ends) _endJob(jobId, record, JobStatus.Cancelled);
        else _openRound(jobId, record, schedule, head, carried, unpaid == 0, modelDigest);
    }

    /// @inheritdoc IEpochRounds
    function failVote(uint256 jobId) external onlyVote {
        JobRecord.Record storage record = _jobs[jobId];
        Schedule schedule = record.schedule;
        RoundState.Record storage round_ = _rounds[jobId];
        RoundState.Head memory head = round_.head.read();
        if (!RoundState.mayVote(head, round_.tally.read(), schedule)) {
            revert SchedulerWrongPhase(jobId, head.phase(round_.tally.read(), schedule), Phase.Voting);
        }
        _failAttempt(jobId, record, schedule, head, true);
    }

    // Views

    /// @inheritdoc IEpochRounds
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
            uint64 eligible,
            uint8 quorum,
            uint32 grace
        )
    {
        Schedule schedule = _jobs[jobId].schedule;
        RoundState.Head memory head = _rounds[jobId].head.read();
        phase_ = head.phase(_rounds[jobId].tally.read(), schedule);
        (round_, attempt, openedAt) = (head.number, head.attempt, head.openedAt);
        (, voteDeadline, ) = head.deadlines(schedule);
        (eligible, quorum) = (head.eligible, _quorum(head.eligible));
        grace = schedule.grace();
    }

    /// @inheritdoc IEpochRounds
    function voteTerms(uint256 jobId) external view returns (uint96, uint96) {
        JobRecord.Stakes storage stakes = _jobs[jobId].stakes;
        return (stakes.voteBond, stakes.votePrice);
    }

    // Internal: rounds

    function _failAttempt(
        uint256 jobId,
        JobRecord.Record storage record,
        Schedule schedule,
        RoundState.Head memory head,
        bool voting
    ) private {
        RoundState.Record storage round_ = _rounds[jobId];
        uint256 updateSet = round_.updateStarts(round_.tally.read());
        emit AttemptFailed(jobId, head.number, head.attempt, voting);
        bool cancelled = record.stakes.cancelRequested;
        if (cancelled || head.attempt == schedule.maxAttempts()) {
            _recordResult(jobId, head, 0, updateSet, 0, 0, false);
            _endJob(jobId, record, cancelled ? JobStatus.Cancelled : JobStatus.Failed);
            return;
        }
        // Live leases of the failed attempt are missed: their ranges return here, their bonds are taken when
        // their records are brought up to date.
        if (head.next != 0) {
            round_.keepOnly(head, round_.epochsOf(head, updateSet), schedule.epochsPerRound());
        }
        _openAttempt(jobId, schedule, head, head.attempt + 1, voting, 0);
    }

    /// @param unpaid For a failed round all updates. A bitmap that is empty is not written.
    function _recordResult(
        uint256 jobId,
        RoundState.Head memory head,
        bytes32 modelDigest,
        uint256 unpaid,
        uint256 invalid,
        uint32 score,
        bool carried
    ) private {
        Result storage result = _results[jobId][head.number];
        result.modelDigest = modelDigest;
        result.closedAt = block.timestamp.toUint40();
        (result.score, result.attempt, result.carried) = (score, head.attempt, carried);
        (result.anyUnpaid, result.anyInvalid) = (unpaid != 0, invalid != 0);
        if (unpaid != 0) result.unpaid = unpaid;
        if (invalid != 0) result.invalid = invalid;
    }

    function _endJob(uint256 jobId, JobRecord.Record storage record, JobStatus status) private {
        record.schedule = record.schedule.ended(status);
        // The set holds every open job.
        _openJobs.remove(jobId);
        uint256 refund = VAULT.refund(jobId, record.client);
        emit JobEnded(jobId, status, refund);
    }

    /// @dev Checks a result against the updates. @return votePayment Of each matching vote. @return owed Of all
    /// that the round pays.
    function _price(
        uint256 jobId,
        JobRecord.Record storage record,
        RoundState.Head memory head,
        bytes32 modelDigest,
        uint256 accepted,
        uint256 invalid,
        uint256 matching
    ) private view returns (uint256 votePayment, uint256 owed) {
        RoundState.Record storage round_ = _rounds[jobId];
        uint256 updateSet = round_.updateStarts(round_.tally.read());
        if (modelDigest == 0 || (accepted | invalid) & ~updateSet != 0 || accepted & invalid != 0) {
            revert SchedulerBadResult(accepted, invalid, updateSet);
        }
        JobRecord.Stakes memory stakes = record.stakes;
        votePayment = Math.min(stakes.votePrice, (uint256(stakes.voters) * stakes.votePrice) / matching);
        uint256 paidEpochs = EpochBitmap.popcount(round_.epochsOf(head, accepted));
        owed = paidEpochs * stakes.epochPrice + matching * votePayment;
    }

    /// @dev First epochs of the leases that go on into the next round: none where somebody waits for a share,
    /// has left since the round opened, or the consortium pauses.
    function _carried(
        JobRecord.Record storage record,
        RoundState.Record storage round_,
        RoundState.Head memory head,
        uint256 invalid
    ) private view returns (uint256) {
        if (head.flags & RoundState.AWAITED != 0 || _paused) return 0;
        if (REGISTRY.departures() != record.stakes.departures) return 0;
        return round_.keptStarts(round_.tally.read()) & ~invalid;
    }

    // Internal: leases

    /// @dev Where the next lease of a node is kept whose last one in the round is `lease`. One that was missed
    /// in an earlier attempt gives its slot up.
    function _slotForClaim(
        Schedule schedule,
        RoundState.Head memory head,
        Lease memory lease,
        uint8 slot
    ) private view returns (uint8) {
        if (lease.state == LeaseState.Live) revert SchedulerLeaseHeld(msg.sender, lease.first);
        bool same = lease.attempt == head.attempt;
        if (lease.state != LeaseState.Delivered) {
            if (same) revert SchedulerBarred(msg.sender, head.number);
            return slot;
        }
        uint256 again = same ? uint256(head.openedAt) + schedule.claimWindow() : 0;
        if (block.timestamp < again || slot == MAX_EXTRAS) {
            revert SchedulerAlreadyClaimed(msg.sender, head.number, again);
        }
        return slot + 1;
    }

    /// @dev Takes the lowest free run of epochs for a node, as long as its quota and the share of its
    /// organisation allow. @param released Epochs that the organisation holds no more.
    function _lease(
        uint256 jobId,
        Schedule schedule,
        RoundState.Head memory head,
        address account,
        uint256 capacity,
        uint256 released
    ) private returns (uint8 first, uint16 count) {
        RoundState.Record storage round_ = _rounds[jobId];
        (uint256 epochs, uint256 most) = (schedule.epochsPerRound(), schedule.maxEpochs());
        uint256 stored = _shares[jobId][account];
        uint256 held = stored - released;
        if (held >= most) revert SchedulerShareReached(account, most);
        uint256 limit = Math.min(head.quota(epochs, capacity), most - held);
        (uint256 start, uint256 length) = (head.next, Math.min(limit, epochs - head.next));
        if (head.flags & RoundState.HOLED != 0) {
            (start, length) = EpochBitmap.lowestFreeRun(round_.takenSet(head), epochs, limit);
        }
        if (length == 0) revert SchedulerNoEpochsLeft(jobId, head.number);

        if (held + length != stored) _shares[jobId][account] = held + length;
        if (start < head.next) round_.holes &= ~EpochBitmap.range(start, length);
        // Fits: at most 256.
        if (start + length > head.next) head.next = uint16(start + length);
        if (length > 1) {
            uint256 tail = EpochBitmap.range(start + 1, length - 1);
            round_.tail = head.flags & RoundState.TAILED != 0 ? round_.tail | tail : tail;
            head.flags |= RoundState.TAILED;
        }
        round_.head.write(head);
        // Both fit: start < 256 and length <= 256.
        (first, count) = (uint8(start), uint16(length));
    }

    function _adjustBond(
        uint256 jobId,
        JobRecord.Record storage record,
        address account,
        uint256 bonded,
        uint256 needed
    ) private {
        uint256 bond = record.stakes.leaseBond;
        if (bond == 0) return;
        if (needed > bonded) VAULT.lock(account, (needed - bonded) * bond);
        else VAULT.release(jobId, account, (bonded - needed) * bond, 0);
    }

    /// @dev Whether a lease was delivered in the round before this one, all updates of which were accepted, and
    /// was not kept for this one.
    function _wentWell(RoundState.Head memory head, LeaseWord last) private pure returns (bool) {
        return
            head.flags & RoundState.CLEAN != 0 &&
            last.state() == LeaseState.Delivered &&
            uint256(last.round()) + 1 == head.number &&
            !(last.kept() && head.flags & RoundState.CARRIED != 0);
    }

    /// @dev The capacity that the caller is leased by: what it declares, as far as its record bears it out.
    function _capacity(address account, uint32 declared) private view returns (uint256) {
        return _trusted(declared, _deficitOf(msg.sender, account));
    }

    /// @dev Leases to the caller whatever has become of its last lease; `bonded` epochs had a bond before.
    function _leaseAfter(
        uint256 jobId,
        Schedule schedule,
        RoundState.Head memory head,
        address account,
        uint32 declared,
        uint40 deadline
    ) private returns (uint8 first, uint16 count, uint256 bonded) {
        Lease memory main = _leases[jobId][_holding(msg.sender, 0)].read();
        Lease memory lease = main;
        uint256 released = _bring(jobId, schedule, head, msg.sender, account, main);
        uint8 slot = 0;
        bool again = main.round == head.number;
        if (again) {
            uint256 more;
            (lease, slot, more) = _last(jobId, schedule, head, msg.sender, account, main);
            slot = _slotForClaim(schedule, head, lease, slot);
            if (slot != main.extra) {
                lease = _leases[jobId][_holding(msg.sender, slot)].read();
                more += _bring(jobId, schedule, head, msg.sender, account, lease);
            }
            released += more;
        }
        // By the record as it is now.
        uint256 capacity = _capacity(account, declared);
        // Fits: a capacity is below 2**16.
        if (!again) head.claimedCapacity += uint32(capacity);
        (first, count) = _lease(jobId, schedule, head, account, capacity, released);

        bonded = lease.bonded;
        (lease.first, lease.count, lease.bonded) = (first, count, count);
        (lease.round, lease.attempt, lease.deadline) = (head.number, head.attempt, deadline);
        (lease.state, lease.kept) = (LeaseState.Live, false);
        main.extra = slot;
        if (slot > main.extras) main.extras = slot;
        _store(jobId, msg.sender, main, lease, slot);
    }

    /// @dev Marks the caller's live lease of the open attempt as delivered.
    function _deliver(
        uint256 jobId,
        RoundState.Tally memory tally,
        bool keep
    ) private returns (uint8 first, uint16 count, bool kept) {
        Lease storage stored = _leases[jobId][_holding(msg.sender, 0)];
        LeaseWord lease = stored.load();
        kept = keep;
        if (lease.round() != tally.round) {
            lease = _carry(jobId, lease, stored);
        } else if (lease.extra() != 0) {
            stored = _leases[jobId][_holding(msg.sender, lease.extra())];
            lease = stored.load();
            kept = false;
        }
        LeaseState state = lease.state();
        if (
            lease.round() != tally.round ||
            lease.attempt() != tally.attempt ||
            (state != LeaseState.Live && state != LeaseState.Delivered)
        ) revert SchedulerNoLease(msg.sender);
        (first, count) = (lease.first(), lease.count());
        if (state == LeaseState.Delivered) revert SchedulerAlreadyDelivered(msg.sender, first);
        if (block.timestamp >= lease.deadline()) revert SchedulerTooLate(block.timestamp, lease.deadline());
        lease.delivered(kept).store(stored);
    }

    /// @dev What has become of a lease from an earlier round: the one that it was kept for, if all went well.
    /// Penalties are not taken here: without a live lease the caller reverts. Where all updates of the round
    /// before were accepted the head tells all there is to know.
    function _carry(uint256 jobId, LeaseWord last, Lease storage stored) private returns (LeaseWord) {
        RoundState.Head memory head = _rounds[jobId].head.read();
        uint8 needed = RoundState.CLEAN | RoundState.CARRIED;
        if (
            head.flags & needed == needed &&
            head.attempt == 1 &&
            last.kept() &&
            last.state() == LeaseState.Delivered &&
            uint256(last.round()) + 1 == head.number
        ) {
            // A lease is never longer than training.
            return last.accepted().begun(head.number, head.openedAt + head.leaseTime);
        }
        Lease memory lease = stored.read();
        _bringUpToDate(jobId, _jobs[jobId].schedule, head, lease);
        stored.write(lease);
        return stored.load();
    }
}
