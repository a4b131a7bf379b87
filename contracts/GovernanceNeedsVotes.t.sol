// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {GovernorCountingSimple} from "@openzeppelin/contracts/governance/extensions/GovernorCountingSimple.sol";
import {GovernorVotesQuorumFraction} from "@openzeppelin/contracts/governance/extensions/GovernorVotesQuorumFraction.sol";
import {IConsortiumGovernor} from "./interfaces/IConsortiumGovernor.sol";
import {IConsortiumRegistry} from "./interfaces/IConsortiumRegistry.sol";
import {GovernanceFixture} from "./test/GovernanceFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

contract GovernanceNeedsVotesTest is GovernanceFixture {
    function setUp() external {
        _governed();
    }

    function test_what_more_than_half_carry_is_done() external {
        Proposal memory proposal = _propose(address(registry), _admission(stranger));
        _assertState(proposal, IGovernor.ProposalState.Pending);
        vm.assertEq(governor.proposalSnapshot(proposal.id), _now() + VOTING_DELAY);
        vm.assertEq(governor.proposalDeadline(proposal.id), _now() + VOTING_DELAY + VOTING_PERIOD);
        _startVote();
        _assertState(proposal, IGovernor.ProposalState.Active);
        for (uint256 i = 1; i < 4; ++i) _say(proposal, i, FOR);
        _endVote();
        _assertState(proposal, IGovernor.ProposalState.Succeeded);
        _queue(proposal);
        _assertState(proposal, IGovernor.ProposalState.Queued);
        _skip(TIMELOCK_DELAY);
        vm.prank(stranger);
        _execute(proposal);
        _assertState(proposal, IGovernor.ProposalState.Executed);
        vm.assertTrue(registry.isMember(stranger));
    }

    function test_one_decision_may_do_several_things() external {
        Proposal memory proposal = _proposal(address(registry), _admission(stranger));
        (proposal.targets, proposal.values, proposal.calls) = (
            new address[](2),
            new uint256[](2),
            new bytes[](2)
        );
        (proposal.targets[0], proposal.targets[1]) = (address(registry), address(token));
        proposal.calls[0] = _admission(stranger);
        proposal.calls[1] = abi.encodeCall(token.mint, (stranger, 5));
        proposal.id = governor.hashProposal(
            proposal.targets,
            proposal.values,
            proposal.calls,
            keccak256("why")
        );
        _submit(proposal, parties[0].account);
        _startVote();
        for (uint256 i = 0; i < 4; ++i) _say(proposal, i, FOR);
        _endVote();
        _queue(proposal);
        _skip(TIMELOCK_DELAY);
        _execute(proposal);
        vm.assertTrue(registry.isMember(stranger));
        vm.assertEq(token.balanceOf(stranger), 5);
    }

    function test_half_of_the_members_are_no_quorum() external {
        Proposal memory proposal = _propose(address(registry), _admission(stranger));
        _startVote();
        _say(proposal, 0, FOR);
        _say(proposal, 1, FOR);
        _endVote();
        _assertState(proposal, IGovernor.ProposalState.Defeated);
        vm.expectRevert(
            abi.encodeWithSelector(
                IGovernor.GovernorUnexpectedProposalState.selector,
                proposal.id,
                IGovernor.ProposalState.Defeated,
                _only(IGovernor.ProposalState.Succeeded)
            )
        );
        _queue(proposal);
    }

    function test_a_tie_is_defeated() external {
        Proposal memory proposal = _propose(address(registry), _admission(stranger));
        _startVote();
        _say(proposal, 0, FOR);
        _say(proposal, 1, AGAINST);
        _say(proposal, 2, ABSTAIN);
        _say(proposal, 3, ABSTAIN);
        _endVote();
        _assertState(proposal, IGovernor.ProposalState.Defeated);
    }

    function test_abstentions_count_for_the_quorum_alone() external {
        Proposal memory proposal = _propose(address(registry), _admission(stranger));
        _startVote();
        _say(proposal, 0, FOR);
        _say(proposal, 1, ABSTAIN);
        _say(proposal, 2, ABSTAIN);
        _endVote();
        _assertState(proposal, IGovernor.ProposalState.Succeeded);
    }

    function test_the_quorum_exceeds_the_fraction_and_never_the_members() external {
        vm.assertEq(_quorum(), 3);
        _removeAsGovernance(3);
        vm.assertEq(_quorum(), 2);
        _removeAsGovernance(2);
        vm.assertEq(_quorum(), 2);
        _removeAsGovernance(1);
        vm.assertEq(_quorum(), 1);
    }

    function test_the_quorum_follows_its_fraction_and_the_members(uint8 members, uint8 percent) external {
        vm.assume(members > 4 && members <= 64 && percent <= 100);
        vm.startPrank(timelock);
        for (uint160 i = 4; i < members; ++i) registry.admit(address(0xE000 + i), "x");
        vm.stopPrank();
        _skip(1);
        _decideBy(
            members,
            address(governor),
            abi.encodeCall(GovernorVotesQuorumFraction.updateQuorumNumerator, (percent))
        );
        uint256 quorum = _quorum();
        vm.assertTrue(quorum <= members, "cannot be reached");
        vm.assertTrue(quorum * 100 > uint256(members) * percent || quorum == members, "not exceeded");
        vm.assertTrue((quorum - 1) * 100 <= uint256(members) * percent, "more than asked for");
    }

    function test_a_quorum_holds_for_the_members_of_its_snapshot() external {
        Proposal memory proposal = _propose(address(registry), _admission(stranger));
        _startVote();
        vm.startPrank(timelock);
        registry.remove(parties[3].account);
        registry.remove(parties[2].account);
        vm.stopPrank();
        _say(proposal, 0, FOR);
        _say(proposal, 1, FOR);
        _endVote();
        _assertState(proposal, IGovernor.ProposalState.Defeated);
    }

    function test_a_member_votes_once() external {
        Proposal memory proposal = _propose(address(registry), _admission(stranger));
        _startVote();
        _say(proposal, 0, FOR);
        vm.expectRevert(
            abi.encodeWithSelector(IGovernor.GovernorAlreadyCastVote.selector, parties[0].account)
        );
        _say(proposal, 0, AGAINST);
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorInvalidVoteType.selector));
        _say(proposal, 1, 3);
    }

    function test_votes_are_cast_between_the_snapshot_and_the_deadline() external {
        Proposal memory proposal = _propose(address(registry), _admission(stranger));
        bytes32 active = _only(IGovernor.ProposalState.Active);
        bytes4 selector = IGovernor.GovernorUnexpectedProposalState.selector;
        _skip(VOTING_DELAY);
        vm.expectRevert(
            abi.encodeWithSelector(selector, proposal.id, IGovernor.ProposalState.Pending, active)
        );
        _say(proposal, 0, FOR);
        _skip(VOTING_PERIOD);
        _say(proposal, 0, FOR);
        _skip(1);
        vm.expectRevert(
            abi.encodeWithSelector(selector, proposal.id, IGovernor.ProposalState.Defeated, active)
        );
        _say(proposal, 1, FOR);
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorNonexistentProposal.selector, 1));
        vm.prank(parties[0].account);
        governor.castVote(1, FOR);
    }

    function test_strangers_neither_propose_nor_vote() external {
        bytes memory error_ = abi.encodeWithSelector(
            IConsortiumGovernor.GovernorNotMember.selector,
            stranger
        );
        Proposal memory proposal = _proposal(address(registry), _admission(stranger));
        vm.expectRevert(error_);
        _submit(proposal, stranger);
        _submit(proposal, parties[0].account);
        _startVote();
        vm.startPrank(stranger);
        vm.expectRevert(error_);
        governor.castVote(proposal.id, FOR);
        vm.expectRevert(error_);
        governor.castVoteWithReason(proposal.id, FOR, "I want to");
        vm.expectRevert(error_);
        governor.castVoteWithReasonAndParams(proposal.id, FOR, "I want to", "");
        vm.stopPrank();
    }

    function test_a_newcomer_votes_on_what_is_proposed_afterwards() external {
        Proposal memory proposal = _propose(address(registry), _admission(stranger));
        uint256 snapshot = governor.proposalSnapshot(proposal.id);
        _startVote();
        vm.prank(timelock);
        registry.admit(client, "newcomer");
        vm.expectRevert(
            abi.encodeWithSelector(IConsortiumGovernor.GovernorNoVote.selector, client, snapshot)
        );
        vm.prank(client);
        governor.castVote(proposal.id, FOR);
        // Its vote dates from this second, and only earlier ones count.
        Proposal memory next = _proposal(address(registry), _admission(treasury));
        vm.expectRevert(
            abi.encodeWithSelector(IGovernor.GovernorInsufficientProposerVotes.selector, client, 0, 1)
        );
        _submit(next, client);
        _skip(1);
        _submit(next, client);
        _startVote();
        vm.prank(client);
        governor.castVote(next.id, FOR);
        vm.assertTrue(governor.hasVoted(next.id, client));
    }

    function test_who_was_removed_neither_votes_nor_proposes() external {
        address removed = parties[3].account;
        Proposal memory proposal = _propose(address(registry), _admission(stranger));
        _startVote();
        vm.prank(timelock);
        registry.remove(removed);
        vm.assertEq(registry.getPastVotes(removed, governor.proposalSnapshot(proposal.id)), 1);
        bytes memory error_ = abi.encodeWithSelector(IConsortiumGovernor.GovernorNotMember.selector, removed);
        vm.expectRevert(error_);
        _say(proposal, 3, FOR);
        Proposal memory next = _proposal(address(registry), _admission(treasury));
        vm.expectRevert(error_);
        _submit(next, removed);
    }

    function test_anybody_carries_a_signed_vote_once() external {
        uint256 key = 0x516E;
        address signer = vm.addr(key);
        vm.prank(timelock);
        registry.admit(signer, "signer");
        _skip(1);
        Proposal memory proposal = _propose(address(registry), _admission(stranger));
        _startVote();
        bytes memory signature = _signedVote(key, proposal.id, FOR, 0);
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorInvalidSignature.selector, signer));
        governor.castVoteBySig(proposal.id, AGAINST, signer, signature);
        vm.prank(stranger);
        governor.castVoteBySig(proposal.id, FOR, signer, signature);
        (, uint256 votesFor, ) = GovernorCountingSimple(payable(address(governor))).proposalVotes(
            proposal.id
        );
        vm.assertEq(votesFor, 1);
        vm.expectRevert(abi.encodeWithSelector(IGovernor.GovernorInvalidSignature.selector, signer));
        governor.castVoteBySig(proposal.id, FOR, signer, signature);
    }

    function test_a_signed_vote_of_who_was_removed_does_not_count() external {
        uint256 key = 0x516E;
        address signer = vm.addr(key);
        vm.prank(timelock);
        registry.admit(signer, "signer");
        _skip(1);
        Proposal memory proposal = _propose(address(registry), _admission(stranger));
        _startVote();
        bytes memory signature = _signedVote(key, proposal.id, FOR, 0);
        vm.prank(timelock);
        registry.remove(signer);
        vm.expectRevert(abi.encodeWithSelector(IConsortiumGovernor.GovernorNotMember.selector, signer));
        governor.castVoteBySig(proposal.id, FOR, signer, signature);
    }

    function test_a_proposer_takes_back_what_is_not_voted_on_yet() external {
        Proposal memory proposal = _propose(address(registry), _admission(stranger));
        vm.expectRevert(
            abi.encodeWithSelector(IGovernor.GovernorUnableToCancel.selector, proposal.id, parties[1].account)
        );
        _cancel(proposal, 1);
        _cancel(proposal, 0);
        _assertState(proposal, IGovernor.ProposalState.Canceled);

        Proposal memory open = _propose(address(registry), _admission(treasury));
        _startVote();
        vm.expectRevert(
            abi.encodeWithSelector(IGovernor.GovernorUnableToCancel.selector, open.id, parties[0].account)
        );
        _cancel(open, 0);
    }

    function test_a_decision_that_fails_can_be_tried_again() external {
        Proposal memory proposal = _ready(address(registry), _admission(stranger));
        vm.prank(timelock);
        registry.admit(stranger, "sooner");
        vm.expectRevert(abi.encodeWithSelector(IConsortiumRegistry.RegistryAlreadyMember.selector, stranger));
        _execute(proposal);
        vm.prank(stranger);
        registry.resign();
        _skip(1);
        _execute(proposal);
        vm.assertTrue(registry.isMember(stranger));
    }

    function _admission(address account) private view returns (bytes memory) {
        return abi.encodeCall(registry.admit, (account, "by vote"));
    }

    function _removeAsGovernance(uint256 party) private {
        vm.prank(timelock);
        registry.remove(parties[party].account);
        _skip(1);
    }

    /// @dev The quorum of a snapshot a second ago.
    function _quorum() private returns (uint256) {
        _skip(1);
        return governor.quorum(_now() - 1);
    }

    /// @dev By members of whom the first four are the parties.
    function _decideBy(uint256 members, address target, bytes memory call) private {
        Proposal memory proposal = _propose(target, call);
        _startVote();
        for (uint256 i = 0; i < members; ++i) {
            vm.prank(i < 4 ? parties[i].account : address(uint160(0xE000 + i)));
            governor.castVote(proposal.id, FOR);
        }
        _endVote();
        _queue(proposal);
        _skip(TIMELOCK_DELAY);
        _execute(proposal);
    }

    function _cancel(Proposal memory proposal, uint256 party) private {
        vm.prank(parties[party].account);
        governor.cancel(
            proposal.targets,
            proposal.values,
            proposal.calls,
            keccak256(bytes(proposal.description))
        );
    }

    function _signedVote(
        uint256 key,
        uint256 proposalId,
        uint8 support,
        uint256 nonce
    ) private view returns (bytes memory) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("Milon"),
                keccak256("1"),
                block.chainid,
                governor
            )
        );
        bytes32 message = keccak256(
            abi.encode(
                keccak256("Ballot(uint256 proposalId,uint8 support,address voter,uint256 nonce)"),
                proposalId,
                support,
                vm.addr(key),
                nonce
            )
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(
            key,
            keccak256(abi.encodePacked("\x19\x01", domain, message))
        );
        return abi.encodePacked(r, s, v);
    }

    function _only(IGovernor.ProposalState state) private pure returns (bytes32) {
        return bytes32(uint256(1) << uint8(state));
    }

    function _assertState(Proposal memory proposal, IGovernor.ProposalState expected) private view {
        vm.assertEq(uint256(governor.state(proposal.id)), uint256(expected), "proposal state");
    }
}
