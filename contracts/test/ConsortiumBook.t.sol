// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochTypes} from "../interfaces/IEpochTypes.sol";
import {ConsortiumState} from "./ConsortiumState.t.sol";

/// @title The tests' own book of a consortium: what each call that succeeded means by the words of the protocol.
/// @dev Knows of the contracts what was called, when, and what was returned. What is kept lazily there is decided
/// here at once: when an attempt ends, each lease and vote of it is paid, lost or free.
abstract contract ConsortiumBook is ConsortiumState {
    // Jobs

    function _bookJob(uint256 job, IEpochTypes.Terms memory terms) internal {
        JobBook storage book = books[job];
        book.status = IEpochTypes.JobStatus.Open;
        (book.rounds, book.epochs, book.minUpdates) = (terms.rounds, terms.epochsPerRound, terms.minUpdates);
        (book.maxAttempts, book.minValidators) = (terms.maxAttempts, terms.minValidators);
        uint256 most = (uint256(terms.epochsPerRound) * rules.parameters.maxShare) / 10_000;
        book.maxEpochs = most == 0 ? 1 : uint16(most);
        (book.leaseBond, book.voteBond) = (rules.parameters.leaseBond, rules.parameters.voteBond);
        (book.epochPrice, book.votePrice) = (terms.epochPrice, terms.votePrice);
        for (uint256 i = 0; i < parties.length; ++i) {
            if (_isMember(i)) ++book.voters;
        }
        uint256 ofRound = uint256(book.epochs) * book.epochPrice + uint256(book.voters) * book.votePrice;
        book.escrow = book.rounds * ofRound;
        book.model = "model 0";
        _bookRound(job, 1);
    }

    function _bookRound(uint256 job, uint16 number) private {
        JobBook storage book = books[job];
        (book.round, book.attempt, book.awaited) = (number, 1, false);
        (book.departures, book.accumulator) = (rules.departures, 0);
        _bookAttempt(job, false);
    }

    /// @dev Who may vote is taken from the chain at the opening, and must not change until the attempt ends.
    function _bookAttempt(uint256 job, bool voteOnly) private {
        JobBook storage book = books[job];
        delete casts[job];
        (book.quorumAt, book.leading, book.paused) = (0, 0, rules.paused);
        if (rules.paused) ++happened[Happened.AttemptPaused];
        book.eligible = registry.votingSeats();
        uint256 seats = _bits(book.eligible);
        // Fits: at most 43.
        book.quorum = uint8((2 * seats) / 3 + 1);
        book.openedAt = uint40(_now());
        bool repeated = voteOnly && seats >= book.minValidators;
        book.trainingDeadline = book.openedAt + (repeated ? 0 : TRAINING);
        _bookOpened(job);
    }

    function _bookOpened(uint256 job) internal virtual;

    function _bookEnd(uint256 job, IEpochTypes.JobStatus status) private {
        JobBook storage book = books[job];
        book.status = status;
        money[client].earned += book.escrow;
        book.escrow = 0;
        delete holdings[job];
        delete casts[job];
        if (status == IEpochTypes.JobStatus.Completed) ++happened[Happened.JobCompleted];
        else if (status == IEpochTypes.JobStatus.Failed) ++happened[Happened.JobFailed];
        else ++happened[Happened.JobCancelled];
    }

    // Leases

    /// @dev Whether it is a further one of the round.
    function _bookClaim(
        uint256 job,
        uint256 index,
        uint256 first,
        uint256 count
    ) internal returns (bool further) {
        JobBook storage book = books[job];
        Machine storage machine = machines[index];
        address account = parties[machine.party].account;
        _expect(_open(job) && _now() < book.trainingDeadline, "a lease out of time");
        _expect(!book.paused, "a lease in a pause");
        _expect(
            machine.active && machine.roles & TRAINER != 0 && _isMember(machine.party),
            "a lease of who may not train"
        );
        _expect(!barred[_attemptKey(job, machine.node)], "a lease after a missed one");
        uint256 held = count;
        for (uint256 i = 0; i < holdings[job].length; ++i) {
            Holding storage other = holdings[job][i];
            if (other.account == account) held += other.count;
            if (other.node != machine.node) continue;
            further = true;
            _expect(other.delivered, "a second lease at once");
            _expect(
                other.attempt != book.attempt || _now() >= uint256(book.openedAt) + CLAIM_WINDOW,
                "a further lease too early"
            );
        }
        if (further) ++happened[Happened.FurtherLease];
        _expect(held <= book.maxEpochs, "more than an organisation's share");
        uint256 taken = _taken(job);
        _expect(count != 0 && first + count <= book.epochs, "a lease of what there is not");
        _expect(taken & _range(first, count) == 0, "two leases of one epoch");
        _expect(_range(0, first) & ~taken == 0, "a lower epoch was free");
        uint256 deadline = _now() + LEASE_TIME;
        if (deadline > book.trainingDeadline) deadline = book.trainingDeadline;
        holdings[job].push(
            Holding({
                node: machine.node,
                account: account,
                first: uint8(first),
                count: uint16(count),
                attempt: book.attempt,
                deadline: uint40(deadline),
                delivered: false,
                kept: false
            })
        );
    }

    function _bookDelivery(uint256 job, uint256 index, bytes32 digest, uint64 samples, bool keep) internal {
        JobBook storage book = books[job];
        address node = machines[index].node;
        (bool found, uint256 spot) = _live(job, node);
        _expect(found, "an update without a lease");
        if (!found) return;
        Holding storage held = holdings[job][spot];
        _expect(_now() < held.deadline, "an update too late");
        if (!_isMember(machines[index].party)) ++happened[Happened.RemovedDelivered];
        held.kept = keep;
        for (uint256 i = 0; i < holdings[job].length; ++i) {
            if (holdings[job][i].node == node && holdings[job][i].delivered) held.kept = false;
        }
        held.delivered = true;
        book.accumulator = bytes24(
            keccak256(abi.encode(book.accumulator, node, held.first, held.count, samples, digest))
        );
    }

    function _bookExpiry(uint256 job, uint256 spot) internal {
        ++happened[Happened.LeaseExpired];
        barred[_attemptKey(job, holdings[job][spot].node)] = true;
        _miss(job, spot);
    }

    /// @dev The last lease takes the place of the one that ends.
    function _miss(uint256 job, uint256 spot) private {
        Holding storage held = holdings[job][spot];
        ++happened[Happened.LeaseMissed];
        ++deeds[held.node].expired;
        steadyTrainer[job][held.node] = false;
        _lose(held.account, uint256(held.count) * books[job].leaseBond);
        Holding[] storage all = holdings[job];
        all[spot] = all[all.length - 1];
        all.pop();
    }

    function _missAll(uint256 job) private {
        for (uint256 i = holdings[job].length; i != 0; --i) {
            if (!holdings[job][i - 1].delivered) _miss(job, i - 1);
        }
    }

    function _lose(address account, uint256 amount) private {
        money[account].lost += amount;
        money[treasury].earned += amount;
    }

    // Votes

    function _bookVote(uint256 job, uint256 index, Cast memory cast) internal {
        JobBook storage book = books[job];
        Machine storage machine = machines[index];
        _expect(_mayVote(job, index), "a vote of who may not vote, or voted");
        _expect(casts[job].length < _bits(book.eligible), "more votes than voters");
        if (!_isMember(machine.party)) ++happened[Happened.RemovedVoted];
        ++votes[cast.account].cast;
        steadyVoter[_voterKey(job, cast.account)] = true;
        casts[job].push(cast);
        uint256 named;
        for (uint256 i = 0; i < casts[job].length; ++i) {
            if (casts[job][i].candidate == cast.candidate) ++named;
        }
        if (book.quorumAt == 0 && named >= book.quorum) {
            (book.quorumAt, book.leading) = (uint40(_now()), cast.candidate);
        }
    }

    /// @dev Those that named the leading candidate lose their bonds, but for the `cleared`.
    function _penalise(uint256 job, bool[] memory cleared) internal {
        JobBook storage book = books[job];
        if (book.quorumAt == 0) return;
        for (uint256 i = 0; i < casts[job].length; ++i) {
            Cast storage cast = casts[job][i];
            if (cleared[i] || cast.candidate != book.leading) continue;
            ++votes[cast.account].penalised;
            steadyVoter[_voterKey(job, cast.account)] = false;
            _lose(cast.account, book.voteBond);
        }
    }

    // How attempts end

    function _bookFailure(uint256 job, bool voting) internal {
        JobBook storage book = books[job];
        ++happened[voting ? Happened.VoteFailed : Happened.TrainingFailed];
        _missAll(job);
        if (book.cancelRequested || book.attempt == book.maxAttempts) {
            IEpochTypes.Outcome storage outcome = outcomes[job][book.round];
            (outcome.closedAt, outcome.attempt) = (uint40(_now()), book.attempt);
            (, , outcome.unpaid, ) = _sets(job);
            return
                _bookEnd(
                    job,
                    book.cancelRequested ? IEpochTypes.JobStatus.Cancelled : IEpochTypes.JobStatus.Failed
                );
        }
        ++book.attempt;
        _bookAttempt(job, voting);
    }

    function _bookFinal(uint256 job, Result memory result, bool[] memory matching, uint256 count) internal {
        JobBook storage book = books[job];
        ++happened[Happened.RoundFinal];
        IEpochTypes.Outcome storage outcome = outcomes[job][book.round];
        _expect(outcome.closedAt == 0, "two final models of one round");
        (outcome.modelDigest, outcome.invalid) = (result.digest, result.invalid);
        (outcome.closedAt, outcome.attempt) = (uint40(_now()), book.attempt);
        (, , outcome.unpaid, ) = _sets(job);
        outcome.unpaid &= ~result.accepted;
        outcome.score = _median(job, matching, count);

        _penalise(job, matching);
        _payVotes(job, matching, count, outcome.score);
        _missAll(job);
        _payUpdates(job, result);
        if (book.round == book.rounds) return _bookEnd(job, IEpochTypes.JobStatus.Completed);
        if (book.cancelRequested) return _bookEnd(job, IEpochTypes.JobStatus.Cancelled);
        outcome.carried = _carry(job, result.invalid);
        book.model = result.digest;
        _bookRound(job, book.round + 1);
    }

    function _payVotes(uint256 job, bool[] memory matching, uint256 count, uint32 median) private {
        JobBook storage book = books[job];
        uint256 payment = (uint256(book.voters) * book.votePrice) / count;
        if (payment > book.votePrice) payment = book.votePrice;
        if (payment < book.votePrice) ++happened[Happened.PaymentReduced];
        book.escrow -= payment * count;
        for (uint256 i = 0; i < matching.length; ++i) {
            if (!matching[i]) {
                if (casts[job][i].candidate == book.leading) ++happened[Happened.SealFalse];
                continue;
            }
            Cast storage cast = casts[job][i];
            money[cast.account].earned += payment;
            ++votes[cast.account].matched;
            // A payment that was reduced is made when the next vote is cast.
            if (payment < book.votePrice) steadyVoter[_voterKey(job, cast.account)] = false;
            uint256 distance = cast.score > median ? cast.score - median : median - cast.score;
            if (distance > 50_000) ++votes[cast.account].far;
        }
    }

    function _payUpdates(uint256 job, Result memory result) private {
        JobBook storage book = books[job];
        for (uint256 i = 0; i < holdings[job].length; ++i) steadyTrainer[job][holdings[job][i].node] = true;
        for (uint256 i = 0; i < holdings[job].length; ++i) {
            Holding storage held = holdings[job][i];
            if ((result.accepted >> held.first) & 1 == 1) {
                ++deeds[held.node].accepted;
                money[held.account].earned += uint256(held.count) * book.epochPrice;
                book.escrow -= uint256(held.count) * book.epochPrice;
            } else if ((result.invalid >> held.first) & 1 == 1) {
                ++happened[Happened.UpdateInvalid];
                ++deeds[held.node].invalid;
                steadyTrainer[job][held.node] = false;
                _lose(held.account, uint256(held.count) * book.leaseBond);
            } else {
                ++happened[Happened.UpdateOutlier];
                ++deeds[held.node].outliers;
            }
        }
    }

    /// @dev Which leases go on into the next round.
    function _carry(uint256 job, uint256 invalid) private returns (bool carried) {
        JobBook storage book = books[job];
        bool all = !book.awaited && !rules.paused && rules.departures == book.departures;
        Holding[] storage held = holdings[job];
        for (uint256 i = held.length; i != 0; --i) {
            Holding storage lease = held[i - 1];
            if (all && lease.kept && (invalid >> lease.first) & 1 == 0) {
                _expect(_mayTrain(lease.node), "a lease carried to who may not train");
                ++happened[Happened.LeaseCarried];
                (lease.attempt, lease.delivered, lease.kept) = (1, false, false);
                lease.deadline = uint40(_now()) + LEASE_TIME;
                carried = true;
            } else {
                held[i - 1] = held[held.length - 1];
                held.pop();
            }
        }
    }

    /// @dev The lower median, found by counting how many are below and how many equal.
    function _median(uint256 job, bool[] memory matching, uint256 count) private view returns (uint32) {
        for (uint256 i = 0; i < matching.length; ++i) {
            if (!matching[i]) continue;
            uint32 score = casts[job][i].score;
            (uint256 below, uint256 equal) = (0, 0);
            for (uint256 j = 0; j < matching.length; ++j) {
                if (!matching[j]) continue;
                if (casts[job][j].score < score) ++below;
                else if (casts[job][j].score == score) ++equal;
            }
            if (below <= (count - 1) / 2 && (count - 1) / 2 < below + equal) return score;
        }
        return 0;
    }
}
