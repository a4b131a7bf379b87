// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {EpochRecords} from "./EpochRecords.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {EpochSlots} from "./libraries/EpochSlots.sol";
import {Schedule} from "./libraries/JobRecord.sol";
import {RoundState} from "./libraries/RoundState.sol";

/// @title LeaseLedger
/// @notice What becomes of leases: penalties, rewards, and the record of each node.
/// @dev Rewards of closed rounds are counted in a node's lease record whenever that is written anyway, and
/// paid out by `settle`, of any number of rounds at once. The bond stays locked from one lease to the next.
abstract contract LeaseLedger is EpochRecords {
    using EpochSlots for Lease;
    using EpochSlots for RoundState.Head;
    using EpochSlots for RoundState.Tally;
    using RoundState for RoundState.Record;
    using RoundState for RoundState.Head;

    IStakeVault public immutable VAULT;

    constructor(IStakeVault vault) {
        VAULT = vault;
    }

    /// @dev Brings a lease up to date in memory and takes what it has to pay; the caller stores it, and takes
    /// what is released from the share of the organisation.
    function _bring(
        uint256 jobId,
        Schedule schedule,
        RoundState.Head memory head,
        address node,
        address account,
        Lease memory lease
    ) internal returns (uint256 released) {
        Fault fault;
        uint16 number;
        (fault, number, released) = _bringUpToDate(jobId, schedule, head, lease);
        if (fault == Fault.Rejected) _reject(jobId, node, account, lease, number);
        else if (fault == Fault.Missed) _miss(jobId, node, account, lease, number);
    }

    /// @dev The last lease of a node in the round, up to date as `main`, its first one, already is: which may
    /// be the same.
    function _last(
        uint256 jobId,
        Schedule schedule,
        RoundState.Head memory head,
        address node,
        address account,
        Lease memory main
    ) internal returns (Lease memory lease, uint8 slot, uint256 released) {
        if (main.extra == 0 || main.round != head.number) return (main, 0, 0);
        slot = main.extra;
        lease = _leases[jobId][_holding(node, slot)].read();
        released = _bring(jobId, schedule, head, node, account, lease);
    }

    function _store(uint256 jobId, address node, Lease memory main, Lease memory lease, uint8 slot) internal {
        _leases[jobId][_holding(node, 0)].write(main);
        if (slot != 0) _leases[jobId][_holding(node, slot)].write(lease);
    }

    function _miss(uint256 jobId, address node, address account, Lease memory lease, uint16 number) internal {
        uint256 penalty = _takeBond(jobId, lease);
        emit LeaseMissed(jobId, number, node, lease.first, lease.count, penalty);
        Conduct memory conduct = _conductOf(node, account);
        ++conduct.expired;
        _fault(node, account, conduct, (FULL - conduct.deficit) / 2);
        if (penalty != 0) VAULT.slash(jobId, account, penalty);
    }

    function _reject(
        uint256 jobId,
        address node,
        address account,
        Lease memory lease,
        uint16 number
    ) private {
        uint256 penalty = _takeBond(jobId, lease);
        emit UpdateRejected(jobId, number, node, lease.first, lease.count, penalty);
        Conduct memory conduct = _conductOf(node, account);
        ++conduct.delivered;
        ++conduct.invalid;
        _fault(node, account, conduct, ((FULL - conduct.deficit) * 3) / 4);
        if (penalty != 0) VAULT.slash(jobId, account, penalty);
    }

    function _takeBond(uint256 jobId, Lease memory lease) private view returns (uint256 penalty) {
        penalty = uint256(lease.bonded) * _jobs[jobId].stakes.leaseBond;
        lease.bonded = 0;
    }

    /// @dev A fresh key does not wash off what the last one did: the organisation remembers the worst of its
    /// nodes until good work has made up for it.
    function _fault(address node, address account, Conduct memory conduct, uint16 loss) private {
        conduct.deficit += loss;
        _conducts[node] = conduct;
        if (conduct.deficit > _deficits[account]) _deficits[account] = conduct.deficit;
    }

    function _conductOf(address node, address account) internal view returns (Conduct memory conduct) {
        conduct = _conducts[node];
        if (!conduct.known) (conduct.known, conduct.deficit) = (true, _deficits[account]);
    }

    function _checkTraining(
        uint256 jobId,
        Schedule schedule,
        RoundState.Head memory head
    ) internal view returns (address account, uint32 declared, uint40 deadline) {
        if (schedule.status() == JobStatus.None) revert SchedulerUnknownJob(jobId);
        (uint40 training, , ) = head.deadlines(schedule);
        if (schedule.status() != JobStatus.Open || block.timestamp >= training) {
            revert SchedulerWrongPhase(
                jobId,
                head.phase(_rounds[jobId].tally.read(), schedule),
                Phase.Training
            );
        }
        if (head.flags & RoundState.PAUSED != 0) revert SchedulerPaused();
        if (block.timestamp + schedule.minLeaseTime() > training) {
            revert SchedulerTooLate(block.timestamp, training - schedule.minLeaseTime());
        }
        bool mayTrain;
        (account, declared, mayTrain) = REGISTRY.trainer(msg.sender);
        if (!mayTrain) revert SchedulerNotTrainer(msg.sender);
        deadline = head.leaseDeadline(schedule, block.timestamp);
    }
}
