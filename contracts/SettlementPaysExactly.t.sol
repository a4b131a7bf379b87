// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAggregationVote} from "./interfaces/IAggregationVote.sol";
import {IEpochScheduler} from "./interfaces/IEpochScheduler.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

contract SettlementPaysExactlyTest is ConsortiumFixture {
    uint256 private _job;

    function setUp() external {
        _consortium();
        _job = _submitJob();
    }

    function test_accepted_epochs_and_matching_votes_are_paid_and_nothing_else() external {
        _train(_job);
        // Leases start at 0 (four epochs), 4 (two), 6 and 7. One is an outlier, one invalid.
        Result memory result = Result({digest: "m", accepted: 0x11, invalid: 0x80});
        for (uint256 i = 0; i < 3; ++i) _vote(_job, i, result);
        _vote(_job, 3, Result({digest: "another", accepted: 1, invalid: 0}));
        _finalize(_job, result);
        IEpochScheduler.Outcome memory outcome = scheduler.outcome(_job, 1);
        vm.assertEq(outcome.unpaid, 0xc0);
        vm.assertEq(outcome.invalid, 0x80);
        vm.assertEq(vault.owedBy(_job), 6 * EPOCH_PRICE + 3 * VOTE_PRICE);
        _settleAll(_job);

        vm.assertEq(_credit(0), 4 * EPOCH_PRICE + VOTE_PRICE);
        vm.assertEq(_credit(1), 2 * EPOCH_PRICE + VOTE_PRICE);
        vm.assertEq(_credit(2), VOTE_PRICE);
        vm.assertEq(_credit(3), 0);
        vm.assertEq(_stakeOf(2).free, STAKE);
        vm.assertEq(_stakeOf(3).free, STAKE - LEASE_BOND);
        vm.assertEq(vault.account(treasury).credit, LEASE_BOND);
        vm.assertEq(vault.owedBy(_job), 0);
        _assertLease(_job, 0, IEpochScheduler.LeaseState.Settled);
        vm.assertEq(uint256(vote.ballot(_job, 0).state), uint256(IAggregationVote.BallotState.Settled));
        _assertSolvent();
    }

    function test_anyone_settles_once_and_only_what_is_over() external {
        _train(_job);
        vm.startPrank(stranger);
        scheduler.settle(_job, type(uint256).max);
        vm.stopPrank();
        _assertLease(_job, 0, IEpochScheduler.LeaseState.Delivered);
        Result memory result = _result(_job);
        for (uint256 i = 0; i < 4; ++i) _vote(_job, i, result);
        vote.settle(_job, type(uint64).max);
        vm.assertEq(uint256(vote.ballot(_job, 0).state), uint256(IAggregationVote.BallotState.Cast));
        _finalize(_job, result);

        vm.startPrank(stranger);
        for (uint256 i = 0; i < 2; ++i) {
            scheduler.settle(_job, type(uint256).max);
            vote.settle(_job, type(uint64).max);
        }
        vm.stopPrank();
        vm.assertEq(_credit(0), 4 * EPOCH_PRICE + VOTE_PRICE);
        vm.assertEq(vault.account(stranger).credit, 0);
    }

    function test_a_slot_that_is_used_again_settles_what_it_held() external {
        _round(_job);
        vm.assertEq(_credit(0), 0);
        // Another node takes the first slot of round 2: the holder of round 1 is paid by that claim.
        _claim(_job, 3);
        vm.assertEq(_credit(0), 4 * EPOCH_PRICE);
        vm.assertEq(_stakeOf(0).locked, VOTE_BOND);
        vm.assertEq(_stakeOf(3).locked, 2 * LEASE_BOND + VOTE_BOND);

        for (uint256 i = 0; i < 3; ++i) _claim(_job, i);
        for (uint256 i = 0; i < 4; ++i) _deliver(_job, i);
        _vote(_job, 2, _result(_job));
        // The bond of the old vote goes over to the new one; nobody has used the slot of the old lease.
        vm.assertEq(_stakeOf(2).locked, 2 * LEASE_BOND + VOTE_BOND);
        vm.assertEq(_credit(2), VOTE_PRICE);
        scheduler.settle(_job, type(uint256).max);
        vm.assertEq(_credit(0), 4 * EPOCH_PRICE);
    }

    function test_a_seat_that_changed_hands_settles_with_who_voted() external {
        _round(_job);
        registry.remove(parties[3].account);
        _skip(1);
        uint256 heir = _join(1);
        vm.assertEq(registry.organisation(parties[heir].account).seat, 3);
        // Round 2 was opened before the heir was admitted, so it votes in round 3.
        _claim(_job, 0);
        _claim(_job, 1);
        _deliver(_job, 0);
        _deliver(_job, 1);
        vm.warp(scheduler.round(_job).trainingDeadline);
        Result memory result = _result(_job);
        for (uint256 i = 0; i < 3; ++i) _vote(_job, i, result);
        _skip(GRACE);
        _finalize(_job, result);
        vm.assertEq(scheduler.round(_job).eligible, 15);
        _claim(_job, 0);
        _claim(_job, heir);
        _deliver(_job, 0);
        _deliver(_job, heir);
        _vote(_job, heir, _result(_job));
        vm.assertEq(_credit(3), VOTE_PRICE);
        vm.assertEq(_credit(heir), 0);
    }

    function test_a_penalty_is_taken_when_the_ballot_is_used_again() external {
        _train(_job);
        Result memory result = _result(_job);
        for (uint256 i = 0; i < 3; ++i) _vote(_job, i, result);
        _copy(_job, 3, _candidate(_job, result));
        _finalize(_job, result);
        _train(_job);
        _vote(_job, 3, _result(_job));
        vm.assertEq(vault.account(treasury).credit, VOTE_BOND);
        vm.assertEq(_stakeOf(3).locked, LEASE_BOND + VOTE_BOND);
        vm.assertEq(_stakeOf(3).free, STAKE - LEASE_BOND - 2 * VOTE_BOND);
    }

    function test_more_voters_than_at_submission_share_the_vote_budget() external {
        for (uint256 i = 0; i < 3; ++i) _join(1);
        vm.warp(START + TRAINING);
        scheduler.reopen(_job);
        for (uint256 i = 0; i < 7; ++i) {
            if (scheduler.round(_job).taken != 0xff) _claim(_job, i);
        }
        for (uint256 i = 0; i < 4; ++i) _deliver(_job, i);
        Result memory result = _result(_job);
        for (uint256 i = 0; i < 7; ++i) _vote(_job, i, result);
        _finalize(_job, result);
        // 4 * 7 by 7 voters.
        vm.assertEq(vote.verdict(_job, 1, 2).payment, 4);
        vm.assertEq(vault.owedBy(_job), 8 * EPOCH_PRICE + 7 * 4);
        _settleAll(_job);
        vm.assertEq(vault.owedBy(_job), 0);
    }

    function test_several_rounds_settle_one_after_another_to_the_last_unit() external {
        for (uint256 i = 0; i < 3; ++i) _round(_job);
        _settleAll(_job);
        uint256 sum = vault.account(client).credit;
        for (uint256 i = 0; i < 4; ++i) sum += _credit(i);
        vm.assertEq(sum, _budget(_terms()));
        vm.assertEq(_credit(0), 3 * (4 * EPOCH_PRICE + VOTE_PRICE));

        for (uint256 i = 0; i < 4; ++i) {
            vm.startPrank(parties[i].account);
            vault.unbond(STAKE);
            vm.stopPrank();
        }
        _skip(UNBONDING);
        for (uint256 i = 0; i < 4; ++i) {
            vm.prank(parties[i].account);
            vault.withdraw();
        }
        vm.assertEq(vault.liabilities(), 0);
        vm.assertEq(token.balanceOf(address(vault)), 0);
    }

    function testFuzz_what_is_owed_is_what_settlements_pay(
        uint96 epochPrice,
        uint96 votePrice,
        uint8 accepts,
        uint8 invalidates,
        uint8 voters
    ) external {
        IEpochScheduler.Terms memory terms = _terms();
        (terms.rounds, terms.epochPrice, terms.votePrice) = (1, epochPrice >> 8, votePrice >> 8);
        uint256 job = _submitJob(terms);
        uint256 budget = _budget(terms);
        _train(job);
        uint256 updates = scheduler.round(job).updateSet;
        Result memory result = Result({
            digest: "m",
            accepted: accepts & updates,
            invalid: invalidates & updates
        });
        result.invalid &= ~result.accepted;
        voters = 3 + (voters & 1);
        for (uint256 i = 0; i < voters; ++i) _vote(job, i, result);
        _skip(GRACE);
        vm.assertTrue(_finalize(job, result));
        uint256 owed = vault.owedBy(job);
        _settleAll(job);
        vm.assertEq(vault.owedBy(job), 0);
        uint256 sum;
        for (uint256 i = 0; i < 4; ++i) sum += _credit(i);
        vm.assertEq(sum, owed);
        vm.assertEq(sum + vault.account(client).credit, budget);
        for (uint256 i = 0; i < 4; ++i) vm.assertEq(_stakeOf(i).locked, 0);
        _assertSolvent();
    }
}
