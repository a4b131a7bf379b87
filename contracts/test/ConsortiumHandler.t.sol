// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAggregationVote} from "../interfaces/IAggregationVote.sol";
import {IEpochTypes} from "../interfaces/IEpochTypes.sol";
import {ConsortiumBook} from "./ConsortiumBook.t.sol";
import {vm} from "./Vm.t.sol";

/// @title How a consortium works on its jobs, in any order: honest work, late work, copied votes, dissent, silence.
/// @dev What the contracts refuse is no failure, unless the book says that it was due. Seeds are hashed: the fuzzer
/// favours zeros and ends of ranges, which would mean the same few machines.
abstract contract ConsortiumHandler is ConsortiumBook {
    /// @notice The most gas that a call took of who had done the like before; execution alone.
    uint256 public claimGas;
    uint256 public updateGas;
    uint256 public voteGas;

    /// @dev What the honest agree on in the open attempt.
    mapping(uint256 job => Result) private _agreed;

    // Actions

    /// @notice The step that brings a job on, taken by one machine.
    function work(uint256 seed) external {
        _step(_pick(seed), _draw(seed, "machine", machines.length), seed);
    }

    /// @notice As `work`, by one machine after the other, at most until the phase is over.
    function workTogether(uint256 seed) external {
        _together(seed);
    }

    /// @notice Somebody carries the votes that machines have signed; some twice, some of who may not vote.
    function carryVotes(uint256 seed) external {
        uint256 job = _pick(seed);
        if (scheduler.phase(job) != IEpochTypes.Phase.Voting) return _step(job, 0, seed);
        Cast[] memory signers = new Cast[](1 + _draw(seed, "votes", 5));
        uint256[] memory indices = new uint256[](signers.length);
        IAggregationVote.SignedVote[] memory signed = new IAggregationVote.SignedVote[](signers.length);
        for (uint256 i = 0; i < signed.length; ++i) {
            uint256 drawn = uint256(keccak256(abi.encode(seed, i)));
            indices[i] = _draw(drawn, "machine", machines.length);
            signers[i] = _ballot(job, indices[i], drawn);
            signed[i] = _sign(job, indices[i], signers[i]);
        }
        try vote.castVotes(job, books[job].round, books[job].attempt, signed) returns (uint256 counted) {
            for (uint256 i = 0; i < signed.length; ++i) {
                if (!_hasCounted(job, indices[i], signers[i])) continue;
                _bookVote(job, indices[i], signers[i]);
                ++happened[Happened.BatchCounted];
                --counted;
            }
            _expect(counted == 0, "a carried vote of nobody");
        } catch (bytes memory reason) {
            _refused(reason);
            for (uint256 i = 0; i < signed.length; ++i) {
                _expect(!_mustVote(job, indices[i], signers[i]), "carried votes refused");
            }
        }
    }

    /// @notice Ends an overdue lease, or tries to end one that is not.
    function expire(uint256 seed) external {
        uint256 job = _pick(seed);
        for (uint256 i = 0; i < machines.length; ++i) _expire(job, machines[i].node);
    }

    /// @notice A trainer asks for a share of what others keep.
    function enlist(uint256 seed) external {
        uint256 job = _pick(seed);
        uint256 index = _draw(seed, "machine", machines.length);
        vm.prank(machines[index].node);
        try scheduler.enlist(job) {
            ++happened[Happened.TrainerWaited];
            _expect(_open(job) && _now() < books[job].trainingDeadline, "a trainer waits out of time");
            _expect(_taken(job) == _range(0, books[job].epochs), "a trainer waits though epochs are left");
            books[job].awaited = true;
        } catch (bytes memory reason) {
            _refused(reason);
        }
    }

    /// @notice Anyone settles for some or for all.
    function settle(uint256 seed, uint64 seats) external {
        uint256 job = _pick(seed);
        bool all = _draw(seed, "all", 3) == 0;
        _settle(job, all ? type(uint256).max : seed, all ? type(uint64).max : seats);
        if (all) _expect(vault.owedBy(job) == 0, "something is owed still after all is settled");
    }

    /// @dev Most of the time nothing unusual happens: all work.
    function _usually(uint256 seed) internal returns (bool) {
        if (_draw(seed, "usual", 3) == 0) return false;
        _together(seed);
        return true;
    }

    function _together(uint256 seed) private {
        uint256 job = _pick(seed);
        IEpochTypes.Phase phase = scheduler.phase(job);
        uint256 start = _draw(seed, "machine", machines.length);
        uint256 steps = 1 + _draw(seed, "steps", 2 * machines.length);
        for (uint256 i = 0; i < steps; ++i) {
            _step(job, (start + i) % machines.length, uint256(keccak256(abi.encode(seed, i))));
            if (scheduler.phase(job) != phase) return;
        }
    }

    // Training

    /// @dev One in eight does nothing.
    function _step(uint256 job, uint256 index, uint256 seed) internal {
        IEpochTypes.Phase phase = scheduler.phase(job);
        if (_draw(seed, "idle", 8) == 0) return;
        if (phase == IEpochTypes.Phase.Training) _train(job, index, seed);
        else if (phase == IEpochTypes.Phase.Voting) _voteOrClose(job, index, seed);
        else if (phase == IEpochTypes.Phase.Reveal) _close(job);
        else if (phase == IEpochTypes.Phase.Stalled) _reopen(job);
        else if (phase == IEpochTypes.Phase.Ended) _hopeless(job, index);
    }

    function _train(uint256 job, uint256 index, uint256 seed) private {
        (bool live, ) = _live(job, machines[index].node);
        // Now and then what is refused for certain.
        if (_draw(seed, "wrong", 16) == 0) live = !live;
        if (live) _submit(job, index, seed);
        else _take(job, index);
    }

    function _take(uint256 job, uint256 index) private {
        address node = machines[index].node;
        vm.prank(node);
        uint256 gas = gasleft();
        try scheduler.claim(job) returns (uint8 first, uint16 count) {
            gas -= gasleft();
            bool further = _bookClaim(job, index, first, count);
            if (steadyTrainer[job][node] && !further && gas > claimGas) claimGas = gas;
        } catch (bytes memory reason) {
            _refused(reason);
        }
    }

    function _submit(uint256 job, uint256 index, uint256 seed) private {
        address node = machines[index].node;
        bytes32 digest = keccak256(abi.encode(seed));
        bool keep = _draw(seed, "keep", 4) != 0;
        vm.prank(node);
        uint256 gas = gasleft();
        try scheduler.submitUpdate(job, digest, 100, keep, CID) {
            gas -= gasleft();
            if (steadyTrainer[job][node] && gas > updateGas) updateGas = gas;
            _bookDelivery(job, index, digest, 100, keep);
        } catch (bytes memory reason) {
            _refused(reason);
            (bool found, uint256 spot) = _live(job, node);
            _expect(!found || _now() >= holdings[job][spot].deadline, "an update in time is refused");
        }
    }

    function _expire(uint256 job, address node) private {
        (bool found, uint256 spot) = _live(job, node);
        bool due = found && _now() >= holdings[job][spot].deadline;
        try scheduler.expire(job, node) {
            _expect(due, "a lease expires that is not overdue");
            if (due) _bookExpiry(job, spot);
        } catch (bytes memory reason) {
            _refused(reason);
            _expect(!due, "an overdue lease does not expire");
        }
    }

    /// @dev What nobody may do to a job that has ended.
    function _hopeless(uint256 job, uint256 index) private {
        _take(job, index);
        _submit(job, index, 0);
        _castOne(job, index, _ballot(job, index, 0));
        _close(job);
    }

    // Voting

    /// @dev Who has voted closes the attempt, tries again, or waits for others.
    function _voteOrClose(uint256 job, uint256 index, uint256 seed) private {
        uint256 mood = _draw(seed, "again", 4);
        if (mood != 0 && _voted(job, parties[machines[index].party].account)) {
            if (mood != 1) _close(job);
            return;
        }
        _castOne(job, index, _ballot(job, index, seed));
    }

    function _castOne(uint256 job, uint256 index, Cast memory cast) private {
        bool voting = scheduler.phase(job) == IEpochTypes.Phase.Voting;
        bool must = voting && _mustVote(job, index, cast);
        address node = machines[index].node;
        (uint16 round, uint8 attempt) = (books[job].round, books[job].attempt);
        vm.prank(node);
        uint256 gas = gasleft();
        try vote.castVote(job, round, attempt, cast.candidate, cast.seal, cast.score) {
            gas -= gasleft();
            bool agrees = casts[job].length == 0 || casts[job][0].candidate == cast.candidate;
            bool steady = agrees && steadyVoter[_voterKey(job, cast.account)];
            if (steady && gas > voteGas) voteGas = gas;
            _expect(voting, "a vote out of time");
            _bookVote(job, index, cast);
        } catch (bytes memory reason) {
            _refused(reason);
            _expect(!must, "a vote is refused that may be cast");
        }
    }

    /// @dev One in ten copies, one in ten disagrees, one in twenty names what is nothing.
    function _ballot(uint256 job, uint256 index, uint256 seed) private returns (Cast memory cast) {
        Result memory result = _agreement(job);
        uint256 mood = _draw(seed, "mood", 20);
        if (mood < 2) result = _dissent();
        (uint16 round, uint8 attempt) = (books[job].round, books[job].attempt);
        cast.account = parties[machines[index].party].account;
        bytes32 hash = _hash(result);
        cast.candidate = vote.candidateOf(job, round, attempt, hash);
        cast.seal = vote.sealOf(job, round, attempt, hash, cast.account);
        if (mood == 2 || mood == 3) cast.seal = "another's seal";
        if (mood == 4) cast.candidate = bytes16(keccak256(abi.encode(seed)));
        cast.score = uint32(_draw(seed, "score", 1_000_001));
    }

    /// @dev Whether nothing stands in the way of a vote, in an attempt that is in voting.
    function _mustVote(uint256 job, uint256 index, Cast memory cast) private view returns (bool) {
        uint8 seat = registry.organisation(cast.account).seat;
        return
            (books[job].eligible >> seat) & 1 == 1 &&
            _mayVote(job, index) &&
            vault.account(cast.account).free >= books[job].voteBond;
    }

    function _sign(
        uint256 job,
        uint256 index,
        Cast memory cast
    ) private view returns (IAggregationVote.SignedVote memory signed) {
        (signed.candidate, signed.seal, signed.score) = (cast.candidate, cast.seal, cast.score);
        bytes32 hash = vote.voteHash(
            job,
            books[job].round,
            books[job].attempt,
            cast.candidate,
            cast.seal,
            cast.score
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(machines[index].key, hash);
        (signed.r, signed.vs) = (r, bytes32((uint256(v - 27) << 255) | uint256(s)));
    }

    /// @dev Whether the seat's ballot is this one, and was not before.
    function _hasCounted(uint256 job, uint256 index, Cast memory cast) private view returns (bool) {
        if (_voted(job, cast.account)) return false;
        uint8 seat = registry.organisation(parties[machines[index].party].account).seat;
        (address holder, IAggregationVote.Ballot memory ballot) = vote.ballot(job, seat);
        return
            holder == cast.account &&
            ballot.round == books[job].round &&
            ballot.attempt == books[job].attempt &&
            ballot.seal == cast.seal &&
            ballot.score == cast.score;
    }

    // How attempts end

    /// @dev Of one attempt in eight nobody reveals the result.
    function _close(uint256 job) private {
        if (_draw(_attemptSeed(job), "withheld", 8) == 0) {
            _fail(job);
            return;
        }
        if (_reveal(job, _agreement(job))) return;
        if (_reveal(job, _dissent())) return;
        _fail(job);
    }

    function _reveal(uint256 job, Result memory result) private returns (bool decided) {
        IEpochTypes.Phase phase = scheduler.phase(job);
        (bool[] memory matching, uint256 count) = _matching(job, _hash(result));
        bool may = _revealable(job, phase, result);
        bool enough = count >= books[job].quorum;
        bool over = _allVoted(job) || phase == IEpochTypes.Phase.Reveal;
        try vote.finalize(job, result.digest, result.accepted, result.invalid, CID) returns (bool final_) {
            _expect(may, "a reveal out of time");
            _expect(final_ == enough, "the quorum of seals");
            decided = true;
            if (final_) {
                _expect(_wellFormed(job, result), "a result of other updates");
                _bookFinal(job, result, matching, count);
            } else {
                _expect(over, "an early reveal fails the attempt");
                ++happened[Happened.RevealFailed];
                _penalise(job, matching);
                _bookFailure(job, true);
            }
        } catch (bytes memory reason) {
            _refused(reason);
            _expect(!(may && (enough ? _wellFormed(job, result) : over)), "a reveal is refused");
        }
    }

    function _fail(uint256 job) private returns (bool failed) {
        IEpochTypes.Phase phase = scheduler.phase(job);
        bool quorum = books[job].quorumAt != 0;
        bool due =
            !quorum &&
                (phase == IEpochTypes.Phase.Reveal || (phase == IEpochTypes.Phase.Voting && _allVoted(job)));
        try vote.fail(job) {
            failed = true;
            _expect(due || phase == IEpochTypes.Phase.Stalled, "a vote fails that is open");
            if (quorum) ++happened[Happened.ResultWithheld];
            _penalise(job, new bool[](casts[job].length));
            _bookFailure(job, true);
        } catch (bytes memory reason) {
            _refused(reason);
            _expect(!due, "a failed vote is not closed");
        }
    }

    /// @dev By one of two ways, whoever takes it.
    function _reopen(uint256 job) internal {
        try scheduler.reopen(job) {
            (, , uint256 starts, ) = _sets(job);
            _expect(_now() >= books[job].trainingDeadline, "a training phase fails before its end");
            _expect(
                _bits(starts) < books[job].minUpdates ||
                    _bits(books[job].eligible) < books[job].minValidators,
                "a training phase fails that did not"
            );
            _bookFailure(job, false);
        } catch (bytes memory reason) {
            _refused(reason);
            _expect(_fail(job), "a stalled job that nobody can bring on");
        }
    }

    function _bookOpened(uint256 job) internal override {
        delete _agreed[job];
    }

    function _settle(uint256 job, uint256 some, uint64 seats) internal {
        address[] memory nodes = new address[](machines.length);
        for (uint256 i = 0; i < nodes.length; ++i) {
            if ((some >> i) & 1 == 1) nodes[i] = machines[i].node;
        }
        try scheduler.settle(job, nodes) {
            // solhint-disable-previous-line no-empty-blocks
        } catch {
            _expect(false, "leases cannot be settled");
        }
        try vote.settle(job, seats) {
            // solhint-disable-previous-line no-empty-blocks
        } catch {
            _expect(false, "votes cannot be settled");
        }
    }

    // Results

    /// @dev Half of the results accept all. One in twenty is of other updates than there are.
    function _agreement(uint256 job) private returns (Result memory) {
        Result storage result = _agreed[job];
        if (result.digest != 0) return result;
        uint256 noise = _attemptSeed(job);
        (, , uint256 starts, ) = _sets(job);
        result.digest = bytes32(noise);
        result.accepted = starts;
        if (noise & 1 == 1) {
            result.accepted = starts & (noise | (noise >> 64));
            result.invalid = starts & ~result.accepted & (noise >> 128);
        }
        if (noise % 20 == 7) result.accepted = type(uint256).max;
        return result;
    }

    /// @dev The same for all who take part in an attempt.
    function _attemptSeed(uint256 job) private view returns (uint256) {
        JobBook storage book = books[job];
        return uint256(keccak256(abi.encode(job, book.round, book.attempt, book.accumulator)));
    }

    function _dissent() private pure returns (Result memory) {
        return Result({digest: "another", accepted: 0, invalid: 0});
    }

    function _wellFormed(uint256 job, Result memory result) private view returns (bool) {
        (, , uint256 starts, ) = _sets(job);
        return (result.accepted | result.invalid) & ~starts == 0 && result.accepted & result.invalid == 0;
    }

    function _allVoted(uint256 job) private view returns (bool) {
        return casts[job].length == _bits(books[job].eligible);
    }

    function _revealable(
        uint256 job,
        IEpochTypes.Phase phase,
        Result memory result
    ) private view returns (bool) {
        JobBook storage book = books[job];
        if (book.quorumAt == 0) return false;
        if (vote.candidateOf(job, book.round, book.attempt, _hash(result)) != book.leading) return false;
        if (phase == IEpochTypes.Phase.Reveal) return true;
        if (phase != IEpochTypes.Phase.Voting) return false;
        return _allVoted(job) || _now() >= uint256(book.quorumAt) + GRACE;
    }

    // Draws

    /// @dev Mostly an open job.
    function _pick(uint256 seed) internal view returns (uint256) {
        uint256[] memory open = scheduler.openJobs();
        if (open.length != 0 && _draw(seed, "open", 16) != 0) return open[_draw(seed, "job", open.length)];
        return 1 + _draw(seed, "any job", scheduler.jobCount());
    }

    function _draw(uint256 seed, string memory what, uint256 limit) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, what))) % limit;
    }
}
