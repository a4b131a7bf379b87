// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAggregationVote} from "./interfaces/IAggregationVote.sol";
import {IEpochTypes} from "./interfaces/IEpochTypes.sol";
import {BallotWord, BallotWords} from "./libraries/BallotWord.sol";
import {EpochSlots} from "./libraries/EpochSlots.sol";
import {LeaseWord, LeaseWords} from "./libraries/LeaseWord.sol";
import {Schedule, ScheduleFields} from "./libraries/JobRecord.sol";
import {RoundState} from "./libraries/RoundState.sol";
import {VoteSlots} from "./libraries/VoteSlots.sol";
import {vm} from "./test/Vm.t.sol";

// solhint-disable no-inline-assembly

/// @title Records that are read and written as one word, against the compiler's own access field by field.
/// @dev A value that all fields are drawn for is written by one and read by the other, over a slot that is full of
/// something else.
contract SlotsMatchLayoutTest {
    using EpochSlots for IEpochTypes.Lease;
    using LeaseWords for IEpochTypes.Lease;
    using EpochSlots for RoundState.Head;
    using EpochSlots for RoundState.Tally;
    using BallotWords for IAggregationVote.Ballot;
    using VoteSlots for IAggregationVote.Ballot;
    using VoteSlots for IAggregationVote.Attempt;

    /// @dev A schedule as the compiler would pack it.
    struct Fields {
        IEpochTypes.JobStatus status;
        uint8 minValidators;
        uint8 maxAttempts;
        uint16 rounds;
        uint16 epochsPerRound;
        uint16 minUpdates;
        uint16 maxEpochs;
        uint24 claimWindow;
        uint24 leaseTime;
        uint24 minLeaseTime;
        uint24 trainingWindow;
        uint24 voteWindow;
        uint24 revealWindow;
        uint24 grace;
    }

    IEpochTypes.Lease private _lease;
    RoundState.Head private _head;
    RoundState.Tally private _tally;
    IAggregationVote.Ballot private _ballot;
    IAggregationVote.Attempt private _attempt;
    Fields private _fields;

    function testFuzz_a_lease_is_read_and_written_as_the_compiler_does(bytes32 seed) external {
        _checkLease(seed);
    }

    function testFuzz_a_lease_in_one_word_has_the_fields_of_its_record(bytes32 seed) external {
        _checkLeaseWord(seed);
    }

    function testFuzz_a_lease_in_one_word_changes_as_its_record_would(bytes32 seed) external {
        _checkLeaseChanges(seed);
    }

    function testFuzz_a_head_is_read_and_written_as_the_compiler_does(bytes32 seed) external {
        _checkHead(seed);
    }

    function testFuzz_a_tally_is_read_and_written_as_the_compiler_does(bytes32 seed) external {
        _checkTally(seed);
    }

    function testFuzz_a_ballot_is_read_and_written_as_the_compiler_does(bytes32 seed) external {
        _checkBallot(seed);
    }

    function testFuzz_a_ballot_in_one_word_has_the_fields_of_its_record(bytes32 seed) external {
        _checkBallotWord(seed);
    }

    function testFuzz_a_ballot_in_one_word_is_replaced_as_its_record_would_be(bytes32 seed) external {
        _checkBallotChanges(seed);
    }

    function testFuzz_an_attempt_is_read_and_written_as_the_compiler_does(bytes32 seed) external {
        _checkAttempt(seed);
    }

    function testFuzz_a_schedule_is_packed_as_the_compiler_does(bytes32 seed) external {
        _checkSchedule(seed);
    }

    /// @dev The largest value of every field at once, and the smallest.
    function test_records_match_at_their_ends() external {
        for (uint256 i = 0; i < 2; ++i) {
            bytes32 seed = i == 0 ? bytes32(0) : bytes32(type(uint256).max);
            _checkLease(seed);
            _checkLeaseWord(seed);
            _checkLeaseChanges(seed);
            _checkHead(seed);
            _checkTally(seed);
            _checkBallot(seed);
            _checkBallotWord(seed);
            _checkBallotChanges(seed);
            _checkAttempt(seed);
            _checkSchedule(seed);
        }
    }

    function test_an_ended_schedule_differs_in_its_status_alone() external pure {
        Schedule schedule = Schedule.wrap(type(uint256).max << 8).ended(IEpochTypes.JobStatus.Cancelled);
        vm.assertEq(uint256(schedule.status()), uint256(IEpochTypes.JobStatus.Cancelled));
        vm.assertEq(Schedule.unwrap(schedule) >> 8, type(uint256).max >> 8);
    }

    /// @dev For the fuzzed terms to be calldata.
    function pack(IEpochTypes.Terms calldata terms, uint16 maxEpochs) external pure returns (uint256) {
        return Schedule.unwrap(ScheduleFields.pack(terms, maxEpochs));
    }

    function _drawLease(bytes32 seed) private pure returns (IEpochTypes.Lease memory) {
        return
            IEpochTypes.Lease({
                first: uint8(_draw(seed, 0)),
                count: uint16(_draw(seed, 1)),
                round: uint16(_draw(seed, 2)),
                attempt: uint8(_draw(seed, 3)),
                state: IEpochTypes.LeaseState(_draw(seed, 4) % 5),
                kept: _draw(seed, 5) & 1 == 1,
                deadline: uint40(_draw(seed, 6)),
                bonded: uint16(_draw(seed, 7)),
                due: uint32(_draw(seed, 8)),
                accepted: uint16(_draw(seed, 9)),
                outliers: uint16(_draw(seed, 10)),
                extra: uint8(_draw(seed, 11)),
                extras: uint8(_draw(seed, 12))
            });
    }

    function _checkLeaseWord(bytes32 seed) private {
        IEpochTypes.Lease memory value = _drawLease(seed);
        _lease = value;
        LeaseWord word = _lease.load();
        vm.assertEq(word.first(), value.first);
        vm.assertEq(word.count(), value.count);
        vm.assertEq(word.round(), value.round);
        vm.assertEq(word.attempt(), value.attempt);
        vm.assertEq(uint256(word.state()), uint256(value.state));
        vm.assertEq(word.kept(), value.kept);
        vm.assertEq(word.deadline(), value.deadline);
        vm.assertEq(word.bonded(), value.bonded);
        vm.assertEq(word.extra(), value.extra);
        delete _lease;
        word.store(_lease);
        _assertStoredLease(value);
    }

    function _checkLeaseChanges(bytes32 seed) private {
        IEpochTypes.Lease memory value = _drawLease(seed);
        // Neither runs over in any job: see LeaseWords.
        (value.due, value.accepted) = (value.due >> 1, value.accepted >> 1);
        value.count >>= 1;
        _lease = value;
        _lease.load().accepted().store(_lease);
        value.due += value.count;
        ++value.accepted;
        _assertStoredLease(value);

        (uint16 round, uint40 deadline) = (uint16(_draw(seed, 20)), uint40(_draw(seed, 21)));
        _lease.load().begun(round, deadline).store(_lease);
        (value.round, value.attempt, value.extra) = (round, 1, 0);
        (value.state, value.kept, value.deadline) = (IEpochTypes.LeaseState.Live, false, deadline);
        _assertStoredLease(value);

        bool kept = _draw(seed, 22) & 1 == 1;
        _lease.load().delivered(kept).store(_lease);
        (value.state, value.kept) = (IEpochTypes.LeaseState.Delivered, kept);
        _assertStoredLease(value);

        (value.first, value.count) = (uint8(_draw(seed, 23)), uint16(_draw(seed, 24)));
        (value.round, value.attempt) = (uint16(_draw(seed, 25)), uint8(_draw(seed, 26)));
        (value.deadline, value.bonded) = (uint40(_draw(seed, 27)), value.count);
        (value.state, value.kept, value.extra) = (IEpochTypes.LeaseState.Live, false, 0);
        LeaseWord leased = _lease.load().leased(
            value.first,
            value.count,
            value.round,
            value.attempt,
            value.deadline
        );
        leased.store(_lease);
        _assertStoredLease(value);
    }

    function _assertStoredLease(IEpochTypes.Lease memory value) private view {
        vm.assertEq(keccak256(abi.encode(_lease)), keccak256(abi.encode(value)));
    }

    function _checkLease(bytes32 seed) private {
        IEpochTypes.Lease memory value = _drawLease(seed);
        uint256 slot;
        assembly ("memory-safe") {
            slot := _lease.slot
        }
        _fill(slot, _draw(seed, 99));
        _lease = value;
        uint256 expected = _word(slot);
        vm.assertEq(keccak256(abi.encode(_lease.read())), keccak256(abi.encode(value)));
        _fill(slot, _draw(seed, 100));
        _lease.write(value);
        vm.assertEq(_word(slot) & _lowest(200), expected & _lowest(200));
        vm.assertEq(keccak256(abi.encode(_lease)), keccak256(abi.encode(value)));
    }

    function _checkHead(bytes32 seed) private {
        RoundState.Head memory value = RoundState.Head({
            number: uint16(_draw(seed, 0)),
            attempt: uint8(_draw(seed, 1)),
            flags: uint8(_draw(seed, 2)),
            next: uint16(_draw(seed, 3)),
            openedAt: uint40(_draw(seed, 4)),
            claimedCapacity: uint32(_draw(seed, 5)),
            quotaCapacity: uint32(_draw(seed, 6)),
            leaseTime: uint24(_draw(seed, 7)),
            eligible: uint64(_draw(seed, 8))
        });
        uint256 slot;
        assembly ("memory-safe") {
            slot := _head.slot
        }
        _fill(slot, _draw(seed, 99));
        _head = value;
        uint256 expected = _word(slot);
        vm.assertEq(keccak256(abi.encode(_head.read())), keccak256(abi.encode(value)));
        _fill(slot, _draw(seed, 100));
        _head.write(value);
        vm.assertEq(_word(slot) & _lowest(240), expected & _lowest(240));
        vm.assertEq(keccak256(abi.encode(_head)), keccak256(abi.encode(value)));
    }

    function _checkTally(bytes32 seed) private {
        RoundState.Tally memory value = RoundState.Tally({
            accumulator: bytes24(uint192(_draw(seed, 0))),
            round: uint16(_draw(seed, 1)),
            attempt: uint8(_draw(seed, 2)),
            deliveredEpochs: uint16(_draw(seed, 3)),
            updates: uint16(_draw(seed, 4)),
            sets: uint8(_draw(seed, 5))
        });
        uint256 slot;
        assembly ("memory-safe") {
            slot := _tally.slot
        }
        _fill(slot, _draw(seed, 99));
        _tally = value;
        uint256 expected = _word(slot);
        vm.assertEq(keccak256(abi.encode(_tally.read())), keccak256(abi.encode(value)));
        _fill(slot, _draw(seed, 100));
        _tally.write(value);
        vm.assertEq(_word(slot), expected);
        vm.assertEq(keccak256(abi.encode(_tally)), keccak256(abi.encode(value)));
    }

    function _drawBallot(bytes32 seed) private pure returns (IAggregationVote.Ballot memory) {
        return
            IAggregationVote.Ballot({
                seal: bytes16(uint128(_draw(seed, 0))),
                score: uint24(_draw(seed, 1)),
                round: uint16(_draw(seed, 2)),
                attempt: uint8(_draw(seed, 3)),
                openedAt: uint40(_draw(seed, 4)),
                state: IAggregationVote.BallotState(_draw(seed, 5) % 3),
                matched: uint8(_draw(seed, 6)),
                cast: uint8(_draw(seed, 7)),
                far: uint8(_draw(seed, 8))
            });
    }

    function _checkBallotWord(bytes32 seed) private {
        IAggregationVote.Ballot memory value = _drawBallot(seed);
        _ballot = value;
        BallotWord word = _ballot.load();
        vm.assertEq(word.score(), value.score);
        vm.assertEq(word.round(), value.round);
        vm.assertEq(word.attempt(), value.attempt);
        vm.assertEq(word.openedAt(), value.openedAt);
        vm.assertEq(uint256(word.state()), uint256(value.state));
        vm.assertEq(word.matched(), value.matched);
        vm.assertEq(word.cast(), value.cast);
        delete _ballot;
        word.store(_ballot);
        _assertStoredBallot(value);
    }

    function _checkBallotChanges(bytes32 seed) private {
        IAggregationVote.Ballot memory value = _drawBallot(seed);
        // The caller sees to it that no count runs over.
        (value.matched, value.cast, value.far) = (value.matched >> 1, value.cast >> 1, value.far >> 1);
        _ballot = value;
        bool far = _draw(seed, 20) & 1 == 1;
        ++value.matched;
        ++value.cast;
        if (far) ++value.far;
        (value.seal, value.score) = (bytes16(uint128(_draw(seed, 21))), uint24(_draw(seed, 22)));
        (value.round, value.attempt) = (uint16(_draw(seed, 23)), uint8(_draw(seed, 24)));
        (value.openedAt, value.state) = (uint40(_draw(seed, 25)), IAggregationVote.BallotState.Cast);
        BallotWord next = _ballot.load().replaced(
            value.seal,
            value.score,
            value.round,
            value.attempt,
            value.openedAt,
            far
        );
        next.store(_ballot);
        _assertStoredBallot(value);
    }

    function _assertStoredBallot(IAggregationVote.Ballot memory value) private view {
        vm.assertEq(keccak256(abi.encode(_ballot)), keccak256(abi.encode(value)));
    }

    function _checkBallot(bytes32 seed) private {
        IAggregationVote.Ballot memory value = _drawBallot(seed);
        uint256 slot;
        assembly ("memory-safe") {
            slot := _ballot.slot
        }
        _fill(slot, _draw(seed, 99));
        _ballot = value;
        uint256 expected = _word(slot);
        vm.assertEq(keccak256(abi.encode(_ballot.read())), keccak256(abi.encode(value)));
        _fill(slot, _draw(seed, 100));
        _ballot.write(value);
        vm.assertEq(_word(slot) & _lowest(248), expected & _lowest(248));
        vm.assertEq(keccak256(abi.encode(_ballot)), keccak256(abi.encode(value)));
    }

    function _checkAttempt(bytes32 seed) private {
        IAggregationVote.Attempt memory value = IAggregationVote.Attempt({
            round: uint16(_draw(seed, 0)),
            attempt: uint8(_draw(seed, 1)),
            voted: uint64(_draw(seed, 2)),
            quorumAt: uint40(_draw(seed, 3)),
            leading: bytes16(uint128(_draw(seed, 4)))
        });
        uint256 slot;
        assembly ("memory-safe") {
            slot := _attempt.slot
        }
        _fill(slot, _draw(seed, 99));
        _attempt = value;
        uint256 expected = _word(slot);
        vm.assertEq(keccak256(abi.encode(_attempt.read())), keccak256(abi.encode(value)));
        _fill(slot, _draw(seed, 100));
        _attempt.write(value);
        vm.assertEq(_word(slot), expected);
        vm.assertEq(keccak256(abi.encode(_attempt)), keccak256(abi.encode(value)));
    }

    function _checkSchedule(bytes32 seed) private {
        IEpochTypes.Terms memory terms;
        terms.rounds = uint16(_draw(seed, 0));
        terms.epochsPerRound = uint16(_draw(seed, 1));
        terms.minUpdates = uint16(_draw(seed, 2));
        terms.minValidators = uint8(_draw(seed, 3));
        terms.maxAttempts = uint8(_draw(seed, 4));
        terms.claimWindow = uint24(_draw(seed, 5));
        terms.leaseTime = uint24(_draw(seed, 6));
        terms.minLeaseTime = uint24(_draw(seed, 7));
        terms.trainingWindow = uint24(_draw(seed, 8));
        terms.voteWindow = uint24(_draw(seed, 9));
        terms.revealWindow = uint24(_draw(seed, 10));
        terms.grace = uint24(_draw(seed, 11));
        uint16 maxEpochs = uint16(_draw(seed, 12));
        uint256 word = this.pack(terms, maxEpochs);

        uint256 slot;
        assembly ("memory-safe") {
            slot := _fields.slot
            sstore(slot, word)
        }
        Fields memory fields = _fields;
        vm.assertEq(uint256(fields.status), uint256(IEpochTypes.JobStatus.Open));
        vm.assertEq(_ofFields(fields), _ofTerms(terms, maxEpochs));
        vm.assertEq(_ofSchedule(Schedule.wrap(word)), _ofTerms(terms, maxEpochs));
    }

    function _ofFields(Fields memory fields) private pure returns (bytes32) {
        bytes memory counts = abi.encode(
            fields.rounds,
            fields.epochsPerRound,
            fields.minUpdates,
            fields.minValidators,
            fields.maxAttempts,
            fields.maxEpochs
        );
        bytes memory windows = abi.encode(
            fields.claimWindow,
            fields.leaseTime,
            fields.minLeaseTime,
            fields.trainingWindow,
            fields.voteWindow,
            fields.revealWindow,
            fields.grace
        );
        return keccak256(bytes.concat(counts, windows));
    }

    function _ofTerms(IEpochTypes.Terms memory terms, uint16 maxEpochs) private pure returns (bytes32) {
        bytes memory counts = abi.encode(
            terms.rounds,
            terms.epochsPerRound,
            terms.minUpdates,
            terms.minValidators,
            terms.maxAttempts,
            maxEpochs
        );
        bytes memory windows = abi.encode(
            terms.claimWindow,
            terms.leaseTime,
            terms.minLeaseTime,
            terms.trainingWindow,
            terms.voteWindow,
            terms.revealWindow,
            terms.grace
        );
        return keccak256(bytes.concat(counts, windows));
    }

    function _ofSchedule(Schedule schedule) private pure returns (bytes32) {
        bytes memory counts = abi.encode(
            schedule.rounds(),
            schedule.epochsPerRound(),
            schedule.minUpdates(),
            schedule.minValidators(),
            schedule.maxAttempts(),
            schedule.maxEpochs()
        );
        bytes memory windows = abi.encode(
            schedule.claimWindow(),
            schedule.leaseTime(),
            schedule.minLeaseTime(),
            schedule.trainingWindow(),
            schedule.voteWindow(),
            schedule.revealWindow(),
            schedule.grace()
        );
        return keccak256(bytes.concat(counts, windows));
    }

    /// @dev One word per field. All zeros and all ones stay what they are.
    function _draw(bytes32 seed, uint256 field) private pure returns (uint256) {
        if (seed == 0 || seed == bytes32(type(uint256).max)) return uint256(seed);
        return uint256(keccak256(abi.encode(seed, field)));
    }

    function _lowest(uint256 bits) private pure returns (uint256) {
        return (1 << bits) - 1;
    }

    function _fill(uint256 slot, uint256 word) private {
        assembly ("memory-safe") {
            sstore(slot, word)
        }
    }

    function _word(uint256 slot) private view returns (uint256 word) {
        assembly ("memory-safe") {
            word := sload(slot)
        }
    }
}
