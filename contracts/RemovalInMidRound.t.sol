// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAggregationVote} from "./interfaces/IAggregationVote.sol";
import {IEpochTypes} from "./interfaces/IEpochTypes.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

contract RemovalInMidRoundTest is ConsortiumFixture {
    uint256 private _job;

    function setUp() external {
        _consortium();
        _job = _submitJob();
    }

    function test_a_removed_organisation_delivers_and_votes_in_the_open_round_and_nothing_more() external {
        for (uint256 i = 0; i < 4; ++i) _claim(_job, i);
        _skip(1);
        registry.remove(parties[0].account);
        for (uint256 i = 0; i < 4; ++i) _deliver(_job, i);
        Result memory result = _result(_job);
        for (uint256 i = 0; i < 4; ++i) _vote(_job, i, result);
        _skip(1);
        _finalize(_job, result);
        vm.assertEq(vote.verdict(_job, 1, 1).matching, 15);

        vm.assertEq(scheduler.round(_job).eligible, 14);
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerNotTrainer.selector, parties[0].node));
        _claim(_job, 0);
        for (uint256 i = 1; i < 4; ++i) _claim(_job, i);
        for (uint256 i = 1; i < 4; ++i) _deliver(_job, i);
        vm.warp(scheduler.round(_job).trainingDeadline);
        _refuseVote(
            _job,
            0,
            result,
            abi.encodeWithSelector(IAggregationVote.VoteNotValidator.selector, parties[0].node)
        );
    }

    /// @dev A kept lease is held from the opening of its round on, whoever leaves after that.
    function test_a_removed_organisation_delivers_the_lease_that_was_carried_over_to_it() external {
        _trainAndKeep(_job);
        _agree(_job);
        registry.remove(parties[0].account);
        _deliver(_job, 0, true);
        _assertLease(_job, 0, IEpochTypes.LeaseState.Delivered);
        for (uint256 i = 1; i < 4; ++i) _deliver(_job, i, true);
        _skip(1);
        _agree(_job);
        // Nothing goes on into a round that opens after the removal.
        vm.assertEq(scheduler.round(_job).number, 3);
        vm.assertEq(scheduler.round(_job).taken, 0);
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerNoLease.selector, parties[0].node));
        _deliver(_job, 0);
        _settleAll(_job);
        vm.assertEq(_credit(0), 2 * (4 * EPOCH_PRICE + VOTE_PRICE));
        vm.assertEq(_stakeOf(0).free, STAKE);
    }

    function test_a_removed_organisation_still_pays_for_what_it_misses() external {
        for (uint256 i = 0; i < 4; ++i) _claim(_job, i);
        registry.remove(parties[0].account);
        address account = parties[0].account;
        vm.prank(account);
        vault.unbond(STAKE - 4 * LEASE_BOND);
        _skip(LEASE_TIME);
        scheduler.expire(_job, parties[0].node);
        vm.assertEq(vault.account(treasury).credit, 4 * LEASE_BOND);
        _skip(UNBONDING);
        vm.prank(account);
        vm.assertEq(vault.withdraw(), STAKE - 4 * LEASE_BOND);
    }

    function test_what_a_removed_organisation_earned_it_takes_with_its_stake() external {
        _train(_job);
        Result memory result = _result(_job);
        for (uint256 i = 0; i < 4; ++i) _vote(_job, i, result);
        registry.remove(parties[0].account);
        _finalize(_job, result);
        _settleAll(_job);
        address account = parties[0].account;
        vm.prank(account);
        vault.unbond(STAKE);
        _skip(UNBONDING);
        vm.prank(account);
        vm.assertEq(vault.withdraw(), STAKE + 4 * EPOCH_PRICE + VOTE_PRICE);
    }

    function test_a_removed_organisation_may_not_add_stake() external {
        address account = parties[0].account;
        registry.remove(account);
        token.mint(account, 1);
        vm.startPrank(account);
        token.approve(address(vault), 1);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.VaultNotMember.selector, account));
        vault.stake(account, 1);
        vm.stopPrank();
    }

    function test_removal_in_the_second_of_an_opening_leaves_the_seat_to_who_was_counted() external {
        // The attempt opened in this second and counts seat 3.
        registry.remove(parties[3].account);
        uint256 heir = _join(1);
        vm.assertEq(registry.organisation(parties[heir].account).seat, 4);
        for (uint256 i = 0; i < 3; ++i) _claim(_job, i);
        _claim(_job, heir);
        for (uint256 i = 0; i < 3; ++i) _deliver(_job, i);
        _deliver(_job, heir);
        Result memory result = _result(_job);
        _vote(_job, 3, result);
        _refuseVote(
            _job,
            heir,
            result,
            abi.encodeWithSelector(IAggregationVote.VoteNotEligible.selector, parties[heir].account, 4)
        );
    }

    function test_an_opening_in_the_second_of_a_removal_does_not_count_who_left() external {
        registry.remove(parties[3].account);
        uint256 job = _submitJob();
        vm.assertEq(scheduler.round(job).eligible, 7);
        for (uint256 i = 0; i < 2; ++i) _claim(job, i);
        for (uint256 i = 0; i < 2; ++i) _deliver(job, i);
        _refuseVote(
            job,
            3,
            _result(job),
            abi.encodeWithSelector(IAggregationVote.VoteNotEligible.selector, parties[3].account, 3)
        );
    }

    function test_who_comes_back_starts_with_the_next_attempt() external {
        address account = parties[3].account;
        _skip(1);
        registry.remove(account);
        _skip(1);
        registry.admit(account, "again");
        _train(_job);
        _refuseVote(
            _job,
            3,
            _result(_job),
            abi.encodeWithSelector(IAggregationVote.VoteNotValidator.selector, parties[3].node)
        );
        Result memory result = _result(_job);
        for (uint256 i = 0; i < 3; ++i) _vote(_job, i, result);
        _skip(GRACE);
        _finalize(_job, result);
        vm.assertEq(scheduler.round(_job).eligible, 15);
    }

    function test_a_round_ends_although_half_of_the_consortium_left() external {
        for (uint256 i = 0; i < 4; ++i) _claim(_job, i);
        _deliver(_job, 0);
        registry.remove(parties[2].account);
        registry.remove(parties[3].account);
        for (uint256 i = 0; i < 3; ++i) {
            vm.warp(scheduler.round(_job).trainingDeadline);
            scheduler.reopen(_job);
        }
        _assertStatus(_job, IEpochTypes.JobStatus.Failed);
        _settleAll(_job);
        vm.assertEq(vault.account(client).credit, _budgetOfFour());
        for (uint256 i = 0; i < 4; ++i) vm.assertEq(_stakeOf(i).locked, 0);
    }

    /// @dev What the job was submitted with, when all four were members.
    function _budgetOfFour() private pure returns (uint256) {
        return 3 * (8 * EPOCH_PRICE + 4 * VOTE_PRICE);
    }
}
