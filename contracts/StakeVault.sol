// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IConsortiumRegistry} from "./interfaces/IConsortiumRegistry.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";

/// @title StakeVault
/// @notice See IStakeVault for what is guaranteed.
/// @dev Everything but `stake`, `escrow` and `withdraw` only moves amounts inside the ledger. The sum of the
/// ledger is kept within uint96 where tokens enter, so that no sum of its parts can overflow and no payment
/// can be refused for its size.
contract StakeVault is IStakeVault, ReentrancyGuard {
    using SafeCast for uint256;
    using SafeERC20 for IERC20;

    /// @dev Claims and votes touch the first slot alone. `bonded` is what the registry was told last.
    struct Ledger {
        uint96 free;
        uint96 locked;
        uint40 unbondingAt;
        bool bonded;
        uint96 unbonding;
        uint96 credit;
    }

    struct Budget {
        uint96 escrow;
        uint96 owed;
    }

    IERC20 private immutable TOKEN;
    IConsortiumRegistry public immutable REGISTRY;
    address public immutable SCHEDULER;
    address public immutable VOTE;

    address private _treasury;
    uint96 private _minimumStake;
    uint40 private _unbondingPeriod;
    uint96 private _liabilities;

    mapping(address account => Ledger) private _ledgers;
    mapping(uint256 jobId => Budget) private _budgets;

    modifier onlyOperator() {
        if (msg.sender != SCHEDULER && msg.sender != VOTE) revert VaultNotOperator(msg.sender);
        _;
    }

    modifier onlyScheduler() {
        if (msg.sender != SCHEDULER) revert VaultNotOperator(msg.sender);
        _;
    }

    /// @param scheduler May be deployed later at a predicted address. @param vote So may this.
    constructor(
        IERC20 token_,
        IConsortiumRegistry registry,
        address scheduler,
        address vote,
        address treasury_,
        uint96 minimumStake_,
        uint40 unbondingPeriod_
    ) {
        if (address(token_) == address(0) || address(registry) == address(0)) revert VaultZeroAddress();
        if (scheduler == address(0) || vote == address(0)) revert VaultZeroAddress();
        TOKEN = token_;
        REGISTRY = registry;
        SCHEDULER = scheduler;
        VOTE = vote;
        _setParameters(minimumStake_, unbondingPeriod_, treasury_);
    }

    // Owners

    /// @inheritdoc IStakeVault
    function stake(address owner, uint256 amount) external nonReentrant {
        if (amount == 0) revert VaultZeroAmount();
        if (!REGISTRY.isMember(owner)) revert VaultNotMember(owner);

        _pull(msg.sender, amount);
        Ledger storage ledger = _ledgers[owner];
        ledger.free += amount.toUint96();
        emit Staked(owner, msg.sender, amount);
        _refreshBond(owner, ledger);
    }

    /// @inheritdoc IStakeVault
    function unbond(uint256 amount) external {
        if (amount == 0) revert VaultZeroAmount();
        Ledger storage ledger = _ledgers[msg.sender];
        uint96 free = ledger.free;
        if (amount > free) revert VaultInsufficientStake(msg.sender, free, amount);

        uint40 availableAt = (block.timestamp + _unbondingPeriod).toUint40();
        ledger.free = free - amount.toUint96();
        ledger.unbonding += amount.toUint96();
        ledger.unbondingAt = availableAt;
        emit Unbonded(msg.sender, amount, availableAt);
        _refreshBond(msg.sender, ledger);
    }

    /// @inheritdoc IStakeVault
    function withdraw() external nonReentrant returns (uint256 amount) {
        Ledger storage ledger = _ledgers[msg.sender];
        amount = ledger.credit;
        ledger.credit = 0;
        if (block.timestamp >= ledger.unbondingAt) {
            amount += ledger.unbonding;
            ledger.unbonding = 0;
        }
        if (amount == 0) revert VaultNothingToWithdraw(msg.sender);

        _liabilities -= amount.toUint96();
        emit Withdrawn(msg.sender, amount);
        TOKEN.safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc IStakeVault
    function refreshBond(address owner) external {
        _refreshBond(owner, _ledgers[owner]);
    }

    // Operators

    /// @inheritdoc IStakeVault
    function lock(address owner, uint256 amount) external onlyOperator {
        Ledger storage ledger = _ledgers[owner];
        uint96 free = ledger.free;
        if (amount > free) revert VaultInsufficientStake(owner, free, amount);
        ledger.free = free - amount.toUint96();
        ledger.locked += amount.toUint96();
    }

    /// @inheritdoc IStakeVault
    function release(uint256 jobId, address owner, uint256 unlocked, uint256 payment) external onlyOperator {
        Ledger storage ledger = _ledgers[owner];
        if (unlocked != 0) {
            ledger.locked -= unlocked.toUint96();
            ledger.free += unlocked.toUint96();
        }
        if (payment != 0) {
            Budget storage budget = _budgets[jobId];
            uint96 owed = budget.owed;
            if (payment > owed) revert VaultInsufficientEscrow(jobId, owed, payment);
            budget.owed = owed - payment.toUint96();
            ledger.credit += payment.toUint96();
            emit Paid(jobId, owner, payment);
        }
    }

    /// @inheritdoc IStakeVault
    function slash(uint256 jobId, address owner, uint256 amount) external onlyOperator {
        Ledger storage ledger = _ledgers[owner];
        ledger.locked -= amount.toUint96();
        _ledgers[_treasury].credit += amount.toUint96();
        emit Slashed(jobId, owner, amount);
        _refreshBond(owner, ledger);
    }

    /// @inheritdoc IStakeVault
    function escrow(uint256 jobId, address client, uint256 amount) external onlyScheduler nonReentrant {
        _pull(client, amount);
        _budgets[jobId].escrow += amount.toUint96();
        emit Escrowed(jobId, client, amount);
    }

    /// @inheritdoc IStakeVault
    function owe(uint256 jobId, uint256 amount) external onlyScheduler {
        Budget storage budget = _budgets[jobId];
        uint96 held = budget.escrow;
        if (amount > held) revert VaultInsufficientEscrow(jobId, held, amount);
        budget.escrow = held - amount.toUint96();
        budget.owed += amount.toUint96();
        emit Owed(jobId, amount);
    }

    /// @inheritdoc IStakeVault
    function refund(uint256 jobId, address client) external onlyScheduler returns (uint256 amount) {
        Budget storage budget = _budgets[jobId];
        amount = budget.escrow;
        budget.escrow = 0;
        _ledgers[client].credit += amount.toUint96();
        emit Refunded(jobId, client, amount);
    }

    // Governance

    /// @inheritdoc IStakeVault
    function setParameters(uint96 minimumStake_, uint40 unbondingPeriod_, address treasury_) external {
        if (msg.sender != REGISTRY.governance()) revert VaultNotGovernance(msg.sender);
        _setParameters(minimumStake_, unbondingPeriod_, treasury_);
    }

    // Views

    /// @inheritdoc IStakeVault
    function account(address owner) external view returns (Account memory) {
        Ledger storage ledger = _ledgers[owner];
        return
            Account({
                free: ledger.free,
                locked: ledger.locked,
                unbonding: ledger.unbonding,
                unbondingAt: ledger.unbondingAt,
                credit: ledger.credit
            });
    }

    /// @inheritdoc IStakeVault
    function isBonded(address owner) external view returns (bool) {
        return _reachesMinimum(_ledgers[owner]);
    }

    /// @inheritdoc IStakeVault
    function escrowOf(uint256 jobId) external view returns (uint256) {
        return _budgets[jobId].escrow;
    }

    /// @inheritdoc IStakeVault
    function owedBy(uint256 jobId) external view returns (uint256) {
        return _budgets[jobId].owed;
    }

    /// @inheritdoc IStakeVault
    function liabilities() external view returns (uint256) {
        return _liabilities;
    }

    /// @inheritdoc IStakeVault
    function token() external view returns (address) {
        return address(TOKEN);
    }

    /// @inheritdoc IStakeVault
    function treasury() external view returns (address) {
        return _treasury;
    }

    /// @inheritdoc IStakeVault
    function minimumStake() external view returns (uint96) {
        return _minimumStake;
    }

    /// @inheritdoc IStakeVault
    function unbondingPeriod() external view returns (uint40) {
        return _unbondingPeriod;
    }

    // Internal

    /// @dev Takes exactly `amount` in, before the ledger knows of it: whoever is called back from the token
    /// finds the vault holding no less than it owes. A token that keeps a fee is refused.
    function _pull(address from, uint256 amount) private {
        uint256 before = TOKEN.balanceOf(address(this));
        TOKEN.safeTransferFrom(from, address(this), amount);
        uint256 received = TOKEN.balanceOf(address(this)) - before;
        if (received != amount) revert VaultTransferShort(received, amount);
        _liabilities = (uint256(_liabilities) + amount).toUint96();
    }

    function _setParameters(uint96 minimumStake_, uint40 unbondingPeriod_, address treasury_) private {
        if (treasury_ == address(0)) revert VaultZeroAddress();
        _minimumStake = minimumStake_;
        _unbondingPeriod = unbondingPeriod_;
        _treasury = treasury_;
        emit ParametersSet(minimumStake_, unbondingPeriod_, treasury_);
    }

    function _refreshBond(address owner, Ledger storage ledger) private {
        bool bonded = _reachesMinimum(ledger);
        if (bonded == ledger.bonded) return;
        ledger.bonded = bonded;
        emit BondChanged(owner, bonded);
        REGISTRY.setBonded(owner, bonded);
    }

    function _reachesMinimum(Ledger storage ledger) private view returns (bool) {
        return uint256(ledger.free) + ledger.locked >= _minimumStake;
    }
}
