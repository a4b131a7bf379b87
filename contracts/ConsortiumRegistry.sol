// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {MemberVotes} from "./MemberVotes.sol";
import {IConsortiumRegistry} from "./interfaces/IConsortiumRegistry.sol";
import {EpochBitmap} from "./libraries/EpochBitmap.sol";

/// @title ConsortiumRegistry
/// @notice See IConsortiumRegistry for what is guaranteed. Governance is one address: the founder, then the
/// timelock of the members' governor, which hands over in two steps if it ever does.
contract ConsortiumRegistry is IConsortiumRegistry, MemberVotes {
    using SafeCast for uint256;

    /// @dev `validators` and `capacity` count active nodes whether or not the organisation is a member now,
    /// so that a re-admission finds them right.
    struct Member {
        uint40 since;
        uint40 until;
        uint8 seat;
        bool bonded;
        uint32 validators;
        uint64 capacity;
        string name;
    }

    /// @param account Its member, or its last one. @param freedAt When the last one left.
    struct Seat {
        address account;
        uint40 freedAt;
    }

    uint256 private constant SEATS = 64;
    uint256 private constant MAX_NAME = 64;
    uint256 private constant MAX_PEER = 256;
    uint32 private constant MAX_CAPACITY = 65_535;
    uint8 private constant TRAINER = 1;
    uint8 private constant VALIDATOR = 2;
    uint8 private constant ALL_ROLES = 15;
    bytes32 private constant CONSENT_TYPEHASH = keccak256("NodeConsent(address node,address account)");

    /// @notice The only caller of `setBonded`.
    address public immutable VAULT;

    address private _governance;
    address private _proposedGovernance;
    address private _founder;

    /// @dev One slot: the opening of an attempt reads all but the first. 64 members of uint64 each cannot
    /// overflow the capacity.
    uint64 private _memberSeats;
    uint64 private _votingSeats;
    uint40 private _departures;
    uint88 private _trainingCapacity;

    mapping(address account => Member) private _members;
    mapping(address node => Node) private _nodes;
    Seat[SEATS] private _seats;
    address[] private _nodeList;

    modifier onlyGovernance() {
        if (msg.sender != _governance) revert RegistryNotGovernance(msg.sender);
        _;
    }

    /// @param governance_ Who governs after the founding: the timelock, at a predicted address.
    /// @param founder_ Who governs until then.
    /// @param vault The stake vault, which may be deployed later at a predicted address.
    constructor(address governance_, address founder_, address vault) EIP712("Milon", "1") {
        if (governance_ == address(0) || founder_ == address(0) || vault == address(0)) {
            revert RegistryZeroAddress();
        }
        VAULT = vault;
        _governance = founder_;
        _proposedGovernance = governance_;
        _founder = founder_;
        emit GovernanceTransferred(address(0), founder_);
        emit GovernanceProposed(founder_, governance_);
    }

    // Organisations

    /// @inheritdoc IConsortiumRegistry
    function admit(address account, string calldata name) external onlyGovernance {
        if (account == address(0)) revert RegistryZeroAddress();
        if (bytes(name).length == 0 || bytes(name).length > MAX_NAME)
            revert RegistryBadName(bytes(name).length);
        Member storage member = _members[account];
        if (_isMember(member)) revert RegistryAlreadyMember(account);

        uint40 now_ = block.timestamp.toUint40();
        uint8 seat = _freeSeat(now_);
        _seats[seat] = Seat({account: account, freedAt: 0});
        _memberSeats |= _bit(seat);
        member.since = now_;
        member.until = 0;
        member.seat = seat;
        member.name = name;
        _trainingCapacity += member.capacity;
        emit OrganisationAdmitted(account, seat, name);
        _refreshSeat(member);
        _transferVotingUnits(address(0), account, _getVotingUnits(account));
    }

    /// @inheritdoc IConsortiumRegistry
    function remove(address account) external onlyGovernance {
        uint8 seat = _depart(account);
        emit OrganisationRemoved(account, seat);
    }

    /// @inheritdoc IConsortiumRegistry
    function resign() external {
        uint8 seat = _depart(msg.sender);
        emit OrganisationLeft(msg.sender, seat);
    }

    /// @inheritdoc IConsortiumRegistry
    function setBonded(address account, bool bonded) external {
        if (msg.sender != VAULT) revert RegistryNotVault(msg.sender);
        Member storage member = _members[account];
        member.bonded = bonded;
        _refreshSeat(member);
    }

    // Nodes

    /// @inheritdoc IConsortiumRegistry
    function registerNode(
        address node_,
        uint8 roles,
        uint32 capacity,
        string calldata peer,
        bytes calldata consent
    ) external {
        Member storage member = _members[msg.sender];
        if (!_isMember(member)) revert RegistryNotMember(msg.sender);
        _checkDeclaration(roles, capacity, peer);
        _enrol(node_, msg.sender, consent);

        Node storage record = _nodes[node_];
        record.capacity = capacity;
        record.roles = roles;
        record.peer = peer;
        emit NodeRegistered(msg.sender, node_, roles, capacity, peer);
        _recount(member, 0, 0, roles, capacity);
    }

    /// @inheritdoc IConsortiumRegistry
    function updateNode(address node_, uint8 roles, uint32 capacity, string calldata peer) external {
        Node storage record = _operated(node_);
        _checkDeclaration(roles, capacity, peer);
        address account = record.account;
        (uint8 oldRoles, uint32 oldCapacity) = (record.roles, record.capacity);

        record.roles = roles;
        record.capacity = capacity;
        record.peer = peer;
        emit NodeUpdated(account, node_, roles, capacity, peer);
        Member storage member = _members[account];
        if (oldRoles & ~roles & (TRAINER | VALIDATOR) != 0) _countDeparture(member);
        _recount(member, oldRoles, oldCapacity, roles, capacity);
    }

    /// @inheritdoc IConsortiumRegistry
    function retireNode(address node_) external {
        Node storage record = _operated(node_);
        address account = record.account;

        record.active = false;
        emit NodeRetired(account, node_);
        Member storage member = _members[account];
        _countDeparture(member);
        _recount(member, record.roles, record.capacity, 0, 0);
    }

    /// @inheritdoc IConsortiumRegistry
    function rotateNode(address node_, address newNode, bytes calldata consent) external {
        Node storage record = _operated(node_);
        address account = record.account;
        if (!_isMember(_members[account])) revert RegistryNotMember(account);
        _enrol(newNode, account, consent);

        record.active = false;
        ++_departures;
        Node storage successor = _nodes[newNode];
        // What the two declare is the same, so the counts of the organisation are unchanged.
        (uint8 roles, uint32 capacity, string memory peer) = (record.roles, record.capacity, record.peer);
        successor.capacity = capacity;
        successor.roles = roles;
        successor.peer = peer;
        emit NodeRotated(account, node_, newNode);
        emit NodeRegistered(account, newNode, roles, capacity, peer);
    }

    // Governance

    /// @inheritdoc IConsortiumRegistry
    function endFounding() external {
        if (msg.sender != _founder) revert RegistryNotFounder(msg.sender);
        if (_memberSeats == 0) revert RegistryNoMembers();
        delete _founder;
        emit FoundingEnded(msg.sender);
        _transferGovernance(_proposedGovernance);
    }

    /// @inheritdoc IConsortiumRegistry
    function proposeGovernance(address proposed) external onlyGovernance {
        if (_founder != address(0)) revert RegistryFounding(_founder);
        _proposedGovernance = proposed;
        emit GovernanceProposed(msg.sender, proposed);
    }

    /// @inheritdoc IConsortiumRegistry
    function acceptGovernance() external {
        if (_founder != address(0)) revert RegistryFounding(_founder);
        if (msg.sender != _proposedGovernance) revert RegistryNotGovernance(msg.sender);
        _transferGovernance(msg.sender);
    }

    // Views for the other contracts

    /// @inheritdoc IConsortiumRegistry
    function trainer(address node_) external view returns (address account, uint32 capacity, bool mayTrain) {
        Node storage record = _nodes[node_];
        account = record.account;
        capacity = record.capacity;
        mayTrain = record.active && record.roles & TRAINER != 0 && _isMember(_members[account]);
    }

    /// @inheritdoc IConsortiumRegistry
    function validator(
        address node_,
        uint40 openedAt
    ) external view returns (address account, uint8 seat, uint40 since, bool mayVote) {
        Node storage record = _nodes[node_];
        account = record.account;
        Member storage member = _members[account];
        seat = member.seat;
        since = member.since;
        uint40 until = member.until;
        mayVote =
            record.active &&
            record.roles & VALIDATOR != 0 &&
            since != 0 &&
            since <= openedAt &&
            (until == 0 || until >= openedAt);
    }

    /// @inheritdoc IConsortiumRegistry
    function accountOf(address node_) external view returns (address) {
        return _nodes[node_].account;
    }

    /// @inheritdoc IConsortiumRegistry
    function isMember(address account) external view returns (bool) {
        return _isMember(_members[account]);
    }

    /// @inheritdoc IConsortiumRegistry
    function isActive(address node_) external view returns (bool) {
        Node storage record = _nodes[node_];
        return record.active && _isMember(_members[record.account]);
    }

    /// @inheritdoc IConsortiumRegistry
    function trainingCapacity() external view returns (uint256) {
        return _trainingCapacity;
    }

    /// @inheritdoc IConsortiumRegistry
    function votingSeats() external view returns (uint64) {
        return _votingSeats;
    }

    /// @inheritdoc IConsortiumRegistry
    function departures() external view returns (uint40) {
        return _departures;
    }

    /// @inheritdoc IConsortiumRegistry
    function snapshot()
        external
        view
        returns (uint64 votingSeats_, uint40 departures_, uint256 trainingCapacity_)
    {
        return (_votingSeats, _departures, _trainingCapacity);
    }

    /// @inheritdoc IConsortiumRegistry
    function organisationCount() external view returns (uint256) {
        return EpochBitmap.popcount(_memberSeats);
    }

    /// @inheritdoc IConsortiumRegistry
    function governance() external view returns (address) {
        return _governance;
    }

    /// @inheritdoc IConsortiumRegistry
    function proposedGovernance() external view returns (address) {
        return _proposedGovernance;
    }

    /// @inheritdoc IConsortiumRegistry
    function founder() external view returns (address) {
        return _founder;
    }

    // Views for readers off the chain

    /// @inheritdoc IConsortiumRegistry
    function organisation(address account) external view returns (Organisation memory) {
        Member storage member = _members[account];
        return
            Organisation({
                account: member.since == 0 ? address(0) : account,
                since: member.since,
                until: member.until,
                seat: member.seat,
                name: member.name
            });
    }

    /// @inheritdoc IConsortiumRegistry
    function organisations() external view returns (address[] memory accounts) {
        uint256 left = _memberSeats;
        accounts = new address[](EpochBitmap.popcount(left));
        for (uint256 i = 0; left != 0; ++i) {
            accounts[i] = _seats[EpochBitmap.lowest(left)].account;
            left &= left - 1;
        }
    }

    /// @inheritdoc IConsortiumRegistry
    function node(address node_) external view returns (Node memory) {
        return _nodes[node_];
    }

    /// @inheritdoc IConsortiumRegistry
    function nodes(uint256 from, uint256 limit) external view returns (address[] memory page) {
        uint256 count = _nodeList.length;
        if (from >= count) return page;
        if (limit > count - from) limit = count - from;
        page = new address[](limit);
        for (uint256 i = 0; i < limit; ++i) page[i] = _nodeList[from + i];
    }

    /// @inheritdoc IConsortiumRegistry
    function nodeCount() external view returns (uint256) {
        return _nodeList.length;
    }

    // Internal

    /// @dev What a removal and a leave have in common.
    function _depart(address account) private returns (uint8 seat) {
        Member storage member = _members[account];
        if (!_isMember(member)) revert RegistryNotMember(account);
        seat = member.seat;
        uint64 bit = _bit(seat);
        if (_memberSeats == bit) revert RegistryLastMember(account);

        _transferVotingUnits(account, address(0), _getVotingUnits(account));
        uint40 now_ = block.timestamp.toUint40();
        member.until = now_;
        _seats[seat].freedAt = now_;
        _memberSeats &= ~bit;
        _votingSeats &= ~bit;
        _trainingCapacity -= member.capacity;
        ++_departures;
    }

    /// @dev Takes a key that was never registered, and that agrees, as an active node of `account`.
    function _enrol(address node_, address account, bytes calldata consent) private {
        if (node_ == address(0)) revert RegistryZeroAddress();
        Node storage record = _nodes[node_];
        if (record.account != address(0)) revert RegistryNodeKnown(node_, record.account);
        // An organisation that is its own node agrees by calling.
        if (node_ != msg.sender || consent.length != 0) {
            bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(CONSENT_TYPEHASH, node_, account)));
            (address signer, , ) = ECDSA.tryRecover(digest, consent);
            if (signer != node_) revert RegistryBadConsent(node_);
        }

        record.account = account;
        record.active = true;
        record.since = block.timestamp.toUint40();
        _nodeList.push(node_);
    }

    function _transferGovernance(address next) private {
        emit GovernanceTransferred(_governance, next);
        _governance = next;
        delete _proposedGovernance;
    }

    /// @dev Only of members: the nodes of the others departed with them, and must not disturb the members for ever.
    function _countDeparture(Member storage member) private {
        if (_isMember(member)) ++_departures;
    }

    /// @dev Moves the counts of an organisation, and what follows from them, from one declaration of a node
    /// to another.
    function _recount(
        Member storage member,
        uint8 oldRoles,
        uint32 oldCapacity,
        uint8 newRoles,
        uint32 newCapacity
    ) private {
        member.capacity = member.capacity - oldCapacity + newCapacity;
        member.validators =
            member.validators -
            (oldRoles & VALIDATOR) / VALIDATOR +
            (newRoles & VALIDATOR) / VALIDATOR;
        if (!_isMember(member)) return;
        _trainingCapacity = _trainingCapacity - oldCapacity + newCapacity;
        _refreshSeat(member);
    }

    /// @dev Passes over who is no member: its former seat may be another's.
    function _refreshSeat(Member storage member) private {
        if (!_isMember(member)) return;
        uint64 bit = _bit(member.seat);
        if (member.bonded && member.validators != 0) _votingSeats |= bit;
        else _votingSeats &= ~bit;
    }

    /// @dev A seat that was given up in this very second stays empty until the next one: its last member may
    /// still vote in an attempt that opened in this second, and no seat may stand for two organisations in
    /// one attempt.
    function _freeSeat(uint40 now_) private view returns (uint8) {
        for (uint256 free = ~_memberSeats & type(uint64).max; free != 0; free &= free - 1) {
            uint256 seat = EpochBitmap.lowest(free);
            if (_seats[seat].freedAt != now_) return seat.toUint8();
        }
        revert RegistryFull(SEATS);
    }

    /// @dev The record of a node that is not retired and that the caller may act for.
    function _operated(address node_) private view returns (Node storage record) {
        record = _nodes[node_];
        address account = record.account;
        if (account == address(0)) revert RegistryNodeUnknown(node_);
        if (msg.sender != node_ && msg.sender != account) revert RegistryNotOperator(msg.sender, node_);
        if (!record.active) revert RegistryNodeRetired(node_);
    }

    function _getVotingUnits(address account) internal view override returns (uint256) {
        return _isMember(_members[account]) ? 1 : 0;
    }

    function _isMember(Member storage member) private view returns (bool) {
        return member.since != 0 && member.until == 0;
    }

    function _checkDeclaration(uint8 roles, uint32 capacity, string calldata peer) private pure {
        if (roles == 0 || roles > ALL_ROLES) revert RegistryBadRoles(roles);
        bool trains = roles & TRAINER != 0;
        if (trains ? capacity == 0 || capacity > MAX_CAPACITY : capacity != 0) {
            revert RegistryBadCapacity(capacity, roles);
        }
        if (bytes(peer).length > MAX_PEER) revert RegistryPeerTooLong(bytes(peer).length);
    }

    function _bit(uint8 seat) private pure returns (uint64) {
        return uint64(1) << seat;
    }
}
