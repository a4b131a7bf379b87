"""The work of a round: claim, train, fetch, vote, reveal, close what has failed, and collect what is due."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from pathlib import Path
from typing import Any

from web3.contract.contract import ContractFunction

from chain.contracts.seals import hash_result
from chain.contracts.token import format_units
from chain.contracts.types import AgentView, JobView
from node.agent.decide import (
    TURN_SECONDS,
    Action,
    Claim,
    Enlist,
    Expire,
    FreeShare,
    Prefetch,
    Reopen,
    Reveal,
    Settle,
    Train,
    Vote,
    claim_bond,
    keeps,
    vote_reserve,
)
from node.agent.hands import Hands
from node.agent.jobs import JobDesk
from node.agent.sharing import Keeper
from node.agent.tasks import Tasks
from node.agent.trainer import LeasedWork, TrainedUpdate, train_lease
from node.agent.validator import RoundResult, compute_result
from node.errors import StakeError


class Work:
    """Does what was decided, piece by piece: what takes long runs on threads, and is looked at again next time.

    `wake` is called when a piece ends; `stopping` says that the agent is to end, `draining` that it is to finish what
    it holds before. Used from one thread.
    """

    def __init__(
        self,
        hands: Hands,
        desk: JobDesk,
        keeper: Keeper,
        work_dir: Path,
        wake: Callable[[], None],
        stopping: Callable[[], bool],
        draining: Callable[[], bool] = lambda: False,
    ) -> None:
        self._hands = hands
        self._desk = desk
        self._keeper = keeper
        self._work_dir = work_dir
        self._stopping, self._draining = stopping, draining
        self._tasks = Tasks(4, wake)
        # Whether content is there at all: for a stranger's job it may never come, and no work may wait behind that.
        self._joins = Tasks(8, wake)
        self._fetches = Tasks(1, wake)
        self._first_seen: dict[Action, int] = {}
        self._trained: dict[LeasedWork, TrainedUpdate] = {}
        # Shares that settlement does not free: they are used up by leases of the round itself.
        self._full: set[FreeShare] = set()
        self._time = 0

    def do(self, view: AgentView, action: Action) -> bool:
        """Do what can be done of an action now; whether its job's view is stale afterwards.

        Raises:
            MilonError, OSError: what went wrong; it may be tried again.
        """
        self._time = view.timestamp
        if isinstance(action, Settle):
            return self._settle(view, action)
        if not self._joins.result(("join", action.job_id), partial(self._desk.takes_part, action.job_id)):
            return False
        job = next(j for j in view.jobs if j.job_id == action.job_id)
        match action:
            case Claim():
                return self._claim(view, job, "claim", self._hands.chain.scheduler.claim(job.job_id))
            case Enlist():
                return self._claim(view, job, "enlist", self._hands.chain.scheduler.enlist(job.job_id))
            case FreeShare():
                return self._free_share(view, action)
            case Train():
                return self._train(view, job, action)
            case Prefetch():
                return self._prefetch(job)
            case Vote():
                return self._vote(view, job)
            case Reveal():
                return self._reveal(view, job, action)
            case Expire():
                fn = self._hands.chain.scheduler.expire(job.job_id, action.node)
                return self._take_turn(view, action, "expire", fn, of=action.node)
            case Reopen():
                if action.voting:
                    return self._take_turn(view, action, "fail", self._hands.chain.vote.fail(job.job_id))
                return self._take_turn(view, action, "reopen", self._hands.chain.scheduler.reopen(job.job_id))

    def busy(self) -> bool:
        """Whether anything trains, aggregates or publishes now."""
        return self._tasks.busy()

    def undo(self, jobs: set[int]) -> None:
        """Forget all work for jobs that a reorganisation of the chain undid."""
        for tasks in (self._tasks, self._joins, self._fetches):
            tasks.drop(lambda key: isinstance(key, tuple) and key[1] in jobs)
        # A new one: what still trains for such a job writes into the old one.
        self._trained = {}

    def forget(self, view: AgentView, due: set[Action]) -> None:
        """Drop the results of rounds that are over, and the waiting for turns at what is no longer due."""
        self._time = view.timestamp
        open_rounds = {(job.job_id, job.round.number) for job in view.jobs}
        open_jobs = {job.job_id for job in view.jobs}

        def stale(key: Hashable) -> bool:
            if not isinstance(key, tuple):
                return False
            return key[1] not in open_jobs or (
                key[0] not in ("join", "publish") and key[1:3] not in open_rounds
            )

        for tasks in (self._tasks, self._joins, self._fetches):
            tasks.forget(stale)
        for work in list(self._trained):
            if (work.job_id, work.round) not in open_rounds:
                self._trained.pop(work, None)
        self._first_seen = {action: seen for action, seen in self._first_seen.items() if action in due}
        self._full &= {action for action in due if isinstance(action, FreeShare)}

    def close(self) -> None:
        """Start nothing more."""
        for tasks in (self._tasks, self._joins, self._fetches):
            tasks.close()

    def _claim(self, view: AgentView, job: JobView, name: str, fn: ContractFunction) -> bool:
        """Claim, or enlist for the next round, if what that needs is served and the stake covers it."""
        digest, content = job.round.model_digest, self._desk.content(job.job_id)

        def served() -> bool:
            content.path(digest)
            if content.spec.shards is not None:
                content.shard(0)
            return True

        # A lease of what nobody serves would only cost its bond.
        if self._joins.result(("claim", job.job_id, job.round.number, digest), served) is None:
            return False
        _check_stake(view, job)
        return self._hands.send(name, fn, job=job.job_id, round=job.round.number)

    def _free_share(self, view: AgentView, action: FreeShare) -> bool:
        if action in self._full:
            return False
        owed = self._desk.owing(action.job_id, view)
        if not owed.released:
            self._full.add(action)
            self._hands.log.debug("share.full", job=action.job_id, round=action.round, epochs=action.share)
            return False
        fn = self._hands.chain.scheduler.settle(action.job_id, owed.nodes)
        return self._hands.send("settle", fn, job=action.job_id, round=action.round, freed=owed.released)

    def _settle(self, view: AgentView, action: Settle) -> bool:
        if action.votes:
            fn = self._hands.chain.vote.settle(action.job_id, 1 << view.organisation.seat)
            return self._hands.send("settle_votes", fn, job=action.job_id)
        nodes = self._desk.lessees(action.job_id, view.node.account)
        return self._hands.send(
            "settle", self._hands.chain.scheduler.settle(action.job_id, nodes), job=action.job_id
        )

    def _train(self, view: AgentView, job: JobView, action: Train) -> bool:
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
                    self._hands.metrics,
                    private=self._desk.private_training(job.job_id),
                    device=self._hands.config.node.device,
                    threads=self._hands.config.node.threads,
                    work_dir=self._work_dir,
                    stop=lambda: self._stopping() or self._time >= action.deadline,
                )
            cid = self._hands.publish(content.path(trained.digest))
            content.note_served(trained.digest)
            return trained, cid

        published: tuple[TrainedUpdate, str] | None = self._tasks.result(key, run)
        if published is None:
            return False
        update, cid = published
        wanted = self._hands.config.node.keep_leases and not self._draining()
        carried = not self._desk.history(job.job_id).claimed(action.round, self._hands.me)
        keep = keeps(job, wanted=wanted, active=view.active, carried=carried)
        fn = self._hands.chain.scheduler.submit_update(
            job.job_id, update.digest, update.samples, cid, keep=keep
        )
        sent = self._hands.send(
            "submit_update",
            fn,
            deadline=action.deadline,
            job=job.job_id,
            round=action.round,
            first=action.first,
            count=action.count,
            kept=keep,
            loss=round(update.loss, 4),
            seconds=round(update.seconds, 3),
            bytes=update.size,
        )
        if sent:
            self._hands.metrics.updates.inc()
            self._hands.metrics.epochs.inc(action.count)
        return sent

    def _prefetch(self, job: JobView) -> bool:
        content = self._desk.content(job.job_id)
        for record in self._desk.history(job.job_id).updates(job.round.number):
            key = ("prefetch", job.job_id, job.round.number, record.first, record.digest)
            work: Callable[[], object] = partial(content.update, record)
            if self._hands.config.node.keep_updates and record.node != self._hands.me:
                work = partial(self._keeper.fetch, content, record, (job.job_id, job.round.number))
            self._hands.quietly(self._fetches.result, key, work)
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
                self._hands.metrics,
                holdout=self._desk.holdout(job.job_id),
                device=self._hands.config.node.device,
                work_dir=self._work_dir,
                patience=left / 2 if give_up else None,
            )

        result: RoundResult | None = self._tasks.peek(key)
        if result is None:
            result = self._tasks.result(late if give_up else key, run)
        if result is not None:
            for record in inputs.updates:
                if record.first in result.reasons:
                    self._hands.once(
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
        round_, vote = job.round, self._hands.chain.vote
        hashed = hash_result(result.model_digest, result.accepted, result.invalid)
        ballots = self._hands.chain.ballots(job.job_id, round_.number, round_.attempt)
        candidate, seal = ballots.candidate(hashed), ballots.seal(hashed, view.organisation.account)
        fn = vote.cast_vote(job.job_id, round_.number, round_.attempt, candidate, seal, result.score)
        sent = self._hands.send(
            "cast_vote",
            fn,
            deadline=round_.vote_deadline,
            job=job.job_id,
            round=round_.number,
            accuracy=result.score / 1e6,
            model=result.model_digest.hex()[:16],
        )
        if sent:
            self._hands.metrics.votes.inc()
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
            self._hands.once(
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
        cid = self._tasks.result(key, lambda: self._hands.publish(content.path(result.model_digest)))
        if cid is None:
            return False
        fn = self._hands.chain.vote.finalize(
            job.job_id, result.model_digest, result.accepted, result.invalid, cid
        )
        sent = self._hands.send(
            "finalize", fn, deadline=round_.reveal_deadline, job=job.job_id, round=round_.number, seals=seals
        )
        if sent:
            self._hands.metrics.reveals.inc()
        return sent

    def _take_turn(
        self, view: AgentView, action: Expire | Reopen, name: str, fn: ContractFunction, **facts: Any
    ) -> bool:
        if not self._turn_has_come(view, action):
            return False
        return self._hands.send(name, fn, job=action.job_id, **facts)

    def _turn_has_come(self, view: AgentView, action: Reveal | Expire | Reopen) -> bool:
        due = self._first_seen.setdefault(action, view.timestamp)
        return view.timestamp >= due + action.turn * TURN_SECONDS


def _check_stake(view: AgentView, job: JobView) -> None:
    """Raise StakeError when a claim would lock more than is free beside what the organisation's votes need."""
    bond, reserve, free = claim_bond(job), vote_reserve(view), view.account.free
    if bond + reserve > free:
        kept = f" beside {format_units(reserve)} for votes" if reserve else ""
        raise StakeError(
            f"a lease of job {job.job_id} may lock {format_units(bond)} tokens{kept}, "
            f"{view.organisation.name} has {format_units(free)} of free stake; add some with "
            "`milon node register --stake`, or declare less capacity"
        )
