// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAggregationVote} from "./interfaces/IAggregationVote.sol";
import {IEpochTypes} from "./interfaces/IEpochTypes.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

contract VotesSettleLateTest is ConsortiumFixture {
    uint64 private constant ALL_SEATS = type(uint64).max;
    /// @dev More than what a ballot can count.
    uint256 private constant MANY = 258;

    uint256 private _job;

    function setUp() external {
        _consortium();
        IEpochTypes.Terms memory terms = _terms();
        terms.rounds = 6;
        _job = _submitJob(terms);
    }

    function test_votes_of_many_rounds_are_paid_at_once() external {
        for (uint256 i = 0; i < 5; ++i) _round(_job);
        vm.assertEq(_credit(3), 0);
        // The last one is counted by settling it; one bond was enough for all.
        _assertBallot(3, 4, 5, IAggregationVote.BallotState.Cast);
        vm.assertEq(_stakeOf(3).locked, LEASE_BOND + VOTE_BOND);
        vm.expectEmit();
        emit IAggregationVote.VotesPaid(_job, parties[3].account, 5, 5 * VOTE_PRICE, VOTE_BOND);
        vm.prank(stranger);
        vote.settle(_job, 8);
        vm.assertEq(_credit(3), 5 * VOTE_PRICE);
        vm.assertEq(_stakeOf(3).locked, LEASE_BOND);
        _assertBallot(3, 0, 0, IAggregationVote.BallotState.Settled);
        _assertRecord(3, 5, 5, 0);
        _assertRecord(0, 0, 0, 0);
    }

    function test_a_vote_is_settled_once() external {
        _round(_job);
        for (uint256 i = 0; i < 3; ++i) vote.settle(_job, ALL_SEATS);
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertEq(_credit(i), VOTE_PRICE);
            _assertRecord(i, 1, 1, 0);
        }
        vm.assertEq(vault.owedBy(_job), 8 * EPOCH_PRICE);
        // The next vote locks a bond anew.
        _train(_job);
        uint256 free = _stakeOf(3).free;
        _vote(_job, 3, _result(_job));
        vm.assertEq(_stakeOf(3).free, free - VOTE_BOND);
        _assertSolvent();
    }

    function test_a_vote_of_the_open_attempt_keeps_its_bond_when_earlier_ones_are_paid() external {
        _round(_job);
        _train(_job);
        Result memory result = _result(_job);
        _vote(_job, 3, result);
        vm.expectEmit();
        emit IAggregationVote.VotesPaid(_job, parties[3].account, 1, VOTE_PRICE, 0);
        vote.settle(_job, 8);
        vm.assertEq(_stakeOf(3).locked, LEASE_BOND + VOTE_BOND);
        (, IAggregationVote.Ballot memory ballot) = vote.ballot(_job, 3);
        vm.assertEq(uint256(ballot.state), uint256(IAggregationVote.BallotState.Cast));
        _assertRecord(3, 2, 1, 0);
        for (uint256 i = 0; i < 3; ++i) _vote(_job, i, result);
        _finalize(_job, result);
        vote.settle(_job, 8);
        vm.assertEq(_credit(3), 2 * VOTE_PRICE);
        vm.assertEq(_stakeOf(3).locked, LEASE_BOND);
        _assertRecord(3, 2, 2, 0);
    }

    function test_seats_that_nobody_voted_from_are_passed_over() external {
        vote.settle(_job, ALL_SEATS);
        vote.settle(_job + 1, ALL_SEATS);
        vote.settle(_job, 0);
        _round(_job);
        vote.settle(_job, ALL_SEATS & ~uint64(15));
        for (uint256 i = 0; i < 4; ++i) vm.assertEq(_credit(i), 0);
    }

    function test_a_minority_s_votes_are_cast_and_paid_nothing() external {
        for (uint256 i = 0; i < 2; ++i) {
            _train(_job);
            Result memory result = _result(_job);
            for (uint256 k = 0; k < 3; ++k) _vote(_job, k, result);
            _vote(_job, 3, Result({digest: "another", accepted: 0, invalid: 0}));
            _finalize(_job, result);
        }
        vm.expectEmit();
        emit IAggregationVote.VotesPaid(_job, parties[3].account, 0, 0, VOTE_BOND);
        vote.settle(_job, 8);
        _assertRecord(3, 2, 0, 0);
        vm.assertEq(_credit(3), 0);
        vm.assertEq(_stakeOf(3).free, STAKE - LEASE_BOND);
    }

    function test_a_penalty_is_taken_when_its_seat_votes_again() external {
        _copiedRound(3);
        vm.assertEq(vault.account(treasury).credit, 0);
        _train(_job);
        vm.expectEmit();
        emit IAggregationVote.VotePenalised(_job, 1, parties[3].account, 1, VOTE_BOND);
        _vote(_job, 3, _result(_job));
        vm.assertEq(vault.account(treasury).credit, VOTE_BOND);
        vm.assertEq(_stakeOf(3).locked, LEASE_BOND + VOTE_BOND);
        vm.assertEq(_stakeOf(3).free, STAKE - LEASE_BOND - 2 * VOTE_BOND);
        _agreeBut(3);
        vote.settle(_job, 8);
        _assertRecord(3, 2, 1, 1);
        vm.assertEq(vault.account(treasury).credit, VOTE_BOND);
        vm.assertEq(_credit(3), VOTE_PRICE);
    }

    function test_a_penalty_is_taken_by_settling_and_once() external {
        _round(_job);
        _copiedRound(3);
        for (uint256 i = 0; i < 2; ++i) vote.settle(_job, 8);
        vm.assertEq(vault.account(treasury).credit, VOTE_BOND);
        // What was earned before is not lost.
        vm.assertEq(_credit(3), VOTE_PRICE);
        vm.assertEq(_stakeOf(3).locked, LEASE_BOND);
        _assertRecord(3, 2, 1, 1);
    }

    // More voters than at submission

    function test_votes_that_share_a_budget_are_paid_their_part() external {
        _round(_job);
        _growTo(7);
        for (uint256 i = 0; i < 2; ++i) {
            _trainFirst(4);
            _agree(_job);
            IAggregationVote.Verdict memory verdict = vote.verdict(_job, uint16(2 + i), i == 0 ? 2 : 1);
            _assertVerdict(verdict, IAggregationVote.VerdictState.FinalReduced);
            // 4 * 7 by 7 voters.
            vm.assertEq(verdict.payment, 4);
        }
        // A reduced payment is made when the vote is counted: by the next one, or by settling.
        vm.assertEq(_credit(3), 4);
        _assertBallot(3, 1, 3, IAggregationVote.BallotState.Cast);
        _settleAll(_job);
        for (uint256 i = 4; i < 7; ++i) {
            vm.assertEq(_credit(i), 2 * 4);
            _assertRecord(i, 2, 2, 0);
        }
        vm.assertEq(_credit(3), VOTE_PRICE + 2 * 4 + 3 * EPOCH_PRICE);
        _assertRecord(3, 3, 3, 0);
        vm.assertEq(vault.owedBy(_job), 0);
    }

    function test_no_more_votes_than_at_submission_are_paid_in_full() external {
        _round(_job);
        _growTo(7);
        _trainFirst(4);
        Result memory result = _result(_job);
        // Quorum of seven is five, of whom the budget pays four in full.
        for (uint256 i = 0; i < 5; ++i) _vote(_job, i, result);
        _skip(GRACE);
        _finalize(_job, result);
        IAggregationVote.Verdict memory verdict = vote.verdict(_job, 2, 2);
        _assertVerdict(verdict, IAggregationVote.VerdictState.FinalReduced);
        vm.assertEq(verdict.payment, (4 * VOTE_PRICE) / 5);
        _assertVerdict(vote.verdict(_job, 1, 1), IAggregationVote.VerdictState.Final);
        vm.assertEq(vote.verdict(_job, 1, 1).payment, VOTE_PRICE);
    }

    function test_votes_that_earn_nothing_are_still_counted() external {
        IEpochTypes.Terms memory terms = _terms();
        (terms.epochPrice, terms.votePrice) = (0, 0);
        scheduler.setParameters(0, 0, WHOLE_SHARE);
        vm.prank(parties[0].account);
        _job = scheduler.submitJob(terms, _content("spec"), _content("model 0"));
        for (uint256 i = 0; i < 2; ++i) _round(_job);
        vote.settle(_job, ALL_SEATS);
        _assertRecord(3, 2, 2, 0);
        vm.assertEq(_credit(3), 0);
        // So is a false seal, which costs what was locked: nothing.
        _copiedRound(3);
        vote.settle(_job, ALL_SEATS);
        _assertRecord(3, 3, 2, 1);
        vm.assertEq(vault.account(treasury).credit, 0);
    }

    function test_so_small_a_share_of_a_budget_that_it_is_nothing_is_counted() external {
        IEpochTypes.Terms memory terms = _terms();
        terms.votePrice = 1;
        _job = _submitJob(terms);
        _growTo(5);
        _trainFirst(4);
        _agree(_job);
        vm.assertEq(vote.verdict(_job, 1, 2).payment, 0);
        vote.settle(_job, ALL_SEATS);
        _assertRecord(3, 1, 1, 0);
        vm.assertEq(_credit(3), 0);
    }

    // Seats that change hands

    function test_a_seat_s_next_organisation_settles_the_former_one() external {
        for (uint256 i = 0; i < 2; ++i) _round(_job);
        uint256 heir = _replace(3);
        _trainFirst(3);
        _openTo(heir);
        uint256 free = _stakeOf(3).free;
        vm.expectEmit();
        emit IAggregationVote.VotesPaid(_job, parties[3].account, 2, 2 * VOTE_PRICE, VOTE_BOND);
        _vote(_job, heir, _result(_job));
        vm.assertEq(_credit(3), 2 * VOTE_PRICE);
        vm.assertEq(_stakeOf(3).free, free + VOTE_BOND);
        vm.assertEq(_credit(heir), 0);
        vm.assertEq(_stakeOf(heir).locked, VOTE_BOND);
        (address account, ) = vote.ballot(_job, 3);
        vm.assertEq(account, parties[heir].account);
        _assertBallot(3, 0, 1, IAggregationVote.BallotState.Cast);
        _assertRecord(3, 2, 2, 0);
        _assertRecord(heir, 0, 0, 0);
    }

    function test_a_seat_s_next_organisation_does_not_pay_for_the_former_one() external {
        _round(_job);
        _copiedRound(3);
        uint256 heir = _replace(3);
        _trainFirst(3);
        _openTo(heir);
        _vote(_job, heir, _result(_job));
        vm.assertEq(vault.account(treasury).credit, VOTE_BOND);
        vm.assertEq(_credit(3), VOTE_PRICE);
        vm.assertEq(_stakeOf(3).free + _stakeOf(3).locked, STAKE - VOTE_BOND);
        vm.assertEq(_stakeOf(heir).free, STAKE - VOTE_BOND);
        vm.assertEq(_stakeOf(heir).locked, VOTE_BOND);
        _assertRecord(3, 2, 1, 1);
        _assertRecord(heir, 0, 0, 0);
    }

    function test_a_former_organisation_is_settled_before_its_seat_votes_again_as_well() external {
        _round(_job);
        uint256 heir = _replace(3);
        vote.settle(_job, 8);
        vm.assertEq(_credit(3), VOTE_PRICE);
        vm.assertEq(_credit(heir), 0);
        _trainFirst(3);
        _openTo(heir);
        _vote(_job, heir, _result(_job));
        vm.assertEq(_credit(3), VOTE_PRICE);
        _assertRecord(3, 1, 1, 0);
    }

    function test_who_is_admitted_again_to_its_seat_is_settled_and_locks_a_new_bond() external {
        for (uint256 i = 0; i < 2; ++i) _round(_job);
        registry.remove(parties[3].account);
        _skip(1);
        registry.admit(parties[3].account, "organisation");
        vm.assertEq(registry.organisation(parties[3].account).seat, 3);
        _trainFirst(3);
        _openTo(3);
        IAggregationVote.SignedVote[] memory votes = new IAggregationVote.SignedVote[](1);
        votes[0] = _signedVote(_job, 3, _result(_job));
        vm.expectEmit();
        emit IAggregationVote.VotesPaid(_job, parties[3].account, 2, 2 * VOTE_PRICE, VOTE_BOND);
        vote.castVotes(_job, scheduler.round(_job).number, scheduler.round(_job).attempt, votes);
        vm.assertEq(_credit(3), 2 * VOTE_PRICE);
        vm.assertEq(_stakeOf(3).locked, LEASE_BOND + VOTE_BOND);
        _assertBallot(3, 0, 1, IAggregationVote.BallotState.Cast);
        _assertRecord(3, 2, 2, 0);
    }

    // Failed attempts

    function test_a_vote_that_failed_pays_nothing_and_frees_its_bond() external {
        _train(_job);
        Result memory result = _result(_job);
        for (uint256 i = 0; i < 2; ++i) _vote(_job, i, result);
        vm.warp(scheduler.round(_job).voteDeadline);
        vote.fail(_job);
        _assertVerdict(vote.verdict(_job, 1, 1), IAggregationVote.VerdictState.Failed);
        vm.expectEmit();
        emit IAggregationVote.VotesPaid(_job, parties[0].account, 0, 0, VOTE_BOND);
        vote.settle(_job, 1);
        vm.assertEq(_stakeOf(0).locked, 4 * LEASE_BOND);
        _assertRecord(0, 1, 0, 0);
        // Voting again in the next attempt goes on from there, or from the bond that is still locked.
        _agree(_job);
        _settleAll(_job);
        for (uint256 i = 0; i < 4; ++i) _assertRecord(i, i < 2 ? 2 : 1, 1, 0);
        vm.assertEq(vault.owedBy(_job), 0);
    }

    function test_penalties_of_several_failed_attempts_are_each_taken() external {
        _train(_job);
        for (uint256 k = 0; k < 2; ++k) {
            Result memory result = _result(_job);
            for (uint256 i = 0; i < 3; ++i) _vote(_job, i, result);
            vm.warp(scheduler.round(_job).revealDeadline);
            vote.fail(_job);
        }
        _agree(_job);
        vote.settle(_job, ALL_SEATS);
        vm.assertEq(vault.account(treasury).credit, 6 * VOTE_BOND);
        for (uint256 i = 0; i < 3; ++i) _assertRecord(i, 3, 1, 2);
        _assertRecord(3, 1, 1, 0);
        vm.assertEq(_stakeOf(3).free, STAKE - LEASE_BOND);
        vm.assertEq(_credit(0), VOTE_PRICE);
    }

    function test_votes_of_a_job_that_failed_are_settled() external {
        _train(_job);
        for (uint256 k = 0; k < 3; ++k) {
            _vote(_job, 0, _result(_job));
            vm.warp(scheduler.round(_job).voteDeadline);
            vote.fail(_job);
        }
        _assertStatus(_job, IEpochTypes.JobStatus.Failed);
        _settleAll(_job);
        _assertRecord(0, 3, 0, 0);
        vm.assertEq(_stakeOf(0).free, STAKE);
        vm.assertEq(vault.owedBy(_job), 0);
    }

    // As many as a ballot can count

    function test_what_a_ballot_cannot_count_any_more_is_paid_by_the_next_vote() external {
        _alone(MANY);
        uint256 paid;
        for (uint256 i = 1; i < MANY; ++i) {
            _roundAlone();
            if (paid != 0 || _credit(0) == 0) continue;
            paid = _credit(0);
            // Of all votes but the one that paid, which is undecided and whose bond stays locked.
            vm.assertEq(paid, (i - 1) * VOTE_PRICE);
            vm.assertEq(_stakeOf(0).locked, LEASE_BOND + VOTE_BOND);
            _assertBallot(0, 0, 1, IAggregationVote.BallotState.Cast);
            _assertRecord(0, i - 1, i - 1, 0);
        }
        vm.assertTrue(paid >= 250 * uint256(VOTE_PRICE), "paid for too few");
        vm.assertEq(_credit(0), paid);
        _roundAlone();
        vote.settle(_job, 1);
        vm.assertEq(_credit(0), MANY * VOTE_PRICE);
        vm.assertEq(vault.owedBy(_job), MANY * EPOCH_PRICE);
        _assertRecord(0, MANY, MANY, 0);
    }

    /// @dev An attack: to settle a vote while it is undecided, so that the ballot counts one match more than
    /// votes. More of them than it can count would stop the seat from voting and from being paid for ever.
    function test_a_ballot_that_was_settled_in_mid_vote_counts_on() external {
        _alone(MANY);
        _castAlone();
        vm.prank(stranger);
        vote.settle(_job, 1);
        _finalize(_job, _result(_job));
        for (uint256 i = 1; i < MANY; ++i) _roundAlone();
        vote.settle(_job, 1);
        vm.assertEq(_credit(0), MANY * VOTE_PRICE);
        _assertRecord(0, MANY, MANY, 0);
    }

    // Internal

    /// @dev A job of rounds of one epoch that the first party trains and votes on alone.
    function _alone(uint256 rounds) private {
        for (uint256 i = 1; i < 4; ++i) registry.remove(parties[i].account);
        IEpochTypes.Terms memory terms = _terms();
        (terms.rounds, terms.epochsPerRound) = (uint16(rounds), 1);
        (terms.minUpdates, terms.minValidators) = (1, 1);
        _job = _submitJob(terms);
        _claim(_job, 0);
    }

    function _castAlone() private {
        _deliver(_job, 0, true);
        _vote(_job, 0, _result(_job));
    }

    function _roundAlone() private {
        _castAlone();
        _finalize(_job, _result(_job));
    }

    /// @dev A round in which one party copies the others' candidate.
    function _copiedRound(uint256 copier) private {
        _train(_job);
        Result memory result = _result(_job);
        for (uint256 i = 0; i < 4; ++i) {
            if (i != copier) _vote(_job, i, result);
        }
        _copy(_job, copier, _candidate(_job, result));
        vm.assertTrue(_finalize(_job, result), "not final");
    }

    /// @dev The others agree with who has voted already.
    function _agreeBut(uint256 party) private {
        Result memory result = _result(_job);
        for (uint256 i = 0; i < 4; ++i) {
            if (i != party) _vote(_job, i, result);
        }
        vm.assertTrue(_finalize(_job, result), "not final");
    }

    /// @dev As many organisations, all of whom may vote in the attempt that opens now.
    function _growTo(uint256 count) private {
        while (parties.length < count) _join(1);
        vm.warp(scheduler.round(_job).trainingDeadline);
        scheduler.reopen(_job);
    }

    /// @dev The first parties train, whatever is left to do.
    function _trainFirst(uint256 count) private {
        for (uint256 i = 0; i < count; ++i) _claim(_job, i);
        for (uint256 i = 0; i < count; ++i) _deliver(_job, i);
        if (scheduler.phase(_job) == IEpochTypes.Phase.Training) {
            vm.warp(scheduler.round(_job).trainingDeadline);
        }
    }

    /// @dev An organisation is removed, and another one gets its seat.
    function _replace(uint256 party) private returns (uint256 heir) {
        registry.remove(parties[party].account);
        _skip(1);
        heir = _join(1);
        vm.assertEq(registry.organisation(parties[heir].account).seat, party);
    }

    /// @dev The open vote fails, so that who joined meanwhile may vote in the attempt that follows.
    function _openTo(uint256 party) private {
        vm.warp(scheduler.round(_job).voteDeadline);
        vote.fail(_job);
        uint8 seat = registry.organisation(parties[party].account).seat;
        vm.assertEq((scheduler.round(_job).eligible >> seat) & 1, 1);
        _assertPhase(_job, IEpochTypes.Phase.Voting);
    }

    function _assertBallot(
        uint8 seat,
        uint256 matched,
        uint256 cast,
        IAggregationVote.BallotState state
    ) private view {
        (, IAggregationVote.Ballot memory ballot) = vote.ballot(_job, seat);
        vm.assertEq(ballot.matched, matched, "ballot: matched");
        vm.assertEq(ballot.cast, cast, "ballot: cast");
        vm.assertEq(uint256(ballot.state), uint256(state), "ballot: state");
    }

    function _assertRecord(uint256 party, uint256 cast, uint256 matched, uint256 penalised) private view {
        IAggregationVote.VoteRecord memory record = vote.voteRecord(parties[party].account);
        vm.assertEq(record.cast, cast, "record: cast");
        vm.assertEq(record.matched, matched, "record: matched");
        vm.assertEq(record.penalised, penalised, "record: penalised");
        vm.assertEq(record.far, 0, "record: far");
    }

    function _assertVerdict(
        IAggregationVote.Verdict memory verdict,
        IAggregationVote.VerdictState expected
    ) private pure {
        vm.assertEq(uint256(verdict.state), uint256(expected), "verdict");
    }
}
