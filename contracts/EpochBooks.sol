// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {EnumerableSet} from "@openzeppelin/contracts/utils/structs/EnumerableSet.sol";
import {EpochRecords} from "./EpochRecords.sol";
import {LeaseLedger} from "./LeaseLedger.sol";
import {RoundOpening} from "./RoundOpening.sol";
import {IConsortiumRegistry} from "./interfaces/IConsortiumRegistry.sol";
import {IEpochBooks} from "./interfaces/IEpochBooks.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {EpochBitmap} from "./libraries/EpochBitmap.sol";
import {EpochSlots} from "./libraries/EpochSlots.sol";
import {JobRecord, Schedule} from "./libraries/JobRecord.sol";
import {RoundState} from "./libraries/RoundState.sol";

/// @title EpochBooks
/// @notice The part of the scheduler's code that a round in steady state does not need. It runs at the
/// scheduler's address and on its records; what stands at its own address is used by nobody.
contract EpochBooks is RoundOpening, IEpochBooks {
    using EpochSlots for Lease;
    using EpochSlots for RoundState.Head;
    using EpochSlots for RoundState.Tally;
    using SafeCast for uint256;
    using EnumerableSet for EnumerableSet.UintSet;
    using JobRecord for JobRecord.Record;
    using RoundState for RoundState.Record;
    using RoundState for RoundState.Head;
    using RoundState for RoundState.Tally;

    uint256 private constant MAX_CID = 128;
    /// @dev Ten-thousandths of reliability that a good update earns back.
    uint256 private constant RECOVERY = 500;

    address private immutable SELF = address(this);

    modifier onlyGovernance() {
        if (msg.sender != REGISTRY.governance()) revert SchedulerNotGovernance(msg.sender);
        _;
    }

    // solhint-disable-next-line no-empty-blocks
    constructor(IConsortiumRegistry registry, IStakeVault vault) EpochRecords(registry) LeaseLedger(vault) {}

    // Clients

    /// @inheritdoc IEpochBooks
    function submitJob(
        Terms calldata terms,
        Content calldata spec,
        Content calldata model
    ) external returns (uint256 jobId) {
        if (address(this) == SELF) revert SchedulerNotHere(SELF);
        if (_paused) revert SchedulerPaused();
        JobRecord.check(terms);
        _checkContent(spec, "spec");
        _checkContent(model, "model");
        uint256 voters = REGISTRY.organisationCount();
        uint256 budget = JobRecord.budget(terms, voters);
        // A free job costs its client nothing but gas: strangers could fill the list of open jobs.
        if (budget == 0 && !REGISTRY.isMember(msg.sender)) revert SchedulerNotMember(msg.sender);

        jobId = ++_jobCount;
        JobRecord.Record storage record = _jobs[jobId];
        record.open(terms, msg.sender, spec.digest, voters.toUint8(), _parameters);
        // The set cannot hold a new id already.
        _openJobs.add(jobId);
        emit JobSubmitted(jobId, msg.sender, spec.digest, spec.cid, model.digest, model.cid, budget);

        RoundState.Head memory head;
        _openRound(jobId, record, record.schedule, head, 0, false, model.digest);
        if (budget != 0) VAULT.escrow(jobId, msg.sender, budget);
    }

    /// @inheritdoc IEpochBooks
    function cancelJob(uint256 jobId) external {
        JobRecord.Record storage record = _known(jobId);
        if (msg.sender != record.client) revert SchedulerNotClient(msg.sender, record.client);
        if (record.schedule.status() != JobStatus.Open) {
            revert SchedulerWrongPhase(jobId, Phase.Ended, Phase.Training);
        }
        if (record.stakes.cancelRequested) revert SchedulerCancelled(jobId);
        record.stakes.cancelRequested = true;
        emit JobCancelRequested(jobId);
    }

    // Trainers

    /// @inheritdoc IEpochBooks
    function enlist(uint256 jobId) external {
        Schedule schedule = _jobs[jobId].schedule;
        RoundState.Record storage round_ = _rounds[jobId];
        RoundState.Head memory head = round_.head.read();
        (address account, uint32 declared, ) = _checkTraining(jobId, schedule, head);
        if (round_.takenSet(head) != EpochBitmap.range(0, schedule.epochsPerRound())) {
            revert SchedulerEpochsLeft(jobId, head.number);
        }
        Lease memory main = _leases[jobId][_holding(msg.sender, 0)].read();
        uint256 released = _bring(jobId, schedule, head, msg.sender, account, main);
        if (main.round == head.number) revert SchedulerLeaseHeld(msg.sender, main.first);
        if (released != 0) _shares[jobId][account] -= released;
        _leases[jobId][_holding(msg.sender, 0)].write(main);
        // Once: else who asks again and again would make everybody's quota small.
        if (head.flags & RoundState.AWAITED == 0) {
            head.flags |= RoundState.AWAITED;
            // No more than all others have: who declares much and then does not claim leaves them half.
            uint256 capacity = _trusted(declared, _deficitOf(msg.sender, account));
            head.claimedCapacity += Math.min(capacity, head.claimedCapacity).toUint32();
            round_.head.write(head);
        }
        emit TrainerWaits(jobId, head.number, msg.sender);
    }

    // Anyone

    /// @inheritdoc IEpochBooks
    function expire(uint256 jobId, address node) external {
        Schedule schedule = _known(jobId).schedule;
        RoundState.Record storage round_ = _rounds[jobId];
        RoundState.Head memory head = round_.head.read();
        address account = REGISTRY.accountOf(node);
        Lease memory main = _leases[jobId][_holding(node, 0)].read();
        uint256 released = _bring(jobId, schedule, head, node, account, main);
        (Lease memory lease, uint8 slot, uint256 more) = _last(jobId, schedule, head, node, account, main);
        if (
            lease.state != LeaseState.Live ||
            lease.round != head.number ||
            lease.attempt != head.attempt ||
            schedule.status() != JobStatus.Open
        ) revert SchedulerNoLease(node);
        if (block.timestamp < lease.deadline) revert SchedulerLeaseNotOverdue(node, lease.deadline);

        lease.state = LeaseState.Missed;
        uint256 range = EpochBitmap.range(lease.first, lease.count);
        if (head.flags & RoundState.HOLED != 0) {
            round_.holes |= range;
        } else {
            round_.holes = range;
            head.flags |= RoundState.HOLED;
            round_.head.write(head);
        }
        if (lease.count > 1) round_.tail &= ~range;
        _shares[jobId][account] -= released + more + lease.count;
        _miss(jobId, node, account, lease, head.number);
        _store(jobId, node, main, lease, slot);
    }

    /// @inheritdoc IEpochBooks
    function settle(uint256 jobId, address[] calldata nodes) external {
        JobRecord.Record storage record = _known(jobId);
        Schedule schedule = record.schedule;
        RoundState.Head memory head = _rounds[jobId].head.read();
        (uint256 bond, uint256 price) = (record.stakes.leaseBond, record.stakes.epochPrice);
        for (uint256 i = 0; i < nodes.length; ++i) {
            address account = REGISTRY.accountOf(nodes[i]);
            if (account != address(0)) _settleNode(jobId, schedule, head, nodes[i], account, bond, price);
        }
    }

    // Governance

    /// @inheritdoc IEpochBooks
    function setParameters(uint96 leaseBond, uint96 voteBond, uint16 maxShare) external onlyGovernance {
        _setParameters(Parameters({leaseBond: leaseBond, voteBond: voteBond, maxShare: maxShare}));
    }

    /// @inheritdoc IEpochBooks
    function setPaused(bool paused_) external onlyGovernance {
        _paused = paused_;
        emit PauseSet(paused_);
    }

    // Views

    /// @inheritdoc IEpochBooks
    function phase(uint256 jobId) external view returns (Phase) {
        RoundState.Record storage round_ = _rounds[jobId];
        return round_.head.read().phase(round_.tally.read(), _jobs[jobId].schedule);
    }

    /// @inheritdoc IEpochBooks
    function quota(uint256 jobId, address node) external view returns (uint256 epochs) {
        JobRecord.Record storage record = _known(jobId);
        (address account, uint32 capacity, bool mayTrain) = REGISTRY.trainer(node);
        if (!mayTrain) return 0;
        epochs = _rounds[jobId].head.read().quota(
            record.schedule.epochsPerRound(),
            _trusted(capacity, _deficitOf(node, account))
        );
        uint256 held = _shares[jobId][account] - _overBy(jobId, record.schedule, node);
        uint256 most = record.schedule.maxEpochs();
        uint256 left = most > held ? most - held : 0;
        if (epochs > left) epochs = left;
    }

    /// @inheritdoc IEpochBooks
    function jobCount() external view returns (uint256) {
        return _jobCount;
    }

    /// @inheritdoc IEpochBooks
    function openJobs() external view returns (uint256[] memory) {
        return _openJobs.values();
    }

    /// @inheritdoc IEpochBooks
    function job(uint256 jobId) external view returns (Job memory) {
        return _jobs[jobId].toJob();
    }

    /// @inheritdoc IEpochBooks
    function round(uint256 jobId) external view returns (Round memory current) {
        RoundState.Record storage stored = _rounds[jobId];
        RoundState.Head memory head = stored.head.read();
        RoundState.Tally memory tally = stored.tally.read();
        (current.number, current.attempt, current.openedAt) = (head.number, head.attempt, head.openedAt);
        (current.trainingDeadline, current.voteDeadline, current.revealDeadline) = head.deadlines(
            _jobs[jobId].schedule
        );
        current.deliveredEpochs = tally.deliveredEpochs;
        current.updates = tally.updates;
        (current.claimedCapacity, current.quotaCapacity) = (head.claimedCapacity, head.quotaCapacity);
        (current.eligible, current.quorum) = (head.eligible, _quorum(head.eligible));
        current.taken = stored.takenSet(head);
        current.updateSet = stored.updateStarts(tally);
        current.delivered = stored.epochsOf(head, current.updateSet);
        current.keptSet = stored.keptStarts(tally);
        current.awaited = head.flags & RoundState.AWAITED != 0;
        current.paused = head.flags & RoundState.PAUSED != 0;
        current.accumulator = tally.accumulated();
        current.modelDigest = stored.modelDigest;
    }

    /// @inheritdoc IEpochBooks
    function leaseOf(
        uint256 jobId,
        address node
    ) external view returns (bool held, uint256 share, Lease memory lease) {
        Schedule schedule = _jobs[jobId].schedule;
        RoundState.Head memory head = _rounds[jobId].head.read();
        share = _shares[jobId][REGISTRY.accountOf(node)];
        lease = _leases[jobId][_holding(node, 0)].read();
        _bringUpToDate(jobId, schedule, head, lease);
        if (lease.extra != 0 && lease.round == head.number) {
            (uint8 extra, uint8 extras) = (lease.extra, lease.extras);
            lease = _leases[jobId][_holding(node, extra)].read();
            _bringUpToDate(jobId, schedule, head, lease);
            (lease.extra, lease.extras) = (extra, extras);
        }
        held =
            schedule.status() == JobStatus.Open &&
            lease.state != LeaseState.None &&
            lease.round == head.number &&
            lease.attempt == head.attempt;
    }

    /// @inheritdoc IEpochBooks
    function storedLease(uint256 jobId, address node, uint8 slot) external view returns (Lease memory) {
        return _leases[jobId][_holding(node, slot)];
    }

    /// @inheritdoc IEpochBooks
    function nodeRecord(address node) external view returns (NodeRecord memory) {
        Conduct memory conduct = _conducts[node];
        return
            NodeRecord({
                delivered: conduct.delivered,
                expired: conduct.expired,
                accepted: conduct.accepted,
                outliers: conduct.outliers,
                invalid: conduct.invalid,
                reliability: FULL - _deficitOf(node, REGISTRY.accountOf(node))
            });
    }

    /// @inheritdoc IEpochBooks
    function reliabilityOf(address account) external view returns (uint16) {
        return FULL - _deficits[account];
    }

    /// @inheritdoc IEpochBooks
    function outcome(uint256 jobId, uint16 round_) external view returns (Outcome memory) {
        Result storage result = _results[jobId][round_];
        return
            Outcome({
                modelDigest: result.modelDigest,
                unpaid: result.unpaid,
                invalid: result.invalid,
                closedAt: result.closedAt,
                score: result.score,
                attempt: result.attempt,
                carried: result.carried
            });
    }

    /// @inheritdoc IEpochBooks
    function parameters() external view returns (Parameters memory) {
        return _parameters;
    }

    /// @inheritdoc IEpochBooks
    function paused() external view returns (bool) {
        return _paused;
    }

    // Internal

    /// @dev Epochs of a node's leases that are over and still count for its organisation's share: a claim frees
    /// them.
    function _overBy(uint256 jobId, Schedule schedule, address node) private view returns (uint256 over) {
        RoundState.Head memory head = _rounds[jobId].head.read();
        Lease memory lease = _leases[jobId][_holding(node, 0)].read();
        (, , over) = _bringUpToDate(jobId, schedule, head, lease);
        if (lease.extra == 0 || lease.round != head.number) return over;
        lease = _leases[jobId][_holding(node, lease.extra)].read();
        (, , uint256 more) = _bringUpToDate(jobId, schedule, head, lease);
        return over + more;
    }

    /// @dev Passes over what has not changed: anyone may call for anyone.
    function _settleNode(
        uint256 jobId,
        Schedule schedule,
        RoundState.Head memory head,
        address node,
        address account,
        uint256 bond,
        uint256 price
    ) private {
        uint256 slots = uint256(_leases[jobId][_holding(node, 0)].extras) + 1;
        (uint256 due, uint256 unlocked, uint256 accepted, uint256 outliers) = (0, 0, 0, 0);
        uint256 released;
        for (uint256 slot = 0; slot < slots; ++slot) {
            // Fits: at most 255 further leases.
            uint256 holding = _holding(node, uint8(slot));
            Lease memory lease = _leases[jobId][holding].read();
            if (lease.state == LeaseState.None) continue;
            released += _bring(jobId, schedule, head, node, account, lease);
            due += lease.due;
            accepted += lease.accepted;
            outliers += lease.outliers;
            (lease.due, lease.accepted, lease.outliers) = (0, 0, 0);
            if (lease.state == LeaseState.Settled || lease.state == LeaseState.Missed) {
                unlocked += lease.bonded;
                lease.bonded = 0;
            }
            _leases[jobId][holding].write(lease);
        }
        if (released != 0) _shares[jobId][account] -= released;
        if (accepted + outliers != 0) _approve(node, account, accepted, outliers);
        // Whatever changes the node's record is told, so that the record follows from events.
        if (due + unlocked + outliers == 0) return;
        (uint256 reward, uint256 freed) = (due * price, unlocked * bond);
        emit RewardsSettled(jobId, account, node, due, reward, freed);
        if (reward + freed != 0) VAULT.release(jobId, account, freed, reward);
    }

    function _approve(address node, address account, uint256 accepted, uint256 outliers) private {
        Conduct memory conduct = _conductOf(node, account);
        conduct.delivered += (accepted + outliers).toUint32();
        conduct.accepted += accepted.toUint32();
        conduct.outliers += outliers.toUint32();
        uint256 recovered = (accepted + outliers) * RECOVERY;
        // Both fit: never more than what is there.
        conduct.deficit -= uint16(Math.min(recovered, conduct.deficit));
        _conducts[node] = conduct;
        uint16 deficit = _deficits[account];
        if (deficit != 0) _deficits[account] = deficit - uint16(Math.min(recovered, deficit));
    }

    function _checkContent(Content calldata content, string memory what) private pure {
        if (content.digest == 0) revert SchedulerBadContent(string.concat(what, ".digest"));
        uint256 length = bytes(content.cid).length;
        if (length == 0 || length > MAX_CID) revert SchedulerBadContent(string.concat(what, ".cid"));
    }
}
