// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAggregationVote} from "./interfaces/IAggregationVote.sol";
import {IEpochTypes} from "./interfaces/IEpochTypes.sol";
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
        _final(Result({digest: "m", accepted: 0x11, invalid: 0x80}), 3);
        IEpochTypes.Outcome memory outcome = scheduler.outcome(_job, 1);
        vm.assertEq(outcome.modelDigest, bytes32("m"));
        vm.assertEq(outcome.unpaid, 0xc0);
        vm.assertEq(outcome.invalid, 0x80);
        vm.assertEq(outcome.closedAt, START);
        vm.assertEq(outcome.score, 900_000);
        vm.assertEq(outcome.attempt, 1);
        vm.assertFalse(outcome.carried);
        vm.assertEq(vault.owedBy(_job), 6 * EPOCH_PRICE + 3 * VOTE_PRICE);
        _settleAll(_job);

        vm.assertEq(_credit(0), 4 * EPOCH_PRICE + VOTE_PRICE);
        vm.assertEq(_credit(1), 2 * EPOCH_PRICE + VOTE_PRICE);
        vm.assertEq(_credit(2), VOTE_PRICE);
        vm.assertEq(_credit(3), 0);
        vm.assertEq(_stakeOf(2).free, STAKE);
        // An honest minority vote costs nothing, an invalid update its bond.
        vm.assertEq(_stakeOf(3).free, STAKE - LEASE_BOND);
        vm.assertEq(vault.account(treasury).credit, LEASE_BOND);
        vm.assertEq(vault.owedBy(_job), 0);
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertEq(_stakeOf(i).locked, 0);
            _assertLease(_job, i, IEpochTypes.LeaseState.Settled);
            vm.assertEq(uint256(_ballot(uint8(i)).state), uint256(IAggregationVote.BallotState.Settled));
        }
        _assertSolvent();
    }

    function test_a_settlement_tells_what_it_paid_and_what_it_took() external {
        _train(_job);
        _final(Result({digest: "m", accepted: 0x51, invalid: 0x80}), 4);
        address[] memory nodes = new address[](2);
        (nodes[0], nodes[1]) = (parties[3].node, parties[0].node);
        vm.expectEmit();
        emit IEpochTypes.UpdateRejected(_job, 1, nodes[0], 7, 1, LEASE_BOND);
        vm.expectEmit();
        emit IEpochTypes.RewardsSettled(
            _job,
            parties[0].account,
            nodes[1],
            4,
            4 * EPOCH_PRICE,
            4 * LEASE_BOND
        );
        scheduler.settle(_job, nodes);
    }

    function test_anyone_settles_once_and_only_what_is_over() external {
        _train(_job);
        address[] memory nodes = _nodes();
        vm.prank(stranger);
        scheduler.settle(_job, nodes);
        _assertLease(_job, 0, IEpochTypes.LeaseState.Delivered);
        Result memory result = _result(_job);
        for (uint256 i = 0; i < 4; ++i) _vote(_job, i, result);
        vote.settle(_job, type(uint64).max);
        vm.assertEq(uint256(_ballot(0).state), uint256(IAggregationVote.BallotState.Cast));
        _finalize(_job, result);

        vm.startPrank(stranger);
        for (uint256 i = 0; i < 2; ++i) {
            scheduler.settle(_job, nodes);
            vote.settle(_job, type(uint64).max);
        }
        vm.stopPrank();
        vm.assertEq(_credit(0), 4 * EPOCH_PRICE + VOTE_PRICE);
        vm.assertEq(vault.account(stranger).credit, 0);
    }

    function test_nodes_that_nothing_is_due_for_are_passed_over() external {
        _round(_job);
        address[] memory nodes = new address[](5);
        (nodes[0], nodes[1], nodes[2]) = (stranger, address(0), parties[0].node);
        // Named twice, and one that is registered and never claimed.
        (nodes[3], nodes[4]) = (parties[0].node, parties[_join(1)].node);
        scheduler.settle(_job, nodes);
        vm.assertEq(_credit(0), 4 * EPOCH_PRICE);
        vm.assertEq(vault.owedBy(_job), 4 * EPOCH_PRICE + 4 * VOTE_PRICE);
        scheduler.settle(_job, new address[](0));
        vm.assertEq(_credit(0), 4 * EPOCH_PRICE);
    }

    function test_an_unknown_job_cannot_be_settled() external {
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerUnknownJob.selector, 7));
        scheduler.settle(7, new address[](0));
    }

    function test_what_a_node_earned_waits_in_its_record_until_it_is_settled() external {
        _round(_job);
        vm.assertEq(_lease(_job, 0).due, 4);
        vm.assertEq(scheduler.storedLease(_job, parties[0].node, 0).due, 0);
        _train(_job);
        vm.assertEq(scheduler.storedLease(_job, parties[0].node, 0).due, 4);
        vm.assertEq(_credit(0), 0);
        // The bond of the old lease went over to the new one.
        vm.assertEq(_stakeOf(0).locked, 4 * LEASE_BOND + VOTE_BOND);
        _settleNode(_job, 0);
        vm.assertEq(_credit(0), 4 * EPOCH_PRICE);
        vm.assertEq(_stakeOf(0).locked, 4 * LEASE_BOND + VOTE_BOND);
        vm.assertEq(_lease(_job, 0).due, 0);
        _agree(_job);
        _settleNode(_job, 0);
        vm.assertEq(_credit(0), 8 * EPOCH_PRICE);
        vm.assertEq(_stakeOf(0).locked, VOTE_BOND);
    }

    function test_a_claim_pays_nobody_else() external {
        _round(_job);
        // Another node takes the first epochs of round 2.
        _claim(_job, 3);
        vm.assertEq(_credit(0), 0);
        vm.assertEq(_stakeOf(0).locked, 4 * LEASE_BOND + VOTE_BOND);
        _settleNode(_job, 0);
        vm.assertEq(_credit(0), 4 * EPOCH_PRICE);
        vm.assertEq(_stakeOf(0).locked, VOTE_BOND);
        vm.assertEq(_stakeOf(3).locked, LEASE_BOND + VOTE_BOND);
    }

    function test_an_invalid_update_is_taken_for_when_its_node_claims_again() external {
        _train(_job);
        _final(Result({digest: "m", accepted: 0xd0, invalid: 0x01}), 4);
        vm.assertEq(vault.account(treasury).credit, 0);
        vm.expectEmit();
        emit IEpochTypes.UpdateRejected(_job, 1, parties[0].node, 0, 4, 4 * LEASE_BOND);
        (, uint16 count) = _claim(_job, 0);
        vm.assertEq(vault.account(treasury).credit, 4 * LEASE_BOND);
        vm.assertEq(_stakeOf(0).locked, uint256(count) * LEASE_BOND + VOTE_BOND);
        vm.assertEq(_stakeOf(0).free, STAKE - (uint256(count) + 4) * LEASE_BOND - VOTE_BOND);
    }

    function test_without_bond_and_price_there_is_nothing_to_move() external {
        scheduler.setParameters(0, VOTE_BOND, WHOLE_SHARE);
        IEpochTypes.Terms memory terms = _terms();
        (terms.rounds, terms.epochPrice) = (1, 0);
        _job = _submitJob(terms);
        _train(_job);
        _final(Result({digest: "m", accepted: 0x51, invalid: 0x80}), 4);
        vm.expectEmit();
        emit IEpochTypes.RewardsSettled(_job, parties[0].account, parties[0].node, 4, 0, 0);
        _settleNode(_job, 0);
        vm.expectEmit();
        emit IEpochTypes.UpdateRejected(_job, 1, parties[3].node, 7, 1, 0);
        _settleNode(_job, 3);
        vm.assertEq(_credit(0), 0);
        vm.assertEq(_stakeOf(0).locked, VOTE_BOND);
        vm.assertEq(vault.account(treasury).credit, 0);
        vm.assertEq(scheduler.nodeRecord(parties[0].node).accepted, 1);
        vm.assertEq(scheduler.nodeRecord(parties[3].node).invalid, 1);
    }

    function test_a_failed_round_pays_nobody_and_frees_all_bonds() external {
        IEpochTypes.Terms memory terms = _terms();
        terms.maxAttempts = 1;
        _job = _submitJob(terms);
        _claim(_job, 0);
        _deliver(_job, 0, true);
        vm.warp(START + TRAINING);
        scheduler.reopen(_job);
        _assertStatus(_job, IEpochTypes.JobStatus.Failed);
        IEpochTypes.Outcome memory outcome = scheduler.outcome(_job, 1);
        vm.assertEq(outcome.modelDigest, 0);
        vm.assertEq(outcome.unpaid, 1);
        _settleAll(_job);
        vm.assertEq(_credit(0), 0);
        vm.assertEq(_stakeOf(0).free, STAKE);
        _assertLease(_job, 0, IEpochTypes.LeaseState.Settled);
        vm.assertEq(vault.account(client).credit, _budget(terms));
        vm.assertEq(vault.escrowOf(_job), 0);
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
        vm.warp(scheduler.round(_job).trainingDeadline);
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
        for (uint256 i = 0; i < 4; ++i) _claim(_job, i);
        for (uint256 i = 0; i < 4; ++i) _deliver(_job, i);
        _final(_result(_job), 7);
        // 4 * 7 by 7 voters.
        vm.assertEq(vote.verdict(_job, 1, 2).payment, 4);
        vm.assertEq(vault.owedBy(_job), 8 * EPOCH_PRICE + 7 * 4);
        _settleAll(_job);
        vm.assertEq(vault.owedBy(_job), 0);
    }

    function test_several_rounds_settle_at_once_to_the_last_unit() external {
        for (uint256 i = 0; i < 3; ++i) _round(_job);
        _assertStatus(_job, IEpochTypes.JobStatus.Completed);
        for (uint256 i = 0; i < 4; ++i) vm.assertEq(_credit(i), 0);
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
        IEpochTypes.Terms memory terms = _terms();
        (terms.rounds, terms.epochPrice, terms.votePrice) = (1, epochPrice >> 8, 1 + (votePrice >> 8));
        _job = _submitJob(terms);
        uint256 budget = _budget(terms);
        _train(_job);
        uint256 updates = scheduler.round(_job).updateSet;
        Result memory result = Result({
            digest: "m",
            accepted: accepts & updates,
            invalid: invalidates & updates
        });
        result.invalid &= ~result.accepted;
        voters = 3 + (voters & 1);
        for (uint256 i = 0; i < voters; ++i) _vote(_job, i, result);
        _skip(GRACE);
        vm.assertTrue(_finalize(_job, result));
        uint256 owed = vault.owedBy(_job);
        _settleAll(_job);
        vm.assertEq(vault.owedBy(_job), 0);
        uint256 sum;
        for (uint256 i = 0; i < 4; ++i) sum += _credit(i);
        vm.assertEq(sum, owed);
        vm.assertEq(sum + vault.account(client).credit, budget);
        for (uint256 i = 0; i < 4; ++i) vm.assertEq(_stakeOf(i).locked, 0);
        _assertSolvent();
    }

    function _ballot(uint8 seat) private view returns (IAggregationVote.Ballot memory ballot) {
        (, ballot) = vote.ballot(_job, seat);
    }

    /// @dev The first `voters` parties vote for a result, the others for another, and the round is final.
    function _final(Result memory result, uint256 voters) private {
        for (uint256 i = 0; i < voters; ++i) _vote(_job, i, result);
        Result memory another = Result({digest: "another", accepted: 1, invalid: 0});
        for (uint256 i = voters; i < parties.length; ++i) _vote(_job, i, another);
        vm.assertTrue(_finalize(_job, result), "not final");
    }
}
