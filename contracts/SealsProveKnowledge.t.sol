// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAggregationVote} from "./interfaces/IAggregationVote.sol";
import {IEpochTypes} from "./interfaces/IEpochTypes.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

contract SealsProveKnowledgeTest is ConsortiumFixture {
    uint256 private _job;
    Result private _right;

    function setUp() external {
        _consortium();
        _job = _submitJob();
        _train(_job);
        _right = _result(_job);
    }

    function test_a_quorum_of_matching_seals_makes_a_result_final() external {
        for (uint256 i = 0; i < 3; ++i) _vote(_job, i, _right);
        _skip(GRACE);
        vm.prank(stranger);
        vm.assertTrue(vote.finalize(_job, _right.digest, _right.accepted, _right.invalid, CID));
        IEpochTypes.Outcome memory outcome = scheduler.outcome(_job, 1);
        vm.assertEq(outcome.modelDigest, _right.digest);
        vm.assertEq(outcome.unpaid, 0);
        vm.assertEq(outcome.closedAt, START + GRACE);
        IAggregationVote.Verdict memory verdict = vote.verdict(_job, 1, 1);
        _assertVerdict(verdict, IAggregationVote.VerdictState.Final);
        vm.assertEq(verdict.matching, 7);
        vm.assertEq(verdict.penalised, 0);
        vm.assertEq(verdict.payment, VOTE_PRICE);
        vm.assertEq(scheduler.round(_job).number, 2);
    }

    function test_who_copies_a_candidate_earns_nothing_and_pays() external {
        for (uint256 i = 0; i < 3; ++i) _vote(_job, i, _right);
        _copy(_job, 3, _candidate(_job, _right));
        _finalize(_job, _right);
        vote.settle(_job, 15);
        vm.assertEq(_credit(3), 0);
        vm.assertEq(_stakeOf(3).free + _stakeOf(3).locked, STAKE - VOTE_BOND);
        vm.assertEq(vault.account(treasury).credit, VOTE_BOND);
        vm.assertEq(_credit(0), VOTE_PRICE);
    }

    function test_who_copies_a_seal_has_none() external {
        bytes16 candidate = _candidate(_job, _right);
        bytes16 seal = vote.sealOf(_job, 1, 1, _hash(_right), parties[0].account);
        _vote(_job, 0, _right);
        _vote(_job, 1, _right);
        _vote(_job, 2, _right);
        _cast(_job, 3, candidate, seal, 900_000);
        _finalize(_job, _right);
        vm.assertEq(vote.verdict(_job, 1, 1).penalised, 8);
    }

    function test_copies_make_no_quorum_and_the_honest_lose_nothing() external {
        _vote(_job, 0, _right);
        _vote(_job, 1, _right);
        bytes16 candidate = _candidate(_job, _right);
        _copy(_job, 2, candidate);
        _copy(_job, 3, candidate);
        vm.assertFalse(_finalize(_job, _right));

        IAggregationVote.Verdict memory verdict = vote.verdict(_job, 1, 1);
        _assertVerdict(verdict, IAggregationVote.VerdictState.Failed);
        vm.assertEq(verdict.penalised, 12);
        vm.assertEq(verdict.matching, 0);
        vm.assertEq(scheduler.outcome(_job, 1).closedAt, 0);
        vm.assertEq(scheduler.round(_job).attempt, 2);
        vote.settle(_job, 15);
        vm.assertEq(_stakeOf(0).free, STAKE - 4 * LEASE_BOND);
        vm.assertEq(_stakeOf(1).free, STAKE - 2 * LEASE_BOND);
        for (uint256 i = 2; i < 4; ++i) vm.assertEq(_stakeOf(i).free, STAKE - LEASE_BOND - VOTE_BOND);
    }

    function test_an_honest_minority_loses_nothing_and_earns_nothing() external {
        for (uint256 i = 0; i < 3; ++i) _vote(_job, i, _right);
        _vote(_job, 3, Result({digest: "another", accepted: 1, invalid: 2}));
        _finalize(_job, _right);
        vote.settle(_job, 15);
        vm.assertEq(_credit(3), 0);
        vm.assertEq(_stakeOf(3).free, STAKE - LEASE_BOND);
        vm.assertEq(vault.account(treasury).credit, 0);
    }

    function test_an_early_reveal_with_too_few_seals_is_refused() external {
        _vote(_job, 0, _right);
        _vote(_job, 1, _right);
        _copy(_job, 2, _candidate(_job, _right));
        _skip(GRACE);
        vm.expectRevert(abi.encodeWithSelector(IAggregationVote.VoteTooFewSeals.selector, 2, 3));
        _finalize(_job, _right);
        // The last vote may still make it final.
        _vote(_job, 3, _right);
        vm.assertTrue(_finalize(_job, _right));
        vm.assertEq(vote.verdict(_job, 1, 1).penalised, 4);
    }

    function test_a_reveal_with_too_few_seals_fails_the_attempt_from_the_vote_deadline() external {
        _vote(_job, 0, _right);
        _vote(_job, 1, _right);
        _copy(_job, 2, _candidate(_job, _right));
        vm.warp(START + TRAINING + VOTING - 1);
        vm.expectRevert(abi.encodeWithSelector(IAggregationVote.VoteTooFewSeals.selector, 2, 3));
        _finalize(_job, _right);
        _skip(1);
        vm.assertFalse(_finalize(_job, _right));
        vm.assertEq(scheduler.round(_job).attempt, 2);
    }

    function test_withholding_a_result_whose_tally_has_a_quorum_costs_its_voters() external {
        for (uint256 i = 0; i < 3; ++i) _vote(_job, i, _right);
        _vote(_job, 3, Result({digest: "another", accepted: 1, invalid: 2}));
        vm.warp(START + TRAINING + VOTING + REVEAL - 1);
        vm.expectRevert(abi.encodeWithSelector(IAggregationVote.VoteNotFailed.selector, _job));
        vote.fail(_job);
        _skip(1);
        vm.expectRevert(
            abi.encodeWithSelector(
                IAggregationVote.VoteWrongPhase.selector,
                _job,
                uint8(IEpochTypes.Phase.Stalled)
            )
        );
        _finalize(_job, _right);
        vote.fail(_job);
        vm.assertEq(vote.verdict(_job, 1, 1).penalised, 7);
        vote.settle(_job, 15);
        vm.assertEq(vault.account(treasury).credit, 3 * VOTE_BOND);
        vm.assertEq(_stakeOf(3).free, STAKE - LEASE_BOND);
    }

    function test_a_vote_that_splits_fails_as_soon_as_all_voted_and_costs_nobody() external {
        _vote(_job, 0, _right);
        _vote(_job, 1, _right);
        _vote(_job, 2, Result({digest: "another", accepted: 1, invalid: 2}));
        vm.expectRevert(abi.encodeWithSelector(IAggregationVote.VoteNotFailed.selector, _job));
        vote.fail(_job);
        _vote(_job, 3, Result({digest: "another", accepted: 1, invalid: 2}));
        vote.fail(_job);
        vm.assertEq(vote.verdict(_job, 1, 1).penalised, 0);
        vote.settle(_job, 15);
        uint96[4] memory epochs = [4, 2, 1, uint96(1)];
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertEq(_stakeOf(i).free, STAKE - epochs[i] * LEASE_BOND);
            vm.assertEq(_stakeOf(i).locked, epochs[i] * LEASE_BOND);
        }
    }

    function test_a_vote_that_nobody_completes_fails_at_the_vote_deadline() external {
        _vote(_job, 0, _right);
        vm.warp(START + TRAINING + VOTING - 1);
        vm.expectRevert(abi.encodeWithSelector(IAggregationVote.VoteNotFailed.selector, _job));
        vote.fail(_job);
        _skip(1);
        vote.fail(_job);
        vm.assertEq(scheduler.round(_job).attempt, 2);
    }

    /// @dev An attack: votes in a later attempt name the candidate of an earlier one, to have the honest
    /// voters of that one counted, and fined for withholding what nobody can reveal any more.
    function test_a_candidate_of_an_earlier_attempt_inherits_no_votes() external {
        bytes16 former = _candidate(_job, _right);
        _vote(_job, 0, _right);
        _vote(_job, 1, _right);
        vm.warp(START + TRAINING + VOTING);
        vote.fail(_job);
        _copy(_job, 3, "front");
        _copy(_job, 2, former);
        vm.assertEq(vote.tally(_job, former), 1);
        vm.assertEq(vote.attempt(_job).quorumAt, 0);
        _vote(_job, 0, _right);
        _vote(_job, 1, _right);
        vote.fail(_job);
        vm.assertEq(vote.verdict(_job, 1, 2).penalised, 0);
    }

    /// @dev Who votes before it has the result may still seal it; its first vote says what it supports.
    function test_a_matching_seal_counts_whatever_candidate_it_came_with() external {
        for (uint256 i = 0; i < 3; ++i) _vote(_job, i, _right);
        bytes16 seal = vote.sealOf(_job, 1, 1, _hash(_right), parties[3].account);
        _cast(_job, 3, "another", seal, 900_000);
        vm.assertTrue(_finalize(_job, _right));
        vm.assertEq(vote.verdict(_job, 1, 1).matching, 15);
    }

    function test_a_reveal_tells_who_matched_and_who_pays() external {
        for (uint256 i = 0; i < 3; ++i) _vote(_job, i, _right);
        _copy(_job, 3, _candidate(_job, _right));
        vm.expectEmit();
        emit IAggregationVote.ResultRevealed(
            _job,
            1,
            1,
            _right.digest,
            _right.accepted,
            _right.invalid,
            7,
            8,
            CID
        );
        _finalize(_job, _right);
    }

    function test_a_failed_vote_tells_who_pays() external {
        for (uint256 i = 0; i < 3; ++i) _vote(_job, i, _right);
        vm.warp(START + TRAINING + VOTING + REVEAL);
        vm.expectEmit();
        emit IAggregationVote.VoteFailed(_job, 1, 1, 7);
        vote.fail(_job);
    }

    function test_candidates_and_seals_are_defined_over_the_whole_context() external view {
        bytes32 result = keccak256(abi.encode(_right.digest, _right.accepted, _right.invalid));
        vm.assertEq(_hash(_right), result);
        vm.assertEq(
            vote.candidateOf(_job, 1, 1, result),
            bytes16(keccak256(abi.encode(block.chainid, vote, _job, uint16(1), uint8(1), result)))
        );
        vm.assertEq(
            vote.sealOf(_job, 1, 1, result, client),
            bytes16(keccak256(abi.encode(block.chainid, vote, _job, uint16(1), uint8(1), result, client)))
        );
    }

    function test_a_result_that_the_records_contradict_cannot_be_final() external {
        _refuseResult(Result({digest: "m", accepted: 2, invalid: 0}));
        _refuseResult(Result({digest: "m", accepted: 1, invalid: 2}));
        _refuseResult(Result({digest: "m", accepted: 1, invalid: 1}));
        _refuseResult(Result({digest: 0, accepted: 1, invalid: 0}));
    }

    function test_a_round_whose_updates_are_all_invalid_can_be_final() external {
        Result memory result = Result({digest: "model 0", accepted: 0, invalid: _right.accepted});
        for (uint256 i = 0; i < 4; ++i) _vote(_job, i, result);
        vm.assertTrue(_finalize(_job, result));
        _settleAll(_job);
        vm.assertEq(vault.account(treasury).credit, 8 * LEASE_BOND);
        for (uint256 i = 0; i < 4; ++i) vm.assertEq(_credit(i), VOTE_PRICE);
        vm.assertEq(vault.owedBy(_job), 0);
    }

    function _refuseResult(Result memory result) private {
        if (vote.attempt(_job).voted != 0) {
            vm.warp(scheduler.round(_job).revealDeadline);
            vote.fail(_job);
            if (scheduler.round(_job).attempt == 3) _job = _fresh();
        }
        for (uint256 i = 0; i < 4; ++i) _vote(_job, i, result);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEpochTypes.SchedulerBadResult.selector,
                result.accepted,
                result.invalid,
                _right.accepted
            )
        );
        _finalize(_job, result);
    }

    function _assertVerdict(
        IAggregationVote.Verdict memory verdict,
        IAggregationVote.VerdictState expected
    ) private pure {
        vm.assertEq(uint256(verdict.state), uint256(expected), "verdict");
    }

    function _fresh() private returns (uint256 job) {
        job = _submitJob();
        _train(job);
    }
}
