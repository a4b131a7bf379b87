// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC5805} from "@openzeppelin/contracts/interfaces/IERC5805.sol";

/// @title The members of the consortium and the machines that they run.
/// @notice Guarantees:
/// 1. An organisation is admitted by governance alone, holds one seat (0 to 63) and one vote in governance while it is
/// a member, and ceases to be one by governance or by itself.
/// 2. A node belongs to one organisation for ever: its key proved that it agreed, and it cannot be moved or re-used.
/// 3. `trainingCapacity` is the sum of the declared capacities of the active trainers of admitted organisations.
/// 4. `votingSeats` holds exactly the seats of admitted organisations that are bonded and run an active validator.
/// 5. No seat stands for two organisations within one attempt of a round.
/// 6. The founder governs until it ends the founding, and has no power afterwards.
/// 7. There is always a member once there was one: governance cannot be lost with the last of them.
/// @dev Votes in governance are read through IERC5805: one unit per member, its own delegate, history by timestamp.
interface IConsortiumRegistry is IERC5805 {
    /// @param account The key that acts for the organisation: stakes, registers nodes, withdraws.
    /// @param since When it was admitted (chain time, seconds).
    /// @param until When it was removed or left; 0 while it is a member.
    /// @param seat Its bit in the bitmaps of votes.
    /// @param name What people call it; 1 to 64 bytes.
    struct Organisation {
        address account;
        uint40 since;
        uint40 until;
        uint8 seat;
        string name;
    }

    /// @param account The organisation's account.
    /// @param capacity Declared training capacity in arbitrary equal units, 1 to 65,535; 0 for no trainer.
    /// @param roles Bitmask of TRAINER 1, VALIDATOR 2, SUPERNODE 4, PREDICTOR 8.
    /// @param active False once retired. A node of a removed organisation keeps its flag; see `isActive`.
    /// @param since When it was registered (chain time, seconds).
    /// @param peer Multiaddress of its IPFS node, a hint for others; at most 256 bytes, may be empty.
    struct Node {
        address account;
        uint32 capacity;
        uint8 roles;
        bool active;
        uint40 since;
        string peer;
    }

    event OrganisationAdmitted(address indexed account, uint8 seat, string name);
    event OrganisationRemoved(address indexed account, uint8 seat);
    event OrganisationLeft(address indexed account, uint8 seat);
    event NodeRegistered(
        address indexed account,
        address indexed node,
        uint8 roles,
        uint32 capacity,
        string peer
    );
    event NodeUpdated(
        address indexed account,
        address indexed node,
        uint8 roles,
        uint32 capacity,
        string peer
    );
    event NodeRetired(address indexed account, address indexed node);
    /// @notice `node` is retired for ever; a NodeRegistered for `newNode`, with what it took over, follows.
    event NodeRotated(address indexed account, address indexed node, address indexed newNode);
    event FoundingEnded(address indexed founder);
    event GovernanceProposed(address indexed current, address indexed proposed);
    event GovernanceTransferred(address indexed previous, address indexed current);

    error RegistryNotGovernance(address caller);
    error RegistryNotFounder(address caller);
    error RegistryFounding(address founder);
    error RegistryNoMembers();
    error RegistryLastMember(address account);
    error RegistryNoDelegation();
    error RegistryNotVault(address caller);
    error RegistryNotMember(address account);
    error RegistryAlreadyMember(address account);
    error RegistryFull(uint256 seats);
    error RegistryBadName(uint256 length);
    error RegistryBadRoles(uint8 roles);
    error RegistryBadCapacity(uint32 capacity, uint8 roles);
    error RegistryPeerTooLong(uint256 length);
    error RegistryNodeKnown(address node, address account);
    error RegistryNodeUnknown(address node);
    error RegistryNodeRetired(address node);
    error RegistryNotOperator(address caller, address node);
    error RegistryBadConsent(address node);
    error RegistryZeroAddress();

    /// @notice Admits an organisation; only governance. A removed one may be admitted again (new `since`).
    function admit(address account, string calldata name) external;

    /// @notice Removes an organisation; only governance, and not the last one. It makes no new claims; see
    /// EpochScheduler guarantee 6.
    function remove(address account) external;

    /// @notice The calling organisation leaves at once, with the effects of a removal; the last one cannot. Its stake
    /// follows by `unbond` and `withdraw` of the vault.
    function resign() external;

    /// @notice Registers a node of the calling organisation.
    /// @param consent EIP-712 signature by the node's key of `NodeConsent(address node,address account)`,
    /// domain name "Milon", version "1"; may be empty when the node is the organisation's own account.
    function registerNode(
        address node,
        uint8 roles,
        uint32 capacity,
        string calldata peer,
        bytes calldata consent
    ) external;

    /// @notice Changes what a node declares; by the node or its organisation. Counts from the next claim on.
    function updateNode(address node, uint8 roles, uint32 capacity, string calldata peer) external;

    /// @notice Retires a node for ever; by the node or its organisation.
    function retireNode(address node) external;

    /// @notice A new key takes over roles, capacity and peer of a node, and the old one is retired for ever; by the node
    /// or its organisation, which is a member.
    /// @param newNode A key that was never registered.
    /// @param consent Signature by the new key, as for `registerNode`; may be empty when the new key is the
    /// organisation's own account, which calls.
    function rotateNode(address node, address newNode, bytes calldata consent) external;

    /// @notice Tells the registry whether an organisation's stake reaches the minimum; only the vault.
    function setBonded(address account, bool bonded) external;

    /// @notice Founder only, once, and not before there is a member: governance passes to `proposedGovernance`.
    function endFounding() external;

    /// @notice Names the next governance, which takes over by `acceptGovernance`; only governance, after the founding.
    function proposeGovernance(address proposed) external;

    function acceptGovernance() external;

    /// @notice Whom all contracts of the consortium obey: the founder, and the members' governor once founding has ended.
    function governance() external view returns (address);

    /// @notice Who takes over governance next, by `endFounding` or `acceptGovernance`; zero when nobody is named.
    function proposedGovernance() external view returns (address);

    /// @notice Who governs until it ends the founding; zero afterwards.
    function founder() external view returns (address);

    function organisation(address account) external view returns (Organisation memory);

    /// @notice The accounts of all current members, by seat. For off-chain readers.
    function organisations() external view returns (address[] memory);

    function organisationCount() external view returns (uint256);

    function isMember(address account) external view returns (bool);

    function node(address node_) external view returns (Node memory);

    /// @notice All nodes ever registered, in order, from index `from` at most `limit`. For off-chain readers.
    function nodes(uint256 from, uint256 limit) external view returns (address[] memory);

    function nodeCount() external view returns (uint256);

    /// @notice Registered, not retired, and of an organisation that is a member now.
    function isActive(address node_) external view returns (bool);

    /// @notice What a claim needs, in one call. `account` is zero for an unknown node.
    function trainer(address node_) external view returns (address account, uint32 capacity, bool mayTrain);

    /// @notice What a vote needs, in one call: `mayVote` says that the node is a validator, not retired, and of an
    /// organisation admitted (at `since`) at or before `openedAt` and not removed before it.
    function validator(
        address node_,
        uint40 openedAt
    ) external view returns (address account, uint8 seat, uint40 since, bool mayVote);

    /// @notice The organisation that a node has belonged to since its registration, retired or not.
    function accountOf(address node_) external view returns (address);

    function trainingCapacity() external view returns (uint256);

    function votingSeats() external view returns (uint64);

    /// @notice Grows with every organisation that is removed or leaves, and with every node of a member that is retired or
    /// rotated or gives up the role of trainer or validator: who compares it sees whether any may have ceased to work since.
    function departures() external view returns (uint40);

    /// @notice What the opening of an attempt needs, in one call.
    function snapshot()
        external
        view
        returns (uint64 votingSeats_, uint40 departures_, uint256 trainingCapacity_);
}
