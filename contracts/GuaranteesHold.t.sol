// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IAggregationVote} from "./interfaces/IAggregationVote.sol";
import {IConsortiumRegistry} from "./interfaces/IConsortiumRegistry.sol";
import {IEpochScheduler} from "./interfaces/IEpochScheduler.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {ConsortiumHandler} from "./test/ConsortiumHandler.t.sol";
import {vm} from "./test/Vm.t.sol";

/// @dev The fuzzer knows the contracts of this file only.
// solhint-disable-next-line no-empty-blocks
contract Consortium is ConsortiumHandler {}

/// @title What holds whatever a consortium does, recomputed from the records by plain loops.
contract GuaranteesHoldTest {
    uint256 private constant EPOCHS = 12;
    uint8 private constant SEATS = 16;

    Consortium private _handler;
    IERC20 private _token;
    IConsortiumRegistry private _registry;
    IStakeVault private _vault;
    IEpochScheduler private _scheduler;
    IAggregationVote private _vote;

    function setUp() external {
        _handler = new Consortium();
        (address token, address registry, address vault, address scheduler, address vote) = _handler
            .contracts();
        _token = IERC20(token);
        _registry = IConsortiumRegistry(registry);
        _vault = IStakeVault(vault);
        _scheduler = IEpochScheduler(scheduler);
        _vote = IAggregationVote(vote);
    }

    /// @dev The fuzzer calls the handler alone.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    function invariant_the_vault_holds_what_it_owes() external view {
        address[] memory accounts = _handler.accounts();
        uint256 sum;
        for (uint256 i = 0; i < accounts.length; ++i) {
            IStakeVault.Account memory account = _vault.account(accounts[i]);
            sum += uint256(account.free) + account.locked + account.unbonding + account.credit;
        }
        for (uint256 job = 1; job <= _scheduler.jobCount(); ++job)
            sum += _vault.escrowOf(job) + _vault.owedBy(job);
        vm.assertEq(_vault.liabilities(), sum, "liabilities");
        vm.assertEq(_token.balanceOf(address(_vault)), sum, "tokens");
    }

    function invariant_every_epoch_is_unleased_or_live_or_delivered() external view {
        for (uint256 job = 1; job <= _scheduler.jobCount(); ++job) {
            IEpochScheduler.Round memory round = _scheduler.round(job);
            (uint256 live, uint256 delivered, uint256 starts, uint256 updates) = (0, 0, 0, 0);
            for (uint256 first = 0; first < EPOCHS; ++first) {
                IEpochScheduler.Lease memory lease = _scheduler.lease(job, uint8(first));
                if (lease.round != round.number) continue;
                uint256 range = ((1 << lease.count) - 1) << first;
                if (lease.state == IEpochScheduler.LeaseState.Live && lease.attempt == round.attempt) {
                    vm.assertEq((live | delivered) & range, 0, "overlap");
                    live |= range;
                } else if (
                    lease.state == IEpochScheduler.LeaseState.Delivered ||
                    lease.state == IEpochScheduler.LeaseState.Settled
                ) {
                    vm.assertEq((live | delivered) & range, 0, "overlap");
                    delivered |= range;
                    starts |= 1 << first;
                    ++updates;
                }
            }
            vm.assertEq(round.delivered, delivered, "delivered");
            vm.assertEq(round.updateSet, starts, "updates");
            vm.assertEq(round.updates, updates, "count");
            vm.assertEq(round.deliveredEpochs, _bits(delivered), "epochs");
            if (_scheduler.job(job).status == IEpochScheduler.JobStatus.Open) {
                vm.assertEq(round.taken, live | delivered, "taken");
            }
            vm.assertTrue((live | delivered) >> EPOCHS == 0, "outside");
        }
    }

    /// @dev Each accepted epoch and matching vote that is not settled yet is owed once: a second payment of
    /// any would leave less.
    function invariant_what_a_job_owes_is_what_is_not_settled_yet() external view {
        for (uint256 job = 1; job <= _scheduler.jobCount(); ++job) {
            vm.assertEq(_vault.owedBy(job), _unsettledLeases(job) + _unsettledVotes(job), "owed");
        }
    }

    function invariant_what_is_final_and_what_was_cast_never_changes() external {
        vm.assertTrue(_handler.unchanged(), "changed");
    }

    function invariant_whatever_may_be_slashed_is_locked() external view {
        address[] memory accounts = _handler.accounts();
        uint256[] memory bonds = new uint256[](accounts.length);
        for (uint256 job = 1; job <= _scheduler.jobCount(); ++job) {
            IEpochScheduler.Job memory terms = _scheduler.job(job);
            for (uint256 first = 0; first < EPOCHS; ++first) {
                IEpochScheduler.Lease memory lease = _scheduler.lease(job, uint8(first));
                if (
                    lease.state == IEpochScheduler.LeaseState.Live ||
                    lease.state == IEpochScheduler.LeaseState.Delivered
                ) bonds[_index(accounts, _registry.accountOf(lease.node))] += terms.leaseBond;
            }
            for (uint8 seat = 0; seat < SEATS; ++seat) {
                IAggregationVote.Ballot memory ballot = _vote.ballot(job, seat);
                if (ballot.state == IAggregationVote.BallotState.Cast) {
                    bonds[_index(accounts, ballot.account)] += terms.voteBond;
                }
            }
        }
        for (uint256 i = 0; i < accounts.length; ++i) {
            vm.assertEq(_vault.account(accounts[i]).locked, bonds[i], "locked");
        }
    }

    /// @dev Else the invariants would hold because nothing happens.
    function test_the_handler_brings_rounds_to_their_end() external {
        for (uint256 i = 0; i < 20; ++i) {
            _handler.workTogether(i);
            _handler.pass(i);
        }
        vm.assertTrue(_handler.finals() > 1, "final rounds");
    }

    /// @dev After whatever happened, time alone brings every job to its end, and nothing stays locked, owed
    /// or in escrow.
    function afterInvariant() external {
        _handler.finish();
        address[] memory accounts = _handler.accounts();
        for (uint256 i = 0; i < accounts.length; ++i)
            vm.assertEq(_vault.account(accounts[i]).locked, 0, "locked");
        for (uint256 job = 1; job <= _scheduler.jobCount(); ++job) {
            vm.assertEq(_vault.escrowOf(job), 0, "escrow");
            vm.assertEq(_vault.owedBy(job), 0, "owed");
        }
        vm.assertTrue(_token.balanceOf(address(_vault)) >= _vault.liabilities(), "insolvent");
    }

    function _unsettledLeases(uint256 job) private view returns (uint256 owed) {
        IEpochScheduler.Job memory terms = _scheduler.job(job);
        for (uint256 first = 0; first < EPOCHS; ++first) {
            IEpochScheduler.Lease memory lease = _scheduler.lease(job, uint8(first));
            if (lease.state != IEpochScheduler.LeaseState.Delivered) continue;
            IEpochScheduler.Outcome memory outcome = _scheduler.outcome(job, lease.round);
            if (outcome.closedAt == 0 || (outcome.unpaid >> first) & 1 == 1) continue;
            owed += uint256(lease.count) * terms.terms.epochPrice;
        }
    }

    function _unsettledVotes(uint256 job) private view returns (uint256 owed) {
        for (uint8 seat = 0; seat < SEATS; ++seat) {
            IAggregationVote.Ballot memory ballot = _vote.ballot(job, seat);
            if (ballot.state != IAggregationVote.BallotState.Cast) continue;
            IAggregationVote.Verdict memory verdict = _vote.verdict(job, ballot.round, ballot.attempt);
            if ((verdict.matching >> seat) & 1 == 1) owed += verdict.payment;
        }
    }

    function _index(address[] memory accounts, address account) private pure returns (uint256 i) {
        while (accounts[i] != account) ++i;
    }

    function _bits(uint256 bitmap) private pure returns (uint256 count) {
        for (; bitmap != 0; bitmap >>= 1) count += bitmap & 1;
    }
}
