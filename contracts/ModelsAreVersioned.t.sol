// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochTypes} from "./interfaces/IEpochTypes.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {GovernanceFixture} from "./test/GovernanceFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

contract ModelsAreVersionedTest is GovernanceFixture {
    string private constant NAME = "digits-mlp";

    address private _releaser = address(0x4E1EA5E4);
    uint256 private _done;
    uint256[3] private _further;
    uint256 private _open;

    function setUp() external {
        _consortium();
        _done = _complete();
        for (uint256 i = 0; i < 3; ++i) _further[i] = _complete();
        _open = _submitJob();
        registry.endFounding();
        _skip(1);
    }

    function test_a_completed_job_becomes_a_version_with_its_lineage() external {
        vm.expectEmit();
        emit IModelRegistry.VersionRegistered(
            keccak256(bytes(NAME)),
            1,
            _done,
            NAME,
            scheduler.outcome(_done, 1).modelDigest,
            CID,
            900_000,
            client
        );
        vm.assertEq(_register(client, NAME, _done), 1);

        IModelRegistry.Version memory version = models.version(NAME, 1);
        vm.assertEq(version.jobId, _done);
        vm.assertEq(version.number, 1);
        vm.assertEq(version.round, 1);
        vm.assertEq(version.score, 900_000);
        vm.assertEq(version.registeredAt, _now());
        vm.assertEq(version.by, client);
        vm.assertEq(version.digest, keccak256(abi.encode("model", uint16(1))));
        vm.assertEq(version.specDigest, "spec");
        vm.assertEq(version.ruleset, "milon/1");
        vm.assertEq(version.cid, CID);
        vm.assertEq(models.ownerOf(NAME), client);
        vm.assertEq(models.versionCount(NAME), 1);
        vm.assertEq(models.versionOf(NAME, _done), 1);
        vm.assertEq(models.promoted(NAME), 0);
    }

    function test_versions_are_counted_from_one_and_listed_in_pages() external {
        _register(client, NAME, _done);
        for (uint32 i = 2; i <= 4; ++i) vm.assertEq(_register(client, NAME, _further[i - 2]), i);
        vm.assertEq(models.versionCount(NAME), 4);
        IModelRegistry.Version[] memory page = models.versions(NAME, 1, 2);
        vm.assertEq(page.length, 2);
        vm.assertEq(page[0].number, 2);
        vm.assertEq(page[1].number, 3);
        vm.assertEq(page[1].jobId, models.version(NAME, 3).jobId);
        vm.assertEq(models.versions(NAME, 3, type(uint256).max).length, 1);
        vm.assertEq(models.versions(NAME, 4, 1).length, 0);
        vm.assertEq(models.versions("unknown", 0, 1).length, 0);
    }

    function test_names_are_listed_in_pages() external {
        _register(client, NAME, _done);
        _register(client, "faces", _done);
        _register(client, "0.iris_v2", _done);
        vm.assertEq(models.nameCount(), 3);
        string[] memory page = models.names(1, 5);
        vm.assertEq(page.length, 2);
        vm.assertEq(page[0], "faces");
        vm.assertEq(page[1], "0.iris_v2");
        vm.assertEq(models.names(0, 1)[0], NAME);
        vm.assertEq(models.names(3, 1).length, 0);
    }

    function test_only_completed_jobs_have_a_model() external {
        bytes memory error_ = _error1(IModelRegistry.ModelsJobNotCompleted.selector, _open);
        vm.expectRevert(error_);
        _register(client, NAME, _open);
        vm.prank(client);
        scheduler.cancelJob(_open);
        _round(_open);
        _assertStatus(_open, IEpochTypes.JobStatus.Cancelled);
        vm.expectRevert(error_);
        _register(client, NAME, _open);
        vm.expectRevert();
        _register(client, NAME, 99);
    }

    function test_a_job_is_registered_once_per_name() external {
        _register(client, NAME, _done);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelsJobKnown.selector, _done, 1));
        _register(client, NAME, _done);
        vm.assertEq(_register(client, "another", _done), 1);
    }

    function test_a_job_s_client_releasers_and_governance_register() external {
        vm.expectRevert(
            abi.encodeWithSelector(IModelRegistry.ModelsNotClient.selector, parties[0].account, client)
        );
        _register(parties[0].account, NAME, _done);
        _appoint();
        _register(_releaser, NAME, _done);
        vm.assertEq(models.ownerOf(NAME), _releaser);
        _register(timelock, "another", _done);
        vm.assertEq(models.ownerOf("another"), timelock);
    }

    function test_a_name_belongs_to_who_registered_its_first_version() external {
        _appoint();
        _register(client, NAME, _done);
        uint256 second = _further[0];
        address other = parties[0].account;
        _register(_releaser, "theirs", _done);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelsNotOwner.selector, client, _releaser));
        _register(client, "theirs", second);
        // Its owner needs a job of its own as well.
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelsNotClient.selector, other, client));
        _register(other, NAME, second);
        vm.assertEq(_register(_releaser, NAME, second), 2);
        vm.assertEq(_register(timelock, NAME, _further[1]), 3);
        vm.assertEq(models.ownerOf(NAME), client);
    }

    function test_names_have_a_form() external {
        string[10] memory bad = [
            "",
            "Digits",
            "a b",
            "a/b",
            ".a",
            "-a",
            "_a",
            unicode"modèle",
            "a\n",
            "a1234567890123456789012345678901234567890123456789012345678901234"
        ];
        for (uint256 i = 0; i < bad.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelsBadName.selector, bad[i]));
            _register(client, bad[i], _done);
        }
        string[5] memory good = [
            "a",
            "0",
            "z9._-",
            "a..b",
            "a123456789012345678901234567890123456789012345678901234567890123"
        ];
        for (uint256 i = 0; i < good.length; ++i) _register(client, good[i], _done);
    }

    function test_every_byte_of_a_name_is_checked(bytes1 char) external {
        bool first = (char >= "a" && char <= "z") || (char >= "0" && char <= "9");
        bool later = first || char == "." || char == "_" || char == "-";
        string memory name = string(abi.encodePacked(char, "x"));
        if (!first) vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelsBadName.selector, name));
        _register(client, name, _done);
        name = string(abi.encodePacked("y", char));
        if (!later) vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelsBadName.selector, name));
        _register(client, name, _done);
    }

    function test_a_cid_has_1_to_128_bytes() external {
        vm.startPrank(client);
        vm.expectRevert(_error1(IModelRegistry.ModelsBadCid.selector, 0));
        models.register(NAME, _done, "");
        vm.expectRevert(_error1(IModelRegistry.ModelsBadCid.selector, 129));
        models.register(NAME, _done, string(new bytes(129)));
        models.register(NAME, _done, string(new bytes(128)));
        vm.stopPrank();
    }

    function test_there_is_no_version_nought_and_none_after_the_last() external {
        _register(client, NAME, _done);
        uint256[2] memory numbers = [uint256(0), 2];
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(IModelRegistry.ModelsUnknownVersion.selector, NAME, numbers[i])
            );
            models.version(NAME, numbers[i]);
        }
        vm.assertEq(models.ownerOf("unknown"), address(0));
        vm.assertEq(models.versionCount("unknown"), 0);
        vm.assertEq(models.versionOf("unknown", _done), 0);
        vm.assertEq(models.promoted("unknown"), 0);
        vm.assertEq(models.history("unknown").length, 0);
    }

    function test_the_members_promote_by_a_decision() external {
        _register(client, NAME, _done);
        _decide(address(models), abi.encodeCall(models.promote, (NAME, 1)));
        vm.assertEq(models.promoted(NAME), 1);
    }

    function test_the_members_appoint_and_dismiss_releasers_by_a_decision() external {
        _decide(address(models), abi.encodeCall(models.setReleaser, (_releaser, true)));
        vm.assertTrue(models.isReleaser(_releaser));
        vm.assertEq(models.releasers().length, 1);
        vm.assertEq(models.releasers()[0], _releaser);
        _decide(address(models), abi.encodeCall(models.setReleaser, (_releaser, false)));
        vm.assertFalse(models.isReleaser(_releaser));
        vm.assertEq(models.releasers().length, 0);
    }

    function test_only_governance_appoints_releasers() external {
        _appoint();
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelsNotGovernance.selector, _releaser));
        vm.prank(_releaser);
        models.setReleaser(stranger, true);
        vm.startPrank(timelock);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelsZeroAddress.selector));
        models.setReleaser(address(0), true);
        // Twice is once.
        models.setReleaser(_releaser, true);
        vm.assertEq(models.releasers().length, 1);
        vm.stopPrank();
    }

    function test_only_releasers_and_governance_promote() external {
        _versions(1);
        vm.startPrank(client);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelsNotReleaser.selector, client));
        models.promote(NAME, 1);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelsNotReleaser.selector, client));
        models.rollBack(NAME);
        vm.stopPrank();
        vm.expectEmit();
        emit IModelRegistry.ModelPromoted(keccak256(bytes(NAME)), 1, NAME, _releaser);
        vm.prank(_releaser);
        models.promote(NAME, 1);
        vm.prank(timelock);
        models.setReleaser(_releaser, false);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelsNotReleaser.selector, _releaser));
        vm.prank(_releaser);
        models.promote(NAME, 0);
    }

    function test_what_is_promoted_exists_and_is_new() external {
        _versions(2);
        vm.startPrank(_releaser);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelsUnknownName.selector, "unknown"));
        models.promote("unknown", 1);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelsUnknownName.selector, "unknown"));
        models.rollBack("unknown");
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelsUnknownVersion.selector, NAME, 3));
        models.promote(NAME, 3);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelsAlreadyPromoted.selector, NAME, 0));
        models.promote(NAME, 0);
        models.promote(NAME, 2);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelsAlreadyPromoted.selector, NAME, 2));
        models.promote(NAME, 2);
        vm.stopPrank();
    }

    function test_a_roll_back_returns_to_what_was_promoted_before() external {
        _versions(3);
        vm.startPrank(_releaser);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelsNothingBefore.selector, NAME));
        models.rollBack(NAME);
        models.promote(NAME, 1);
        models.promote(NAME, 3);
        models.promote(NAME, 2);
        vm.expectEmit();
        emit IModelRegistry.ModelRolledBack(keccak256(bytes(NAME)), 3, NAME, _releaser);
        vm.assertEq(models.rollBack(NAME), 3);
        vm.assertEq(models.promoted(NAME), 3);
        // Further back, not to what was just undone.
        vm.assertEq(models.rollBack(NAME), 1);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.ModelsNothingBefore.selector, NAME));
        models.rollBack(NAME);
        models.promote(NAME, 2);
        vm.assertEq(models.rollBack(NAME), 1);
        vm.stopPrank();
    }

    function test_none_may_be_promoted_and_that_is_rolled_back_too() external {
        _versions(1);
        vm.startPrank(_releaser);
        models.promote(NAME, 1);
        models.promote(NAME, 0);
        vm.assertEq(models.promoted(NAME), 0);
        vm.assertEq(models.rollBack(NAME), 1);
        vm.stopPrank();
    }

    function test_the_history_shows_all_that_was_promoted() external {
        _versions(2);
        vm.startPrank(_releaser);
        models.promote(NAME, 1);
        _skip(10);
        models.promote(NAME, 2);
        vm.stopPrank();
        _skip(10);
        vm.prank(timelock);
        models.rollBack(NAME);
        IModelRegistry.Promotion[] memory history = models.history(NAME);
        vm.assertEq(history.length, 3);
        vm.assertEq(history[0].version, 1);
        vm.assertEq(history[0].previous, 0);
        vm.assertEq(history[1].version, 2);
        vm.assertEq(history[1].previous, 1);
        vm.assertEq(history[1].since, _now() - 10);
        vm.assertEq(history[1].by, _releaser);
        vm.assertEq(history[2].version, 1);
        vm.assertEq(history[2].previous, 0);
        vm.assertEq(history[2].since, _now());
        vm.assertEq(history[2].by, timelock);
    }

    /// @dev Against a plain stack.
    function test_roll_backs_follow_a_stack(uint256 random) external {
        _versions(3);
        uint32[] memory stack = new uint32[](30);
        uint256 height;
        vm.startPrank(_releaser);
        for (uint256 i = 0; i < 30; ++i) {
            random = uint256(keccak256(abi.encode(random)));
            uint32 number = uint32(random % 4);
            if (random & 0x100 == 0 && number != models.promoted(NAME)) {
                models.promote(NAME, number);
                stack[height] = number;
                ++height;
            } else if (height > 1) {
                models.rollBack(NAME);
                --height;
            }
            vm.assertEq(models.promoted(NAME), height == 0 ? 0 : stack[height - 1]);
        }
        vm.stopPrank();
    }

    function test_deployment_needs_both_contracts() external {
        vm.assertEq(_tryCreate("ModelRegistry", abi.encode(address(0), scheduler)), address(0));
        vm.assertEq(_tryCreate("ModelRegistry", abi.encode(registry, address(0))), address(0));
    }

    /// @dev A job of one round that all agree on.
    function _complete() private returns (uint256 jobId) {
        IEpochTypes.Terms memory terms = _terms();
        terms.rounds = 1;
        jobId = _submitJob(terms);
        _round(jobId);
        _assertStatus(jobId, IEpochTypes.JobStatus.Completed);
        _settleAll(jobId);
    }

    function _appoint() private {
        vm.prank(timelock);
        models.setReleaser(_releaser, true);
    }

    /// @dev That many versions, and a releaser to promote them.
    function _versions(uint256 count) private {
        _appoint();
        _register(client, NAME, _done);
        for (uint256 i = 1; i < count; ++i) _register(client, NAME, _further[i - 1]);
    }

    function _register(address by, string memory name, uint256 jobId) private returns (uint32) {
        vm.prank(by);
        return models.register(name, jobId, CID);
    }

    function _error1(bytes4 selector, uint256 value) private pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, value);
    }
}
