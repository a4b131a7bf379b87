// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {GovernorSettings} from "@openzeppelin/contracts/governance/extensions/GovernorSettings.sol";
import {GovernorTimelockControl} from "@openzeppelin/contracts/governance/extensions/GovernorTimelockControl.sol";
import {GovernorVotes} from "@openzeppelin/contracts/governance/extensions/GovernorVotes.sol";
import {GovernorVotesQuorumFraction} from "@openzeppelin/contracts/governance/extensions/GovernorVotesQuorumFraction.sol";
import {IConsortiumGovernor} from "./interfaces/IConsortiumGovernor.sol";
import {IConsortiumRegistry} from "./interfaces/IConsortiumRegistry.sol";
import {GovernanceFixture} from "./test/GovernanceFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

contract GovernanceStaysAbleTest is GovernanceFixture {
    uint48 private constant MONTH = 30 days;

    TimelockController private _timelock;
    GovernorSettings private _settings;
    GovernorVotesQuorumFraction private _fraction;
    GovernorTimelockControl private _timelocked;

    function setUp() external {
        _governed();
        _timelock = TimelockController(payable(timelock));
        _settings = GovernorSettings(payable(address(governor)));
        _fraction = GovernorVotesQuorumFraction(payable(address(governor)));
        _timelocked = GovernorTimelockControl(payable(address(governor)));
    }

    function test_settings_are_as_deployed() external view {
        vm.assertEq(governor.name(), "Milon");
        vm.assertEq(governor.votingDelay(), VOTING_DELAY);
        vm.assertEq(governor.votingPeriod(), VOTING_PERIOD);
        vm.assertEq(governor.proposalThreshold(), 1);
        vm.assertEq(_fraction.quorumNumerator(), QUORUM_PERCENT);
        vm.assertEq(_timelocked.timelock(), timelock);
        vm.assertEq(address(GovernorVotes(payable(address(governor))).token()), address(registry));
        vm.assertEq(governor.clock(), _now());
        vm.assertEq(governor.CLOCK_MODE(), "mode=timestamp");
        vm.assertTrue(governor.proposalNeedsQueuing(0));
        vm.assertEq(_timelock.getMinDelay(), TIMELOCK_DELAY);
    }

    function test_settings_are_changed_by_a_decision_alone() external {
        bytes memory error_ = abi.encodeWithSelector(
            IGovernor.GovernorOnlyExecutor.selector,
            parties[0].account
        );
        vm.startPrank(parties[0].account);
        vm.expectRevert(error_);
        _settings.setVotingDelay(1);
        vm.expectRevert(error_);
        _settings.setVotingPeriod(1);
        vm.expectRevert(error_);
        _settings.setProposalThreshold(1);
        vm.expectRevert(error_);
        _fraction.updateQuorumNumerator(1);
        vm.expectRevert(error_);
        _timelocked.updateTimelock(_timelock);
        vm.expectRevert(error_);
        _fraction.relay(stranger, 0, "");
        vm.expectRevert(
            abi.encodeWithSelector(TimelockController.TimelockUnauthorizedCaller.selector, parties[0].account)
        );
        _timelock.updateDelay(0);
        vm.stopPrank();
        // The timelock itself only in the course of a proposal.
        vm.expectRevert();
        vm.prank(timelock);
        _settings.setVotingDelay(1);

        _decide(timelock, abi.encodeCall(_timelock.updateDelay, (1 days)));
        vm.assertEq(_timelock.getMinDelay(), 1 days);
        _decide(address(governor), abi.encodeCall(GovernorVotesQuorumFraction.updateQuorumNumerator, (75)));
        vm.assertEq(_fraction.quorumNumerator(), 75);
        _decideByAll(abi.encodeCall(GovernorSettings.setVotingPeriod, (uint32(MONTH))));
        vm.assertEq(governor.votingPeriod(), MONTH);
        _skip(MONTH);
        vm.assertEq(governor.votingDelay(), VOTING_DELAY);
    }

    function test_the_voting_delay_is_a_month_at_most() external {
        _decide(address(governor), abi.encodeCall(GovernorSettings.setVotingDelay, (0)));
        vm.assertEq(governor.votingDelay(), 0);
        _refuseTime(abi.encodeCall(GovernorSettings.setVotingDelay, (MONTH + 1)));
        _decide(address(governor), abi.encodeCall(GovernorSettings.setVotingDelay, (MONTH)));
        vm.assertEq(governor.votingDelay(), MONTH);
    }

    function test_the_voting_period_is_a_month_at_most() external {
        _refuseTime(abi.encodeCall(GovernorSettings.setVotingPeriod, (uint32(MONTH + 1))));
        Proposal memory proposal = _ready(
            address(governor),
            abi.encodeCall(GovernorSettings.setVotingPeriod, (0))
        );
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorInvalidVotingPeriod.selector, 0));
        _execute(proposal);
    }

    function test_one_vote_is_always_enough_to_propose() external {
        bytes memory error_ = abi.encodeWithSelector(IConsortiumGovernor.GovernorFixedThreshold.selector, 1);
        Proposal memory proposal = _ready(
            address(governor),
            abi.encodeCall(GovernorSettings.setProposalThreshold, (2))
        );
        vm.expectRevert(error_);
        _execute(proposal);
        proposal = _ready(address(governor), abi.encodeCall(GovernorSettings.setProposalThreshold, (0)));
        vm.expectRevert(error_);
        _execute(proposal);
    }

    function test_the_quorum_is_a_fraction() external {
        Proposal memory proposal = _ready(
            address(governor),
            abi.encodeCall(GovernorVotesQuorumFraction.updateQuorumNumerator, (101))
        );
        vm.expectRevert(
            abi.encodeWithSelector(
                GovernorVotesQuorumFraction.GovernorInvalidQuorumFraction.selector,
                101,
                100
            )
        );
        _execute(proposal);
    }

    function test_the_timelock_waits_for_a_month_at_most() external {
        _decide(timelock, abi.encodeCall(_timelock.updateDelay, (type(uint256).max)));
        vm.assertEq(_timelock.getMinDelay(), 30 days);
        Proposal memory proposal = _carry(timelock, abi.encodeCall(_timelock.updateDelay, (1)));
        _queue(proposal);
        _skip(30 days - 1);
        vm.expectRevert();
        _execute(proposal);
        _skip(1);
        _execute(proposal);
        vm.assertEq(_timelock.getMinDelay(), 1);
    }

    function test_what_was_decided_waits_for_the_delay() external {
        Proposal memory proposal = _carry(address(token), abi.encodeCall(token.mint, (stranger, 1)));
        // Succeeded is not enough.
        vm.expectRevert();
        _execute(proposal);
        _queue(proposal);
        _skip(TIMELOCK_DELAY - 1);
        vm.expectRevert();
        _execute(proposal);
        _skip(1);
        _execute(proposal);
        vm.assertEq(token.balanceOf(stranger), 1);
        // Once.
        vm.expectRevert();
        _execute(proposal);
    }

    function test_anybody_executes_at_the_timelock_itself() external {
        Proposal memory proposal = _ready(address(token), abi.encodeCall(token.mint, (stranger, 1)));
        bytes32 salt = bytes32(bytes20(address(governor))) ^ keccak256("why");
        vm.prank(stranger);
        _timelock.executeBatch(proposal.targets, proposal.values, proposal.calls, 0, salt);
        vm.assertEq(token.balanceOf(stranger), 1);
        vm.assertEq(uint256(governor.state(proposal.id)), uint256(IGovernor.ProposalState.Executed));
    }

    function test_the_governor_alone_schedules_and_cancels() external {
        bytes32 proposer = _timelock.PROPOSER_ROLE();
        bytes32 canceller = _timelock.CANCELLER_ROLE();
        bytes memory call = abi.encodeCall(registry.remove, (parties[0].account));
        address[2] memory callers = [stranger, address(this)];
        for (uint256 i = 0; i < callers.length; ++i) {
            vm.startPrank(callers[i]);
            vm.expectRevert(
                abi.encodeWithSelector(
                    IAccessControl.AccessControlUnauthorizedAccount.selector,
                    callers[i],
                    proposer
                )
            );
            _timelock.schedule(address(registry), 0, call, 0, 0, TIMELOCK_DELAY);
            vm.expectRevert(
                abi.encodeWithSelector(
                    IAccessControl.AccessControlUnauthorizedAccount.selector,
                    callers[i],
                    canceller
                )
            );
            _timelock.cancel(0);
            vm.expectRevert(
                abi.encodeWithSelector(
                    IAccessControl.AccessControlUnauthorizedAccount.selector,
                    callers[i],
                    bytes32(0)
                )
            );
            _timelock.grantRole(proposer, callers[i]);
            vm.stopPrank();
        }
    }

    function test_governance_passes_to_another_governor_in_two_steps() external {
        _decide(address(registry), abi.encodeCall(registry.proposeGovernance, (stranger)));
        vm.assertEq(registry.proposedGovernance(), stranger);
        vm.assertEq(registry.governance(), timelock);
        vm.prank(stranger);
        registry.acceptGovernance();
        vm.assertEq(registry.governance(), stranger);
        Proposal memory proposal = _ready(address(registry), abi.encodeCall(registry.admit, (client, "x")));
        vm.expectRevert(abi.encodeWithSelector(IConsortiumRegistry.RegistryNotGovernance.selector, timelock));
        _execute(proposal);
    }

    function test_deployment_needs_its_addresses_and_bounds() external {
        vm.assertEq(_tryCreate("ConsortiumTimelock", abi.encode(1, address(0))), address(0));
        vm.assertEq(_tryGovernor(address(0), VOTING_DELAY, VOTING_PERIOD, 50), address(0));
        vm.assertEq(_tryGovernor(timelock, MONTH + 1, VOTING_PERIOD, 50), address(0));
        vm.assertEq(_tryGovernor(timelock, VOTING_DELAY, MONTH + 1, 50), address(0));
        vm.assertEq(_tryGovernor(timelock, VOTING_DELAY, 0, 50), address(0));
        vm.assertEq(_tryGovernor(timelock, VOTING_DELAY, VOTING_PERIOD, 101), address(0));
        vm.assertTrue(_tryGovernor(timelock, MONTH, MONTH, 100) != address(0));
        address slow = _create("ConsortiumTimelock", abi.encode(31 days, governor));
        vm.assertEq(TimelockController(payable(slow)).getMinDelay(), 30 days);
    }

    function _refuseTime(bytes memory call) private {
        Proposal memory proposal = _ready(address(governor), call);
        vm.expectRevert(
            abi.encodeWithSelector(IConsortiumGovernor.GovernorTimeTooLong.selector, MONTH + 1, MONTH)
        );
        _execute(proposal);
    }

    function _decideByAll(bytes memory call) private {
        Proposal memory proposal = _propose(address(governor), call);
        _startVote();
        for (uint256 i = 0; i < 4; ++i) _say(proposal, i, FOR);
        _endVote();
        _queue(proposal);
        _skip(TIMELOCK_DELAY);
        _execute(proposal);
    }

    function _tryGovernor(
        address timelock_,
        uint256 delay,
        uint256 period,
        uint256 percent
    ) private returns (address) {
        return _tryCreate("ConsortiumGovernor", abi.encode(registry, timelock_, delay, period, percent));
    }
}
