"""What the client's side makes of a real chain: settlement and withdrawal, membership, and rounds from events."""

from dataclasses import replace

import pytest
from consortium_world import (
    ACCOUNTS,
    CAPACITIES,
    CLIENT,
    LEASE_BOND,
    NODES,
    ORGANISATIONS,
    STAKE,
    TERMS,
    TOKEN,
    VOTE_BOND,
    World,
    digest,
)
from eth_account import Account
from rich.console import Console

from chain.contracts.types import JobStatus, Role
from chain.devaccounts import DevAccount
from chain.errors import ChainError
from chain.wallet import Wallet
from node.cli.nodetext import node_rows
from node.cli.watch import JobWatch
from node.follow import read_history, read_log, round_times
from node.membership import Declaration, lacks_gas, register_node, retire_node, stake_up_to
from node.names import read_names
from node.rewards import settle, unbond, unsettled, withdraw

NORTH = ORGANISATIONS[0]
FRESH = ACCOUNTS[15]


def wallet(account: DevAccount) -> Wallet:
    return Wallet(Account.from_key(account.key), devnet_only=True)


def watched(world: World, job_id: int) -> JobWatch:
    names = read_names(world.consortium)
    shown = JobWatch(job_id, TERMS.epoch_price, TERMS.rounds, names, Console(quiet=True))
    events = read_history(world.consortium, job_id).events
    shown.feed(events, round_times(world.consortium, events))
    return shown


def test_unsettled_when_a_round_is_final_then_is_what_settlement_credits(world: World) -> None:
    job_id = world.submit_job()
    world.play_round(job_id)
    for index, organisation in enumerate(ORGANISATIONS):
        (owing,) = unsettled(world.consortium, read_log(world.consortium), organisation.address)
        assert (owing.job_id, owing.penalty) == (job_id, 0)
        assert owing.reward == CAPACITIES[index] * TERMS.epoch_price + TERMS.vote_price
        # The job goes on, but nothing of it is at stake for who has no lease and no open vote.
        assert owing.unlocked == CAPACITIES[index] * LEASE_BOND + VOTE_BOND
        before = world.vault.account(organisation.address)
        with world.consortium.sender(wallet(CLIENT)) as anyone:
            settle(world.consortium, anyone, owing)
        after = world.vault.account(organisation.address)
        assert after.credit - before.credit == owing.reward
        assert (after.free, after.locked) == (STAKE, 0)
        assert unsettled(world.consortium, read_log(world.consortium), organisation.address) == []


def test_unsettled_when_a_lease_was_missed_then_tells_the_penalty(world: World) -> None:
    job_id = world.submit_job(replace(TERMS, max_attempts=1))
    world.claim(job_id, NODES[0])
    world.wait(TERMS.training_window)
    assert unsettled(world.consortium, read_log(world.consortium), NORTH.address) == []
    with world.consortium.sender(wallet(CLIENT)) as anyone:
        anyone.send(world.scheduler.reopen(job_id))
        assert world.scheduler.job(job_id).status is JobStatus.FAILED
        (owing,) = unsettled(world.consortium, read_log(world.consortium), NORTH.address)
        assert (owing.nodes, owing.seats) == ((NODES[0].address,), 0)
        assert (owing.reward, owing.penalty) == (0, LEASE_BOND)
        settle(world.consortium, anyone, owing)
    account = world.vault.account(NORTH.address)
    assert (account.free, account.locked, account.credit) == (STAKE - LEASE_BOND, 0, 0)


def test_withdraw_when_settled_then_sends_the_credit_once(world: World) -> None:
    job_id = world.submit_job()
    world.play_round(job_id)
    before = world.token.balance_of(NORTH.address)
    (owing,) = unsettled(world.consortium, read_log(world.consortium), NORTH.address)
    with world.consortium.sender(wallet(NORTH)) as sender:
        settle(world.consortium, sender, owing)
        assert withdraw(world.consortium, sender) == owing.reward
        assert withdraw(world.consortium, sender) == 0
    assert world.token.balance_of(NORTH.address) == before + owing.reward


def test_watch_when_a_job_was_played_then_its_rounds_pay_what_the_chain_pays(world: World) -> None:
    job_id = world.submit_job()
    first = world.play_round(job_id, "one")
    world.play_round(job_id, "two")
    shown = watched(world, job_id)
    assert shown.status is JobStatus.COMPLETED
    assert [(s.round, s.digest) for s in shown.summaries] == [(1, digest("one")), (2, digest("two"))]
    one = shown.summaries[0]
    assert (one.digest, one.leases, one.updates, one.accepted) == (first.model, 4, 4, 4)
    assert (one.votes, one.matching, one.quorum, one.eligible, one.expired) == (4, 4, 3, 4, 0)
    assert one.accuracy == pytest.approx(0.9)
    assert one.seconds is not None
    budget = TERMS.round_budget(4)
    assert [sum(s.paid.values()) for s in shown.summaries] == [budget, budget]
    assert one.paid[NODES[3].address] == CAPACITIES[3] * TOKEN


def test_names_when_organisations_run_one_node_each_then_both_are_called_alike(world: World) -> None:
    names = read_names(world.consortium)
    assert names.of(NORTH.address) == names.of(NODES[0].address) == "North"
    assert names.organisations[NODES[0].address] == NORTH.address
    assert names.at(0b1001) == ["North", "West"]


def test_names_when_an_organisation_runs_several_nodes_then_they_are_numbered(world: World) -> None:
    world.register(NORTH, FRESH)
    names = read_names(world.consortium)
    assert (names.of(NODES[0].address), names.of(FRESH.address)) == ("North/1", "North/2")


def test_history_when_there_is_no_such_job_then_says_how_many_there_are(world: World) -> None:
    world.submit_job()
    with pytest.raises(ChainError, match="there is no job 7, there are 1 so far"):
        read_history(world.consortium, 7)


def test_register_when_repeated_then_sends_only_what_differs(world: World) -> None:
    declared = Declaration(Role.TRAINER, 3, "/ip4/127.0.0.1/tcp/4001")
    chain = world.consortium
    with chain.sender(wallet(NORTH)) as sender:
        assert register_node(chain, sender, wallet(FRESH), declared) == "registered"
        assert register_node(chain, sender, wallet(FRESH), declared) == "unchanged"
        assert register_node(chain, sender, wallet(FRESH), replace(declared, capacity=5)) == "updated"
        assert world.registry.node(FRESH.address).capacity == 5
        assert retire_node(chain, sender, FRESH.address)
        assert not retire_node(chain, sender, FRESH.address)
        with pytest.raises(ChainError, match="was retired, which is for ever"):
            register_node(chain, sender, wallet(FRESH), declared)
        with pytest.raises(ChainError, match="belongs to"):
            register_node(chain, sender, wallet(NODES[1]), declared)


def test_register_when_sender_is_no_member_then_says_what_is_missing(world: World) -> None:
    with (
        world.consortium.sender(wallet(CLIENT)) as sender,
        pytest.raises(ChainError, match="is no member of this consortium"),
    ):
        register_node(world.consortium, sender, wallet(FRESH), Declaration(Role.VALIDATOR, 0, ""))


def test_retire_when_node_is_unknown_then_says_so(world: World) -> None:
    with (
        world.consortium.sender(wallet(NORTH)) as sender,
        pytest.raises(ChainError, match="is not registered"),
    ):
        retire_node(world.consortium, sender, FRESH.address)


def test_stake_when_a_target_is_given_then_adds_what_is_missing_once(world: World) -> None:
    with world.consortium.sender(wallet(NORTH)) as sender:
        assert stake_up_to(world.consortium, sender, STAKE + 50 * TOKEN) == 50 * TOKEN
        assert stake_up_to(world.consortium, sender, STAKE + 50 * TOKEN) == 0
        with pytest.raises(ChainError, match=r"would have to stake .* more tokens and has"):
            stake_up_to(world.consortium, sender, 10**6 * TOKEN)
    assert world.vault.account(NORTH.address).free == STAKE + 50 * TOKEN


def test_unbond_when_more_than_is_free_then_says_what_is_free_and_else_starts_the_wait(world: World) -> None:
    with world.consortium.sender(wallet(NORTH)) as sender:
        with pytest.raises(ChainError, match="tokens of free stake"):
            unbond(world.consortium, sender, STAKE + TOKEN)
        ready = unbond(world.consortium, sender, STAKE)
    held = world.vault.account(NORTH.address)
    assert (held.free, held.unbonding, held.unbonding_at) == (0, STAKE, ready)
    assert not world.vault.is_bonded(NORTH.address)


def test_gas_when_an_account_holds_no_coin_then_it_is_missed(world: World) -> None:
    assert lacks_gas(world.consortium, "0x" + "12" * 20)
    assert not lacks_gas(world.consortium, NORTH.address)


def test_node_rows_when_stake_is_below_the_minimum_then_say_that_it_cannot_vote(world: World) -> None:
    columns, before, _ = node_rows(world.consortium)
    assert {row[columns.index("state")] for row in before} == {"active"}
    with world.consortium.sender(wallet(NORTH)) as sender:
        unbond(world.consortium, sender, STAKE)
    _, after, _ = node_rows(world.consortium)
    states = {row[columns.index("node")]: row[columns.index("state")] for row in after}
    assert states[NODES[0].address] == "stake too low to vote"
    assert states[NODES[1].address] == "active"
