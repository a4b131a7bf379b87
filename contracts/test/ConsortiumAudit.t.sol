// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAggregationVote} from "../interfaces/IAggregationVote.sol";
import {IEpochTypes} from "../interfaces/IEpochTypes.sol";
import {IStakeVault} from "../interfaces/IStakeVault.sol";
import {ConsortiumChanges} from "./ConsortiumChanges.t.sol";
import {vm} from "./Vm.t.sol";

/// @title What must hold of a consortium at any time: the contracts' records against each other, by plain loops, and
/// against the tests' own book.
abstract contract ConsortiumAudit is ConsortiumChanges {
    /// @dev More than organisations: a seat given up in this second is not given to the next in it.
    uint8 private constant SEATS = 16;
    /// @dev Of a call alone, however many take part; with room for a new slot or two (a share that was settled, the
    /// first kept lease of a job). Gas.t.sol has what is usual.
    uint256 private constant CLAIM_GAS = 110_000;
    uint256 private constant UPDATE_GAS = 75_000;
    uint256 private constant VOTE_GAS = 110_000;

    /// @dev Who made this one: the fuzzer is not to end all jobs.
    address private immutable TEST = msg.sender;

    error Broken(string what);
    error Dear(string call, uint256 gas);
    /// @dev What is locked is not what the records bind.
    error Unbound(address account, uint256 locked, uint256 bound);

    function auditTokens() external view {
        (uint256 sum, uint256 unpaid, uint256 untaken) = (0, 0, 0);
        for (uint256 i = 0; i < parties.length; ++i) {
            address account = parties[i].account;
            IStakeVault.Account memory held = vault.account(account);
            Money storage own = money[account];
            uint256 stake = uint256(held.free) + held.locked + held.unbonding;
            sum += stake + held.credit;
            _assert(own.collected + held.credit <= own.earned, "an account has more than it earned");
            unpaid += own.earned - own.collected - held.credit;
            _assert(stake + own.unstaked <= own.staked, "an account has more stake than it put in");
            uint256 taken = own.staked - own.unstaked - stake;
            _assert(taken <= own.lost, "an account lost what it did not forfeit");
            untaken += own.lost - taken;
        }
        uint256 credit = vault.account(client).credit;
        _assert(money[client].collected + credit == money[client].earned, "the client's refunds");
        sum += credit;
        credit = vault.account(treasury).credit;
        _assert(money[treasury].earned - credit == untaken, "the treasury has what was taken");
        sum += credit;
        for (uint256 job = 1; job <= scheduler.jobCount(); ++job) {
            _assert(vault.escrowOf(job) == books[job].escrow, "escrow");
            uint256 owed = vault.owedBy(job);
            sum += owed + books[job].escrow;
            unpaid -= owed;
        }
        _assert(unpaid == 0, "what jobs owe is what was earned and not paid");
        _assert(vault.liabilities() == sum, "liabilities");
        _assert(token.balanceOf(address(vault)) >= sum, "fewer tokens than liabilities");
    }

    /// @dev The stored records of leases against the bonds and shares that were taken for them.
    function auditBonds() external view {
        uint256[] memory bonds = new uint256[](parties.length);
        for (uint256 job = 1; job <= scheduler.jobCount(); ++job) {
            uint256[] memory shares = new uint256[](parties.length);
            for (uint256 i = 0; i < machines.length; ++i) {
                (uint256 bonded, uint256 share) = _stored(job, machines[i].node);
                bonds[machines[i].party] += bonded * books[job].leaseBond;
                shares[machines[i].party] += share;
            }
            for (uint256 i = 0; i < parties.length; ++i) {
                (, uint256 share, ) = scheduler.leaseOf(job, parties[i].node);
                _assert(share == shares[i], "an organisation's share");
                _assert(share <= books[job].maxEpochs, "more than the greatest share");
            }
            for (uint8 seat = 0; seat < SEATS; ++seat) {
                (address holder, IAggregationVote.Ballot memory ballot) = vote.ballot(job, seat);
                if (ballot.state == IAggregationVote.BallotState.Cast) {
                    bonds[_partyOf(holder)] += books[job].voteBond;
                }
            }
        }
        for (uint256 i = 0; i < parties.length; ++i) {
            IStakeVault.Account memory held = vault.account(parties[i].account);
            if (held.locked != bonds[i]) revert Unbound(parties[i].account, held.locked, bonds[i]);
            _assert(held.locked >= _atStake(i, held), "what may be lost is locked");
        }
    }

    function auditRounds() external view {
        for (uint256 job = 1; job <= scheduler.jobCount(); ++job) {
            JobBook storage book = books[job];
            _assert(scheduler.job(job).status == book.status, "status");
            if (_open(job)) {
                _auditRound(job, scheduler.round(job));
                _auditLeases(job);
                _auditVotes(job);
            }
            for (uint16 number = 1; number <= book.round + 1; ++number) {
                IEpochTypes.Outcome memory outcome = scheduler.outcome(job, number);
                _assert(
                    keccak256(abi.encode(outcome)) == keccak256(abi.encode(outcomes[job][number])),
                    "the outcome of a round"
                );
            }
        }
    }

    function auditConduct() external view {
        if (bytes(violation).length != 0) revert Broken(violation);
        if (claimGas > CLAIM_GAS) revert Dear("claim", claimGas);
        if (updateGas > UPDATE_GAS) revert Dear("submitUpdate", updateGas);
        if (voteGas > VOTE_GAS) revert Dear("castVote", voteGas);
        for (uint256 i = 0; i < machines.length; ++i) {
            _assert(scheduler.nodeRecord(machines[i].node).reliability <= 10_000, "reliability");
        }
        for (uint256 i = 0; i < parties.length; ++i) {
            _assert(scheduler.reliabilityOf(parties[i].account) <= 10_000, "reliability of an organisation");
        }
    }

    /// @notice Brings every job to its end with nobody's help but time's, settles all, and lets all leave with what
    /// they have.
    function finish() external {
        if (msg.sender != TEST) revert Broken("not an action");
        uint256[] memory open = scheduler.openJobs();
        for (uint256 i = 0; i < open.length; ++i) {
            uint256 steps = books[open[i]].maxAttempts;
            for (; _open(open[i]); --steps) {
                _assert(steps != 0, "more steps than attempts");
                vm.warp(scheduler.round(open[i]).revealDeadline);
                _reopen(open[i]);
            }
        }
        for (uint256 job = 1; job <= scheduler.jobCount(); ++job) {
            _settle(job, type(uint256).max, type(uint64).max);
            _assert(vault.owedBy(job) + vault.escrowOf(job) == 0, "something stays in the job");
        }
        _leave();
        for (uint256 i = 0; i < machines.length; ++i) _auditDeeds(machines[i].node);
        if (bytes(violation).length != 0) revert Broken(violation);
        _assert(vault.liabilities() == 0, "something stays in the vault");
        _assert(token.balanceOf(address(vault)) == 0, "tokens stay in the vault");
    }

    // Internal

    function _auditRound(uint256 job, IEpochTypes.Round memory round) private view {
        JobBook storage book = books[job];
        _assert(round.number == book.round && round.attempt == book.attempt, "the open attempt");
        _assert(round.openedAt == book.openedAt, "the opening");
        _assert(round.trainingDeadline == book.trainingDeadline, "the training deadline");
        _assert(round.voteDeadline == book.trainingDeadline + VOTING, "the vote deadline");
        _assert(round.revealDeadline == book.trainingDeadline + VOTING + REVEAL, "the reveal deadline");
        _assert(round.eligible == book.eligible && round.quorum == book.quorum, "the voters");
        _assert(round.modelDigest == book.model, "the model");
        _assert(round.accumulator == book.accumulator, "the accumulator");
        _assert(round.awaited == book.awaited && round.paused == book.paused, "the flags");
        (uint256 taken, uint256 delivered, uint256 starts, uint256 kept) = _sets(job);
        _assert(round.taken == taken, "live and delivered epochs");
        _assert(round.delivered == delivered, "delivered epochs");
        _assert(round.deliveredEpochs == _bits(delivered), "the count of delivered epochs");
        _assert(round.updateSet == starts && round.updates == _bits(starts), "updates");
        _assert(round.keptSet == kept, "kept leases");
        uint256 sum;
        for (uint256 i = 0; i < holdings[job].length; ++i) sum += holdings[job][i].count;
        _assert(_bits(taken) == sum && taken >> book.epochs == 0, "ranges are apart");
    }

    /// @dev What each machine holds by its record is the last of what it holds by the book.
    function _auditLeases(uint256 job) private view {
        for (uint256 i = 0; i < machines.length; ++i) {
            address node = machines[i].node;
            (bool held, , IEpochTypes.Lease memory lease) = scheduler.leaseOf(job, node);
            bool listed =
                held &&
                    (lease.state == IEpochTypes.LeaseState.Live ||
                        lease.state == IEpochTypes.LeaseState.Delivered);
            (bool live, uint256 spot) = _live(job, node);
            _assert(live == (listed && lease.state == IEpochTypes.LeaseState.Live), "who holds a live lease");
            if (!listed) continue;
            if (!live) spot = _find(job, node, lease.first);
            Holding storage known = holdings[job][spot];
            _assert(
                known.first == lease.first &&
                    known.count == lease.count &&
                    known.attempt == lease.attempt &&
                    known.deadline == lease.deadline &&
                    known.kept == lease.kept,
                "a lease"
            );
        }
    }

    function _auditVotes(uint256 job) private view {
        JobBook storage book = books[job];
        IAggregationVote.Attempt memory attempt = vote.attempt(job);
        if (attempt.round != book.round || attempt.attempt != book.attempt) {
            return _assert(casts[job].length == 0, "votes are forgotten");
        }
        _assert(_bits(attempt.voted) == casts[job].length, "one vote of each");
        _assert(attempt.voted & ~book.eligible == 0, "a vote of no voter");
        _assert(attempt.quorumAt == book.quorumAt && attempt.leading == book.leading, "the leading tally");
    }

    /// @dev Epochs that bonds are locked for, and those that count for the share of the organisation.
    function _stored(uint256 job, address node) private view returns (uint256 bonded, uint256 share) {
        uint8 extras;
        for (uint8 slot = 0; slot <= extras; ++slot) {
            IEpochTypes.Lease memory lease = scheduler.storedLease(job, node, slot);
            if (slot == 0) extras = lease.extras;
            bonded += lease.bonded;
            bool counts =
                lease.state == IEpochTypes.LeaseState.Live || lease.state == IEpochTypes.LeaseState.Delivered;
            if (counts) share += lease.count;
        }
    }

    /// @dev Bonds of what is not decided yet, and what is lost and not taken yet.
    function _atStake(uint256 party, IStakeVault.Account memory held) private view returns (uint256 sum) {
        address account = parties[party].account;
        Money storage own = money[account];
        sum = own.lost + held.free + held.locked + held.unbonding + own.unstaked - own.staked;
        for (uint256 job = 1; job <= scheduler.jobCount(); ++job) {
            for (uint256 i = 0; i < holdings[job].length; ++i) {
                Holding storage lease = holdings[job][i];
                if (lease.account == account) sum += uint256(lease.count) * books[job].leaseBond;
            }
            if (_voted(job, account)) sum += books[job].voteBond;
        }
    }

    function _leave() private {
        vm.warp(_now() + UNBONDING);
        for (uint256 i = 0; i < parties.length; ++i) {
            address account = parties[i].account;
            IStakeVault.Account memory held = vault.account(account);
            _assert(held.locked == 0, "stake stays locked");
            if (held.free != 0) {
                vm.prank(account);
                vault.unbond(held.free);
            }
        }
        vm.warp(_now() + UNBONDING);
        for (uint256 i = 0; i < parties.length; ++i) {
            address account = parties[i].account;
            _collect(account);
            Money storage own = money[account];
            _assert(own.collected == own.earned, "what was earned is not what was paid");
            _assert(own.unstaked + own.lost == own.staked, "what was lost is not what was taken");
            _assert(token.balanceOf(account) == own.collected + own.unstaked, "what was withdrawn");
            IAggregationVote.VoteRecord memory record = vote.voteRecord(account);
            Votes storage known = votes[account];
            _assert(
                record.cast == known.cast &&
                    record.matched == known.matched &&
                    record.penalised == known.penalised &&
                    record.far == known.far,
                "the record of an organisation"
            );
        }
        _collect(client);
        _collect(treasury);
    }

    function _auditDeeds(address node) private view {
        IEpochTypes.NodeRecord memory record = scheduler.nodeRecord(node);
        Deeds storage known = deeds[node];
        _assert(
            record.expired == known.expired &&
                record.accepted == known.accepted &&
                record.outliers == known.outliers &&
                record.invalid == known.invalid &&
                record.delivered == known.accepted + known.outliers + known.invalid,
            "the record of a node"
        );
    }

    function _find(uint256 job, address node, uint8 first) private view returns (uint256 spot) {
        for (; spot < holdings[job].length; ++spot) {
            if (holdings[job][spot].node == node && holdings[job][spot].first == first) return spot;
        }
        revert Broken("a lease that nobody was given");
    }

    function _assert(bool holds, string memory what) private pure {
        if (!holds) revert Broken(what);
    }
}
