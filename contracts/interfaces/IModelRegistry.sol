// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title The models that completed jobs have trained, by name and version, and which of them is promoted.
/// @notice Guarantees:
/// 1. A version never changes: its lineage (job, round, digest, score, ruleset, spec) is read from the scheduler when it
/// is registered, and only a completed job has one.
/// 2. A name belongs to the account that registered its first version.
/// 3. Only governance, and the releasers that governance appoints, promote, roll back, and register under other's names.
/// @dev Names are 1 to 64 bytes of a-z, 0-9, '.', '_' and '-', and start with a letter or digit. Versions of a name are
/// numbered from 1. The CID is a hint where to fetch: what a version is, its digest says.
interface IModelRegistry {
    /// @param jobId The job that trained it. @param number Its number under the name.
    /// @param round The job's last round. @param score Its outcome's score, millionths.
    /// @param registeredAt Chain time, seconds. @param by Who registered it.
    /// @param digest SHA-256 of the model's canonical bytes. @param specDigest SHA-256 of the job's spec.
    /// @param ruleset The rules by which it was trained and aggregated. @param cid Where IPFS finds it; 1 to 128 bytes.
    struct Version {
        uint256 jobId;
        uint32 number;
        uint16 round;
        uint32 score;
        uint40 registeredAt;
        address by;
        bytes32 digest;
        bytes32 specDigest;
        bytes32 ruleset;
        string cid;
    }

    /// @notice One entry in the history of what was promoted under a name.
    /// @param version The version promoted from then on; 0 for none.
    /// @param previous The entry, counted from 1, whose state a roll back of this one returns to; 0 when it is the first.
    /// @param since Chain time, seconds. @param by Who did it.
    struct Promotion {
        uint32 version;
        uint24 previous;
        uint40 since;
        address by;
    }

    event VersionRegistered(
        bytes32 indexed nameHash,
        uint32 indexed version,
        uint256 indexed jobId,
        string name,
        bytes32 digest,
        string cid,
        uint32 score,
        address by
    );
    /// @param version 0 when no version is promoted any more.
    event ModelPromoted(bytes32 indexed nameHash, uint32 indexed version, string name, address by);
    /// @param version What is promoted now; 0 for none.
    event ModelRolledBack(bytes32 indexed nameHash, uint32 indexed version, string name, address by);
    event ReleaserSet(address indexed account, bool releases);

    error ModelsZeroAddress();
    error ModelsNotGovernance(address caller);
    error ModelsNotReleaser(address caller);
    error ModelsNotClient(address caller, address client);
    error ModelsNotOwner(address caller, address owner);
    error ModelsBadName(string name);
    error ModelsBadCid(uint256 length);
    error ModelsJobNotCompleted(uint256 jobId);
    error ModelsJobKnown(uint256 jobId, uint32 version);
    error ModelsUnknownName(string name);
    error ModelsUnknownVersion(string name, uint256 version);
    error ModelsAlreadyPromoted(string name, uint32 version);
    error ModelsNothingBefore(string name);

    /// @notice Registers the model of a completed job as the next version of a name, once per job and name. For a new name
    /// by the job's client, a releaser or governance; for an existing one by a releaser, governance, or its owner if
    /// that is the job's client as well.
    /// @param cid Where IPFS finds the model's bytes.
    /// @return version Its number, from 1.
    function register(
        string calldata name,
        uint256 jobId,
        string calldata cid
    ) external returns (uint32 version);

    /// @notice Promotes a version, or none for 0; a releaser or governance. Refused for what is promoted already.
    function promote(string calldata name, uint32 version) external;

    /// @notice Undoes the last promotion that was not undone, and returns to what was promoted before it; a releaser or
    /// governance. The first promotion of a name cannot be rolled back: `promote` 0 instead.
    /// @return version What is promoted now; 0 for none.
    function rollBack(string calldata name) external returns (uint32 version);

    /// @notice Appoints or dismisses a releaser; only governance.
    function setReleaser(address account, bool releases) external;

    function isReleaser(address account) external view returns (bool);

    /// @notice All releasers, in no particular order. For off-chain readers.
    function releasers() external view returns (address[] memory);

    function nameCount() external view returns (uint256);

    /// @notice Names in the order of their registration, from index `from` (0 is the first) at most `limit`. For
    /// off-chain readers, as are the other lists.
    function names(uint256 from, uint256 limit) external view returns (string[] memory);

    /// @notice The account that registered the first version; zero for an unknown name.
    function ownerOf(string calldata name) external view returns (address);

    /// @notice The number of the newest version; 0 for an unknown name.
    function versionCount(string calldata name) external view returns (uint256);

    /// @notice A version by its number; reverts with ModelsUnknownVersion when there is none.
    function version(string calldata name, uint256 number) external view returns (Version memory);

    /// @notice The versions of a name, from index `from` (0 is version 1) at most `limit`.
    function versions(
        string calldata name,
        uint256 from,
        uint256 limit
    ) external view returns (Version[] memory);

    /// @notice The version under which a job's model is registered; 0 when it is not.
    function versionOf(string calldata name, uint256 jobId) external view returns (uint32);

    /// @notice The number of the promoted version; 0 for none.
    function promoted(string calldata name) external view returns (uint32);

    /// @notice Everything that was ever promoted under a name, roll backs included, oldest first.
    function history(string calldata name) external view returns (Promotion[] memory);
}
