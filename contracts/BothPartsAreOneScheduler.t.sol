// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochBooks} from "./interfaces/IEpochBooks.sol";
import {IEpochRounds} from "./interfaces/IEpochRounds.sol";
import {IEpochTypes} from "./interfaces/IEpochTypes.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

/// @dev What the scheduler's two parts are made of.
// solhint-disable-next-line interface-starts-with-i
interface Parts {
    // solhint-disable func-name-mixedcase
    function REGISTRY() external view returns (address);
    function VAULT() external view returns (address);
    function VOTE() external view returns (address);
    function BOOKS() external view returns (address);
    // solhint-enable func-name-mixedcase
}

contract BothPartsAreOneSchedulerTest is ConsortiumFixture {
    Parts private _parts;
    IEpochBooks private _books;

    error SchedulerZeroAddress();

    function setUp() external {
        _consortium();
        _parts = Parts(address(scheduler));
        _books = IEpochBooks(_parts.BOOKS());
    }

    function test_the_parts_know_the_same_contracts() external view {
        vm.assertEq(_parts.REGISTRY(), address(registry));
        vm.assertEq(_parts.VAULT(), address(vault));
        vm.assertEq(_parts.VOTE(), address(vote));
        vm.assertEq(Parts(address(_books)).REGISTRY(), address(registry));
        vm.assertEq(Parts(address(_books)).VAULT(), address(vault));
    }

    function test_records_are_at_the_scheduler_s_address_alone() external {
        uint256 job = _submitJob();
        _round(job);
        _settleAll(job);
        scheduler.setParameters(1, 2, 3);
        vm.assertEq(scheduler.jobCount(), 1);
        vm.assertEq(scheduler.round(job).number, 2);
        vm.assertEq(_books.jobCount(), 0);
        vm.assertEq(_books.openJobs().length, 0);
        vm.assertEq(_books.round(job).number, 0);
        vm.assertEq(_books.outcome(job, 1).closedAt, 0);
        vm.assertEq(_books.parameters().maxShare, 0);
        vm.assertEq(_books.nodeRecord(parties[0].node).delivered, 0);
    }

    /// @dev An attack: a client that takes the second part for the scheduler would have a job that nobody
    /// can work on, and its budget asked for by who may not take it.
    function test_no_job_is_submitted_at_the_second_part_s_own_address() external {
        IEpochTypes.Terms memory terms = _terms();
        bytes memory error_ = abi.encodeWithSelector(IEpochTypes.SchedulerNotHere.selector, _books);
        vm.expectRevert(error_);
        _books.submitJob(terms, _content("spec"), _content("model"));
        (terms.epochPrice, terms.votePrice) = (0, 0);
        address member = parties[0].account;
        vm.expectRevert(error_);
        vm.prank(member);
        _books.submitJob(terms, _content("spec"), _content("model"));
    }

    function test_whatever_happens_at_the_second_part_s_own_address_changes_nothing() external {
        uint256 job = _submitJob();
        _books.setParameters(1, 2, 3);
        _books.setPaused(true);
        vm.assertFalse(scheduler.paused());
        vm.assertEq(scheduler.parameters().maxShare, WHOLE_SHARE);
        bytes memory unknown = abi.encodeWithSelector(IEpochTypes.SchedulerUnknownJob.selector, job);
        address node = parties[0].node;
        vm.expectRevert(unknown);
        vm.prank(node);
        _books.enlist(job);
        vm.expectRevert(unknown);
        _books.expire(job, node);
        vm.expectRevert(unknown);
        _books.settle(job, new address[](0));
        vm.expectRevert(unknown);
        vm.prank(client);
        _books.cancelJob(job);
        _round(job);
    }

    function test_the_second_part_has_none_of_the_first() external {
        _refuseUnknown(address(_books), abi.encodeCall(IEpochRounds.claim, (1)));
        _refuseUnknown(address(_books), abi.encodeCall(IEpochRounds.reopen, (1)));
        _refuseUnknown(address(_books), abi.encodeCall(IEpochRounds.failVote, (1)));
    }

    function test_what_neither_part_knows_is_refused() external {
        _refuseUnknown(address(scheduler), abi.encodeWithSignature("transferOwnership(address)", client));
        _refuseUnknown(address(scheduler), hex"01020304");
        _refuseUnknown(address(scheduler), hex"010203");
        _refuseUnknown(address(scheduler), "");
    }

    function test_the_scheduler_takes_no_money() external {
        vm.deal(address(this), 3);
        // solhint-disable avoid-low-level-calls
        (bool plain, ) = address(scheduler).call{value: 1}("");
        (bool first, ) = address(scheduler).call{value: 1}(abi.encodeCall(IEpochRounds.reopen, (1)));
        (bool second, ) = address(scheduler).call{value: 1}(abi.encodeCall(IEpochBooks.jobCount, ()));
        // solhint-enable avoid-low-level-calls
        vm.assertFalse(plain || first || second, "taken");
        vm.assertEq(address(scheduler).balance, 0);
    }

    function test_what_the_second_part_returns_comes_back_whole() external {
        uint256 first = _submitJob();
        uint256 second = _submitJob();
        uint256[] memory open = scheduler.openJobs();
        vm.assertEq(open.length, 2);
        vm.assertEq(open[0], first);
        vm.assertEq(open[1], second);
        vm.assertEq(keccak256(abi.encode(scheduler.job(first).terms)), keccak256(abi.encode(_terms())));
        (bool succeeded, bytes memory answer) = address(scheduler).staticcall(
            abi.encodeCall(IEpochBooks.jobCount, ())
        );
        vm.assertTrue(succeeded, "refused");
        vm.assertEq(keccak256(answer), keccak256(abi.encode(2)));
    }

    function test_why_the_second_part_refuses_comes_back_whole() external {
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerUnknownJob.selector, 7));
        scheduler.settle(7, new address[](0));
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerBadContent.selector, "model.cid"));
        scheduler.submitJob(_terms(), _content("s"), IEpochTypes.Content("m", ""));
        // So does what the contracts that it calls say.
        uint256 job = _submitJob();
        _train(job);
        _agree(job);
        address imposter = address(0xBAD);
        vm.expectRevert(abi.encodeWithSelector(IEpochTypes.SchedulerNotTrainer.selector, imposter));
        vm.prank(imposter);
        scheduler.enlist(job);
    }

    function test_a_static_call_of_the_second_part_stays_one() external view {
        (bool succeeded, ) = address(scheduler).staticcall(abi.encodeCall(IEpochBooks.setPaused, (true)));
        vm.assertFalse(succeeded, "changed in a static call");
        vm.assertFalse(scheduler.paused());
    }

    function test_the_caller_is_who_calls_the_scheduler() external {
        uint256 job = _submitJob();
        vm.assertEq(scheduler.job(job).client, client);
        bytes memory call = abi.encodeWithSelector(
            IEpochTypes.SchedulerNotGovernance.selector,
            address(scheduler)
        );
        vm.expectRevert(call);
        vm.prank(address(scheduler));
        scheduler.setPaused(true);
        scheduler.setPaused(true);
        vm.assertTrue(scheduler.paused());
    }

    // Deployment

    function test_a_scheduler_needs_all_of_its_parts() external {
        bytes memory missing = abi.encodeWithSelector(SchedulerZeroAddress.selector);
        address none = address(0);
        address books = address(_books);
        _refuse(abi.encode(none, vault, vote, books, 1, 1, 1), missing);
        _refuse(abi.encode(registry, none, vote, books, 1, 1, 1), missing);
        _refuse(abi.encode(registry, vault, none, books, 1, 1, 1), missing);
        _refuse(abi.encode(registry, vault, vote, none, 1, 1, 1), missing);
        // An address without code would swallow every call.
        _refuse(abi.encode(registry, vault, vote, stranger, 1, 1, 1), missing);
        _create("EpochScheduler", abi.encode(registry, vault, vote, books, 1, 1, 1));
    }

    function test_a_scheduler_begins_with_a_share_that_can_be_held() external {
        address books = address(_books);
        _refuse(
            abi.encode(registry, vault, vote, books, 1, 1, 0),
            abi.encodeWithSelector(IEpochTypes.SchedulerBadShare.selector, 0)
        );
        _refuse(
            abi.encode(registry, vault, vote, books, 1, 1, 10_001),
            abi.encodeWithSelector(IEpochTypes.SchedulerBadShare.selector, 10_001)
        );
        vm.expectEmit();
        emit IEpochTypes.ParametersSet(1, 2, 10_000);
        _create("EpochScheduler", abi.encode(registry, vault, vote, books, 1, 2, 10_000));
    }

    function test_a_vote_needs_all_of_its_parts() external {
        address none = address(0);
        vm.assertEq(_tryCreate("AggregationVote", abi.encode(none, vault, scheduler)), none);
        vm.assertEq(_tryCreate("AggregationVote", abi.encode(registry, none, scheduler)), none);
        vm.assertEq(_tryCreate("AggregationVote", abi.encode(registry, vault, none)), none);
        address created = _create("AggregationVote", abi.encode(registry, vault, scheduler));
        vm.assertEq(Parts(created).REGISTRY(), address(registry));
        vm.assertEq(Parts(created).VAULT(), address(vault));
    }

    // Internal

    /// @dev Refused without a reason, as by any contract that does not have the function.
    function _refuseUnknown(address target, bytes memory call) private {
        // solhint-disable-next-line avoid-low-level-calls
        (bool succeeded, bytes memory answer) = target.call(call);
        vm.assertFalse(succeeded, "answered");
        vm.assertEq(answer.length, 0);
    }

    function _refuse(bytes memory arguments, bytes memory error_) private {
        address created = _tryCreate("EpochScheduler", arguments);
        bytes memory answer;
        // Before anything else is called, which would return something itself.
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            answer := mload(0x40)
            mstore(answer, returndatasize())
            returndatacopy(add(answer, 32), 0, returndatasize())
            mstore(0x40, and(add(add(answer, 63), returndatasize()), not(31)))
        }
        vm.assertEq(created, address(0));
        vm.assertEq(keccak256(answer), keccak256(error_));
    }
}
