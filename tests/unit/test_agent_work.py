"""The work of a round, and what is not urgent: what is done, when, and when not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from agent_scenario import JOB, POSITION, Call, Ipfs, Parts, World, cid_of
from test_agent_decide import ACCOUNT, ME, OPENED, OTHER, TERMS

from chain.contracts import event_types as ev
from chain.contracts.types import AgentView, Role
from node.agent import jobs, work
from node.agent.decide import TURN_SECONDS, Claim, Enlist, Prefetch, Settle, Train, Vote, rank
from node.agent.tasks import Backoff, Tasks
from node.errors import ContentMissing, StakeError
from node.training.local import TrainingStopped

DEADLINE = OPENED + 30
LATE = TERMS.vote_window // 3


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the pauses after failures."""
    made = Clock()
    monkeypatch.setattr(jobs, "to_events", list)
    monkeypatch.setattr(work, "Tasks", lambda threads, wake: Tasks(threads, wake, Backoff(made)))
    return made


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Parts]]:
    """Makes agents, each with a folder of its own."""
    made: list[Parts] = []

    def start(ipfs: Ipfs, events: list[ev.ChainEvent], *asked: Callable[[], bool]) -> Parts:
        made.append(Parts(tmp_path / str(len(made)), ipfs, events, *asked))
        return made[-1]

    yield start
    for parts in made:
        parts.close()


@pytest.mark.parametrize(
    ("mode", "needed"), [("shared", ["spec", "model", "shard0"]), ("private", ["spec", "model"])]
)
def test_claim_when_all_that_it_needs_is_served_then_is_sent_once_that_was_fetched(
    start: Callable[..., Parts], mode: str, needed: list[str]
) -> None:
    world = World.make(mode)
    agent = start(Ipfs(world.held), [world.submitted()])
    view = agent.see(world.job())
    agent.step(view, Claim(JOB))
    agent.step(view, Claim(JOB))
    assert (agent.ipfs.asked, agent.sender.sent) == (needed, [])
    assert agent.work.do(view, Claim(JOB))
    assert agent.sender.sent == [("claim", JOB)]


@pytest.mark.parametrize("missing", ["model", "shard0"])
def test_claim_when_nobody_serves_what_it_needs_then_is_not_sent_before_somebody_does(
    start: Callable[..., Parts], clock: Clock, missing: str
) -> None:
    world = World.make()
    agent = start(Ipfs(world.held), [world.submitted()])
    view = agent.see(world.job())
    content = agent.ipfs.held.pop(missing)
    agent.step(view, Claim(JOB))
    agent.step(view, Claim(JOB))
    with pytest.raises(ContentMissing):
        agent.work.do(view, Claim(JOB))
    assert not agent.work.do(view, Claim(JOB))
    assert agent.sender.sent == []
    agent.ipfs.held[missing] = content
    clock.now = 60.0
    agent.step(view, Claim(JOB))
    assert agent.work.do(view, Claim(JOB))
    assert agent.sender.sent == [("claim", JOB)]


def test_claim_when_the_stake_does_not_cover_it_then_says_what_is_missing_and_sends_nothing(
    start: Callable[..., Parts],
) -> None:
    world = World.make()
    agent = start(Ipfs(world.held), [world.submitted()])
    view = agent.see(world.job())
    agent.step(view, Claim(JOB))
    agent.step(view, Claim(JOB))
    # Two epochs of 1 each, and one vote of 1.
    short = replace(view, account=replace(view.account, free=2))
    with pytest.raises(StakeError, match=r"0\.0{17}2 tokens beside 0\.0{17}1 for votes"):
        agent.work.do(short, Claim(JOB))
    assert agent.sender.sent == []
    assert agent.work.do(replace(view, account=replace(view.account, free=3)), Claim(JOB))


def test_enlist_when_all_that_a_lease_needs_is_served_then_is_sent(start: Callable[..., Parts]) -> None:
    world = World.make()
    agent = start(Ipfs(world.held), [world.submitted()])
    view = agent.see(world.job(taken=0xFF))
    agent.step(view, Enlist(JOB, 1))
    agent.step(view, Enlist(JOB, 1))
    assert agent.work.do(view, Enlist(JOB, 1))
    assert agent.sender.sent == [("enlist", JOB)]


@pytest.mark.parametrize("draining", [False, True])
def test_update_when_submitted_then_keeps_the_lease_unless_the_agent_is_to_stop(
    start: Callable[..., Parts], draining: bool
) -> None:
    world = World.make()
    leased = ev.EpochsLeased(JOB, 1, ME, 1, 0, 2, DEADLINE, **POSITION)  # type: ignore[arg-type]
    agent = start(Ipfs(world.held), [world.submitted(), leased], lambda: False, lambda: draining)
    view, action = agent.see(world.job()), Train(JOB, 1, 1, 0, 2, DEADLINE)
    while not agent.work.do(view, action):
        agent.ends()
    ((*_, keep),) = agent.sender.sent
    assert keep == ("keep", not draining)


def test_settle_is_for_all_nodes_of_the_organisation_that_leased_and_for_its_seat(
    start: Callable[..., Parts],
) -> None:
    world, other = World.make(), "0x" + "44" * 20
    registered = [
        ev.NodeRegistered(ACCOUNT, ME, Role.TRAINER, 1, "", **POSITION),  # type: ignore[arg-type]
        ev.NodeRegistered(ACCOUNT, OTHER, Role.TRAINER, 1, "", **POSITION),  # type: ignore[arg-type]
        ev.NodeRegistered(ACCOUNT, "0x" + "55" * 20, Role.TRAINER, 1, "", **POSITION),  # type: ignore[arg-type]
        ev.NodeRegistered(other, other, Role.TRAINER, 1, "", **POSITION),  # type: ignore[arg-type]
        ev.NodeRetired(ACCOUNT, OTHER, **POSITION),  # type: ignore[arg-type]
    ]
    leases = [ev.EpochsLeased(JOB, 1, node, 1, 0, 1, 9, **POSITION) for node in (OTHER, ME, other)]  # type: ignore[arg-type]
    agent = start(Ipfs(world.held), [*registered, world.submitted(), *leases])
    view = agent.see(world.job(), seat=3)
    assert agent.work.do(view, Settle(JOB, votes=False))
    assert agent.work.do(view, Settle(JOB, votes=True))
    assert agent.sender.sent == [("settle", JOB, [ME, OTHER]), ("settle", JOB, 1 << 3)]


def vote(agent: Parts, world: World, attempt: int, left: int) -> Call:
    """The vote that is sent `left` seconds before the deadline of an attempt."""
    deadline = OPENED + 100 * attempt
    view = agent.see(world.job(updates=2, attempt=attempt, vote_deadline=deadline), now=deadline - left)
    action = Vote(JOB, 1, attempt)
    while not agent.work.do(view, action):
        agent.ends()
    agent.work.forget(view, {action})
    return agent.sender.sent[-1]


@pytest.mark.parametrize("left", [LATE, LATE + 1], ids=["late-again", "in-time"])
def test_vote_when_an_update_came_after_a_late_vote_then_the_next_attempt_fetches_and_counts_it(
    start: Callable[..., Parts], left: int
) -> None:
    world = World.make()
    events = [world.submitted(), *world.delivered()]
    well_served, agent = start(Ipfs(world.held), list(events)), start(Ipfs(world.held), list(events))
    update = agent.ipfs.held.pop("update1")
    assert vote(agent, world, 1, LATE) != vote(well_served, world, 1, LATE)
    agent.ipfs.held["update1"] = update
    agent.ipfs.asked.clear()
    assert vote(agent, world, 2, left) == vote(well_served, world, 2, left)
    assert agent.ipfs.asked == ["update1"]


def looked_away(agent: Parts, view: AgentView) -> None:
    agent.work.forget(view, set())


def did_something_else(agent: Parts, view: AgentView) -> None:
    agent.work.do(view, Prefetch(JOB, 1))


@pytest.mark.parametrize("see", [looked_away, did_something_else])
@pytest.mark.parametrize("now", [DEADLINE - 1, DEADLINE])
def test_training_when_chain_time_reaches_the_leases_deadline_then_stops_and_nothing_is_submitted(
    start: Callable[..., Parts], now: int, see: Callable[[Parts, AgentView], None]
) -> None:
    asked, seen = threading.Event(), threading.Event()

    def stopping() -> bool:
        # Asked before each batch: the first one waits until the later view was seen.
        asked.set()
        assert seen.wait(10)
        return False

    world = World.make()
    agent = start(Ipfs(world.held), [world.submitted()], stopping)
    view, action = agent.see(world.job()), Train(JOB, 1, 1, 0, 2, DEADLINE)
    agent.step(view, action)
    assert not agent.work.do(view, action)
    assert asked.wait(10)
    see(agent, agent.see(world.job(), now=now))
    seen.set()
    agent.ends()
    if now < DEADLINE:
        assert agent.work.do(view, action)
        assert [call[:2] for call in agent.sender.sent] == [("submit_update", JOB)]
        return
    with pytest.raises(TrainingStopped):
        agent.work.do(view, action)
    assert not agent.sender.sent and not agent.ipfs.added


def tidy(agent: Parts, view: AgentView) -> None:
    agent.housekeeping.tidy(view, {(JOB, 1)}, busy=False)


def with_a_copy(start: Callable[..., Parts], world: World, *said: ev.ChainEvent, seat: int = 0) -> Parts:
    """An agent that has taken in events and made a copy of the round's model, before its turn to say so."""
    agent = start(Ipfs(world.held | {copy_cid(world): world.held["model"]}), list(said))
    view = agent.see(world.job(), now=OPENED - 1, seat=seat)
    assert agent.desk.takes_part(JOB)
    agent.desk.content(JOB).path(world.model)
    tidy(agent, view)
    # The copy, and the daemon's identity.
    agent.ends()
    agent.ends()
    assert agent.ipfs.added == [copy_cid(world)]
    return agent


def copy_cid(world: World) -> str:
    return cid_of(world.held["model"])


def test_announce_when_no_event_names_the_models_cid_then_says_it_once_and_not_before_its_turn(
    start: Callable[..., Parts],
) -> None:
    world = World.make()
    seat = next(seat for seat in range(4) if rank(world.job(), seat) == 2)
    agent = with_a_copy(start, world, world.submitted("model"), seat=seat)
    turn = OPENED + 2 * TURN_SECONDS
    tidy(agent, agent.see(world.job(), now=turn - 1, seat=seat))
    assert agent.sender.sent == []
    for now in (turn, turn + 1):
        tidy(agent, agent.see(world.job(), now=now, seat=seat))
    assert agent.sender.sent == [("announce", JOB, world.model, copy_cid(world))]


@pytest.mark.parametrize("by", ["client", "node"])
def test_announce_when_an_event_names_the_models_cid_then_says_nothing(
    start: Callable[..., Parts], by: str
) -> None:
    world = World.make()
    said: list[ev.ChainEvent] = [world.submitted(copy_cid(world) if by == "client" else "model")]
    if by == "node":
        said.append(ev.ModelAnnounced(JOB, world.model, OTHER, copy_cid(world), **POSITION))  # type: ignore[arg-type]
    agent = with_a_copy(start, world, *said)
    tidy(agent, agent.see(world.job(), now=OPENED + 60))
    assert agent.sender.sent == []
