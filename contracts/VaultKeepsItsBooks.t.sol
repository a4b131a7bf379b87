// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {ConsortiumToken} from "./ConsortiumToken.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

contract VaultKeepsItsBooksTest is ConsortiumFixture {
    address private _owner;

    function setUp() external {
        _consortium();
        _owner = parties[0].account;
    }

    function test_stake_is_free_and_anyone_may_pay_it() external {
        token.mint(stranger, 5);
        vm.startPrank(stranger);
        token.approve(address(vault), 5);
        vault.stake(_owner, 5);
        vm.stopPrank();
        vm.assertEq(vault.account(_owner).free, STAKE + 5);
        vm.assertEq(vault.liabilities(), 4 * STAKE + 5);
        vm.assertEq(token.balanceOf(address(vault)), 4 * STAKE + 5);
    }

    function test_stake_comes_out_after_the_unbonding_period_and_not_a_second_before() external {
        vm.prank(_owner);
        vault.unbond(300);
        IStakeVault.Account memory account = vault.account(_owner);
        vm.assertEq(account.free, STAKE - 300);
        vm.assertEq(account.unbonding, 300);
        vm.assertEq(account.unbondingAt, START + UNBONDING);
        _skip(UNBONDING - 1);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.VaultNothingToWithdraw.selector, _owner));
        vm.prank(_owner);
        vault.withdraw();
        _skip(1);
        vm.prank(_owner);
        vm.assertEq(vault.withdraw(), 300);
        vm.assertEq(token.balanceOf(_owner), 300);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.VaultNothingToWithdraw.selector, _owner));
        vm.prank(_owner);
        vault.withdraw();
    }

    function test_what_is_added_to_unbonding_makes_all_of_it_wait_anew() external {
        vm.prank(_owner);
        vault.unbond(300);
        _skip(UNBONDING - 1);
        vm.prank(_owner);
        vault.unbond(1);
        _skip(1);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.VaultNothingToWithdraw.selector, _owner));
        vm.prank(_owner);
        vault.withdraw();
        _skip(UNBONDING - 1);
        vm.prank(_owner);
        vm.assertEq(vault.withdraw(), 301);
    }

    function test_credit_comes_out_while_stake_is_unbonding() external {
        uint256 job = _submitJob();
        _round(job);
        _settleAll(job);
        vm.startPrank(_owner);
        vault.unbond(10);
        vm.assertEq(vault.withdraw(), 4 * EPOCH_PRICE + VOTE_PRICE);
        vm.stopPrank();
        vm.assertEq(vault.account(_owner).unbonding, 10);
    }

    function test_locked_stake_cannot_leave() external {
        uint256 job = _submitJob();
        _claim(job, 0);
        vm.expectRevert(
            abi.encodeWithSelector(
                IStakeVault.VaultInsufficientStake.selector,
                _owner,
                STAKE - 4 * LEASE_BOND,
                uint256(STAKE)
            )
        );
        vm.prank(_owner);
        vault.unbond(STAKE);
    }

    function test_nothing_cannot_be_staked_or_unbonded() external {
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.VaultZeroAmount.selector));
        vault.stake(_owner, 0);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.VaultZeroAmount.selector));
        vm.prank(_owner);
        vault.unbond(0);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.VaultNotMember.selector, stranger));
        vault.stake(stranger, 1);
    }

    function test_only_the_two_operators_move_stake_and_only_the_scheduler_budgets() external {
        bytes memory error_ = abi.encodeWithSelector(IStakeVault.VaultNotOperator.selector, _owner);
        vm.startPrank(_owner);
        vm.expectRevert(error_);
        vault.lock(_owner, 1);
        vm.expectRevert(error_);
        vault.release(1, _owner, 1, 1);
        vm.expectRevert(error_);
        vault.slash(1, _owner, 1);
        vm.expectRevert(error_);
        vault.escrow(1, _owner, 1);
        vm.expectRevert(error_);
        vault.owe(1, 1);
        vm.expectRevert(error_);
        vault.refund(1, _owner);
        vm.stopPrank();

        error_ = abi.encodeWithSelector(IStakeVault.VaultNotOperator.selector, address(vote));
        vm.startPrank(address(vote));
        vault.lock(_owner, 1);
        vm.expectRevert(error_);
        vault.escrow(1, _owner, 1);
        vm.expectRevert(error_);
        vault.owe(1, 1);
        vm.expectRevert(error_);
        vault.refund(1, _owner);
        vm.stopPrank();
    }

    function test_no_job_pays_more_than_it_holds() external {
        uint256 job = _submitJob();
        uint256 held = vault.escrowOf(job);
        vm.startPrank(address(scheduler));
        vm.expectRevert(
            abi.encodeWithSelector(IStakeVault.VaultInsufficientEscrow.selector, job, held, held + 1)
        );
        vault.owe(job, held + 1);
        vault.owe(job, 10);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.VaultInsufficientEscrow.selector, job, 10, 11));
        vault.release(job, _owner, 0, 11);
        vault.release(job, _owner, 0, 10);
        vm.stopPrank();
        vm.assertEq(vault.account(_owner).credit, 10);
    }

    function test_governance_sets_the_parameters() external {
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.VaultNotGovernance.selector, stranger));
        vm.prank(stranger);
        vault.setParameters(1, 2, stranger);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.VaultZeroAddress.selector));
        vault.setParameters(1, 2, address(0));
        vm.expectEmit();
        emit IStakeVault.ParametersSet(1, 2, stranger);
        vault.setParameters(1, 2, stranger);
        vm.assertEq(vault.minimumStake(), 1);
        vm.assertEq(vault.unbondingPeriod(), 2);
        vm.assertEq(vault.treasury(), stranger);
        vm.assertEq(vault.token(), address(token));
    }

    function test_a_new_minimum_reaches_an_account_when_it_is_refreshed() external {
        vault.setParameters(STAKE + 1, UNBONDING, treasury);
        vm.assertFalse(vault.isBonded(_owner));
        vm.assertEq(registry.votingSeats(), 15);
        vm.prank(stranger);
        vault.refreshBond(_owner);
        vm.assertEq(registry.votingSeats(), 14);
        vault.setParameters(STAKE, UNBONDING, treasury);
        vault.refreshBond(_owner);
        vm.assertEq(registry.votingSeats(), 15);
    }

    function test_only_governance_mints() external {
        vm.assertEq(token.symbol(), "MLN");
        vm.assertEq(token.name(), "Milon credit");
        vm.expectRevert(abi.encodeWithSelector(ConsortiumToken.TokenNotGovernance.selector, stranger));
        vm.prank(stranger);
        token.mint(stranger, 1);
    }

    function test_a_deployment_refuses_a_missing_part() external {
        address none = address(0);
        _refuseVault(abi.encode(none, registry, client, client, client, 1, 1));
        _refuseVault(abi.encode(token, none, client, client, client, 1, 1));
        _refuseVault(abi.encode(token, registry, none, client, client, 1, 1));
        _refuseVault(abi.encode(token, registry, client, none, client, 1, 1));
        _refuseVault(abi.encode(token, registry, client, client, none, 1, 1));
        vm.assertTrue(
            _tryCreate("StakeVault", abi.encode(token, registry, client, client, client, 1, 1)) != none,
            "refused"
        );
    }

    function test_an_operator_moves_stake_between_free_and_locked_and_no_more_than_there_is() external {
        vm.startPrank(address(scheduler));
        vault.lock(_owner, 300);
        vm.assertEq(vault.account(_owner).free, STAKE - 300);
        vm.assertEq(vault.account(_owner).locked, 300);
        vm.expectRevert(
            abi.encodeWithSelector(
                IStakeVault.VaultInsufficientStake.selector,
                _owner,
                STAKE - 300,
                STAKE - 299
            )
        );
        vault.lock(_owner, STAKE - 299);
        vm.expectRevert(_overflow());
        vault.release(1, _owner, 301, 0);
        vm.expectRevert(_overflow());
        vault.slash(1, _owner, 301);
        vault.release(1, _owner, 100, 0);
        vm.stopPrank();
        vm.assertEq(vault.account(_owner).free, STAKE - 200);
        vm.assertEq(vault.account(_owner).locked, 200);
        vm.assertEq(vault.account(_owner).credit, 0);
    }

    function test_what_is_slashed_is_the_treasury_s_and_names_its_job() external {
        vm.startPrank(address(vote));
        vault.lock(_owner, 300);
        vm.expectEmit();
        emit IStakeVault.Slashed(9, _owner, 120);
        vault.slash(9, _owner, 120);
        vm.stopPrank();
        vm.assertEq(vault.account(_owner).locked, 180);
        vm.assertEq(vault.account(treasury).credit, 120);
        vm.assertEq(vault.liabilities(), 4 * STAKE);
        vm.prank(treasury);
        vm.assertEq(vault.withdraw(), 120);
        vm.assertEq(vault.liabilities(), 4 * STAKE - 120);
        _assertSolvent();
    }

    function test_who_falls_below_the_minimum_loses_its_seat_in_votes_until_it_stakes_again() external {
        vm.expectEmit();
        emit IStakeVault.BondChanged(_owner, false);
        vm.prank(_owner);
        vault.unbond(STAKE - MINIMUM_STAKE + 1);
        vm.assertFalse(vault.isBonded(_owner));
        vm.assertEq(registry.votingSeats(), 14);
        // Nothing changes, so nothing is told.
        vm.prank(_owner);
        vault.unbond(1);
        vm.assertEq(registry.votingSeats(), 14);
        token.mint(_owner, 2);
        vm.startPrank(_owner);
        token.approve(address(vault), 2);
        vm.expectEmit();
        emit IStakeVault.BondChanged(_owner, true);
        vault.stake(_owner, 2);
        vm.stopPrank();
        vm.assertTrue(vault.isBonded(_owner));
        vm.assertEq(registry.votingSeats(), 15);

        // Locked stake counts until it is slashed.
        vm.startPrank(address(scheduler));
        vault.lock(_owner, MINIMUM_STAKE);
        vm.assertTrue(vault.isBonded(_owner));
        vault.slash(1, _owner, 1);
        vm.stopPrank();
        vm.assertEq(registry.votingSeats(), 14);
    }

    function test_more_than_is_free_cannot_be_unbonded() external {
        vm.expectRevert(
            abi.encodeWithSelector(
                IStakeVault.VaultInsufficientStake.selector,
                _owner,
                uint256(STAKE),
                STAKE + 1
            )
        );
        vm.prank(_owner);
        vault.unbond(STAKE + 1);
    }

    function test_every_movement_of_a_job_s_budget_is_told() external {
        uint256 budget = _budget(_terms());
        token.mint(client, budget);
        vm.startPrank(client);
        token.approve(address(vault), budget);
        vm.expectEmit();
        emit IStakeVault.Escrowed(1, client, budget);
        uint256 job = scheduler.submitJob(_terms(), _content("spec"), _content("model"));
        vm.stopPrank();
        vm.startPrank(address(scheduler));
        vm.expectEmit();
        emit IStakeVault.Owed(job, 10);
        vault.owe(job, 10);
        vm.expectEmit();
        emit IStakeVault.Paid(job, _owner, 10);
        vault.release(job, _owner, 0, 10);
        vm.expectEmit();
        emit IStakeVault.Refunded(job, client, budget - 10);
        vm.assertEq(vault.refund(job, client), budget - 10);
        vm.assertEq(vault.refund(job, client), 0);
        vm.stopPrank();
        vm.assertEq(vault.account(client).credit, budget - 10);
        vm.assertEq(vault.owedBy(job), 0);
        _assertSolvent();
    }

    /// @dev So that no sum of parts of the ledger can overflow.
    function test_the_ledger_holds_at_most_what_96_bits_can_say() external {
        uint256 most = type(uint96).max - vault.liabilities();
        token.mint(stranger, most + 1);
        vm.startPrank(stranger);
        token.approve(address(vault), most + 1);
        vm.expectRevert(
            abi.encodeWithSelector(
                SafeCast.SafeCastOverflowedUintDowncast.selector,
                96,
                uint256(type(uint96).max) + 1
            )
        );
        vault.stake(_owner, most + 1);
        vault.stake(_owner, most);
        vm.stopPrank();
        vm.assertEq(vault.liabilities(), type(uint96).max);
    }

    function _refuseVault(bytes memory arguments) private {
        vm.assertEq(_tryCreate("StakeVault", arguments), address(0));
    }

    function _overflow() private pure returns (bytes memory) {
        return abi.encodeWithSignature("Panic(uint256)", 0x11);
    }
}
