// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title How the members decide: OpenZeppelin's Governor, one organisation one vote, executed by the timelock.
/// @notice Guarantees:
/// 1. Who proposes or votes is a member at that moment, signed votes included; who votes was one at the proposal's
/// snapshot as well, and who proposes a second before.
/// 2. A proposal passes when more votes are for than against it, and those for it or abstaining exceed the quorum's
/// fraction of the members at the snapshot (or are all of them).
/// 3. What passed waits for the timelock's delay, and then anyone may execute it, once.
/// 4. Settings are changed by a proposal alone, within bounds that leave the members able to decide: a voting delay and a
/// voting period of at most 30 days, a fraction of at most 100 percent, a threshold of one vote to propose.
/// @dev Times are seconds of chain time, as the registry counts votes. Support is 0 against, 1 for, 2 abstain. A proposal
/// can be taken back by who made it until its snapshot, and by nobody later. The functions are those of IGovernor: here
/// are the refusals that are added to it.
interface IConsortiumGovernor {
    error GovernorZeroAddress();
    error GovernorNotMember(address account);
    error GovernorNoVote(address account, uint256 snapshot);
    error GovernorTimeTooLong(uint256 time, uint256 maximum);
    error GovernorFixedThreshold(uint256 threshold);
}
