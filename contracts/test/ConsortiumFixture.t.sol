// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IGovernor} from "@openzeppelin/contracts/governance/IGovernor.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IAgentLens} from "../interfaces/IAgentLens.sol";
import {IAggregationVote} from "../interfaces/IAggregationVote.sol";
import {IConsortiumRegistry} from "../interfaces/IConsortiumRegistry.sol";
import {IEpochScheduler} from "../interfaces/IEpochScheduler.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {IEpochTypes} from "../interfaces/IEpochTypes.sol";
import {IStakeVault} from "../interfaces/IStakeVault.sol";
import {ConsortiumToken} from "../ConsortiumToken.sol";
import {vm} from "./Vm.t.sol";

/// @title A consortium to test with: deployed, its organisations admitted and bonded, with steps of a round
/// by name.
/// @dev Deploys the compiled artifacts themselves, so that tests run the bytecode that is shipped and compile
/// fast. Time is read by cheatcode: the compiler takes `block.timestamp` for constant within a call.
abstract contract ConsortiumFixture {
    struct Party {
        address account;
        address node;
        uint256 nodeKey;
    }

    struct Result {
        bytes32 digest;
        uint256 accepted;
        uint256 invalid;
    }

    uint8 internal constant TRAINER = 1;
    uint8 internal constant VALIDATOR = 2;
    uint8 internal constant BOTH = 3;

    /// @dev Per epoch.
    uint96 internal constant LEASE_BOND = 50;
    uint16 internal constant WHOLE_SHARE = 10_000;
    uint96 internal constant VOTE_BOND = 20;
    uint96 internal constant MINIMUM_STAKE = 500;
    uint96 internal constant STAKE = 1000;
    uint40 internal constant UNBONDING = 1 days;
    uint96 internal constant EPOCH_PRICE = 10;
    uint96 internal constant VOTE_PRICE = 7;
    uint16 internal constant EPOCHS = 8;
    uint32 internal constant CLAIM_WINDOW = 60;
    uint32 internal constant LEASE_TIME = 100;
    uint32 internal constant MIN_LEASE_TIME = 10;
    uint32 internal constant TRAINING = 300;
    uint32 internal constant VOTING = 200;
    uint32 internal constant REVEAL = 100;
    uint32 internal constant GRACE = 30;
    uint256 internal constant TIMELOCK_DELAY = 2 days;
    uint48 internal constant VOTING_DELAY = 1 hours;
    uint32 internal constant VOTING_PERIOD = 1 days;
    uint256 internal constant QUORUM_PERCENT = 50;
    uint256 internal constant START = 1_700_000_000;
    string internal constant CID = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";

    address internal client = address(0xC11E47);
    address internal treasury = address(0x7EA5);
    address internal stranger = address(0x5712);

    ConsortiumToken internal token;
    IConsortiumRegistry internal registry;
    IStakeVault internal vault;
    IEpochScheduler internal scheduler;
    IAggregationVote internal vote;
    IModelRegistry internal models;
    IAgentLens internal lens;
    address internal timelock;
    IGovernor internal governor;
    Party[] internal parties;

    // Deployment

    function _deploy() internal {
        _deploy(address(0));
    }

    /// @param tokenToUse The token that the vault holds; the consortium's own when it is zero.
    function _deploy(address tokenToUse) internal {
        vm.warp(START);
        uint256 nonce = vm.getNonce(address(this));
        address vault_ = vm.computeCreateAddress(address(this), nonce + 2);
        address scheduler_ = vm.computeCreateAddress(address(this), nonce + 4);
        address vote_ = vm.computeCreateAddress(address(this), nonce + 5);
        address timelock_ = vm.computeCreateAddress(address(this), nonce + 8);
        address governor_ = vm.computeCreateAddress(address(this), nonce + 9);
        registry = IConsortiumRegistry(
            _create("ConsortiumRegistry", abi.encode(timelock_, address(this), vault_))
        );
        token = ConsortiumToken(_create("ConsortiumToken", abi.encode(registry)));
        if (tokenToUse == address(0)) tokenToUse = address(token);
        else token = ConsortiumToken(tokenToUse);
        vault = IStakeVault(
            _create(
                "StakeVault",
                abi.encode(tokenToUse, registry, scheduler_, vote_, treasury, MINIMUM_STAKE, UNBONDING)
            )
        );
        address books = _create("EpochBooks", abi.encode(registry, vault));
        scheduler = IEpochScheduler(
            _create(
                "EpochScheduler",
                abi.encode(registry, vault, vote_, books, LEASE_BOND, VOTE_BOND, _maxShare())
            )
        );
        vote = IAggregationVote(_create("AggregationVote", abi.encode(registry, vault, scheduler)));
        models = IModelRegistry(_create("ModelRegistry", abi.encode(registry, scheduler)));
        lens = IAgentLens(_create("AgentLens", abi.encode(registry, vault, scheduler, vote)));
        timelock = _create("ConsortiumTimelock", abi.encode(TIMELOCK_DELAY, governor_));
        governor = IGovernor(
            _create(
                "ConsortiumGovernor",
                abi.encode(registry, timelock, VOTING_DELAY, VOTING_PERIOD, QUORUM_PERCENT)
            )
        );
        vm.assertEq(address(vault), vault_);
        vm.assertEq(address(scheduler), scheduler_);
        vm.assertEq(address(vote), vote_);
        vm.assertEq(timelock, timelock_);
        vm.assertEq(address(governor), governor_);
    }

    /// @dev The share of a round that one organisation may hold.
    function _maxShare() internal pure virtual returns (uint16) {
        return WHOLE_SHARE;
    }

    function _create(string memory name, bytes memory arguments) internal returns (address created) {
        created = _tryCreate(name, arguments);
        vm.assertTrue(created != address(0), name);
    }

    /// @dev The zero address where the constructor reverts.
    function _tryCreate(string memory name, bytes memory arguments) internal returns (address created) {
        bytes memory code = bytes.concat(
            vm.getCode(string.concat("contracts/", name, ".sol:", name)),
            arguments
        );
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            created := create(0, add(code, 32), mload(code))
        }
    }

    /// @dev Four organisations, each with one node that trains and validates; capacities 4, 2, 1 and 1 of 8.
    function _consortium() internal {
        _deploy();
        _join(4);
        _join(2);
        _join(1);
        _join(1);
    }

    /// @dev Admits an organisation with one bonded node that trains and validates.
    function _join(uint32 capacity) internal returns (uint256 index) {
        index = parties.length;
        uint256 nodeKey = 0xBEEF00 + index;
        address account = address(uint160(0xACC000 + index));
        Party memory party = Party({account: account, node: vm.addr(nodeKey), nodeKey: nodeKey});
        parties.push(party);
        registry.admit(account, "organisation");
        _stake(account, STAKE);
        _register(account, nodeKey, BOTH, capacity);
    }

    function _stake(address account, uint256 amount) internal {
        token.mint(account, amount);
        vm.startPrank(account);
        token.approve(address(vault), amount);
        vault.stake(account, amount);
        vm.stopPrank();
    }

    function _register(address account, uint256 nodeKey, uint8 roles, uint32 capacity) internal {
        bytes memory consent = _consent(nodeKey, account);
        vm.prank(account);
        registry.registerNode(vm.addr(nodeKey), roles, capacity, "", consent);
    }

    function _consent(uint256 nodeKey, address account) internal view returns (bytes memory) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("Milon"),
                keccak256("1"),
                block.chainid,
                registry
            )
        );
        bytes32 message = keccak256(
            abi.encode(keccak256("NodeConsent(address node,address account)"), vm.addr(nodeKey), account)
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(
            nodeKey,
            keccak256(abi.encodePacked("\x19\x01", domain, message))
        );
        return abi.encodePacked(r, s, v);
    }

    // Jobs

    function _terms() internal pure returns (IEpochTypes.Terms memory) {
        return
            IEpochTypes.Terms({
                rounds: 3,
                epochsPerRound: EPOCHS,
                minUpdates: 2,
                minValidators: 3,
                maxAttempts: 3,
                claimWindow: CLAIM_WINDOW,
                leaseTime: LEASE_TIME,
                minLeaseTime: MIN_LEASE_TIME,
                trainingWindow: TRAINING,
                voteWindow: VOTING,
                revealWindow: REVEAL,
                grace: GRACE,
                epochPrice: EPOCH_PRICE,
                votePrice: VOTE_PRICE,
                maxUpdateBytes: 1_000_000,
                ruleset: "milon/1"
            });
    }

    function _content(bytes32 digest) internal pure returns (IEpochTypes.Content memory) {
        return IEpochTypes.Content({digest: digest, cid: CID});
    }

    function _submitJob() internal returns (uint256) {
        return _submitJob(_terms());
    }

    function _submitJob(IEpochTypes.Terms memory terms) internal returns (uint256 jobId) {
        uint256 budget = _budget(terms);
        token.mint(client, budget);
        vm.startPrank(client);
        token.approve(address(vault), budget);
        jobId = scheduler.submitJob(terms, _content("spec"), _content("model 0"));
        vm.stopPrank();
    }

    function _budget(IEpochTypes.Terms memory terms) internal view returns (uint256) {
        return
            uint256(terms.rounds) *
            (uint256(terms.epochsPerRound) * terms.epochPrice +
                registry.organisationCount() * terms.votePrice);
    }

    // Steps of a round

    function _claim(uint256 jobId, uint256 party) internal returns (uint8 first, uint16 count) {
        vm.prank(parties[party].node);
        return scheduler.claim(jobId);
    }

    function _deliver(uint256 jobId, uint256 party) internal {
        _deliver(jobId, party, false);
    }

    function _deliver(uint256 jobId, uint256 party, bool keep) internal {
        vm.prank(parties[party].node);
        scheduler.submitUpdate(jobId, keccak256(abi.encode("update", jobId, party)), 100, keep, CID);
    }

    /// @dev All claim and deliver; with the capacities of `_consortium` that is the whole round.
    function _train(uint256 jobId) internal {
        for (uint256 i = 0; i < parties.length; ++i) _claim(jobId, i);
        for (uint256 i = 0; i < parties.length; ++i) _deliver(jobId, i);
    }

    /// @dev As `_train`, each keeping its lease; who holds one from the last round does not claim.
    function _trainAndKeep(uint256 jobId) internal {
        for (uint256 i = 0; i < parties.length; ++i) {
            (bool held, , ) = scheduler.leaseOf(jobId, parties[i].node);
            if (!held) _claim(jobId, i);
        }
        for (uint256 i = 0; i < parties.length; ++i) _deliver(jobId, i, true);
    }

    /// @dev The result by which all updates are accepted.
    function _result(uint256 jobId) internal view returns (Result memory) {
        IEpochTypes.Round memory round = scheduler.round(jobId);
        return
            Result({
                digest: keccak256(abi.encode("model", round.number)),
                accepted: round.updateSet,
                invalid: 0
            });
    }

    function _candidate(uint256 jobId, Result memory result) internal view returns (bytes16) {
        IEpochTypes.Round memory round = scheduler.round(jobId);
        return vote.candidateOf(jobId, round.number, round.attempt, _hash(result));
    }

    function _hash(Result memory result) internal view returns (bytes32) {
        return vote.hashResult(result.digest, result.accepted, result.invalid);
    }

    function _vote(uint256 jobId, uint256 party, Result memory result) internal {
        _vote(jobId, party, result, 900_000);
    }

    function _vote(uint256 jobId, uint256 party, Result memory result, uint32 score) internal {
        IEpochTypes.Round memory round = scheduler.round(jobId);
        bytes16 seal = vote.sealOf(jobId, round.number, round.attempt, _hash(result), parties[party].account);
        _cast(jobId, party, _candidate(jobId, result), seal, score);
    }

    /// @dev What who copies a candidate from the chain can do at best: the seal is another's.
    function _copy(uint256 jobId, uint256 party, bytes16 candidate) internal {
        _cast(jobId, party, candidate, bytes16(keccak256("another's seal")), 900_000);
    }

    function _cast(uint256 jobId, uint256 party, bytes16 candidate, bytes16 seal, uint32 score) internal {
        IEpochTypes.Round memory round = scheduler.round(jobId);
        vm.prank(parties[party].node);
        vote.castVote(jobId, round.number, round.attempt, candidate, seal, score);
    }

    /// @dev A right vote that is expected to be refused.
    function _refuseVote(uint256 jobId, uint256 party, Result memory result, bytes memory error_) internal {
        IEpochTypes.Round memory round = scheduler.round(jobId);
        bytes16 candidate = _candidate(jobId, result);
        bytes16 seal = vote.sealOf(jobId, round.number, round.attempt, _hash(result), parties[party].account);
        address node = parties[party].node;
        vm.expectRevert(error_);
        vm.prank(node);
        vote.castVote(jobId, round.number, round.attempt, candidate, seal, 0);
    }

    function _finalize(uint256 jobId, Result memory result) internal returns (bool) {
        return vote.finalize(jobId, result.digest, result.accepted, result.invalid, CID);
    }

    /// @dev A whole round in which all agree.
    function _round(uint256 jobId) internal {
        _train(jobId);
        _agree(jobId);
    }

    /// @dev All vote for accepting all updates, and the round is final.
    function _agree(uint256 jobId) internal {
        Result memory result = _result(jobId);
        for (uint256 i = 0; i < parties.length; ++i) _vote(jobId, i, result);
        vm.assertTrue(_finalize(jobId, result), "not final");
    }

    function _settleAll(uint256 jobId) internal {
        scheduler.settle(jobId, _nodes());
        vote.settle(jobId, type(uint64).max);
    }

    function _settleNode(uint256 jobId, uint256 party) internal {
        address[] memory nodes = new address[](1);
        nodes[0] = parties[party].node;
        scheduler.settle(jobId, nodes);
    }

    function _nodes() internal view returns (address[] memory nodes) {
        nodes = new address[](parties.length);
        for (uint256 i = 0; i < nodes.length; ++i) nodes[i] = parties[i].node;
    }

    /// @dev What a party's node holds in a job now.
    function _lease(uint256 jobId, uint256 party) internal view returns (IEpochTypes.Lease memory lease) {
        (, , lease) = scheduler.leaseOf(jobId, parties[party].node);
    }

    /// @dev A vote of a party that its node has signed, for anyone to carry.
    function _signedVote(
        uint256 jobId,
        uint256 party,
        Result memory result
    ) internal view returns (IAggregationVote.SignedVote memory signed) {
        IEpochTypes.Round memory round = scheduler.round(jobId);
        signed.candidate = _candidate(jobId, result);
        signed.seal = vote.sealOf(jobId, round.number, round.attempt, _hash(result), parties[party].account);
        signed.score = 900_000;
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(
            parties[party].nodeKey,
            vote.voteHash(jobId, round.number, round.attempt, signed.candidate, signed.seal, signed.score)
        );
        (signed.r, signed.vs) = (r, bytes32((uint256(v - 27) << 255) | uint256(s)));
    }

    // Time and money

    function _now() internal view returns (uint256) {
        return vm.getBlockTimestamp();
    }

    function _skip(uint256 time) internal {
        vm.warp(_now() + time);
    }

    function _stakeOf(uint256 party) internal view returns (IStakeVault.Account memory) {
        return vault.account(parties[party].account);
    }

    function _credit(uint256 party) internal view returns (uint256) {
        return _stakeOf(party).credit;
    }

    function _assertPhase(uint256 jobId, IEpochTypes.Phase expected) internal view {
        vm.assertEq(uint256(scheduler.phase(jobId)), uint256(expected), "phase");
    }

    function _assertStatus(uint256 jobId, IEpochTypes.JobStatus expected) internal view {
        vm.assertEq(uint256(scheduler.job(jobId).status), uint256(expected), "status");
    }

    function _assertLease(uint256 jobId, uint256 party, IEpochTypes.LeaseState expected) internal view {
        vm.assertEq(uint256(_lease(jobId, party).state), uint256(expected), "lease state");
    }

    function _assertSolvent() internal view {
        vm.assertTrue(IERC20(vault.token()).balanceOf(address(vault)) >= vault.liabilities(), "insolvent");
    }
}
