// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAggregationVote} from "./interfaces/IAggregationVote.sol";
import {IEpochTypes} from "./interfaces/IEpochTypes.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

contract VotesAreCarriedTest is ConsortiumFixture {
    uint256 private _job;
    Result private _right;

    function setUp() external {
        _consortium();
        _job = _submitJob();
        _train(_job);
        _right = _result(_job);
    }

    function test_anyone_carries_votes_and_they_count_as_if_cast() external {
        IAggregationVote.SignedVote[] memory votes = _batch(4);
        _skip(3);
        vm.prank(stranger);
        vm.assertEq(vote.castVotes(_job, 1, 1, votes), 4);
        for (uint8 i = 0; i < 4; ++i) {
            (address account, IAggregationVote.Ballot memory ballot) = vote.ballot(_job, i);
            vm.assertEq(account, parties[i].account);
            vm.assertEq(ballot.seal, votes[i].seal);
            vm.assertEq(ballot.score, 900_000);
            vm.assertEq(ballot.openedAt, START);
            vm.assertEq(ballot.cast, 1);
        }
        vm.assertEq(_stakeOf(0).locked, 4 * LEASE_BOND + VOTE_BOND);
        vm.assertEq(_stakeOf(3).locked, LEASE_BOND + VOTE_BOND);
        vm.assertEq(vault.account(stranger).locked, 0);
        vm.assertEq(vote.attempt(_job).voted, 15);
        vm.assertEq(vote.attempt(_job).quorumAt, START + 3);
        vm.assertTrue(_finalize(_job, _right));
        vote.settle(_job, 15);
        for (uint256 i = 0; i < 4; ++i) vm.assertEq(_credit(i), VOTE_PRICE);
    }

    function test_a_carried_vote_is_told_as_its_node_s() external {
        IAggregationVote.SignedVote[] memory votes = _batch(3);
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectEmit();
            emit IAggregationVote.VoteCast(
                _job,
                1,
                parties[i].account,
                1,
                parties[i].node,
                votes[i].candidate,
                votes[i].seal,
                900_000
            );
        }
        // The third makes the quorum.
        vm.expectEmit();
        emit IAggregationVote.QuorumReached(_job, 1, 1, votes[0].candidate);
        vote.castVotes(_job, 1, 1, votes);
    }

    function test_votes_of_several_batches_and_direct_ones_add_up() external {
        IAggregationVote.SignedVote[] memory votes = _batch(4);
        Result memory other = Result({digest: "another", accepted: 1, invalid: 0});
        votes[2] = _signedVote(_job, 2, other);
        _carry(_one(votes[3]), 1);
        _vote(_job, 1, _right);
        vm.assertEq(vote.attempt(_job).quorumAt, 0);
        (votes[1], votes[3]) = (votes[2], votes[0]);
        _carry(votes, 2);
        vm.assertEq(vote.tally(_job, votes[3].candidate), 3);
        vm.assertEq(vote.tally(_job, votes[1].candidate), 1);
        vm.assertEq(vote.attempt(_job).leading, votes[3].candidate);
        vm.assertTrue(_finalize(_job, _right));
        vm.assertEq(vote.verdict(_job, 1, 1).matching, 11);
    }

    // What a signature is not good for

    function test_a_signature_of_an_earlier_attempt_is_not_good_for_a_later_one() external {
        IAggregationVote.SignedVote[] memory votes = _batch(4);
        _carry(_one(votes[0]), 1);
        vm.warp(scheduler.round(_job).voteDeadline);
        vote.fail(_job);
        vm.expectRevert(abi.encodeWithSelector(IAggregationVote.VoteWrongAttempt.selector, 1, 1, 1, 2));
        vote.castVotes(_job, 1, 1, votes);
        vm.expectRevert(abi.encodeWithSelector(IAggregationVote.VoteNoneCounted.selector, 4));
        vote.castVotes(_job, 1, 2, votes);
        vm.assertEq(vault.account(treasury).credit, 0);
    }

    function test_votes_are_carried_while_voting_alone() external {
        IAggregationVote.SignedVote[] memory votes = _batch(4);
        uint256 other = _submitJob();
        vm.expectRevert(_wrongPhase(other, IEpochTypes.Phase.Training));
        vote.castVotes(other, 1, 1, votes);
        vm.warp(START + TRAINING + VOTING);
        vm.expectRevert(_wrongPhase(_job, IEpochTypes.Phase.Reveal));
        vote.castVotes(_job, 1, 1, votes);
    }

    // Who is passed over

    function test_an_organisation_s_second_vote_is_passed_over() external {
        _register(parties[0].account, 0xF00D, VALIDATOR, 0);
        IAggregationVote.SignedVote[] memory votes = _batch(4);
        votes[1] = votes[0];
        Party memory second = parties[0];
        (second.node, second.nodeKey) = (vm.addr(0xF00D), 0xF00D);
        parties.push(second);
        votes[2] = _signedVote(_job, 4, Result({digest: "another", accepted: 1, invalid: 0}));
        _carry(votes, 2);
        vm.assertEq(vote.attempt(_job).voted, 9);
        vm.assertEq(vote.tally(_job, votes[0].candidate), 2);
        vm.assertEq(_stakeOf(0).locked, 4 * LEASE_BOND + VOTE_BOND);
        (, IAggregationVote.Ballot memory ballot) = vote.ballot(_job, 0);
        vm.assertEq(ballot.cast, 1);
        // And so is what was carried before.
        _refuse(votes);
    }

    function test_who_may_not_vote_is_passed_over() external {
        IAggregationVote.SignedVote[] memory votes = _batch(4);
        uint256 sameSecond = _join(1);
        _skip(1);
        uint256 late = _join(1);
        vm.prank(parties[0].node);
        registry.retireNode(parties[0].node);
        vm.prank(parties[1].node);
        registry.updateNode(parties[1].node, TRAINER, 2, "");
        _refuse(_one(votes[0]));
        _refuse(_one(votes[1]));
        _refuse(_one(_signedVote(_job, sameSecond, _right)));
        _refuse(_one(_signedVote(_job, late, _right)));
        votes[0] = _signedVote(_job, late, _right);
        _carry(votes, 2);
        vm.assertEq(vote.attempt(_job).voted, 12);
    }

    /// @dev Whatever is remembered of who voted before.
    function test_who_ceased_to_validate_since_its_last_vote_is_passed_over() external {
        _carriedRound();
        _train(_job);
        _right = _result(_job);
        IAggregationVote.SignedVote[] memory votes = _batch(4);
        vm.prank(parties[0].node);
        registry.updateNode(parties[0].node, TRAINER, 4, "");
        vm.prank(parties[1].node);
        registry.retireNode(parties[1].node);
        bytes memory consent = _consent(0xF00D, parties[2].account);
        vm.prank(parties[2].node);
        registry.rotateNode(parties[2].node, vm.addr(0xF00D), consent);
        vm.assertEq(vote.castVotes(_job, 2, 1, votes), 1);
        vm.assertEq(vote.attempt(_job).voted, 8);
        // The key that took over votes in its place.
        (parties[2].node, parties[2].nodeKey) = (vm.addr(0xF00D), 0xF00D);
        vm.assertEq(vote.castVotes(_job, 2, 1, _one(_signedVote(_job, 2, _right))), 1);
    }

    function test_who_was_removed_since_its_last_vote_casts_that_of_the_open_round_alone() external {
        _carriedRound();
        _train(_job);
        _right = _result(_job);
        registry.remove(parties[3].account);
        vm.assertEq(vote.castVotes(_job, 2, 1, _batch(4)), 4);
        _skip(1);
        _finalize(_job, _right);
        for (uint256 i = 0; i < 3; ++i) _claim(_job, i);
        for (uint256 i = 0; i < 3; ++i) _deliver(_job, i);
        vm.warp(scheduler.round(_job).trainingDeadline);
        _right = _result(_job);
        vm.assertEq(vote.castVotes(_job, 3, 1, _batch(4)), 3);
        vm.assertEq(vote.attempt(_job).voted, 7);
    }

    function test_who_is_admitted_to_another_seat_votes_from_that_one() external {
        _carriedRound();
        registry.remove(parties[3].account);
        _skip(1);
        uint256 heir = _join(1);
        registry.admit(parties[3].account, "organisation");
        vm.assertEq(registry.organisation(parties[heir].account).seat, 3);
        vm.assertEq(registry.organisation(parties[3].account).seat, 4);
        // Neither was a member when round 2 opened.
        for (uint256 i = 0; i < 3; ++i) _claim(_job, i);
        for (uint256 i = 0; i < 3; ++i) _deliver(_job, i);
        vm.warp(scheduler.round(_job).trainingDeadline);
        _right = _result(_job);
        vm.assertEq(vote.castVotes(_job, 2, 1, _batch(5)), 3);
        _skip(GRACE);
        _finalize(_job, _right);
        // Where three claimed before, two of them get all there is.
        for (uint256 i = 0; i < 2; ++i) _claim(_job, i);
        for (uint256 i = 0; i < 2; ++i) _deliver(_job, i);
        _right = _result(_job);
        vm.assertEq(vote.castVotes(_job, 3, 1, _batch(5)), 5);
        vm.assertEq(vote.attempt(_job).voted, 31);
        (address account, ) = vote.ballot(_job, 3);
        vm.assertEq(account, parties[heir].account);
        (account, ) = vote.ballot(_job, 4);
        vm.assertEq(account, parties[3].account);
        // The first vote of its old seat is settled by the heir's.
        vm.assertEq(_credit(3), VOTE_PRICE);
    }

    function test_who_cannot_lock_its_bond_is_passed_over_and_holds_up_nobody() external {
        IAggregationVote.SignedVote[] memory votes = _batch(4);
        _unbondAllBut(1, VOTE_BOND - 1);
        _unbondAllBut(2, VOTE_BOND);
        _refuse(_one(votes[1]));
        _carry(votes, 3);
        vm.assertEq(vote.attempt(_job).voted, 13);
        vm.assertEq(_stakeOf(1).free, VOTE_BOND - 1);
        vm.assertEq(_stakeOf(2).free, 0);
        _stake(parties[1].account, 1);
        _carry(_one(votes[1]), 1);
    }

    function test_a_bond_that_is_locked_from_the_last_vote_is_enough() external {
        _agree(_job);
        _train(_job);
        _unbondAllBut(0, 0);
        _right = _result(_job);
        vm.assertEq(vote.castVotes(_job, 2, 1, _batch(4)), 4);
        vm.assertEq(_stakeOf(0).locked, 4 * LEASE_BOND + VOTE_BOND);
    }

    function test_who_settled_its_last_vote_needs_a_bond_again() external {
        _agree(_job);
        vote.settle(_job, 15);
        _train(_job);
        _unbondAllBut(0, 0);
        _right = _result(_job);
        vm.assertEq(vote.castVotes(_job, 2, 1, _batch(4)), 3);
        vm.assertEq(vote.attempt(_job).voted, 14);
    }

    function test_whose_last_vote_is_penalised_pays_and_needs_another_bond() external {
        for (uint256 i = 0; i < 3; ++i) _vote(_job, i, _right);
        _copy(_job, 3, _candidate(_job, _right));
        _finalize(_job, _right);
        _train(_job);
        _right = _result(_job);
        uint256 free = _stakeOf(3).free;
        _unbondAllBut(3, VOTE_BOND - 1);
        IAggregationVote.SignedVote[] memory votes = _batch(4);
        vm.expectRevert(abi.encodeWithSelector(IAggregationVote.VoteNoneCounted.selector, 1));
        vote.castVotes(_job, 2, 1, _one(votes[3]));
        vm.assertEq(vault.account(treasury).credit, 0);
        _stake(parties[3].account, free);
        vm.assertEq(vote.castVotes(_job, 2, 1, votes), 4);
        vm.assertEq(vault.account(treasury).credit, VOTE_BOND);
        vm.assertEq(_stakeOf(3).locked, LEASE_BOND + VOTE_BOND);
    }

    function test_without_bonds_votes_need_no_stake() external {
        scheduler.setParameters(0, 0, WHOLE_SHARE);
        _job = _submitJob();
        _train(_job);
        _right = _result(_job);
        for (uint256 i = 0; i < 4; ++i) _unbondAllBut(i, 0);
        _carry(_batch(4), 4);
    }

    function test_a_batch_of_which_nothing_counts_is_refused() external {
        _refuse(new IAggregationVote.SignedVote[](0));
        _refuse(new IAggregationVote.SignedVote[](3));
        vm.assertEq(vote.attempt(_job).voted, 0);
    }

    // Attacks

    /// @dev An attack: to have a carrier's transaction refused, somebody casts one of its votes first. That
    /// vote is passed over and the others count.
    function test_a_vote_that_is_cast_ahead_of_its_batch_harms_nobody() external {
        IAggregationVote.SignedVote[] memory votes = _batch(4);
        _vote(_job, 1, _right);
        vm.prank(stranger);
        vote.castVotes(_job, 1, 1, _one(votes[2]));
        _carry(votes, 2);
        vm.assertEq(vote.attempt(_job).voted, 15);
        vm.assertTrue(_finalize(_job, _right));
        vm.assertEq(vote.verdict(_job, 1, 1).penalised, 0);
    }

    /// @dev An attack: a stranger fills a batch with rubbish to keep the votes in it from counting.
    function testFuzz_what_is_wrong_in_a_batch_does_not_touch_what_is_right(
        uint8 wrongs,
        bytes32 r,
        bytes32 vs
    ) external {
        IAggregationVote.SignedVote[] memory votes = _batch(4);
        uint256 right;
        for (uint256 i = 0; i < 4; ++i) {
            uint256 kind = (wrongs >> (2 * i)) & 3;
            if (kind == 0) ++right;
            else if (kind == 1) (votes[i].r, votes[i].vs) = (r, vs);
            else if (kind == 2) votes[i].seal = "another";
            else votes[i].candidate = 0;
        }
        if (right == 0) return _refuse(votes);
        _carry(votes, right);
        uint256 voted = vote.attempt(_job).voted;
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertEq((voted >> i) & 1 == 1, (wrongs >> (2 * i)) & 3 == 0);
        }
    }

    // Internal

    /// @dev Round 1, all of whose votes are carried.
    function _carriedRound() private {
        _carry(_batch(4), 4);
        _finalize(_job, _right);
    }

    /// @dev The first `count` parties' votes for the right result.
    function _batch(uint256 count) private view returns (IAggregationVote.SignedVote[] memory votes) {
        votes = new IAggregationVote.SignedVote[](count);
        for (uint256 i = 0; i < count; ++i) votes[i] = _signedVote(_job, i, _right);
    }

    function _one(
        IAggregationVote.SignedVote memory signed
    ) private pure returns (IAggregationVote.SignedVote[] memory votes) {
        votes = new IAggregationVote.SignedVote[](1);
        votes[0] = signed;
    }

    function _carry(IAggregationVote.SignedVote[] memory votes, uint256 counted) private {
        vm.assertEq(vote.castVotes(_job, 1, 1, votes), counted, "counted");
    }

    function _refuse(IAggregationVote.SignedVote[] memory votes) private {
        vm.expectRevert(abi.encodeWithSelector(IAggregationVote.VoteNoneCounted.selector, votes.length));
        vote.castVotes(_job, 1, 1, votes);
    }

    function _unbondAllBut(uint256 party, uint256 rest) private {
        uint256 free = _stakeOf(party).free;
        vm.prank(parties[party].account);
        vault.unbond(free - rest);
    }

    function _wrongPhase(uint256 job, IEpochTypes.Phase actual) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IAggregationVote.VoteWrongPhase.selector, job, uint8(actual));
    }
}
