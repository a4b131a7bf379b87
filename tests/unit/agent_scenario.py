"""One agent's parts around a small real job; only the chain, its logs and the IPFS daemon are stood in for."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import structlog
from test_agent_decide import ACCOUNT, ME, OPENED, OTHER, TERMS, a_job, a_round, a_view

from chain.contracts import event_types as ev
from chain.contracts.seals import Ballots
from chain.contracts.types import AgentView, JobView
from chain.events import EventBatch
from node.agent.decide import Action
from node.agent.hands import Hands
from node.agent.housekeeping import Housekeeping
from node.agent.jobs import JobDesk
from node.agent.metrics import Metrics
from node.agent.sharing import Keeper
from node.agent.work import Work
from node.config import check_config
from node.data.prepare import prepare
from node.errors import ContentMissing
from node.joblog import UpdateRecord, accumulate
from node.spec import RULESET, load_job
from node.storage.ipfs import PeerIdentity
from node.tensors import digest
from node.tensors.files import dumps
from node.training.models import initial_state

JOB = 7
POSITION: dict[str, Any] = {"contract": ME, "block_number": 1, "transaction_hash": "0x", "log_index": 0}
Call = tuple[Any, ...]


class Ipfs:
    """A daemon that finds what is in `held`, by CID, and remembers what it was asked for and given."""

    def __init__(self, held: dict[str, bytes]) -> None:
        self.held = dict(held)
        self.asked: list[str] = []
        self.added: list[str] = []

    def fetch(self, cid: str, *, max_bytes: int, timeout: float, sha256: bytes) -> bytes:
        self.asked.append(cid)
        if cid not in self.held:
            raise ContentMissing(f"{cid} is not here")
        return self.held[cid]

    def fetch_to(self, path: Path, cid: str, *, max_bytes: int, timeout: float) -> int:
        return path.write_bytes(self.fetch(cid, max_bytes=max_bytes, timeout=timeout, sha256=b""))

    def add(self, source: Path) -> str:
        self.added.append(cid_of(source.read_bytes()))
        return self.added[-1]

    def identity(self) -> PeerIdentity:
        return PeerIdentity("me", ())


class Contract:
    """Every function of a contract, as the call that it would be."""

    def __getattr__(self, name: str) -> Callable[..., Call]:
        return lambda *arguments, **named: (name, *arguments, *named.items())


class Sender:
    """Mines every transaction, and keeps it."""

    def __init__(self) -> None:
        self.sent: list[Call] = []

    def send(self, call: Call, deadline: int | None = None) -> Any:
        self.sent.append(call)
        return SimpleNamespace(gas_used=1, block_number=1)


def cid_of(content: bytes) -> str:
    return "bafy" + hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class World:
    """A job as its client published it, and two updates of its first round."""

    held: dict[str, bytes]
    spec: bytes
    model: bytes
    records: tuple[UpdateRecord, UpdateRecord]

    @classmethod
    def make(cls, mode: str = "shared") -> World:
        keys = {"name": "iris", "model.kind": "logistic", "data.source": "iris", "data.mode": mode}
        job = prepare(load_job(None, keys | {"schedule.epochs_per_round": "2"}))
        parts = {f"shard{i}": part.content for i, part in enumerate(job.shards)}
        if job.holdout is not None:
            parts["holdout"] = job.holdout.content
        spec = job.spec(
            [f"shard{i}" for i in range(len(job.shards))], "holdout" if job.holdout else None, 100_000
        )
        first = initial_state(spec)
        held = {"spec": spec.to_bytes(), "model": dumps(first), **parts}
        records = []
        for epoch, node in enumerate((ME, OTHER)):
            state = {name: tensor + 0.1 * (epoch + 1) for name, tensor in first.items()}
            held[f"update{epoch}"] = dumps(state)
            samples = job.shards[epoch].samples if job.shards else 10
            records.append(UpdateRecord(node, epoch, 1, samples, digest(state), f"update{epoch}"))
        return cls(held, spec.to_bytes(), digest(first), (records[0], records[1]))

    def submitted(self, model_cid: str = "model") -> ev.JobSubmitted:
        """The event of the job's submission."""
        spec_digest = hashlib.sha256(self.spec).digest()
        return ev.JobSubmitted(JOB, ACCOUNT, spec_digest, "spec", self.model, model_cid, 0, **POSITION)  # type: ignore[arg-type]

    def delivered(self) -> tuple[ev.UpdateSubmitted, ...]:
        """The events of both updates."""
        return tuple(
            ev.UpdateSubmitted(
                JOB, 1, r.node, r.first, r.count, r.samples, r.digest, False, r.cid, **POSITION
            )  # type: ignore[arg-type]
            for r in self.records
        )

    def job(self, *, updates: int = 0, **changes: object) -> JobView:
        """The job in its first round, with so many of the updates recorded."""
        recorded = {"updates": updates, "accumulator": accumulate(self.records[:updates])}
        round_ = a_round(model_digest=self.model, **{**recorded, **changes})
        base = a_job(round=round_)
        terms = replace(TERMS, max_update_bytes=1 << 20, ruleset=RULESET.encode().ljust(32, b"\0"))
        spec_digest = hashlib.sha256(self.spec).digest()
        return replace(base, job=replace(base.job, spec_digest=spec_digest, terms=terms))


class Parts:
    """An agent without its cycle: what it sees, and does one step at a time."""

    def __init__(
        self,
        folder: Path,
        ipfs: Ipfs,
        events: list[ev.ChainEvent],
        stopping: Callable[[], bool] = lambda: False,
        draining: Callable[[], bool] = lambda: False,
    ) -> None:
        self.ipfs, self.sender, self.events = ipfs, Sender(), events
        self._ended = threading.Semaphore(0)
        config = check_config({"node": {"device": "cpu", "private_data": "iris"}}, folder)
        chain = SimpleNamespace(
            events=lambda: SimpleNamespace(read=self._read),
            ballots=lambda job, number, attempt: Ballots(31337, ME, job, number, attempt),
            scheduler=Contract(),
            vote=Contract(),
            registry=Contract(),
        )
        shared: tuple[Any, Any, Any] = cast(Any, (chain, ipfs, self.sender))
        hands = Hands(config, shared[0], ME, shared[2], shared[1], Metrics(ME))
        folder.mkdir(exist_ok=True)
        self.desk = JobDesk(config, shared[0], shared[1], folder, structlog.get_logger())
        keeper, wake = Keeper(shared[1]), self._ended.release
        self.work = Work(hands, self.desk, keeper, folder, wake, stopping, draining)
        self.housekeeping = Housekeeping(hands, self.desk, keeper, wake)

    def _read(self, block: int) -> EventBatch:
        events, self.events = self.events, []
        return EventBatch(cast(Any, tuple(events)), block)

    def see(self, job: JobView, now: int = OPENED + 1, **changes: Any) -> AgentView:
        """The view of a block, taken in."""
        view = a_view(job, now=now, **changes)
        self.desk.refresh(view)
        return view

    def step(self, view: AgentView, action: Action) -> None:
        """Look at an action, and let the piece of work that this starts come to its end."""
        assert not self.work.do(view, action)
        self.ends()

    def ends(self) -> None:
        """Wait for the end of a piece of work."""
        assert self._ended.acquire(timeout=10)

    def close(self) -> None:
        """Start nothing more."""
        self.work.close()
        self.housekeeping.close()
