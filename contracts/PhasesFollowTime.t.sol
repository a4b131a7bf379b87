// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochTypes} from "./interfaces/IEpochTypes.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

contract PhasesFollowTimeTest is ConsortiumFixture {
    uint256 private constant VOTE_AT = START + TRAINING;
    uint256 private constant REVEAL_AT = VOTE_AT + VOTING;
    uint256 private constant END_AT = REVEAL_AT + REVEAL;

    uint256 private _job;

    function setUp() external {
        _consortium();
        _job = _submitJob();
    }

    function test_a_job_that_was_never_submitted_has_no_phase() external view {
        _assertPhase(_job + 1, IEpochTypes.Phase.None);
    }

    function test_deadlines_follow_from_the_opening() external view {
        IEpochTypes.Round memory round = scheduler.round(_job);
        vm.assertEq(round.openedAt, START);
        vm.assertEq(round.trainingDeadline, VOTE_AT);
        vm.assertEq(round.voteDeadline, REVEAL_AT);
        vm.assertEq(round.revealDeadline, END_AT);
    }

    function test_a_deadline_belongs_to_the_phase_that_it_opens() external {
        _claim(_job, 0);
        _claim(_job, 1);
        _deliver(_job, 0);
        _deliver(_job, 1);
        _assertPhaseAt(VOTE_AT - 1, IEpochTypes.Phase.Training);
        _assertPhaseAt(VOTE_AT, IEpochTypes.Phase.Voting);
        _assertPhaseAt(REVEAL_AT - 1, IEpochTypes.Phase.Voting);
        _assertPhaseAt(REVEAL_AT, IEpochTypes.Phase.Reveal);
        _assertPhaseAt(END_AT - 1, IEpochTypes.Phase.Reveal);
        _assertPhaseAt(END_AT, IEpochTypes.Phase.Stalled);
    }

    function test_training_stalls_without_enough_updates() external {
        _claim(_job, 0);
        _deliver(_job, 0);
        _assertPhaseAt(VOTE_AT - 1, IEpochTypes.Phase.Training);
        _assertPhaseAt(VOTE_AT, IEpochTypes.Phase.Stalled);
    }

    function test_all_epochs_delivered_open_voting_early_and_move_no_deadline() external {
        _train(_job);
        _assertPhaseAt(START + 1, IEpochTypes.Phase.Voting);
        vm.assertEq(scheduler.round(_job).voteDeadline, REVEAL_AT);
        _assertPhaseAt(REVEAL_AT, IEpochTypes.Phase.Reveal);
    }

    function test_the_vote_contract_sees_the_same_deadlines() external {
        _train(_job);
        (
            IEpochTypes.Phase phase,
            uint16 number,
            uint8 attempt,
            uint40 openedAt,
            uint40 voteDeadline,
            uint64 eligible,
            uint8 quorum,
            uint32 grace
        ) = scheduler.ballotBox(_job);
        vm.assertEq(uint256(phase), uint256(IEpochTypes.Phase.Voting));
        vm.assertEq(number, 1);
        vm.assertEq(attempt, 1);
        vm.assertEq(openedAt, START);
        vm.assertEq(voteDeadline, REVEAL_AT);
        vm.assertEq(eligible, 15);
        vm.assertEq(quorum, 3);
        vm.assertEq(grace, GRACE);
        (uint96 bond, uint96 price) = scheduler.voteTerms(_job);
        vm.assertEq(bond, VOTE_BOND);
        vm.assertEq(price, VOTE_PRICE);
    }

    function test_one_update_over_all_epochs_is_enough_to_vote_on() external {
        vm.prank(parties[0].node);
        registry.updateNode(parties[0].node, BOTH, 65_535, "");
        _claim(_job, 0);
        _deliver(_job, 0);
        vm.assertEq(scheduler.round(_job).updates, 1);
        _assertPhase(_job, IEpochTypes.Phase.Voting);
    }

    function test_an_attempt_with_too_few_validators_stalls_when_training_ends_and_not_before() external {
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(parties[i].node);
            registry.updateNode(parties[i].node, TRAINER, 4 - uint32(2 * i), "");
        }
        uint256 job = _submitJob();
        vm.assertEq(scheduler.round(job).eligible, 12);
        _train(job);
        _assertPhase(job, IEpochTypes.Phase.Training);
        vm.warp(VOTE_AT - 1);
        _assertPhase(job, IEpochTypes.Phase.Training);
        vm.warp(VOTE_AT);
        _assertPhase(job, IEpochTypes.Phase.Stalled);
    }

    function test_quorum_is_more_than_two_thirds_of_the_eligible() external {
        uint8[5] memory quorums = [3, 4, 5, 5, 6];
        for (uint256 i = 0; i < quorums.length; ++i) {
            vm.assertEq(scheduler.round(_submitJob()).quorum, quorums[i]);
            _join(1);
        }
    }

    function _assertPhaseAt(uint256 time, IEpochTypes.Phase expected) private {
        vm.warp(time);
        _assertPhase(_job, expected);
    }
}
