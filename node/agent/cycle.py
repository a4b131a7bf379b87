"""The agent's cycle: read one view of the chain pinned to a block, decide, act, read again.

The agent holds nothing that a crash could lose: what is in memory is a cache of the chain and of content.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from web3.contract.contract import ContractFunction

from chain.consortium import Consortium
from chain.contracts.seals import hash_result
from chain.contracts.types import AgentView, JobView
from chain.errors import ChainError, MilonError
from chain.heads import HeadWatcher
from chain.provider import ChainResetError
from chain.reverts import ContractError
from chain.sender import NotMinedError, Sender
from node.agent import decide as decisions
from node.agent.decide import Claim, Expire, Prefetch, Reopen, Reveal, Train, Vote, decide
from node.agent.jobs import JobDesk
from node.agent.metrics import Liveness, Metrics
from node.agent.sharing import Keeper, Neighbours, stale_address
from node.agent.tasks import Backoff, Tasks, WorkError
from node.agent.trainer import LeasedWork, TrainedUpdate, train_lease
from node.agent.validator import RoundResult, compute_result
from node.config import NodeConfig
from node.errors import ContentError, StorageError
from node.storage.ipfs import IpfsClient, PeerIdentity

# A chain on which nothing happens still moves its clock; so does this one's view of deadlines.
HEARTBEAT_S = 5.0

# Somebody else was faster, or the round moved on between the view and the transaction: the next view will tell.
LOST_RACES = frozenset(
    {
        "SchedulerAlreadyClaimed",
        "SchedulerAlreadyDelivered",
        "SchedulerLeaseNotOverdue",
        "SchedulerNoEpochsLeft",
        "SchedulerNoLease",
        "SchedulerTooLate",
        "SchedulerWrongPhase",
        "VoteAlreadyCast",
        "VoteNotFailed",
        "VoteNotRevealable",
        "VoteWrongAttempt",
        "VoteWrongPhase",
    }
)


class Agent:
    """One node. `sender` is None for a dry run, which decides and logs but sends nothing."""

    def __init__(
        self,
        config: NodeConfig,
        consortium: Consortium,
        address: str,
        sender: Sender | None,
        ipfs: IpfsClient,
        heads: HeadWatcher,
        metrics: Metrics,
        liveness: Liveness,
    ) -> None:
        self._config = config
        self._chain = consortium
        self._me = address
        self._sender = sender
        self._ipfs = ipfs
        self._heads = heads
        self._metrics = metrics
        self._liveness = liveness
        self._log = structlog.get_logger("agent").bind(node=config.node.name or address[:10])
        self._tasks = Tasks(4, heads.wake)
        # Whether content is there at all: for a stranger's job it may never come, and no work may wait behind that.
        self._joins = Tasks(8, heads.wake)
        self._background = Tasks(1, heads.wake)
        self._links = Tasks(1, heads.wake)
        self._neighbours = Neighbours(ipfs, self._links)
        self._keeper = Keeper(ipfs)
        self._backoff = Backoff()
        self._first_seen: dict[decisions.Action, int] = {}
        self._said: set[Hashable] = set()
        self._trained: dict[LeasedWork, TrainedUpdate] = {}
        self._in_doubt = False
        self._time = 0
        self._stop = threading.Event()
        self._work_dir = config.node.data_dir / "work"
        self._work_dir.mkdir(parents=True, exist_ok=True)
        self._desk = JobDesk(config, consortium, ipfs, self._work_dir, self._log)

    def stop(self) -> None:
        """Make `run` return soon; work in progress is abandoned, for a later start to do again."""
        self._stop.set()
        self._heads.wake()

    def run(self) -> None:
        """Cycle until `stop`.

        Raises:
            ChainResetError: the chain is no longer the one that was deployed to.
        """
        block, wakes = -1, self._heads.wakes
        try:
            while not self._stop.is_set():
                with self._metrics.timed("wait"):
                    self._heads.wait(block, HEARTBEAT_S, since=wakes)
                if self._stop.is_set():
                    break
                wakes = self._heads.wakes
                block = self._cycle_or_trouble(block)
        finally:
            self._tasks.close()
            self._joins.close()
            self._background.close()
            self._links.close()

    def _cycle_or_trouble(self, block: int) -> int:
        try:
            if self._in_doubt:
                # Before anything is done after trouble: a chain that was reset may have the same contracts.
                self._chain.check()
                self._in_doubt = False
            seen = self._cycle()
        except ChainResetError:
            raise
        except ChainError as error:
            self._in_doubt = True
            self._metrics.failures.labels("chain").inc()
            if self._liveness.trouble("chain", str(error)):
                self._log.warning("chain.trouble", reason=str(error))
            return max(block, self._heads.state.block)
        if self._liveness.trouble("chain", None):
            self._log.info("chain.recovered", block=seen)
        return seen

    def _cycle(self) -> int:
        with self._metrics.timed("chain"):
            view = self._chain.lens.view_for(self._me)
            self._time = view.timestamp
            if self._desk.went_back(view.block_number):
                self._chain.check()
            undone = self._desk.refresh(view)
        if undone:
            for tasks in (self._tasks, self._joins, self._background):
                tasks.drop(lambda key: isinstance(key, tuple) and key[1] in undone)
            # A new one: what still trains for such a job writes into the old one.
            self._trained = {}
        self._say_who_i_am(view)
        busy: set[int] = set()
        for action in decide(view, self._me):
            if action.job_id not in busy and self._act(view, action):
                busy.add(action.job_id)
        self._tidy(view)
        self._metrics.cycles.inc()
        self._metrics.block.set(view.block_number)
        self._metrics.last_cycle.set_to_current_time()
        self._liveness.cycle_done(
            node=self._me,
            block=view.block_number,
            chain_time=view.timestamp,
            active=view.active,
            jobs={str(j.job_id): {"round": j.round.number, "phase": j.phase.name.lower()} for j in view.jobs},
        )
        return view.block_number

    def _act(self, view: AgentView, action: decisions.Action) -> bool:
        """Do what is due of one action; whether the job's view is stale afterwards."""
        if not self._backoff.due(action):
            return False
        try:
            if not self._takes_part(action.job_id):
                return False
            done = self._handle(view, action)
        except ContractError as error:
            if error.name in LOST_RACES:
                self._log.debug("chain.raced", action=_name(action), error=error.name)
                return True
            return self._failed(action, error, retry_in=round(self._backoff.failed(action), 1))
        except NotMinedError as error:
            return self._failed(action, error)
        except ChainError:
            raise
        except (MilonError, OSError) as error:
            return self._failed(action, error)
        if done:
            self._backoff.succeeded(action)
            self._liveness.trouble(_name(action), None)
        return done

    def _failed(self, action: decisions.Action, error: Exception, **facts: object) -> bool:
        """Note a failure, and say so unless it is the same as before; `tasks` sees to the next try of its own."""
        self._metrics.failures.labels(type(error).__name__).inc()
        if self._liveness.trouble(_name(action), str(error)):
            self._log.warning(f"{_name(action)}.failed", job=action.job_id, reason=str(error), **facts)
        return False

    def _handle(self, view: AgentView, action: decisions.Action) -> bool:
        job = next(j for j in view.jobs if j.job_id == action.job_id)
        match action:
            case Claim():
                return self._claim(job)
            case Train():
                return self._train(job, action)
            case Prefetch():
                return self._prefetch(job)
            case Vote():
                return self._vote(view, job)
            case Reveal():
                return self._reveal(view, job, action)
            case Expire():
                fn = self._chain.scheduler.expire(job.job_id, action.first)
                return self._take_turn(view, action, "expire", fn, first=action.first)
            case Reopen():
                if action.voting:
                    return self._take_turn(view, action, "fail", self._chain.vote.fail(job.job_id))
                return self._take_turn(view, action, "reopen", self._chain.scheduler.reopen(job.job_id))

    def _takes_part(self, job_id: int) -> bool:
        return bool(self._joins.result(("join", job_id), lambda: self._desk.takes_part(job_id)))

    def _claim(self, job: JobView) -> bool:
        digest, content = job.round.model_digest, self._desk.content(job.job_id)

        def served() -> bool:
            content.path(digest)
            if content.spec.shards is not None:
                content.shard(0)
            return True

        # A lease of what nobody serves would only cost its bond.
        if self._joins.result(("claim", job.job_id, job.round.number, digest), served) is None:
            return False
        fn = self._chain.scheduler.claim(job.job_id)
        return self._send("claim", fn, job=job.job_id, round=job.round.number)

    def _train(self, job: JobView, action: Train) -> bool:
        key = ("train", job.job_id, action.round, action.attempt, action.first)
        content = self._desk.content(job.job_id)
        work = LeasedWork(job.job_id, action.round, action.first, action.count, job.round.model_digest)

        kept = self._trained

        def run() -> tuple[TrainedUpdate, str]:
            # Kept from an earlier try if only publishing failed.
            trained = kept.get(work)
            if trained is None:
                trained = kept[work] = train_lease(
                    work,
                    content,
                    self._metrics,
                    private=self._desk.private_training(job.job_id),
                    device=self._config.node.device,
                    threads=self._config.node.threads,
                    work_dir=self._work_dir,
                    stop=lambda: self._stop.is_set() or self._time >= action.deadline,
                )
            cid = self._publish(content.path(trained.digest))
            content.note_served(trained.digest)
            return trained, cid

        published: tuple[TrainedUpdate, str] | None = self._tasks.result(key, run)
        if published is None:
            return False
        update, cid = published
        fn = self._chain.scheduler.submit_update(job.job_id, update.digest, update.samples, cid)
        sent = self._send(
            "submit_update",
            fn,
            deadline=action.deadline,
            job=job.job_id,
            round=action.round,
            first=action.first,
            count=action.count,
            loss=round(update.loss, 4),
            seconds=round(update.seconds, 3),
            bytes=update.size,
        )
        if sent:
            self._metrics.updates.inc()
            self._metrics.epochs.inc(action.count)
        return sent

    def _prefetch(self, job: JobView) -> bool:
        content = self._desk.content(job.job_id)
        for record in self._desk.history(job.job_id).updates(job.round.number):
            key = ("prefetch", job.job_id, job.round.number, record.first, record.digest)
            work: Callable[[], object] = partial(content.update, record)
            if self._config.node.keep_updates and record.node != self._me:
                work = partial(self._keeper.fetch, content, record, (job.job_id, job.round.number))
            self._quietly(self._background.result, key, work)
        return False

    def _result(self, view: AgentView, job: JobView) -> RoundResult | None:
        # Near the vote deadline, an update that nobody serves counts as invalid rather than costing the vote.
        left = job.round.vote_deadline - view.timestamp
        give_up = left <= job.job.terms.vote_window // 3
        inputs = self._desk.round_inputs(job)
        content = self._desk.content(job.job_id)
        key = ("result", job.job_id, job.round.number, job.round.accumulator)
        # By attempt: what nobody served in the last one may have come since.
        late = ("result", job.job_id, job.round.number, job.round.accumulator, job.round.attempt)

        def run() -> RoundResult:
            return compute_result(
                inputs,
                content,
                self._metrics,
                holdout=self._desk.holdout(job.job_id),
                device=self._config.node.device,
                work_dir=self._work_dir,
                patience=left / 2 if give_up else None,
            )

        result: RoundResult | None = self._tasks.peek(key)
        if result is None:
            result = self._tasks.result(late if give_up else key, run)
        if result is not None:
            for record in inputs.updates:
                if record.first in result.reasons:
                    self._once(
                        ("invalid", job.job_id, job.round.number, record.first),
                        "update.invalid",
                        job=job.job_id,
                        round=job.round.number,
                        first=record.first,
                        by=record.node,
                        why=result.reasons[record.first],
                    )
        return result

    def _vote(self, view: AgentView, job: JobView) -> bool:
        result = self._result(view, job)
        if result is None:
            return False
        round_, vote = job.round, self._chain.vote
        hashed = hash_result(result.model_digest, result.accepted, result.invalid)
        ballots = self._chain.ballots(job.job_id, round_.number, round_.attempt)
        candidate, seal = ballots.candidate(hashed), ballots.seal(hashed, view.organisation.account)
        fn = vote.cast_vote(job.job_id, round_.number, round_.attempt, candidate, seal, result.score)
        sent = self._send(
            "cast_vote",
            fn,
            deadline=round_.vote_deadline,
            job=job.job_id,
            round=round_.number,
            accuracy=result.score / 1e6,
            model=result.model_digest.hex()[:16],
        )
        if sent:
            self._metrics.votes.inc()
        return sent

    def _reveal(self, view: AgentView, job: JobView, action: Reveal) -> bool:
        if not self._turn_has_come(view, action):
            return False
        result = self._result(view, job)
        if result is None:
            return False
        round_ = job.round
        seals = self._desk.matching_seals(job, result)
        if seals is None:
            self._once(
                ("minority", job.job_id, round_.number, round_.attempt),
                "vote.minority",
                job=job.job_id,
                round=round_.number,
                mine=result.model_digest.hex()[:16],
            )
            return False
        if seals < round_.quorum and not action.all_voted and view.timestamp < round_.vote_deadline:
            return False
        content = self._desk.content(job.job_id)
        key = ("publish", job.job_id, result.model_digest)
        cid = self._tasks.result(key, lambda: self._publish(content.path(result.model_digest)))
        if cid is None:
            return False
        fn = self._chain.vote.finalize(job.job_id, result.model_digest, result.accepted, result.invalid, cid)
        sent = self._send(
            "finalize", fn, deadline=round_.reveal_deadline, job=job.job_id, round=round_.number, seals=seals
        )
        if sent:
            self._metrics.reveals.inc()
        return sent

    def _publish(self, path: Path) -> str:
        with self._metrics.timed("ipfs"):
            return self._ipfs.add(path)

    def _take_turn(
        self, view: AgentView, action: Expire | Reopen, name: str, fn: ContractFunction, **facts: Any
    ) -> bool:
        if not self._turn_has_come(view, action):
            return False
        return self._send(name, fn, job=action.job_id, **facts)

    def _turn_has_come(self, view: AgentView, action: Reveal | Expire | Reopen) -> bool:
        due = self._first_seen.setdefault(action, view.timestamp)
        return view.timestamp >= due + action.turn * decisions.TURN_SECONDS

    def _send(self, name: str, fn: ContractFunction, *, deadline: int | None = None, **facts: Any) -> bool:
        """Send a transaction and log it; a dry run only logs. Returns whether the view is stale now."""
        if self._sender is None:
            self._once(("dry", name, *sorted(map(str, facts.items()))), f"{name}.would", **facts)
            return False
        with self._metrics.timed("chain"):
            try:
                receipt = self._sender.send(fn, deadline=deadline)
            except ContractError:
                self._metrics.transactions.labels(name, "refused").inc()
                raise
        self._metrics.transactions.labels(name, "mined").inc()
        self._metrics.gas.inc(receipt.gas_used)
        self._log.info(name, **facts, gas=receipt.gas_used, block=receipt.block_number)
        return True

    def _tidy(self, view: AgentView) -> None:
        """Work that is not urgent: copies of final models, settlement of ended jobs, forgetting what is over."""
        if self._config.ipfs.replicate_models:
            for job in view.jobs:
                digest = job.round.model_digest
                path = self._desk.cached_model(job.job_id, digest)
                if path is not None and not self._tasks.busy():
                    key = ("publish", job.job_id, digest)
                    cid = self._quietly(self._background.result, key, partial(self._publish, path))
                    if cid and self._nobody_says(view, job, str(cid)):
                        fn = self._chain.vote.announce(job.job_id, digest, str(cid))
                        if self._quietly(partial(self._send, "announce", fn, job=job.job_id, cid=cid)):
                            self._said.add(("announced", job.job_id, digest))
        for job_id in self._desk.ended_and_unsettled():
            self._quietly(self._settle, job_id, view.organisation.seat)
        open_rounds = {(job.job_id, job.round.number) for job in view.jobs}
        open_jobs = {job.job_id for job in view.jobs}

        def stale(key: Hashable) -> bool:
            if isinstance(key, tuple):
                return key[1] not in open_jobs or (
                    key[0] in ("claim", "train", "prefetch", "result") and key[1:3] not in open_rounds
                )
            return getattr(key, "job_id", None) not in open_jobs

        self._tasks.forget(stale)
        self._joins.forget(stale)
        self._background.forget(stale)
        for work in list(self._trained):
            if (work.job_id, work.round) not in open_rounds:
                self._trained.pop(work, None)
        self._backoff.forget(stale)
        self._share(view, open_rounds)
        due = set(decide(view, self._me))
        self._first_seen = {action: seen for action, seen in self._first_seen.items() if action in due}
        self._liveness.keep_troubles({_name(action) for action in due})

    def _share(self, view: AgentView, open_rounds: set[tuple[int, int]]) -> None:
        """Stay connected to the other nodes' daemons, say where the own one is, let go of what is not needed."""
        self._neighbours.meet([*self._config.ipfs.peers, *self._desk.peers(self._me)])
        self._links.forget(lambda key: isinstance(key, tuple) and key[0] == "release")
        if self._keeper.owes(open_rounds):
            self._quietly(self._links.result, ("release",), partial(self._keeper.release, open_rounds))
        identity: PeerIdentity | None = None
        try:
            identity = self._links.result(("identity",), self._ipfs.identity)
        except (StorageError, WorkError) as error:
            self._log.debug("ipfs.identity", reason=str(error))
        if identity is not None and view.active:
            address = stale_address(view.node.peer, identity.peer_id, identity.addresses)
            if address is not None:
                node = view.node
                fn = self._chain.registry.update_node(self._me, node.roles, node.capacity, address)
                self._quietly(partial(self._send, "update_node", fn, peer=address))

    def _settle(self, job_id: int, seat: int) -> None:
        """Collect what an ended job still owes to this node, and free its bonds."""
        leases, seats = self._desk.unsettled(job_id, self._me, seat)
        if leases:
            self._send("settle", self._chain.scheduler.settle(job_id, leases), job=job_id)
        if seats:
            self._send("settle_votes", self._chain.vote.settle(job_id, seats), job=job_id)
        self._desk.settled(job_id)

    def _nobody_says(self, view: AgentView, job: JobView, cid: str) -> bool:
        """Whether this node is the one to say where the round's model is: who revealed it may have lied about that."""
        turn = decisions.rank(job, view.organisation.seat) * decisions.TURN_SECONDS
        said = ("announced", job.job_id, job.round.model_digest) in self._said
        if said or not view.active or view.timestamp < job.round.opened_at + turn:
            return False
        return cid not in self._desk.history(job.job_id).model_cids(job.round.model_digest)

    def _quietly(self, work: Callable[..., object], *arguments: object) -> object:
        """Do what may fail now and be tried again at a later cycle without anybody's loss; None if it failed."""
        try:
            return work(*arguments)
        except (ContractError, ContentError, StorageError, WorkError, OSError) as error:
            self._log.debug("later", reason=str(error))
            return None

    def _say_who_i_am(self, view: AgentView) -> None:
        if not view.node.account or int(view.node.account, 16) == 0:
            self._once(
                "unregistered",
                "node.unregistered",
                hint="an organisation registers it by `milon node register`",
            )
        elif not view.active:
            reason = "its organisation is no member any more" if view.node.active else "it was retired"
            self._once(("inactive", reason), "node.inactive", reason=reason, hint="it claims nothing more")
        else:
            self._said.discard("unregistered")
            self._once(
                "active", "node.active", organisation=view.organisation.name, capacity=view.node.capacity
            )

    def _once(self, key: Hashable, event: str, **facts: object) -> None:
        if key not in self._said:
            self._said.add(key)
            self._log.info(event, **facts)


def _name(action: decisions.Action) -> str:
    return type(action).__name__.lower()
