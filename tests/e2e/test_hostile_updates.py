"""A member that trains nothing and delivers all that it can think of: it pays, and the others go on."""

from __future__ import annotations

import hashlib
import io
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from network_kit import Participant, Start, World, small_job, updates, votes

from chain.contracts import event_types as ev
from chain.contracts.types import JobStatus, Phase
from chain.sender import ContractError
from node.audit import verify_job
from node.client import JobPlan
from node.localnet import MemberSpec
from node.storage.cid import Cid
from node.tensors import digest, dumps

HONEST, HOSTILE = 3, 3
PLAN = small_job()
# As good as any update, and known to nobody.
ALIKE = {name: tensor + 1 for name, tensor in PLAN.state.items()}


@pytest.fixture(scope="module")
def world(start: Start) -> World:
    """Three agents, which are a quorum of the four members; the fourth is the test's."""
    names = ("aurora", "borealis", "cygnus")
    return start(*map(MemberSpec, names), MemberSpec("draco", agent=False))


@pytest.fixture
def hostile(world: World) -> Iterator[Participant]:
    with Participant(world, HOSTILE) as participant:
        yield participant


@dataclass(frozen=True)
class Forgery:
    """What a hostile node records, and what it serves under the CID, if anything."""

    model: bytes
    samples: int
    content: bytes | None


def _of_state(state: dict[str, torch.Tensor], samples: int) -> Forgery:
    return Forgery(digest(state), samples, dumps(state))


def _wrong_digest(state: dict[str, torch.Tensor], samples: int) -> Forgery:
    return Forgery(hashlib.sha256(b"something else").digest(), samples, dumps(state))


def _not_finite(state: dict[str, torch.Tensor], samples: int) -> Forgery:
    name = next(iter(state))
    spoilt = state[name].clone()
    spoilt.view(-1)[0] = float("nan")
    return _of_state({**state, name: spoilt}, samples)


def _wrong_names(state: dict[str, torch.Tensor], samples: int) -> Forgery:
    return _of_state({f"other.{name}": tensor for name, tensor in state.items()}, samples)


def _wrong_shapes(state: dict[str, torch.Tensor], samples: int) -> Forgery:
    return _of_state({name: tensor.reshape(-1, 1) for name, tensor in state.items()}, samples)


def _wrong_dtypes(state: dict[str, torch.Tensor], samples: int) -> Forgery:
    return _of_state({name: tensor.double() for name, tensor in state.items()}, samples)


def _hundredfold(state: dict[str, torch.Tensor], samples: int) -> Forgery:
    content = dumps({name: np.tile(tensor.numpy(), 100) for name, tensor in state.items()})
    return Forgery(digest(state), samples, content.ljust(100 * PLAN.terms.max_update_bytes, b"\0"))


def _pickled(state: dict[str, torch.Tensor], samples: int) -> Forgery:
    file = io.BytesIO()
    torch.save(state, file)
    return Forgery(digest(state), samples, file.getvalue())


def _greedy(state: dict[str, torch.Tensor], samples: int) -> Forgery:
    return _of_state(state, 1000 * samples)


def _bad_cid(state: dict[str, torch.Tensor], samples: int) -> Forgery:
    return Forgery(digest(state), samples, None)


FORGERIES: dict[str, tuple[Callable[[dict[str, torch.Tensor], int], Forgery], str]] = {
    "wrong-digest": (_wrong_digest, "digest"),
    "nan": (_not_finite, "NaN"),
    "wrong-names": (_wrong_names, "is missing"),
    "wrong-shapes": (_wrong_shapes, "shape"),
    "wrong-dtypes": (_wrong_dtypes, "F64"),
    "hundredfold": (_hundredfold, "larger than"),
    "pickled": (_pickled, "state.safetensors"),
    "greedy": (_greedy, "samples"),
    "malformed-cid": (_bad_cid, "CID"),
}


@pytest.mark.parametrize("kind", FORGERIES)
def test_update_when_it_is_forged_then_its_bond_is_lost_and_the_round_is_final(
    world: World, hostile: Participant, kind: str
) -> None:
    forge, reason = FORGERIES[kind]
    stake, job_id = hostile.stake(), world.submit(PLAN)
    first = hostile.claim(job_id).first
    forgery = forge(ALIKE, _samples(PLAN, first))
    cid = "../../etc/passwd" if forgery.content is None else hostile.ipfs.add(forgery.content)
    hostile.deliver(job_id, forgery.model, forgery.samples, cid)
    closed = _closed_without(world, job_id, first)
    for index in range(HONEST):
        (line,) = world.log(index, "update.invalid", job=job_id)
        assert reason in line["why"] and line["first"] == first
    hostile.settle(job_id)
    assert world.settled(job_id)
    assert stake - hostile.stake() == world.chain.scheduler.job(job_id).lease_bond
    assert closed.model_digest != PLAN.model_digest


def test_update_when_nobody_serves_it_then_it_is_invalid_before_the_vote_ends(
    world: World, hostile: Participant
) -> None:
    plan = small_job(schedule__vote_window=18, schedule__training_window=70)
    stake, job_id = hostile.stake(), world.submit(plan)
    first = hostile.claim(job_id).first
    hostile.deliver(job_id, digest(ALIKE), _samples(plan, first), str(Cid.of(b"never published")))
    world.until(lambda: world.chain.scheduler.phase(job_id) == Phase.VOTING, "all have delivered")
    # From a third of the window before its end on, the others stop hoping.
    world.skip_to(world.chain.scheduler.round(job_id).vote_deadline - 6)
    closed = _closed_without(world, job_id, first)
    assert closed.attempt == 1
    hostile.settle(job_id)
    assert stake - hostile.stake() == world.chain.scheduler.job(job_id).lease_bond


def test_update_when_its_publisher_vanishes_then_those_who_have_it_serve_it(
    world: World, hostile: Participant
) -> None:
    network, job_id = world.network, world.submit(PLAN)
    first = hostile.claim(job_id).first
    state = {name: tensor + 2 for name, tensor in PLAN.state.items()}
    world.until(lambda: world.delivered(job_id) == HONEST, "the others have delivered")
    for index in (1, 2):
        network.signal_agent(index, signal.SIGSTOP)
    publisher = network.daemons[HOSTILE].process
    try:
        hostile.deliver_state(job_id, state, _samples(PLAN, first))
        fetched = network.agents[0].config.parent / "cache" / digest(state).hex()
        world.until(fetched.exists, "one of them has fetched it")
        publisher.send_signal(signal.SIGSTOP)
        for index in (1, 2):
            network.signal_agent(index, signal.SIGCONT)
        history = world.finish(job_id)
    finally:
        publisher.send_signal(signal.SIGCONT)
        for index in (1, 2):
            network.signal_agent(index, signal.SIGCONT)
    (closed,) = [event for event in history.events if isinstance(event, ev.RoundClosed)]
    assert closed.accepted >> first & 1


def test_update_when_another_copies_it_under_a_false_cid_then_both_are_valid_for_everyone(
    world: World, hostile: Participant
) -> None:
    job_id = world.submit(PLAN)
    first = hostile.claim(job_id).first
    world.until(lambda: world.delivered(job_id) == HONEST, "the others have delivered")
    copied = updates(world.history(job_id))[0]
    hostile.deliver(job_id, copied.digest, _samples(PLAN, first), str(Cid.of(b"not that")))
    history = world.finish(job_id)
    (closed,) = [event for event in history.events if isinstance(event, ev.RoundClosed)]
    assert closed.accepted >> first & 1 and closed.invalid == 0
    assert votes(history)[0].candidate == votes(history)[-1].candidate


def test_node_when_it_acts_out_of_turn_then_one_line_says_why_and_nothing_changes(
    world: World, hostile: Participant
) -> None:
    job_id = world.submit(PLAN)
    first = hostile.claim(job_id).first
    hostile.deliver_state(job_id, PLAN.state, _samples(PLAN, first))
    with pytest.raises(ContractError, match="SchedulerAlreadyDelivered") as twice:
        hostile.deliver_state(job_id, PLAN.state, _samples(PLAN, first))
    world.finish(job_id)
    with pytest.raises(ContractError, match="SchedulerWrongPhase") as late:
        hostile.claim(job_id)
    assert all(len(str(error.value).splitlines()) == 1 for error in (twice, late))


def test_lease_when_its_holder_is_silent_then_another_trains_it_and_the_bond_is_lost(
    world: World, hostile: Participant
) -> None:
    plan = small_job(schedule__claim_window=2, schedule__lease=6)
    stake, job_id = hostile.stake(), world.submit(plan)
    held = hostile.claim(job_id)
    world.until(lambda: world.delivered(job_id) == HONEST, "the others have delivered")
    world.skip_to(held.deadline)
    history = world.finish(job_id)
    (missed,) = [event for event in history.events if isinstance(event, ev.LeaseMissed)]
    assert (missed.node, missed.first) == (hostile.address, held.first)
    assert {update.node for update in updates(history)} == {
        agent.address for agent in world.network.agents[:HONEST]
    }
    assert sum(update.count for update in updates(history)) == plan.terms.epochs_per_round
    assert stake - hostile.stake() == world.chain.scheduler.job(job_id).lease_bond
    with pytest.raises(ContractError):
        hostile.deliver_state(job_id, PLAN.state, _samples(PLAN, held.first))


def test_vote_when_it_copies_a_candidate_without_its_seal_then_it_pays_and_the_round_is_final(
    world: World, hostile: Participant
) -> None:
    job_id = world.submit(small_job(schedule__grace=10))
    first = hostile.claim(job_id).first
    hostile.deliver_state(job_id, PLAN.state, _samples(PLAN, first))
    world.until(lambda: votes(world.history(job_id)), "somebody has voted")
    seen = votes(world.history(job_id))[0]
    stake = hostile.stake()
    hostile.vote_for(job_id, seen.candidate, seen.seal)
    history = world.finish(job_id)
    (revealed,) = [event for event in history.events if isinstance(event, ev.ResultRevealed)]
    assert (revealed.matching.bit_count(), revealed.penalised.bit_count()) == (HONEST, 1)
    hostile.settle(job_id)
    assert stake - hostile.stake() == world.chain.scheduler.job(job_id).vote_bond
    assert world.settled(job_id)
    with world.network.ipfs() as ipfs:
        report = verify_job(world.chain, ipfs, job_id, work_dir=world.network.root)
    assert report.ok, report.findings


def _closed_without(world: World, job_id: int, first: int) -> ev.RoundClosed:
    history = world.finish(job_id)
    assert world.chain.scheduler.job(job_id).status == JobStatus.COMPLETED
    (closed,) = [event for event in history.events if isinstance(event, ev.RoundClosed)]
    others = sum(1 << update.first for update in history.updates(1) if update.first != first)
    assert (closed.invalid, closed.accepted) == (1 << first, others)
    return closed


def _samples(plan: JobPlan, first: int) -> int:
    shards = plan.prepared.shards
    return shards[first % len(shards)].samples
