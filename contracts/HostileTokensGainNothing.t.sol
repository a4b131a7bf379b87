// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";
import {IEpochBooks} from "./interfaces/IEpochBooks.sol";
import {IEpochTypes} from "./interfaces/IEpochTypes.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {FeeToken, ReentrantToken} from "./test/HostileTokens.t.sol";
import {vm} from "./test/Vm.t.sol";

contract HostileTokensGainNothingTest is ConsortiumFixture {
    ReentrantToken private _token;

    function setUp() external {
        _token = new ReentrantToken();
        _deploy(address(_token));
        // The token itself is a member, so that what it calls back is not refused for who it is.
        _admit(address(_token));
        _admit(client);
    }

    function test_a_token_that_keeps_a_fee_is_refused() external {
        FeeToken fee = new FeeToken();
        _deploy(address(fee));
        registry.admit(client, "client");
        fee.mint(client, 1000);
        vm.startPrank(client);
        fee.approve(address(vault), 1000);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.VaultTransferShort.selector, 990, 1000));
        vault.stake(client, 1000);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.VaultTransferShort.selector, 259, 261));
        scheduler.submitJob(_terms(), _content("s"), _content("m"));
        vm.stopPrank();
    }

    function test_stake_cannot_be_counted_twice_by_calling_back() external {
        _arm(abi.encodeCall(IStakeVault.stake, (address(_token), 100)));
        _token.mint(address(_token), 100);
        _stakeAs(client, 100);
        _assertRefused();
        vm.assertEq(vault.account(client).free, 200);
        _assertBalanced();
    }

    function test_a_withdrawal_cannot_be_repeated_by_calling_back() external {
        vm.prank(address(_token));
        vault.unbond(100);
        _skip(UNBONDING);
        _arm(abi.encodeCall(IStakeVault.withdraw, ()));
        vm.prank(address(_token));
        vault.withdraw();
        _assertRefused();
        _assertBalanced();
    }

    function test_a_withdrawal_cannot_be_nested_in_a_stake() external {
        vm.prank(address(_token));
        vault.unbond(50);
        _skip(UNBONDING);
        _arm(abi.encodeCall(IStakeVault.withdraw, ()));
        _stakeAs(client, 1);
        _assertRefused();
        _assertBalanced();
    }

    function test_a_call_back_between_sees_a_vault_that_holds_what_it_owes() external {
        // Unbonding needs no guard: it only moves amounts inside the ledger.
        _arm(abi.encodeCall(IStakeVault.unbond, (100)));
        _stakeAs(client, 7);
        vm.assertEq(string(_token.answer()), "succeeded");
        vm.assertEq(vault.account(address(_token)).unbonding, 100);
        vm.assertEq(vault.account(client).free, 107);
        _assertBalanced();
    }

    function test_a_budget_cannot_be_taken_twice_by_calling_back() external {
        // Free of charge, as its own member, so that only the escrow of the outer call is at stake.
        IEpochTypes.Terms memory free = _terms();
        (free.epochPrice, free.votePrice) = (0, 0);
        _token.arm(
            address(scheduler),
            abi.encodeCall(IEpochBooks.submitJob, (free, _content("s"), _content("m")))
        );
        uint256 job = _submitJob();
        vm.assertTrue(_token.attempted(), "not attempted");
        // The nested job is another one, and each holds its own budget.
        vm.assertEq(scheduler.jobCount(), 2);
        vm.assertEq(scheduler.job(job).client, client);
        vm.assertEq(scheduler.job(job + 1).client, address(_token));
        vm.assertEq(vault.escrowOf(job), _budget(_terms()));
        vm.assertEq(vault.escrowOf(job + 1), 0);
        _assertBalanced();
    }

    function test_a_job_cannot_be_paid_for_in_the_middle_of_a_stake() external {
        _token.mint(address(_token), 1000);
        _armAt(
            address(scheduler),
            abi.encodeCall(IEpochBooks.submitJob, (_terms(), _content("s"), _content("m")))
        );
        _stakeAs(client, 5);
        _assertRefused();
        vm.assertEq(scheduler.jobCount(), 0);
        _assertBalanced();
    }

    function _admit(address account) private {
        registry.admit(account, "x");
        _stakeAs(account, 100);
    }

    function _stakeAs(address account, uint256 amount) private {
        _token.mint(account, amount);
        vm.startPrank(account);
        _token.approve(address(vault), amount);
        vault.stake(account, amount);
        vm.stopPrank();
    }

    function _arm(bytes memory call) private {
        _armAt(address(vault), call);
    }

    function _armAt(address target, bytes memory call) private {
        vm.prank(address(_token));
        _token.approve(address(vault), type(uint256).max);
        _token.arm(target, call);
    }

    function _assertRefused() private view {
        vm.assertTrue(_token.attempted(), "not attempted");
        vm.assertEq(
            bytes32(bytes4(_token.answer())),
            bytes32(ReentrancyGuard.ReentrancyGuardReentrantCall.selector)
        );
    }

    function _assertBalanced() private view {
        vm.assertEq(_token.balanceOf(address(vault)), vault.liabilities());
    }
}
