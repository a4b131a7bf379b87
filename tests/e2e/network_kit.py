"""What the end-to-end tests share: small jobs, waiting for what happens, and members that the test plays itself."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import torch

from chain.contracts import event_types as ev
from chain.contracts.types import JobStatus, Lease, LeaseState
from chain.devtime import increase_time
from chain.heads import HeadWatcher
from chain.sender import Receipt
from node.client import JobPlan, prepare_job, submit_job
from node.follow import read_history
from node.joblog import JobHistory
from node.localnet import CLIENT, LocalNetwork
from node.spec import load_job
from node.storage.ipfs import IpfsClient
from node.tensors import digest, dumps

State = Mapping[str, torch.Tensor]
E = TypeVar("E", bound=ev.ChainEvent)

# Four epochs, so that four nodes of equal capacity get one each; long windows, so that nothing ends unless it must.
_SMALL = {
    "name": "small",
    "model.kind": "logistic",
    "data.source": "wine",
    "training.lr": "0.05",
    "training.batch_size": "16",
    "schedule.rounds": "1",
    "schedule.epochs_per_round": "4",
    "schedule.min_validators": "1",
    "schedule.claim_window": "30",
    "schedule.lease": "60",
    "schedule.min_lease": "3",
    "schedule.training_window": "120",
    "schedule.vote_window": "60",
    "schedule.reveal_window": "60",
    "schedule.grace": "1",
    "budget.epoch_price": "1.5",
    "budget.vote_price": "0.5",
}


def small_job(**overrides: object) -> JobPlan:
    """A job of one round; keys of `overrides` as in a job file, with __ for the dot; None leaves a key out."""
    given = {key.replace("__", "."): value for key, value in overrides.items()}
    merged = {**_SMALL, **given}
    return prepare_job(load_job(None, {k: str(v) for k, v in merged.items() if v is not None}))


def slow_job(**overrides: object) -> JobPlan:
    """A job whose leases take a second or two, so that a test can do something in the middle of one."""
    return small_job(
        **{
            "data__source": "digits",
            "model__kind": "mlp",
            "model__params": "{hidden = [64]}",
            "training__batch_size": 8,
            "training__local_passes": 25,
            **overrides,
        }
    )


class World:
    """A network, and what a test asks of it again and again."""

    def __init__(self, network: LocalNetwork, heads: HeadWatcher) -> None:
        self.network, self.heads = network, heads
        self.chain = network.consortium

    def submit(self, plan: JobPlan) -> int:
        """The job's number."""
        with self.network.sender(CLIENT) as sender, self.network.ipfs() as ipfs:
            return submit_job(plan, self.chain, sender, ipfs).job_id

    def history(self, job_id: int) -> JobHistory:
        """All events of the job so far."""
        return read_history(self.chain, job_id)

    def events(self, job_id: int, kind: type[E]) -> list[E]:
        """The job's events of one kind."""
        return [event for event in self.history(job_id).events if isinstance(event, kind)]

    def until(self, condition: Callable[[], object], what: str, seconds: float = 30.0) -> None:
        """Look again after every block until a condition holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds:g} s: {what}\n{self.last_lines()}")
            self.heads.wait(self.heads.state.block, 0.2)

    def finish(self, job_id: int, seconds: float = 60.0) -> JobHistory:
        """Wait until the job has completed; its events."""
        self.until(lambda: self.chain.scheduler.job(job_id).status != JobStatus.OPEN, "the job ends", seconds)
        assert self.chain.scheduler.job(job_id).status == JobStatus.COMPLETED, self.last_lines()
        return self.history(job_id)

    def skip_to(self, timestamp: int) -> None:
        """Move the chain's clock to a time, if it is not there yet."""
        now = self.now()
        if now < timestamp:
            increase_time(self.chain.w3, timestamp - now)

    def now(self) -> int:
        """Chain time, seconds."""
        return int(self.chain.w3.eth.get_block("latest")["timestamp"])

    def lease(self, job_id: int, index: int) -> Lease | None:
        """The live lease of an agent's node in the open attempt."""
        held = self.chain.scheduler.lease_of(job_id, self.network.agents[index].address)
        return held.lease if held.held and held.lease.state == LeaseState.LIVE else None

    def sent(self, job_id: int, kind: type[E], index: int) -> list[E]:
        """The job's events of one kind that are about an agent's node."""
        node = self.network.agents[index].address
        return [event for event in self.events(job_id, kind) if getattr(event, "node", None) == node]

    def delivered(self, job_id: int) -> int:
        """Updates of the open round."""
        return self.chain.scheduler.round(job_id).updates

    def log(self, index: int, event: str | None = None, **facts: object) -> list[dict[str, Any]]:
        """The lines that an agent logged, those of one event that have these facts."""
        wanted = facts if event is None else {"event": event, **facts}
        lines = (_parsed(line) for line in self.network.agents[index].log.read_text().splitlines())
        return [line for line in lines if all(line.get(key) == value for key, value in wanted.items())]

    def last_lines(self) -> str:
        """The ends of all agents' logs, for a failed test's message."""
        ends = []
        for agent in self.network.agents:
            lines = agent.log.read_text().splitlines()[-6:] if agent.log.exists() else []
            ends += [f"{agent.member.name}: {line}" for line in lines]
        return "\n".join(ends)

    def health(self, index: int) -> tuple[int, dict[str, Any]]:
        """Status and document of an agent's health endpoint."""
        try:
            with urllib.request.urlopen(f"{self.network.agents[index].health}/healthz", timeout=10) as answer:  # noqa: S310
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def trained(self, index: int) -> float:
        """Seconds that the present process of an agent has trained."""
        return self.network.metrics(index).get('milon_activity_seconds_total{activity="train"}', 0.0)

    def settled(self, job_id: int) -> bool:
        """Whether the job owes nothing to anybody, soon."""
        return self.network.await_settlement(job_id, 15.0)


Start = Callable[..., World]
"""Starts a network of these members: see the fixtures."""


class Participant:
    """A member whose node the test plays: its keys, its IPFS daemon, and no agent."""

    def __init__(self, world: World, index: int) -> None:
        self._world, self._index = world, index
        self._chain = world.chain
        self._stack = ExitStack()
        network = world.network
        self.account = network.organisation(index).address
        self.address = network.wallet(network.node_key_index(index)).address
        self._node = self._stack.enter_context(network.sender(network.node_key_index(index)))
        self.ipfs: IpfsClient = self._stack.enter_context(network.ipfs(index))

    def claim(self, job_id: int) -> Lease:
        """Lease epochs."""
        self._node.send(self._chain.scheduler.claim(job_id))
        held = self._chain.scheduler.lease_of(job_id, self.address)
        assert held.held
        return held.lease

    def deliver(self, job_id: int, model: bytes, samples: int, cid: str, *, keep: bool = False) -> Receipt:
        """Record an update, whatever is true of it."""
        return self._node.send(self._chain.scheduler.submit_update(job_id, model, samples, cid, keep=keep))

    def deliver_state(self, job_id: int, state: State, samples: int, *, keep: bool = False) -> Receipt:
        """Publish and record an update as an honest node does."""
        return self.deliver(job_id, digest(state), samples, self.ipfs.add(dumps(state)), keep=keep)

    def vote_for(self, job_id: int, candidate: bytes, seal: bytes) -> Receipt:
        """Vote for a candidate without knowing what is behind it."""
        round_ = self._chain.scheduler.round(job_id)
        fn = self._chain.vote.cast_vote(job_id, round_.number, round_.attempt, candidate, seal, 500_000)
        return self._node.send(fn)

    def settle(self, job_id: int) -> None:
        """Settle the node's leases and the organisation's votes, whatever that costs them."""
        self._node.send(self._chain.scheduler.settle(job_id, [self.address]))
        seat = self._chain.registry.organisation(self.account).seat
        self._node.send(self._chain.vote.settle(job_id, 1 << seat))

    def stake(self) -> int:
        """Stake of its organisation, locked or not."""
        held = self._chain.vault.account(self.account)
        return held.free + held.locked

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


@contextmanager
def running(network: LocalNetwork) -> Iterator[World]:
    """The network, started, and a watcher of its chain."""
    with network, HeadWatcher(network.devnet.url) as heads:
        yield World(network, heads)


def updates(history: JobHistory) -> list[ev.UpdateSubmitted]:
    """The updates of all rounds."""
    return [event for event in history.events if isinstance(event, ev.UpdateSubmitted)]


def votes(history: JobHistory) -> list[ev.VoteCast]:
    """The votes of all rounds."""
    return [event for event in history.events if isinstance(event, ev.VoteCast)]


def assert_nothing_twice(history: JobHistory, rounds: int, epochs: int) -> None:
    """Every epoch of every round was delivered once, nobody voted twice in an attempt, no lease was missed."""
    delivered = Counter(
        (u.round, epoch) for u in updates(history) for epoch in range(u.first, u.first + u.count)
    )
    assert delivered == {(number, epoch): 1 for number in range(1, rounds + 1) for epoch in range(epochs)}
    assert set(Counter((v.round, v.attempt, v.account) for v in votes(history)).values()) == {1}
    assert not [event for event in history.events if isinstance(event, ev.LeaseMissed)]


def all_bytes(folder: Path) -> bytes:
    """Everything in the files of a folder, one after the other."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def _parsed(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {"event": "unstructured", "line": line}
    return found if isinstance(found, dict) else {"event": "unstructured", "line": line}


class Relay:
    """Passes TCP connections on to `target`; `cut` breaks and refuses them, `restore` lets them through again."""

    def __init__(self) -> None:
        self.target = 0
        self._port = 0
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._server: socket.socket | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self.restore()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()

    def restore(self) -> None:
        """Listen, on the same port as before."""
        self._server = socket.create_server(("127.0.0.1", self._port))
        self._port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()

    def cut(self) -> None:
        """Listen no more, and break what is open."""
        with self._lock:
            server, self._server = self._server, None
            for end in [*self._open, *([server] if server else [])]:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
            self._open.clear()

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                near, _ = server.accept()
                far = socket.create_connection(("127.0.0.1", self.target), timeout=5)
            except OSError:
                return
            far.settimeout(None)
            with self._lock:
                self._open |= {near, far}
            for ends in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=ends, daemon=True).start()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
