// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAggregationVote} from "./interfaces/IAggregationVote.sol";
import {IEpochTypes} from "./interfaces/IEpochTypes.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

contract ScoresAreMediansTest is ConsortiumFixture {
    uint32 private constant BEST = 1_000_000;
    /// @dev Farther than this from the median is far.
    uint32 private constant NEAR = 50_000;

    uint256 private _job;

    function setUp() external {
        _consortium();
        _job = _submitJob();
    }

    function test_of_an_odd_number_of_scores_the_one_in_the_middle_is_recorded() external {
        _join(1);
        _job = _submitJob();
        _scored([uint32(3), 1, 5, 2, 4]);
        _assertScore(1, 3);
    }

    function test_of_an_even_number_the_smaller_of_the_two_in_the_middle_is_recorded() external {
        _scored([uint32(970_000), BEST, 10, 950_000]);
        _assertScore(1, 950_000);
        _scored([uint32(0), 0, BEST, BEST]);
        _assertScore(2, 0);
    }

    function test_a_median_has_all_of_its_range() external {
        _scored([uint32(0), 0, 0, 0]);
        _assertScore(1, 0);
        _scored([BEST, BEST, BEST, BEST]);
        _assertScore(2, BEST);
    }

    function test_votes_that_do_not_match_have_no_say_in_the_score() external {
        _train(_job);
        Result memory result = _result(_job);
        _vote(_job, 0, result, 3);
        _vote(_job, 1, result, 2);
        _vote(_job, 2, result, 1);
        _vote(_job, 3, Result({digest: "another", accepted: 0, invalid: 0}), BEST);
        _finalize(_job, result);
        _assertScore(1, 2);

        _train(_job);
        result = _result(_job);
        for (uint256 i = 0; i < 3; ++i) _vote(_job, i, result, uint32(i));
        _copy(_job, 3, _candidate(_job, result));
        _finalize(_job, result);
        _assertScore(2, 1);
    }

    function test_a_round_that_failed_has_no_score() external {
        _train(_job);
        for (uint256 i = 0; i < 3; ++i) {
            _vote(_job, 0, _result(_job), BEST);
            vm.warp(scheduler.round(_job).voteDeadline);
            vote.fail(_job);
        }
        _assertScore(1, 0);
        vm.assertEq(vote.verdict(_job, 1, 3).score, 0);
    }

    function test_a_score_is_told_when_its_round_closes() external {
        _train(_job);
        Result memory result = _result(_job);
        for (uint256 i = 0; i < 4; ++i) _vote(_job, i, result, uint32(10 * i));
        bytes24 accumulator = scheduler.round(_job).accumulator;
        vm.expectEmit();
        emit IEpochTypes.RoundClosed(
            _job,
            1,
            1,
            result.digest,
            result.accepted,
            0,
            10,
            VOTE_PRICE,
            accumulator
        );
        _finalize(_job, result);
    }

    /// @dev An attack: fewer than half of the matching voters name what they like.
    function testFuzz_no_minority_moves_a_score_beyond_what_the_others_named(
        uint32[3] calldata honest,
        uint32[2] calldata dishonest
    ) external {
        _join(1);
        _job = _submitJob();
        uint32[5] memory scores;
        (uint32 least, uint32 most) = (BEST, 0);
        for (uint256 i = 0; i < 3; ++i) {
            scores[i] = honest[i] % (BEST + 1);
            if (scores[i] < least) least = scores[i];
            if (scores[i] > most) most = scores[i];
        }
        for (uint256 i = 0; i < 2; ++i) scores[3 + i] = dishonest[i] % (BEST + 1);
        _scored(scores);
        uint256 score = scheduler.outcome(_job, 1).score;
        vm.assertTrue(score >= least && score <= most, "moved");
        vm.assertEq(score, _median(scores));
    }

    // Who is far off

    function test_only_more_than_50_000_off_the_median_is_far() external {
        uint32 median = 500_000;
        _scored([median, median - NEAR, median + NEAR, median]);
        _settleAll(_job);
        for (uint256 i = 0; i < 4; ++i) _assertFar(i, 1, 0);
        _scored([median, median - NEAR - 1, median + NEAR + 1, median]);
        _settleAll(_job);
        _assertFar(0, 2, 0);
        _assertFar(1, 2, 1);
        _assertFar(2, 2, 1);
        _assertFar(3, 2, 0);
        _scored([0, BEST, 0, 0]);
        _settleAll(_job);
        _assertFar(1, 3, 2);
        // It costs nothing: who measures otherwise may be right.
        vm.assertEq(_stakeOf(1).free, STAKE);
        vm.assertEq(_credit(1), 3 * (2 * EPOCH_PRICE + VOTE_PRICE));
    }

    function test_far_scores_of_many_rounds_are_counted_at_once() external {
        for (uint256 i = 0; i < 3; ++i) _scored([uint32(0), 0, 0, BEST]);
        (, IAggregationVote.Ballot memory ballot) = vote.ballot(_job, 3);
        vm.assertEq(ballot.far, 2);
        _assertFar(3, 0, 0);
        vote.settle(_job, 8);
        _assertFar(3, 3, 3);
        (, ballot) = vote.ballot(_job, 3);
        vm.assertEq(ballot.far, 0);
    }

    function test_a_vote_that_does_not_match_is_not_far() external {
        _train(_job);
        Result memory result = _result(_job);
        for (uint256 i = 0; i < 3; ++i) _vote(_job, i, result, BEST);
        _vote(_job, 3, Result({digest: "another", accepted: 0, invalid: 0}), 0);
        _finalize(_job, result);
        _settleAll(_job);
        IAggregationVote.VoteRecord memory record = vote.voteRecord(parties[3].account);
        vm.assertEq(record.cast, 1);
        vm.assertEq(record.matched, 0);
        vm.assertEq(record.far, 0);
    }

    function test_a_vote_that_is_paid_a_part_is_far_all_the_same() external {
        _join(1);
        vm.warp(scheduler.round(_job).trainingDeadline);
        scheduler.reopen(_job);
        for (uint256 i = 0; i < 4; ++i) _claim(_job, i);
        for (uint256 i = 0; i < 4; ++i) _deliver(_job, i);
        Result memory result = _result(_job);
        for (uint256 i = 0; i < 5; ++i) _vote(_job, i, result, i == 3 ? BEST : 0);
        vote.settle(_job, type(uint64).max);
        _finalize(_job, result);
        vm.assertEq(
            uint256(vote.verdict(_job, 1, 2).state),
            uint256(IAggregationVote.VerdictState.FinalReduced)
        );
        // Settling in mid-vote must not have forgotten what the vote counts later.
        vote.settle(_job, type(uint64).max);
        _assertFar(3, 1, 1);
        _assertFar(4, 1, 0);
    }

    function testFuzz_far_is_what_is_far_from_the_median(uint32[4] calldata seeds) external {
        uint32[4] memory scores;
        for (uint256 i = 0; i < 4; ++i) scores[i] = seeds[i] % (BEST + 1);
        _scored(scores);
        vote.settle(_job, 15);
        uint256 median = scheduler.outcome(_job, 1).score;
        for (uint256 i = 0; i < 4; ++i) {
            uint256 distance = scores[i] > median ? scores[i] - median : median - scores[i];
            _assertFar(i, 1, distance > NEAR ? 1 : 0);
        }
    }

    // Internal

    function _scored(uint32[4] memory scores) private {
        _train(_job);
        Result memory result = _result(_job);
        for (uint256 i = 0; i < 4; ++i) _vote(_job, i, result, scores[i]);
        vm.assertTrue(_finalize(_job, result), "not final");
    }

    function _scored(uint32[5] memory scores) private {
        for (uint256 i = 0; i < 4; ++i) _claim(_job, i);
        for (uint256 i = 0; i < 4; ++i) _deliver(_job, i);
        vm.warp(scheduler.round(_job).trainingDeadline);
        Result memory result = _result(_job);
        for (uint256 i = 0; i < 5; ++i) _vote(_job, i, result, scores[i]);
        vm.assertTrue(_finalize(_job, result), "not final");
    }

    /// @dev By counting, where the contract sorts: the least that half of the scores do not exceed.
    function _median(uint32[5] memory scores) private pure returns (uint256 median) {
        median = type(uint256).max;
        for (uint256 i = 0; i < 5; ++i) {
            uint256 upTo;
            for (uint256 k = 0; k < 5; ++k) {
                if (scores[k] <= scores[i]) ++upTo;
            }
            if (upTo >= 3 && scores[i] < median) median = scores[i];
        }
    }

    function _assertScore(uint16 round, uint256 expected) private view {
        IEpochTypes.Outcome memory outcome = scheduler.outcome(_job, round);
        vm.assertEq(outcome.score, expected, "outcome");
        if (outcome.modelDigest == 0) return;
        vm.assertEq(vote.verdict(_job, round, outcome.attempt).score, expected, "verdict");
    }

    function _assertFar(uint256 party, uint256 matched, uint256 far) private view {
        IAggregationVote.VoteRecord memory record = vote.voteRecord(parties[party].account);
        vm.assertEq(record.matched, matched, "matched");
        vm.assertEq(record.far, far, "far");
        vm.assertEq(record.penalised, 0, "penalised");
    }
}
