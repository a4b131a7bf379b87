// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {EnumerableSet} from "@openzeppelin/contracts/utils/structs/EnumerableSet.sol";
import {IConsortiumRegistry} from "./interfaces/IConsortiumRegistry.sol";
import {IEpochScheduler} from "./interfaces/IEpochScheduler.sol";
import {IEpochTypes} from "./interfaces/IEpochTypes.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";

/// @title ModelRegistry
/// @notice See IModelRegistry for what is guaranteed.
contract ModelRegistry is IModelRegistry {
    using EnumerableSet for EnumerableSet.AddressSet;
    using SafeCast for uint256;

    /// @param current Entry of `history` that holds now, counted from 1; 0 before the first promotion.
    struct Model {
        address owner;
        uint24 current;
        string name;
        Version[] versions;
        Promotion[] history;
        mapping(uint256 jobId => uint32) versionOf;
    }

    uint256 private constant MAX_NAME = 64;
    uint256 private constant MAX_CID = 128;

    IConsortiumRegistry public immutable REGISTRY;
    IEpochScheduler public immutable SCHEDULER;

    mapping(bytes32 nameHash => Model) private _models;
    bytes32[] private _nameHashes;
    EnumerableSet.AddressSet private _releasers;

    constructor(IConsortiumRegistry registry, IEpochScheduler scheduler) {
        if (address(registry) == address(0) || address(scheduler) == address(0)) revert ModelsZeroAddress();
        REGISTRY = registry;
        SCHEDULER = scheduler;
    }

    // Versions

    /// @inheritdoc IModelRegistry
    function register(
        string calldata name,
        uint256 jobId,
        string calldata cid
    ) external returns (uint32 version_) {
        _checkName(name);
        if (bytes(cid).length == 0 || bytes(cid).length > MAX_CID) revert ModelsBadCid(bytes(cid).length);
        IEpochTypes.Job memory job = SCHEDULER.job(jobId);
        if (job.status != IEpochTypes.JobStatus.Completed) revert ModelsJobNotCompleted(jobId);

        bytes32 nameHash = keccak256(bytes(name));
        Model storage model = _models[nameHash];
        bool releases = _releases(msg.sender);
        if (!releases && msg.sender != job.client) revert ModelsNotClient(msg.sender, job.client);
        if (model.owner == address(0)) {
            model.owner = msg.sender;
            model.name = name;
            _nameHashes.push(nameHash);
        } else if (!releases && msg.sender != model.owner) {
            revert ModelsNotOwner(msg.sender, model.owner);
        }
        if (model.versionOf[jobId] != 0) revert ModelsJobKnown(jobId, model.versionOf[jobId]);

        IEpochTypes.Outcome memory outcome = SCHEDULER.outcome(jobId, job.terms.rounds);
        version_ = (model.versions.length + 1).toUint32();
        model.versionOf[jobId] = version_;
        model.versions.push(
            Version({
                jobId: jobId,
                number: version_,
                round: job.terms.rounds,
                score: outcome.score,
                registeredAt: block.timestamp.toUint40(),
                by: msg.sender,
                digest: outcome.modelDigest,
                specDigest: job.specDigest,
                ruleset: job.terms.ruleset,
                cid: cid
            })
        );
        emit VersionRegistered(
            nameHash,
            version_,
            jobId,
            name,
            outcome.modelDigest,
            cid,
            outcome.score,
            msg.sender
        );
    }

    // Promotion

    /// @inheritdoc IModelRegistry
    function promote(string calldata name, uint32 version_) external {
        if (!_releases(msg.sender)) revert ModelsNotReleaser(msg.sender);
        (bytes32 nameHash, Model storage model) = _known(name);
        if (version_ > model.versions.length) revert ModelsUnknownVersion(name, version_);
        if (version_ == _promoted(model)) revert ModelsAlreadyPromoted(name, version_);

        _enter(model, version_, model.current);
        emit ModelPromoted(nameHash, version_, name, msg.sender);
    }

    /// @inheritdoc IModelRegistry
    function rollBack(string calldata name) external returns (uint32 version_) {
        if (!_releases(msg.sender)) revert ModelsNotReleaser(msg.sender);
        (bytes32 nameHash, Model storage model) = _known(name);
        uint24 previous = model.current == 0 ? 0 : model.history[model.current - 1].previous;
        if (previous == 0) revert ModelsNothingBefore(name);

        Promotion storage before = model.history[previous - 1];
        version_ = before.version;
        _enter(model, version_, before.previous);
        emit ModelRolledBack(nameHash, version_, name, msg.sender);
    }

    /// @inheritdoc IModelRegistry
    function setReleaser(address account, bool releases) external {
        if (msg.sender != REGISTRY.governance()) revert ModelsNotGovernance(msg.sender);
        if (account == address(0)) revert ModelsZeroAddress();
        bool changed = releases ? _releasers.add(account) : _releasers.remove(account);
        if (changed) emit ReleaserSet(account, releases);
    }

    // Views

    /// @inheritdoc IModelRegistry
    function isReleaser(address account) external view returns (bool) {
        return _releasers.contains(account);
    }

    /// @inheritdoc IModelRegistry
    function releasers() external view returns (address[] memory) {
        return _releasers.values();
    }

    /// @inheritdoc IModelRegistry
    function nameCount() external view returns (uint256) {
        return _nameHashes.length;
    }

    /// @inheritdoc IModelRegistry
    function names(uint256 from, uint256 limit) external view returns (string[] memory page) {
        page = new string[](_pageLength(_nameHashes.length, from, limit));
        for (uint256 i = 0; i < page.length; ++i) page[i] = _models[_nameHashes[from + i]].name;
    }

    /// @inheritdoc IModelRegistry
    function ownerOf(string calldata name) external view returns (address) {
        return _model(name).owner;
    }

    /// @inheritdoc IModelRegistry
    function versionCount(string calldata name) external view returns (uint256) {
        return _model(name).versions.length;
    }

    /// @inheritdoc IModelRegistry
    function version(string calldata name, uint256 number) external view returns (Version memory) {
        Model storage model = _model(name);
        if (number == 0 || number > model.versions.length) revert ModelsUnknownVersion(name, number);
        return model.versions[number - 1];
    }

    /// @inheritdoc IModelRegistry
    function versions(
        string calldata name,
        uint256 from,
        uint256 limit
    ) external view returns (Version[] memory page) {
        Model storage model = _model(name);
        page = new Version[](_pageLength(model.versions.length, from, limit));
        for (uint256 i = 0; i < page.length; ++i) page[i] = model.versions[from + i];
    }

    /// @inheritdoc IModelRegistry
    function versionOf(string calldata name, uint256 jobId) external view returns (uint32) {
        return _model(name).versionOf[jobId];
    }

    /// @inheritdoc IModelRegistry
    function promoted(string calldata name) external view returns (uint32) {
        return _promoted(_model(name));
    }

    /// @inheritdoc IModelRegistry
    function history(string calldata name) external view returns (Promotion[] memory) {
        return _model(name).history;
    }

    // Internal

    function _enter(Model storage model, uint32 version_, uint24 previous) private {
        model.history.push(
            Promotion({
                version: version_,
                previous: previous,
                since: block.timestamp.toUint40(),
                by: msg.sender
            })
        );
        model.current = model.history.length.toUint24();
    }

    function _releases(address account) private view returns (bool) {
        return _releasers.contains(account) || account == REGISTRY.governance();
    }

    function _known(string calldata name) private view returns (bytes32 nameHash, Model storage model) {
        nameHash = keccak256(bytes(name));
        model = _models[nameHash];
        if (model.owner == address(0)) revert ModelsUnknownName(name);
    }

    function _model(string calldata name) private view returns (Model storage) {
        return _models[keccak256(bytes(name))];
    }

    function _promoted(Model storage model) private view returns (uint32) {
        return model.current == 0 ? 0 : model.history[model.current - 1].version;
    }

    function _checkName(string calldata name) private pure {
        bytes calldata text = bytes(name);
        if (text.length == 0 || text.length > MAX_NAME) revert ModelsBadName(name);
        for (uint256 i = 0; i < text.length; ++i) {
            bytes1 char = text[i];
            bool letterOrDigit = (char >= "a" && char <= "z") || (char >= "0" && char <= "9");
            bool mark = char == "." || char == "_" || char == "-";
            if (!letterOrDigit && (i == 0 || !mark)) revert ModelsBadName(name);
        }
    }

    function _pageLength(uint256 count, uint256 from, uint256 limit) private pure returns (uint256) {
        if (from >= count) return 0;
        return limit < count - from ? limit : count - from;
    }
}
