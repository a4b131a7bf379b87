// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAggregationVote} from "./interfaces/IAggregationVote.sol";
import {ConsortiumFixture} from "./test/ConsortiumFixture.t.sol";
import {vm} from "./test/Vm.t.sol";

contract SignaturesFitOneVoteTest is ConsortiumFixture {
    /// @dev What a signature of a vote is made over.
    struct Signed {
        string name;
        string version;
        uint256 chain;
        address verifier;
        uint256 jobId;
        uint16 round;
        uint8 attempt;
        bytes16 candidate;
        bytes16 seal;
        uint32 score;
    }

    /// @dev Half of the order of secp256k1: a signature with a greater s is a copy of one with a smaller.
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    uint256 private _job;
    Result private _right;

    function setUp() external {
        _consortium();
        _job = _submitJob();
        _train(_job);
        _right = _result(_job);
    }

    function test_what_a_node_signs_is_typed_data() external view {
        vm.assertEq(vote.voteHash(_job, 1, 1, "c", "s", 5), _typed(_plain("c", "s", 5)));
    }

    function test_a_signature_is_good_for_its_own_vote_alone() external {
        bytes16 candidate = _candidate(_job, _right);
        bytes16 seal = vote.sealOf(_job, 1, 1, _hash(_right), parties[0].account);
        Signed memory signed = _plain(candidate, seal, 900_000);
        signed.jobId = _job + 1;
        _refuseSignature(signed);
        signed.jobId = _job;
        signed.round = 2;
        _refuseSignature(signed);
        signed.round = 1;
        signed.attempt = 2;
        _refuseSignature(signed);
        signed.attempt = 1;
        signed.chain = block.chainid + 1;
        _refuseSignature(signed);
        signed.chain = block.chainid;
        signed.verifier = address(scheduler);
        _refuseSignature(signed);
        signed.verifier = address(vote);
        signed.name = "Milon";
        _refuseSignature(signed);
        signed.name = "Milon votes";
        signed.version = "2";
        _refuseSignature(signed);
        signed.version = "1";
        // The same with nothing changed counts, so what was refused was refused for the change.
        _carry(_signature(0, signed));
    }

    function test_a_vote_that_its_carrier_changed_is_passed_over() external {
        IAggregationVote.SignedVote memory signed = _signedVote(_job, 0, _right);
        bytes16 seal = signed.seal;
        signed.seal = "another";
        _refuse(signed);
        signed.seal = seal;
        bytes16 candidate = signed.candidate;
        signed.candidate = "another";
        _refuse(signed);
        signed.candidate = candidate;
        signed.score = 900_001;
        _refuse(signed);
        signed.score = 900_000;
        _carry(signed);
    }

    function test_a_score_beyond_a_million_and_an_empty_candidate_are_passed_over() external {
        bytes16 candidate = _candidate(_job, _right);
        _refuse(_signature(0, _plain(candidate, "s", 1_000_001)));
        _refuse(_signature(0, _plain(candidate, "s", type(uint32).max)));
        _refuse(_signature(0, _plain("", "s", 0)));
        _carry(_signature(0, _plain(candidate, "s", 1_000_000)));
    }

    function test_a_signature_has_one_form() external {
        IAggregationVote.SignedVote memory signed = _signedVote(_job, 0, _right);
        (bytes32 r, bytes32 vs) = (signed.r, signed.vs);
        // The other parity is another key's signature.
        signed.vs = bytes32(uint256(vs) ^ (1 << 255));
        _refuse(signed);
        // The greater s, which its copy would have: what of it fits the word.
        uint256 s = uint256(vs) & (type(uint256).max >> 1);
        vm.assertTrue(s <= HALF_ORDER, "not canonical");
        uint256 greater = 2 * HALF_ORDER + 1 - s;
        signed.vs = bytes32((~uint256(vs) & (1 << 255)) | (greater & (type(uint256).max >> 1)));
        _refuse(signed);
        signed.vs = bytes32(HALF_ORDER + 1);
        _refuse(signed);
        (signed.r, signed.vs) = (0, vs);
        _refuse(signed);
        (signed.r, signed.vs) = (r, 0);
        _refuse(signed);
        (signed.r, signed.vs) = (bytes32(type(uint256).max), vs);
        _refuse(signed);
        (signed.r, signed.vs) = (r, vs);
        _carry(signed);
    }

    // Internal

    function _carry(IAggregationVote.SignedVote memory signed) private {
        vm.assertEq(vote.castVotes(_job, 1, 1, _one(signed)), 1, "counted");
    }

    function _refuse(IAggregationVote.SignedVote memory signed) private {
        vm.expectRevert(abi.encodeWithSelector(IAggregationVote.VoteNoneCounted.selector, 1));
        vote.castVotes(_job, 1, 1, _one(signed));
    }

    function _one(
        IAggregationVote.SignedVote memory signed
    ) private pure returns (IAggregationVote.SignedVote[] memory votes) {
        votes = new IAggregationVote.SignedVote[](1);
        votes[0] = signed;
    }

    /// @dev What is right but for what was signed.
    function _refuseSignature(Signed memory signed) private {
        _refuse(_signature(0, signed));
    }

    function _plain(bytes16 candidate, bytes16 seal, uint32 score) private view returns (Signed memory) {
        return
            Signed({
                name: "Milon votes",
                version: "1",
                chain: block.chainid,
                verifier: address(vote),
                jobId: _job,
                round: 1,
                attempt: 1,
                candidate: candidate,
                seal: seal,
                score: score
            });
    }

    function _signature(
        uint256 party,
        Signed memory signed
    ) private view returns (IAggregationVote.SignedVote memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(parties[party].nodeKey, _typed(signed));
        bytes32 vs = bytes32((uint256(v - 27) << 255) | uint256(s));
        return
            IAggregationVote.SignedVote({
                candidate: signed.candidate,
                seal: signed.seal,
                score: signed.score,
                r: r,
                vs: vs
            });
    }

    function _typed(Signed memory signed) private pure returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256(bytes(signed.name)),
                keccak256(bytes(signed.version)),
                signed.chain,
                signed.verifier
            )
        );
        bytes32 message = keccak256(
            abi.encode(
                keccak256(
                    "Vote(uint256 jobId,uint16 round,uint8 attempt,bytes16 candidate,bytes16 seal,uint32 score)"
                ),
                signed.jobId,
                signed.round,
                signed.attempt,
                signed.candidate,
                signed.seal,
                signed.score
            )
        );
        return keccak256(abi.encodePacked("\x19\x01", domain, message));
    }
}
