// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochTypes} from "../interfaces/IEpochTypes.sol";
import {IStakeVault} from "../interfaces/IStakeVault.sol";
import {ConsortiumHandler} from "./ConsortiumHandler.t.sol";
import {vm} from "./Vm.t.sol";

/// @title What changes around the work of a consortium: time, members, machines, stake, rules, jobs.
abstract contract ConsortiumChanges is ConsortiumHandler {
    uint256 private constant MAX_PARTIES = 7;
    uint256 private constant MAX_MACHINES = 12;
    uint256 private constant MAX_OPEN_JOBS = 2;
    uint256 private constant MAX_JOBS = 4;

    uint256 private _keys = 0xFACADE;

    constructor() {
        _deploy();
        rules.parameters = IEpochTypes.Parameters({
            leaseBond: LEASE_BOND,
            voteBond: VOTE_BOND,
            maxShare: WHOLE_SHARE
        });
        for (uint256 i = 0; i < 4; ++i) _found(uint32(4 >> i) + (i == 3 ? 1 : 0));
        _newJob(0);
    }

    // Actions

    /// @notice Mostly a little; now and then exactly to a deadline, to the second before one, or past it.
    function pass(uint256 seed) external {
        uint256 job = _pick(seed);
        uint256 kind = _draw(seed, "kind", 12);
        uint256 time = _now() + 1 + _draw(seed, "time", 12);
        if (kind == 0) time = _now() + _draw(seed, "time", TRAINING);
        else if (kind == 1) time = _now() + CLAIM_WINDOW;
        else if (kind == 2) time = _now() + GRACE;
        else if (kind < 6) time = _deadline(job, seed) - (kind == 3 ? 1 : 0);
        if (time > _now()) vm.warp(time);
    }

    /// @notice Somebody is removed or leaves (rarely so that fewer than three are left), comes back, or joins.
    function changeMembers(uint256 seed) external {
        if (_usually(seed)) return;
        if (_draw(seed, "leave", 2) == 0) {
            if (registry.organisationCount() <= 3 && _draw(seed, "break", 8) != 0) return;
            return _depart(_leaving(seed), _draw(seed, "resign", 2) == 0);
        }
        for (uint256 i = 0; i < parties.length; ++i) {
            if (_isMember(i)) continue;
            registry.admit(parties[i].account, "again");
            memberships[i] = Membership({since: uint40(_now()), until: 0});
            return;
        }
        if (parties.length < MAX_PARTIES) _found(1 + uint32(_draw(seed, "capacity", 9)));
    }

    /// @notice A machine more, a new key, another declaration, or one machine less.
    function changeMachines(uint256 seed) external {
        if (_usually(seed)) return;
        uint256 index = _draw(seed, "machine", machines.length);
        Machine storage machine = machines[index];
        address account = parties[machine.party].account;
        uint256 kind = _draw(seed, "kind", 4);
        if (machines.length == MAX_MACHINES || !machine.active) kind = 3;
        uint8 roles = uint8(1 + _draw(seed, "roles", 3));
        if (kind == 0) _enrol(machine.party, roles, 1 + uint32(_draw(seed, "capacity", 5)));
        else if (kind == 1) _rotate(index);
        else if (kind == 2) _retire(index);
        else {
            vm.prank(account);
            registry.updateNode(
                machine.node,
                roles,
                roles & TRAINER == 0 ? 0 : 1 + uint32(_draw(seed, "capacity", 9)),
                ""
            );
            if (machine.roles & ~roles != 0 && _isMember(machine.party)) ++rules.departures;
            machine.roles = roles;
        }
    }

    /// @notice Somebody takes stake out, or who has too little adds some, or anyone.
    function changeStake(uint256 seed, uint256 amount) external {
        if (_usually(seed)) return;
        uint256 party = _draw(seed, "party", parties.length);
        address account = parties[party].account;
        amount = 1 + (amount % STAKE);
        if (_draw(seed, "out", 3) == 0) {
            uint96 free = vault.account(account).free;
            vm.prank(account);
            try vault.unbond(amount) {
                _expect(amount <= free, "locked stake is unbonded");
            } catch (bytes memory reason) {
                _refused(reason);
                _expect(amount > free, "free stake is not unbonded");
            }
            return;
        }
        for (uint256 i = 0; i < parties.length; ++i) {
            if (_isMember(i) && !vault.isBonded(parties[i].account)) party = i;
        }
        if (_isMember(party)) _addStake(parties[party].account, amount);
        vault.refreshBond(account);
    }

    function withdraw(uint256 seed) external {
        if (_usually(seed)) return;
        _collect(
            _draw(seed, "client", 5) == 0 ? client : parties[_draw(seed, "party", parties.length)].account
        );
    }

    /// @notice The client submits a job or cancels one.
    function changeJobs(uint256 seed) external {
        if (_usually(seed)) return;
        if (_draw(seed, "cancel", 8) != 0) return _newJob(seed);
        uint256 job = _pick(seed);
        vm.prank(client);
        try scheduler.cancelJob(job) {
            _expect(_open(job) && !books[job].cancelRequested, "what has ended is cancelled");
            books[job].cancelRequested = true;
        } catch (bytes memory reason) {
            _refused(reason);
        }
    }

    /// @notice The members pause, go on, or change what holds for later jobs.
    function changeRules(uint256 seed) external {
        if (_usually(seed)) return;
        uint256 kind = _draw(seed, "kind", 8);
        if (kind == 0 || rules.paused) {
            rules.paused = !rules.paused;
            scheduler.setPaused(rules.paused);
        } else if (kind < 3) {
            rules.parameters.leaseBond = uint96(40 * _draw(seed, "lease", 3));
            rules.parameters.voteBond = uint96(30 * _draw(seed, "vote", 3));
            rules.parameters.maxShare = uint16(WHOLE_SHARE / (1 + _draw(seed, "share", 5)));
            scheduler.setParameters(
                rules.parameters.leaseBond,
                rules.parameters.voteBond,
                rules.parameters.maxShare
            );
        } else if (kind == 3) {
            vault.setParameters(
                uint96(MINIMUM_STAKE / (1 + _draw(seed, "minimum", 3))),
                uint40(_draw(seed, "unbonding", 3) * 10 minutes),
                treasury
            );
        } else {
            vault.refreshBond(parties[_draw(seed, "party", parties.length)].account);
        }
    }

    // Internal

    function _deadline(uint256 job, uint256 seed) private view returns (uint256 deadline) {
        JobBook storage book = books[job];
        uint256 leases = holdings[job].length;
        if (leases != 0 && _draw(seed, "lease", 3) == 0) {
            return holdings[job][_draw(seed, "which", leases)].deadline;
        }
        deadline = book.trainingDeadline;
        if (_now() >= deadline) deadline += VOTING;
        if (_now() >= deadline) deadline += REVEAL;
    }

    /// @dev An organisation with one machine that trains and validates.
    function _found(uint32 capacity) private {
        uint256 party = _join(capacity);
        memberships[party] = Membership({since: uint40(_now()), until: 0});
        machines.push(
            Machine({
                node: parties[party].node,
                key: parties[party].nodeKey,
                party: party,
                roles: BOTH,
                active: true
            })
        );
        money[parties[party].account].staked += STAKE;
        _addStake(parties[party].account, STAKE);
    }

    /// @dev Often who holds a lease.
    function _leaving(uint256 seed) private view returns (uint256 party) {
        uint256 leases = holdings[_pick(seed)].length;
        if (leases == 0 || _draw(seed, "busy", 4) == 0) return _draw(seed, "party", parties.length);
        return _partyOf(holdings[_pick(seed)][_draw(seed, "lease", leases)].account);
    }

    function _depart(uint256 party, bool resigns) private {
        address account = parties[party].account;
        if (resigns) {
            vm.prank(account);
            registry.resign();
        } else {
            registry.remove(account);
        }
        memberships[party].until = uint40(_now());
        ++rules.departures;
    }

    function _enrol(uint256 party, uint8 roles, uint32 capacity) private {
        uint256 key = ++_keys;
        _register(parties[party].account, key, roles, roles & TRAINER == 0 ? 0 : capacity);
        machines.push(Machine({node: vm.addr(key), key: key, party: party, roles: roles, active: true}));
    }

    function _rotate(uint256 index) private {
        Machine storage machine = machines[index];
        address account = parties[machine.party].account;
        uint256 key = ++_keys;
        bytes memory consent = _consent(key, account);
        vm.prank(account);
        registry.rotateNode(machine.node, vm.addr(key), consent);
        machine.active = false;
        ++rules.departures;
        machines.push(
            Machine({node: vm.addr(key), key: key, party: machine.party, roles: machine.roles, active: true})
        );
    }

    function _retire(uint256 index) private {
        Machine storage machine = machines[index];
        vm.prank(machine.node);
        registry.retireNode(machine.node);
        machine.active = false;
        if (_isMember(machine.party)) ++rules.departures;
    }

    function _addStake(address account, uint256 amount) private {
        _stake(account, amount);
        money[account].staked += amount;
    }

    function _collect(address account) internal {
        IStakeVault.Account memory before = vault.account(account);
        uint256 matured = _now() >= before.unbondingAt ? before.unbonding : 0;
        vm.prank(account);
        try vault.withdraw() returns (uint256 amount) {
            _expect(amount == matured + before.credit, "what is withdrawn");
            money[account].collected += before.credit;
            money[account].unstaked += matured;
        } catch (bytes memory reason) {
            _refused(reason);
            _expect(matured + before.credit == 0, "what is due is not withdrawn");
        }
    }

    function _newJob(uint256 seed) private {
        if (rules.paused || scheduler.jobCount() == MAX_JOBS) return;
        if (scheduler.openJobs().length == MAX_OPEN_JOBS) return;
        IEpochTypes.Terms memory terms = _terms();
        terms.epochsPerRound = uint16(12 - 3 * _draw(seed, "epochs", 4));
        terms.minUpdates = uint16(1 + _draw(seed, "updates", 2));
        terms.minValidators = uint8(2 + _draw(seed, "validators", 2));
        terms.maxAttempts = uint8(1 + _draw(seed, "attempts", 3));
        if (_draw(seed, "unpaid", 8) == 0) terms.epochPrice = 0;
        if (_draw(seed, "unpaid", 8) == 1) terms.votePrice = 0;
        _bookJob(_submitJob(terms), terms);
    }
}
