// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochBooks} from "./IEpochBooks.sol";
import {IEpochRounds} from "./IEpochRounds.sol";

/// @title Jobs, rounds, leases of epochs, and update records.
/// @notice Guarantees:
/// 1. Per round: epochs unleased + on live leases + delivered = epochs per round.
/// 2. No epoch is paid twice; nothing is paid for an update outside the accepted set of a final round.
/// 3. One final model per round.
/// 4. From any reachable state, someone can bring the job to an end in bounded time.
/// 5. Terms, prices, bonds and ruleset of a job never change once it is submitted.
/// 6. Only an active node of a member organisation claims; after removal a held lease may still be submitted.
/// 7. Gas of `claim` and `submitUpdate` does not depend on how many nodes, leases or updates there are.
/// 8. No call by one party moves another's deadline. An act is in time iff block.timestamp < deadline.
/// 9. No organisation holds more epochs of a round than the job's `maxEpochs`.
/// @dev One contract at one address. Its code is in two places, since it is more than one contract may hold: what a round
/// needs (IEpochRounds), and all else (IEpochBooks), which the first reaches by a fixed delegation.
// solhint-disable-next-line no-empty-blocks
interface IEpochScheduler is IEpochRounds, IEpochBooks {}
