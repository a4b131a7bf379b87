// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAggregationVote} from "../interfaces/IAggregationVote.sol";
import {IEpochScheduler} from "../interfaces/IEpochScheduler.sol";
import {ConsortiumFixture} from "./ConsortiumFixture.t.sol";
import {vm} from "./Vm.t.sol";

/// @title What a consortium may do to itself, in any order: honest work, late work, copied votes, silence,
/// removal, withdrawal.
/// @dev Actions that the contracts refuse are no failure. What is remembered here is the tests' own book of
/// what was voted for and what became final.
abstract contract ConsortiumHandler is ConsortiumFixture {
    uint256 private constant MAX_PARTIES = 7;
    /// @dev More than parties: a seat given up in this second is not given to the next in it.
    uint8 private constant SEATS = 16;
    uint256 private constant MAX_JOBS = 3;
    uint16 private constant SHORT_ROUND = 12;

    /// @dev Who made this one: the fuzzer is not to end all jobs.
    address private immutable TEST = msg.sender;

    /// @notice How often each outcome was reached, so that a campaign that reaches nothing is noticed.
    uint256 public finals;
    uint256 public failures;

    mapping(bytes32 attemptKey => Result) private _results;
    mapping(bytes32 ballotKey => bytes32) private _ballotSeen;
    mapping(bytes32 roundKey => bytes32) private _outcomeSeen;

    error NotAnAction();

    modifier onlyFrom(address caller) {
        if (msg.sender != caller) revert NotAnAction();
        _;
    }

    constructor() {
        _consortium();
        _newJob();
    }

    // Actions. Seeds are hashed: the fuzzer favours zeros and ends of ranges, which would mean the same few
    // parties.

    /// @notice The step that brings a job on, taken by one party.
    function work(uint256 seed) external {
        _work(_pick(seed), _draw(seed, "party", parties.length), _draw(seed, "mood", 8));
    }

    /// @notice As `work`, by all parties in turn; who is refused is passed over.
    function workTogether(uint256 seed) external {
        uint256 job = _pick(seed);
        for (uint256 i = 0; i < 3 * parties.length; ++i) {
            // solhint-disable-next-line no-empty-blocks
            try this.workOn(job, i % parties.length, _draw(seed + i, "mood", 8)) {} catch {}
        }
    }

    /// @notice Of `workTogether`, whose refused steps end here.
    function workOn(uint256 job, uint256 party, uint256 mood) external onlyFrom(address(this)) {
        _work(job, party, mood);
    }

    /// @notice What is refused unless the party holds a lease that is due.
    function deliverWhatever(uint256 seed) external {
        _deliver(_pick(seed), _draw(seed, "party", parties.length));
    }

    /// @notice Mostly a little, so that deadlines are met, and now and then past one.
    function pass(uint256 seed) external {
        _skip(1 + _draw(seed, "time", _draw(seed, "long", 6) == 0 ? TRAINING : 16));
    }

    function expire(uint256 seed) external {
        scheduler.expire(_pick(seed), uint8(_draw(seed, "first", SHORT_ROUND)));
    }

    function settle(uint256 seed, uint256 leases, uint64 seats) external {
        uint256 job = _pick(seed);
        scheduler.settle(job, leases);
        vote.settle(job, seats);
    }

    /// @notice Somebody leaves (rarely so that fewer than three are left), comes back, or joins.
    function changeMembers(uint256 seed) external {
        if (_draw(seed, "leave", 2) == 0) {
            if (registry.organisationCount() <= 3 && _draw(seed, "break", 8) != 0) return;
            return registry.remove(_account(seed));
        }
        for (uint256 i = 0; i < parties.length; ++i) {
            if (!registry.isMember(parties[i].account)) return registry.admit(parties[i].account, "again");
        }
        if (parties.length < MAX_PARTIES) _join(1 + uint32(_draw(seed, "capacity", 9)));
    }

    /// @notice Somebody takes stake out, or who has too little adds some, or anyone.
    function changeStake(uint256 seed, uint256 amount) external {
        amount = 1 + (amount % STAKE);
        if (_draw(seed, "out", 3) == 0) {
            vm.prank(_account(seed));
            return vault.unbond(amount);
        }
        address account = _account(seed);
        for (uint256 i = 0; i < parties.length; ++i) {
            if (!vault.isBonded(parties[i].account)) account = parties[i].account;
        }
        if (registry.isMember(account)) _stake(account, amount);
    }

    function withdraw(uint256 seed) external {
        vm.prank(_draw(seed, "client", 5) == 0 ? client : _account(seed));
        vault.withdraw();
    }

    function changeJobs(uint256 seed) external {
        if (_draw(seed, "cancel", 8) != 0) return _newJob();
        vm.prank(client);
        scheduler.cancelJob(_pick(seed));
    }

    // What the invariants need

    function contracts()
        external
        view
        returns (address token_, address registry_, address vault_, address scheduler_, address vote_)
    {
        return (address(token), address(registry), address(vault), address(scheduler), address(vote));
    }

    function accounts() external view returns (address[] memory all) {
        all = new address[](parties.length + 2);
        for (uint256 i = 0; i < parties.length; ++i) all[i] = parties[i].account;
        (all[parties.length], all[parties.length + 1]) = (client, treasury);
    }

    /// @notice Remembers what is final and what was cast. @return Whether nothing remembered before has
    /// changed.
    function unchanged() external onlyFrom(TEST) returns (bool) {
        bool same = true;
        for (uint256 job = 1; job <= scheduler.jobCount(); ++job) {
            IEpochScheduler.Round memory round = scheduler.round(job);
            for (uint16 number = 1; number <= round.number; ++number) {
                IEpochScheduler.Outcome memory outcome = scheduler.outcome(job, number);
                if (outcome.closedAt != 0) {
                    same =
                        _remember(
                            _outcomeSeen,
                            keccak256(abi.encode(job, number)),
                            keccak256(abi.encode(outcome))
                        ) && same;
                }
            }
            for (uint8 seat = 0; seat < SEATS; ++seat) {
                IAggregationVote.Ballot memory ballot = vote.ballot(job, seat);
                if (ballot.state == IAggregationVote.BallotState.None) continue;
                ballot.state = IAggregationVote.BallotState.Cast;
                bytes32 key = keccak256(abi.encode(job, seat, ballot.round, ballot.attempt));
                same = _remember(_ballotSeen, key, keccak256(abi.encode(ballot))) && same;
            }
        }
        return same;
    }

    /// @notice Brings every job to its end with nobody's help but time's, and settles all of it.
    /// @return steps How many calls the slowest job took.
    function finish() external onlyFrom(TEST) returns (uint256 steps) {
        uint256[] memory open = scheduler.openJobs();
        for (uint256 i = 0; i < open.length; ++i) {
            uint256 count = 0;
            while (scheduler.phase(open[i]) != IEpochScheduler.Phase.Ended) {
                vm.warp(scheduler.round(open[i]).revealDeadline);
                _reopen(open[i]);
                vm.assertTrue(++count <= _terms().maxAttempts, "not bounded");
            }
            if (count > steps) steps = count;
        }
        for (uint256 job = 1; job <= scheduler.jobCount(); ++job) _settleAll(job);
    }

    // Internal

    function _newJob() private {
        if (scheduler.openJobs().length >= MAX_JOBS) return;
        IEpochScheduler.Terms memory terms = _terms();
        terms.epochsPerRound = SHORT_ROUND;
        _submitJob(terms);
    }

    /// @dev Mostly an open job.
    /// @dev Mostly an open job.
    function _pick(uint256 seed) private view returns (uint256) {
        uint256[] memory open = scheduler.openJobs();
        if (open.length != 0 && _draw(seed, "open", 8) != 0) return open[_draw(seed, "job", open.length)];
        return 1 + _draw(seed, "any job", scheduler.jobCount());
    }

    function _account(uint256 seed) private view returns (address) {
        return parties[_draw(seed, "party", parties.length)].account;
    }

    function _draw(uint256 seed, string memory what, uint256 limit) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, what))) % limit;
    }

    function _work(uint256 job, uint256 party, uint256 mood) private {
        IEpochScheduler.Phase phase = scheduler.phase(job);
        if (phase == IEpochScheduler.Phase.Training) _trainStep(job, party);
        else if (phase == IEpochScheduler.Phase.Voting) _voteStep(job, party, mood);
        else if (phase == IEpochScheduler.Phase.Reveal) _close(job);
        else if (phase == IEpochScheduler.Phase.Stalled) _reopen(job);
    }

    function _trainStep(uint256 job, uint256 party) private {
        address node = parties[party].node;
        (bool held, , IEpochScheduler.Lease memory lease) = scheduler.leaseOf(job, node);
        if (held && lease.state == IEpochScheduler.LeaseState.Live) _deliver(job, party);
        else _claim(job, party);
    }

    /// @dev One in eight copies, one in eight disagrees; who finds nothing left to vote on closes the
    /// attempt.
    function _voteStep(uint256 job, uint256 party, uint256 mood) private {
        Result memory result = _agreed(job);
        IEpochScheduler.Round memory round = scheduler.round(job);
        IAggregationVote.Attempt memory attempt = vote.attempt(job);
        uint8 seat = registry.organisation(parties[party].account).seat;
        bool current = attempt.round == round.number && attempt.attempt == round.attempt;
        if (current && (attempt.voted >> seat) & 1 == 1) return _close(job);
        if (mood == 0) _copy(job, party, _candidate(job, result));
        else if (mood == 1) _vote(job, party, Result({digest: "another", accepted: 0, invalid: 0}));
        else _vote(job, party, result);
    }

    function _close(uint256 job) private {
        Result memory result = _agreed(job);
        (uint16 round, uint8 attempt) = (scheduler.round(job).number, scheduler.round(job).attempt);
        try vote.finalize(job, result.digest, result.accepted, result.invalid, CID) returns (bool final_) {
            if (final_) ++finals;
            else ++failures;
            // Each round and attempt is decided once.
            delete _results[keccak256(abi.encode(job, round, attempt))];
        } catch {
            vote.fail(job);
            ++failures;
        }
    }

    function _reopen(uint256 job) private {
        try scheduler.reopen(job) {
            ++failures;
        } catch {
            vote.fail(job);
            ++failures;
        }
    }

    /// @dev What the honest agree on in the open attempt: some updates are outliers, some invalid.
    function _agreed(uint256 job) private returns (Result memory result) {
        IEpochScheduler.Round memory round = scheduler.round(job);
        Result storage kept = _results[keccak256(abi.encode(job, round.number, round.attempt))];
        if (kept.digest == 0) {
            uint256 noise = uint256(round.accumulator);
            kept.digest = keccak256(abi.encode(job, round.number, round.accumulator));
            kept.accepted = round.updateSet & noise;
            kept.invalid = round.updateSet & ~noise & (noise >> 64);
        }
        return kept;
    }

    function _remember(
        mapping(bytes32 => bytes32) storage book,
        bytes32 key,
        bytes32 value
    ) private returns (bool) {
        bytes32 before = book[key];
        book[key] = value;
        return before == 0 || before == value;
    }
}
