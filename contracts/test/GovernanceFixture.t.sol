// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ConsortiumFixture} from "./ConsortiumFixture.t.sol";
import {vm} from "./Vm.t.sol";

/// @title A consortium whose founding has ended, with the steps of a decision by name.
abstract contract GovernanceFixture is ConsortiumFixture {
    uint8 internal constant AGAINST = 0;
    uint8 internal constant FOR = 1;
    uint8 internal constant ABSTAIN = 2;

    /// @dev A call that is proposed; its salt is the description.
    struct Proposal {
        address[] targets;
        uint256[] values;
        bytes[] calls;
        string description;
        uint256 id;
    }

    /// @dev A second later, so that all members have their vote in the past.
    function _governed() internal {
        _consortium();
        registry.endFounding();
        _skip(1);
    }

    function _proposal(address target, bytes memory call) internal view returns (Proposal memory proposal) {
        proposal.targets = new address[](1);
        proposal.targets[0] = target;
        proposal.values = new uint256[](1);
        proposal.calls = new bytes[](1);
        proposal.calls[0] = call;
        proposal.description = "why";
        proposal.id = governor.hashProposal(
            proposal.targets,
            proposal.values,
            proposal.calls,
            keccak256("why")
        );
    }

    function _propose(address target, bytes memory call) internal returns (Proposal memory proposal) {
        proposal = _proposal(target, call);
        _submit(proposal, parties[0].account);
    }

    function _submit(Proposal memory proposal, address proposer) internal {
        vm.prank(proposer);
        governor.propose(proposal.targets, proposal.values, proposal.calls, proposal.description);
    }

    function _startVote() internal {
        _skip(VOTING_DELAY + 1);
    }

    function _endVote() internal {
        _skip(VOTING_PERIOD);
    }

    function _say(Proposal memory proposal, uint256 party, uint8 support) internal {
        vm.prank(parties[party].account);
        governor.castVote(proposal.id, support);
    }

    /// @dev Proposed, carried by the first three parties, and over.
    function _carry(address target, bytes memory call) internal returns (Proposal memory proposal) {
        proposal = _propose(target, call);
        _startVote();
        for (uint256 i = 0; i < 3; ++i) _say(proposal, i, FOR);
        _endVote();
    }

    function _queue(Proposal memory proposal) internal {
        governor.queue(
            proposal.targets,
            proposal.values,
            proposal.calls,
            keccak256(bytes(proposal.description))
        );
    }

    function _execute(Proposal memory proposal) internal {
        governor.execute(
            proposal.targets,
            proposal.values,
            proposal.calls,
            keccak256(bytes(proposal.description))
        );
    }

    /// @dev All the way to the last step, which is the caller's.
    function _ready(address target, bytes memory call) internal returns (Proposal memory proposal) {
        proposal = _carry(target, call);
        _queue(proposal);
        _skip(TIMELOCK_DELAY);
    }

    function _decide(address target, bytes memory call) internal {
        _execute(_ready(target, call));
    }
}
