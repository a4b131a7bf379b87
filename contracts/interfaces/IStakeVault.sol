// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title The ledger of the consortium's token; the only contract that holds tokens.
/// @notice Guarantees:
/// 1. Tokens held >= free + locked + unbonding + credit of all accounts + escrow + owed of all jobs, always.
/// 2. Locked stake cannot be withdrawn or unbonded; only the two operators lock, unlock and slash.
/// 3. Nothing is pushed: every payment is a credit that its owner withdraws.
/// 4. What is slashed goes to the treasury's credit, never to the caller or a client.
interface IStakeVault {
    /// @param free Stake that may be locked or unbonded.
    /// @param locked Stake that may still be slashed.
    /// @param unbonding Stake on its way out, withdrawable from `unbondingAt` (chain time, seconds).
    /// @param credit Rewards and refunds, withdrawable at once.
    struct Account {
        uint96 free;
        uint96 locked;
        uint96 unbonding;
        uint40 unbondingAt;
        uint96 credit;
    }

    event Staked(address indexed account, address indexed from, uint256 amount);
    event Unbonded(address indexed account, uint256 amount, uint40 availableAt);
    event Withdrawn(address indexed account, uint256 amount);
    event Slashed(uint256 indexed jobId, address indexed account, uint256 amount);
    event BondChanged(address indexed account, bool bonded);
    event Escrowed(uint256 indexed jobId, address indexed client, uint256 amount);
    event Owed(uint256 indexed jobId, uint256 amount);
    event Paid(uint256 indexed jobId, address indexed account, uint256 amount);
    event Refunded(uint256 indexed jobId, address indexed client, uint256 amount);
    event ParametersSet(uint96 minimumStake, uint40 unbondingPeriod, address treasury);

    error VaultNotOperator(address caller);
    error VaultNotGovernance(address caller);
    error VaultNotMember(address account);
    error VaultZeroAmount();
    error VaultInsufficientStake(address account, uint256 free, uint256 needed);
    error VaultInsufficientEscrow(uint256 jobId, uint256 held, uint256 needed);
    error VaultNothingToWithdraw(address account);
    error VaultTransferShort(uint256 received, uint256 expected);
    error VaultZeroAddress();

    /// @notice Adds stake to a member organisation's account, from the caller's tokens (allowance needed).
    function stake(address account, uint256 amount) external;

    /// @notice Starts the way out of free stake; all of the unbonding amount waits anew.
    function unbond(uint256 amount) external;

    /// @notice Sends the caller's credit and matured unbonding stake to the caller.
    function withdraw() external returns (uint256 amount);

    /// @notice Operators only: moves stake from free to locked.
    function lock(address account, uint256 amount) external;

    /// @notice Operators only: moves stake from locked to free and credits a payment out of what the job owes.
    function release(uint256 jobId, address account, uint256 unlocked, uint256 payment) external;

    /// @notice Operators only: takes `amount` of locked stake for the treasury, for what happened in a job.
    function slash(uint256 jobId, address account, uint256 amount) external;

    /// @notice Scheduler only: takes a job's budget from its client (allowance needed).
    function escrow(uint256 jobId, address client, uint256 amount) external;

    /// @notice Scheduler only: sets part of a job's escrow aside for what a final round pays.
    function owe(uint256 jobId, uint256 amount) external;

    /// @notice Scheduler only: credits what is left of a job's escrow to its client.
    function refund(uint256 jobId, address client) external returns (uint256 amount);

    /// @notice Governance only. `minimumStake` in base units of the token, `unbondingPeriod` in seconds. A change of the
    /// minimum reaches an account when its stake next changes or `refreshBond` is called for it.
    function setParameters(uint96 minimumStake, uint40 unbondingPeriod, address treasury) external;

    /// @notice Anyone: recomputes whether an account's stake reaches the minimum, and tells the registry.
    function refreshBond(address account) external;

    function token() external view returns (address);

    function treasury() external view returns (address);

    function minimumStake() external view returns (uint96);

    function unbondingPeriod() external view returns (uint40);

    function account(address owner) external view returns (Account memory);

    /// @notice Whether free plus locked stake reaches the minimum.
    function isBonded(address owner) external view returns (bool);

    function escrowOf(uint256 jobId) external view returns (uint256);

    function owedBy(uint256 jobId) external view returns (uint256);

    /// @notice The sum of all that the vault owes; the invariant of guarantee 1.
    function liabilities() external view returns (uint256);
}
