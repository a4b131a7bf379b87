// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Governor} from "@openzeppelin/contracts/governance/Governor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {GovernorCountingSimple} from "@openzeppelin/contracts/governance/extensions/GovernorCountingSimple.sol";
import {GovernorSettings} from "@openzeppelin/contracts/governance/extensions/GovernorSettings.sol";
import {GovernorTimelockControl} from "@openzeppelin/contracts/governance/extensions/GovernorTimelockControl.sol";
import {GovernorVotes} from "@openzeppelin/contracts/governance/extensions/GovernorVotes.sol";
import {GovernorVotesQuorumFraction} from "@openzeppelin/contracts/governance/extensions/GovernorVotesQuorumFraction.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IConsortiumGovernor} from "./interfaces/IConsortiumGovernor.sol";
import {IConsortiumRegistry} from "./interfaces/IConsortiumRegistry.sol";

/// @title ConsortiumGovernor
/// @notice See IConsortiumGovernor for what is guaranteed.
contract ConsortiumGovernor is
    IConsortiumGovernor,
    Governor,
    GovernorSettings,
    GovernorCountingSimple,
    GovernorVotes,
    GovernorVotesQuorumFraction,
    GovernorTimelockControl
{
    /// @notice The longest voting delay, and the longest voting period, seconds.
    uint256 public constant MAX_TIME = 30 days;

    uint256 private constant THRESHOLD = 1;

    IConsortiumRegistry public immutable REGISTRY;

    /// @param votingDelay_ Seconds from a proposal to its snapshot.
    /// @param votingPeriod_ Seconds from the snapshot to the end of the vote.
    /// @param quorumPercent What part of the members has to be exceeded, 0 to 100.
    constructor(
        IConsortiumRegistry registry,
        TimelockController timelock_,
        uint48 votingDelay_,
        uint32 votingPeriod_,
        uint256 quorumPercent
    )
        Governor("Milon")
        GovernorSettings(votingDelay_, votingPeriod_, THRESHOLD)
        GovernorVotes(registry)
        GovernorVotesQuorumFraction(quorumPercent)
        GovernorTimelockControl(timelock_)
    {
        if (address(timelock_) == address(0)) revert GovernorZeroAddress();
        REGISTRY = registry;
    }

    /// @inheritdoc Governor
    function propose(
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        string memory description
    ) public override returns (uint256) {
        _checkMember(msg.sender);
        return super.propose(targets, values, calldatas, description);
    }

    /// @notice Votes for or abstaining without which a proposal fails: more than the fraction of the members at
    /// `timepoint`, and all of them at most.
    function quorum(
        uint256 timepoint
    ) public view override(Governor, GovernorVotesQuorumFraction) returns (uint256) {
        return Math.min(super.quorum(timepoint) + 1, token().getPastTotalSupply(timepoint));
    }

    /// @inheritdoc Governor
    function state(
        uint256 proposalId
    ) public view override(Governor, GovernorTimelockControl) returns (ProposalState) {
        return super.state(proposalId);
    }

    /// @inheritdoc Governor
    function proposalNeedsQueuing(
        uint256 proposalId
    ) public view override(Governor, GovernorTimelockControl) returns (bool) {
        return super.proposalNeedsQueuing(proposalId);
    }

    /// @inheritdoc Governor
    function votingDelay() public view override(Governor, GovernorSettings) returns (uint256) {
        return super.votingDelay();
    }

    /// @inheritdoc Governor
    function votingPeriod() public view override(Governor, GovernorSettings) returns (uint256) {
        return super.votingPeriod();
    }

    /// @inheritdoc Governor
    function proposalThreshold() public view override(Governor, GovernorSettings) returns (uint256) {
        return super.proposalThreshold();
    }

    /// @dev Both checks hold for signed votes as well: the account is the voter's.
    function _castVote(
        uint256 proposalId,
        address account,
        uint8 support,
        string memory reason,
        bytes memory params
    ) internal override returns (uint256 weight) {
        _checkMember(account);
        weight = super._castVote(proposalId, account, support, reason, params);
        if (weight == 0) revert GovernorNoVote(account, proposalSnapshot(proposalId));
    }

    function _setVotingDelay(uint48 newVotingDelay) internal override {
        _checkTime(newVotingDelay);
        super._setVotingDelay(newVotingDelay);
    }

    function _setVotingPeriod(uint32 newVotingPeriod) internal override {
        _checkTime(newVotingPeriod);
        super._setVotingPeriod(newVotingPeriod);
    }

    /// @dev Nobody ever holds two units, so a higher threshold would end governance; a lower one changes nothing.
    function _setProposalThreshold(uint256 newProposalThreshold) internal override {
        if (newProposalThreshold != THRESHOLD) revert GovernorFixedThreshold(THRESHOLD);
        super._setProposalThreshold(newProposalThreshold);
    }

    function _queueOperations(
        uint256 proposalId,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) returns (uint48) {
        return super._queueOperations(proposalId, targets, values, calldatas, descriptionHash);
    }

    function _executeOperations(
        uint256 proposalId,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) {
        super._executeOperations(proposalId, targets, values, calldatas, descriptionHash);
    }

    function _cancel(
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) returns (uint256) {
        return super._cancel(targets, values, calldatas, descriptionHash);
    }

    function _executor() internal view override(Governor, GovernorTimelockControl) returns (address) {
        return super._executor();
    }

    function _checkMember(address account) private view {
        if (!REGISTRY.isMember(account)) revert GovernorNotMember(account);
    }

    function _checkTime(uint256 time) private pure {
        if (time > MAX_TIME) revert GovernorTimeTooLong(time, MAX_TIME);
    }
}
