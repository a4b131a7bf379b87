// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAggregationVote} from "./interfaces/IAggregationVote.sol";
import {IEpochTypes} from "./interfaces/IEpochTypes.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

contract VotesAreCastOnceTest is ConsortiumFixture {
    uint256 private _job;
    Result private _right;

    function setUp() external {
        _consortium();
        _job = _submitJob();
        _train(_job);
        _right = _result(_job);
    }

    function test_a_vote_is_recorded_with_its_bond() external {
        _skip(3);
        bytes16 candidate = _candidate(_job, _right);
        bytes16 seal = vote.sealOf(_job, 1, 1, _hash(_right), parties[1].account);
        vm.expectEmit();
        emit IAggregationVote.VoteCast(_job, 1, parties[1].account, 1, parties[1].node, candidate, seal, 123);
        vm.prank(parties[1].node);
        vote.castVote(_job, 1, 1, candidate, seal, 123);
        (address account, IAggregationVote.Ballot memory ballot) = vote.ballot(_job, 1);
        vm.assertEq(account, parties[1].account);
        vm.assertEq(ballot.seal, seal);
        vm.assertEq(ballot.score, 123);
        vm.assertEq(ballot.round, 1);
        vm.assertEq(ballot.attempt, 1);
        vm.assertEq(ballot.openedAt, START);
        vm.assertEq(ballot.cast, 1);
        vm.assertEq(uint256(ballot.state), uint256(IAggregationVote.BallotState.Cast));
        vm.assertEq(_stakeOf(1).locked, 2 * LEASE_BOND + VOTE_BOND);
        vm.assertEq(vote.attempt(_job).voted, 2);
        vm.assertEq(vote.tally(_job, candidate), 1);
    }

    function test_the_vote_that_completes_a_quorum_says_so_and_no_other() external {
        Result memory other = Result({digest: "another", accepted: 1, invalid: 0});
        _vote(_job, 3, other);
        for (uint256 i = 0; i < 2; ++i) _vote(_job, i, _right);
        vm.assertEq(vote.attempt(_job).quorumAt, 0);
        _skip(5);
        bytes16 candidate = _candidate(_job, _right);
        vm.expectEmit();
        emit IAggregationVote.QuorumReached(_job, 1, 1, candidate);
        _vote(_job, 2, _right);
        IAggregationVote.Attempt memory attempt = vote.attempt(_job);
        vm.assertEq(attempt.quorumAt, START + 5);
        vm.assertEq(attempt.leading, candidate);
        vm.assertEq(attempt.voted, 15);
        vm.assertEq(vote.tally(_job, candidate), 3);
        vm.assertEq(vote.tally(_job, _candidate(_job, other)), 1);
    }

    function test_the_bond_of_a_vote_stays_locked_for_the_next_one() external {
        for (uint256 i = 0; i < 4; ++i) _vote(_job, i, _right);
        _finalize(_job, _right);
        _train(_job);
        _vote(_job, 3, _result(_job));
        vm.assertEq(_stakeOf(3).locked, LEASE_BOND + VOTE_BOND);
    }

    function test_an_organisation_votes_once_whatever_node_it_uses() external {
        _register(parties[0].account, 0xF00D, VALIDATOR, 0);
        _vote(_job, 0, _right);
        bytes memory twice = abi.encodeWithSelector(
            IAggregationVote.VoteAlreadyCast.selector,
            parties[0].account
        );
        _refuseVote(_job, 0, _right, twice);
        parties[0].node = vm.addr(0xF00D);
        _refuseVote(_job, 0, _right, twice);
    }

    function test_a_vote_names_the_attempt_that_it_is_for() external {
        vm.expectRevert(abi.encodeWithSelector(IAggregationVote.VoteWrongAttempt.selector, 1, 2, 1, 1));
        vm.prank(parties[0].node);
        vote.castVote(_job, 1, 2, "c", "s", 0);
        vm.expectRevert(abi.encodeWithSelector(IAggregationVote.VoteWrongAttempt.selector, 2, 1, 1, 1));
        vm.prank(parties[0].node);
        vote.castVote(_job, 2, 1, "c", "s", 0);
    }

    function test_a_vote_is_in_time_until_the_second_before_the_deadline() external {
        vm.warp(START + TRAINING + VOTING - 1);
        _vote(_job, 0, _right);
        _skip(1);
        _refuseVote(_job, 1, _right, _wrongPhase(_job, IEpochTypes.Phase.Reveal));
    }

    function test_nobody_votes_while_training_or_after_the_end() external {
        uint256 other = _submitJob();
        _refuseVote(other, 0, _right, _wrongPhase(other, IEpochTypes.Phase.Training));
        vm.prank(client);
        scheduler.cancelJob(_job);
        for (uint256 i = 0; i < 4; ++i) _vote(_job, i, _right);
        _finalize(_job, _right);
        _refuseVote(_job, 0, _right, _wrongPhase(_job, IEpochTypes.Phase.Ended));
    }

    function test_only_validators_that_are_not_retired_vote() external {
        vm.prank(parties[0].node);
        registry.updateNode(parties[0].node, TRAINER, 4, "");
        _refuseVote(_job, 0, _right, _notValidator(parties[0].node));
        vm.prank(parties[1].node);
        registry.retireNode(parties[1].node);
        _refuseVote(_job, 1, _right, _notValidator(parties[1].node));
        vm.expectRevert(_notValidator(stranger));
        vm.prank(stranger);
        vote.castVote(_job, 1, 1, "c", "s", 0);
    }

    function test_who_joined_after_the_opening_waits_for_the_next_attempt() external {
        _skip(1);
        uint256 late = _join(1);
        _refuseVote(_job, late, _right, _notValidator(parties[late].node));
    }

    function test_who_was_bonded_after_the_opening_is_not_eligible() external {
        // Admitted in the very second of the opening, but not in the count of eligible seats.
        uint256 late = _join(1);
        bytes memory error_ = abi.encodeWithSelector(
            IAggregationVote.VoteNotEligible.selector,
            parties[late].account,
            4
        );
        _refuseVote(_job, late, _right, error_);
    }

    function test_who_was_removed_before_the_opening_does_not_vote() external {
        for (uint256 i = 0; i < 3; ++i) _vote(_job, i, _right);
        registry.remove(parties[3].account);
        _skip(GRACE);
        _finalize(_job, _right);
        for (uint256 i = 0; i < 3; ++i) _claim(_job, i);
        for (uint256 i = 0; i < 3; ++i) _deliver(_job, i);
        vm.warp(scheduler.round(_job).trainingDeadline);
        _refuseVote(_job, 3, _result(_job), _notValidator(parties[3].node));
    }

    function test_a_vote_needs_stake_for_its_bond() external {
        uint256 free = _stakeOf(0).free;
        vm.prank(parties[0].account);
        vault.unbond(free - VOTE_BOND + 1);
        bytes memory error_ = abi.encodeWithSelector(
            IStakeVault.VaultInsufficientStake.selector,
            parties[0].account,
            VOTE_BOND - 1,
            VOTE_BOND
        );
        _refuseVote(_job, 0, _right, error_);
    }

    function test_a_score_is_at_most_a_million_and_a_candidate_not_empty() external {
        vm.expectRevert(abi.encodeWithSelector(IAggregationVote.VoteBadScore.selector, 1_000_001));
        vm.prank(parties[0].node);
        vote.castVote(_job, 1, 1, "c", "s", 1_000_001);
        vm.expectRevert(abi.encodeWithSelector(IAggregationVote.VoteBadCandidate.selector));
        vm.prank(parties[0].node);
        vote.castVote(_job, 1, 1, "", "s", 0);
    }

    function test_a_reveal_waits_for_all_votes_or_the_grace_or_the_deadline() external {
        vm.assertEq(vote.revealableFrom(_job), type(uint256).max);
        for (uint256 i = 0; i < 2; ++i) _vote(_job, i, _right);
        vm.expectRevert(
            abi.encodeWithSelector(
                IAggregationVote.VoteNoTallyQuorum.selector,
                _candidate(_job, _right),
                2,
                3
            )
        );
        _finalize(_job, _right);
        _skip(7);
        _vote(_job, 2, _right);
        uint256 from = START + 7 + GRACE;
        vm.assertEq(vote.revealableFrom(_job), from);
        vm.warp(from - 1);
        vm.expectRevert(abi.encodeWithSelector(IAggregationVote.VoteNotRevealable.selector, _job, from));
        _finalize(_job, _right);
        _skip(1);
        vm.assertTrue(_finalize(_job, _right));
    }

    function test_a_late_quorum_is_revealable_at_the_vote_deadline() external {
        vm.warp(START + TRAINING + VOTING - 1);
        for (uint256 i = 0; i < 3; ++i) _vote(_job, i, _right);
        vm.assertEq(vote.revealableFrom(_job), START + TRAINING + VOTING);
        _skip(1);
        vm.assertTrue(_finalize(_job, _right));
    }

    function test_another_result_than_the_one_voted_for_cannot_be_revealed() external {
        for (uint256 i = 0; i < 4; ++i) _vote(_job, i, _right);
        Result memory other = Result({digest: _right.digest, accepted: 1, invalid: 0});
        vm.expectRevert(
            abi.encodeWithSelector(IAggregationVote.VoteNoTallyQuorum.selector, _candidate(_job, other), 0, 3)
        );
        _finalize(_job, other);
    }

    function test_nothing_is_revealed_before_a_vote_was_cast() external {
        vm.expectRevert(
            abi.encodeWithSelector(
                IAggregationVote.VoteNoTallyQuorum.selector,
                _candidate(_job, _right),
                0,
                3
            )
        );
        _finalize(_job, _right);
    }

    function test_votes_of_an_earlier_attempt_are_none_of_the_open_one() external {
        for (uint256 i = 0; i < 3; ++i) _vote(_job, i, _right);
        vm.warp(scheduler.round(_job).revealDeadline);
        vote.fail(_job);
        vm.assertEq(vote.attempt(_job).voted, 7);
        vm.assertEq(vote.revealableFrom(_job), type(uint256).max);
        bytes16 candidate = _candidate(_job, _right);
        vm.expectRevert(abi.encodeWithSelector(IAggregationVote.VoteNoTallyQuorum.selector, candidate, 0, 3));
        _finalize(_job, _right);
        // Whoever voted before votes again.
        _vote(_job, 0, _right);
        vm.assertEq(vote.attempt(_job).voted, 1);
    }

    function test_a_place_is_a_hint_of_at_most_128_bytes() external {
        for (uint256 i = 0; i < 4; ++i) _vote(_job, i, _right);
        vm.expectRevert(abi.encodeWithSelector(IAggregationVote.VoteBadCid.selector, 129));
        vote.finalize(_job, _right.digest, _right.accepted, _right.invalid, string(new bytes(129)));
        vote.finalize(_job, _right.digest, _right.accepted, _right.invalid, "");
    }

    function test_an_active_node_announces_where_else_content_is() external {
        vm.expectEmit();
        emit IAggregationVote.ModelAnnounced(_job, "digest", parties[0].node, CID);
        vm.prank(parties[0].node);
        vote.announce(_job, "digest", CID);
        vm.expectRevert(_notValidator(stranger));
        vm.prank(stranger);
        vote.announce(_job, "digest", CID);
        vm.expectRevert(abi.encodeWithSelector(IAggregationVote.VoteBadCid.selector, 0));
        vm.prank(parties[0].node);
        vote.announce(_job, "digest", "");
        vm.expectRevert(abi.encodeWithSelector(IAggregationVote.VoteBadCid.selector, 129));
        vm.prank(parties[0].node);
        vote.announce(_job, "digest", string(new bytes(129)));
    }

    function test_a_job_that_does_not_exist_takes_no_votes() external {
        vm.expectRevert(_wrongPhase(_job + 1, IEpochTypes.Phase.None));
        vm.prank(parties[0].node);
        vote.castVote(_job + 1, 0, 0, "c", "s", 0);
        vm.expectRevert(abi.encodeWithSelector(IAggregationVote.VoteNotFailed.selector, _job + 1));
        vote.fail(_job + 1);
        vm.expectRevert(_wrongPhase(_job + 1, IEpochTypes.Phase.None));
        _finalize(_job + 1, _right);
    }

    function _notValidator(address node) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IAggregationVote.VoteNotValidator.selector, node);
    }

    function _wrongPhase(uint256 job, IEpochTypes.Phase actual) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IAggregationVote.VoteWrongPhase.selector, job, uint8(actual));
    }
}
