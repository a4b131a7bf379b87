// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochTypes} from "./interfaces/IEpochTypes.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

contract TermsAreCheckedTest is ConsortiumFixture {
    function setUp() external {
        _consortium();
    }

    function test_each_count_has_its_bounds() external {
        IEpochTypes.Terms memory terms = _terms();
        terms.rounds = 0;
        _refuse(terms, "rounds");
        terms = _terms();
        terms.epochsPerRound = 0;
        _refuse(terms, "epochsPerRound");
        terms.epochsPerRound = 257;
        _refuse(terms, "epochsPerRound");
        terms = _terms();
        terms.minUpdates = 0;
        _refuse(terms, "minUpdates");
        terms.minUpdates = EPOCHS + 1;
        _refuse(terms, "minUpdates");
        terms = _terms();
        terms.minValidators = 0;
        _refuse(terms, "minValidators");
        terms.minValidators = 65;
        _refuse(terms, "minValidators");
        terms = _terms();
        terms.maxAttempts = 0;
        _refuse(terms, "maxAttempts");
        terms.maxAttempts = 17;
        _refuse(terms, "maxAttempts");
        terms = _terms();
        terms.maxUpdateBytes = 0;
        _refuse(terms, "maxUpdateBytes");
        terms = _terms();
        terms.ruleset = 0;
        _refuse(terms, "ruleset");
    }

    function test_each_window_has_its_bounds() external {
        IEpochTypes.Terms memory terms = _terms();
        terms.minLeaseTime = 0;
        _refuse(terms, "minLeaseTime");
        terms.minLeaseTime = LEASE_TIME + 1;
        _refuse(terms, "minLeaseTime");
        terms = _terms();
        terms.trainingWindow = LEASE_TIME - 1;
        _refuse(terms, "trainingWindow");
        terms.trainingWindow = 30 days + 1;
        _refuse(terms, "trainingWindow");
        terms = _terms();
        terms.claimWindow = 30 days + 1;
        _refuse(terms, "claimWindow");
        terms = _terms();
        terms.voteWindow = 0;
        _refuse(terms, "voteWindow");
        terms.voteWindow = 30 days + 1;
        _refuse(terms, "voteWindow");
        terms = _terms();
        terms.revealWindow = 0;
        _refuse(terms, "revealWindow");
        terms.revealWindow = 30 days + 1;
        _refuse(terms, "revealWindow");
        terms = _terms();
        terms.grace = 30 days + 1;
        _refuse(terms, "grace");
    }

    function test_a_job_that_pays_nothing_is_for_members_alone() external {
        IEpochTypes.Terms memory terms = _terms();
        (terms.epochPrice, terms.votePrice) = (0, 0);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerNotMember.selector, stranger));
        scheduler.submitJob(terms, _content("spec"), _content("model"));

        vm.prank(parties[0].account);
        uint256 job = scheduler.submitJob(terms, _content("spec"), _content("model"));
        vm.assertEq(scheduler.job(job).client, parties[0].account);
    }

    function test_the_widest_terms_are_accepted_and_kept() external {
        IEpochTypes.Terms memory terms = IEpochTypes.Terms({
            rounds: 65_535,
            epochsPerRound: 256,
            minUpdates: 256,
            minValidators: 64,
            maxAttempts: 16,
            claimWindow: 30 days,
            leaseTime: 30 days,
            minLeaseTime: 30 days,
            trainingWindow: 30 days,
            voteWindow: 30 days,
            revealWindow: 30 days,
            grace: 30 days,
            epochPrice: 1 << 60,
            votePrice: 1 << 60,
            maxUpdateBytes: type(uint64).max,
            ruleset: bytes32(type(uint256).max)
        });
        uint256 job = _submitJob(terms);
        vm.assertEq(keccak256(abi.encode(scheduler.job(job).terms)), keccak256(abi.encode(terms)));
        vm.assertEq(scheduler.round(job).revealDeadline, START + 3 * 30 days);
        vm.assertEq(scheduler.job(job).maxEpochs, 256);
    }

    function test_the_narrowest_terms_are_accepted_and_kept() external {
        IEpochTypes.Terms memory terms = IEpochTypes.Terms({
            rounds: 1,
            epochsPerRound: 1,
            minUpdates: 1,
            minValidators: 1,
            maxAttempts: 1,
            claimWindow: 0,
            leaseTime: 1,
            minLeaseTime: 1,
            trainingWindow: 1,
            voteWindow: 1,
            revealWindow: 1,
            grace: 0,
            epochPrice: 1,
            votePrice: 0,
            maxUpdateBytes: 1,
            ruleset: "r"
        });
        uint256 job = _submitJob(terms);
        vm.assertEq(keccak256(abi.encode(scheduler.job(job).terms)), keccak256(abi.encode(terms)));
        vm.assertEq(scheduler.round(job).revealDeadline, START + 3);
        _claim(job, 0);
        _deliver(job, 0);
        _agree(job);
        _assertStatus(job, IEpochTypes.JobStatus.Completed);
    }

    function _refuse(IEpochTypes.Terms memory terms, string memory field) private {
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerBadTerms.selector, field));
        scheduler.submitJob(terms, _content("spec"), _content("model"));
    }
}
