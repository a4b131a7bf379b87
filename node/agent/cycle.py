"""The agent's cycle: read one view of the chain pinned to a block, decide, act, read again.

The agent holds nothing that a crash could lose: what is in memory is a cache of the chain and of content.
"""

from __future__ import annotations

import threading
import time

from chain.consortium import Consortium
from chain.contracts.types import AgentView, BallotState, JobView, LeaseState, Phase
from chain.errors import ChainError, MilonError
from chain.heads import HeadWatcher
from chain.provider import ChainResetError
from chain.reverts import ContractError
from chain.sender import NotMinedError, Sender
from node.agent.decide import Action, decide, may_vote
from node.agent.hands import Hands
from node.agent.housekeeping import Housekeeping
from node.agent.jobs import JobDesk
from node.agent.metrics import Liveness, Metrics
from node.agent.sharing import Keeper
from node.agent.tasks import Backoff
from node.agent.work import Work
from node.config import NodeConfig
from node.storage.ipfs import IpfsClient

# A chain on which nothing happens still moves its clock; so does this one's view of deadlines.
HEARTBEAT_S = 5.0

# Somebody else was faster, or the round moved on between the view and the transaction: the next view will tell.
LOST_RACES = frozenset(
    {
        "SchedulerAlreadyClaimed",
        "SchedulerAlreadyDelivered",
        "SchedulerBarred",
        "SchedulerEpochsLeft",
        "SchedulerLeaseHeld",
        "SchedulerLeaseNotOverdue",
        "SchedulerNoEpochsLeft",
        "SchedulerNoLease",
        "SchedulerPaused",
        "SchedulerShareReached",
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
        self._config = config.node
        self._chain = consortium
        self._me = address
        self._heads = heads
        self._metrics = metrics
        self._liveness = liveness
        self._stop = threading.Event()
        self._drain = threading.Event()
        self._drained_at: float | None = None
        self._view: AgentView | None = None
        self._draining = False
        self._backoff = Backoff()
        self._in_doubt = False
        self._hands = Hands(config, consortium, address, sender, ipfs, metrics)
        self._log = self._hands.log
        work_dir = config.node.data_dir / "work"
        work_dir.mkdir(parents=True, exist_ok=True)
        keeper = Keeper(ipfs)
        self._desk = JobDesk(config, consortium, ipfs, work_dir, self._log)
        self._work = Work(
            self._hands, self._desk, keeper, work_dir, heads.wake, self._stop.is_set, self._drain.is_set
        )
        self._housekeeping = Housekeeping(self._hands, self._desk, keeper, heads.wake)

    def stop(self) -> None:
        """Make `run` return soon; work in progress is abandoned, for a later start to do again."""
        self._stop.set()
        self._heads.wake()

    def drain(self) -> None:
        """Make `run` return when what the node leased is delivered and settled, after `node.drain` seconds at most.

        A second call stops at once.
        """
        if self._drain.is_set() or not self._config.drain:
            self.stop()
        self._drain.set()
        self._heads.wake()

    def run(self) -> None:
        """Cycle until `stop` or the end of `drain`, or until the organisation has left and nothing is left to do.

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
                if self._is_done():
                    break
        finally:
            self._work.close()
            self._housekeeping.close()

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

    def _is_done(self) -> bool:
        """Whether there is nothing to go on for: all that was held is done and settled, or draining took too long."""
        view = self._view
        if view is None:
            return False
        left = has_left(view)
        if not left and not self._draining:
            return False
        if int(view.node.account, 16) == 0:
            return True
        if left and not self._draining:
            self._hands.once(
                "leaving", "node.leaving", hint="its organisation left; what it holds is finished"
            )
        late = False
        if self._draining:
            if self._drained_at is None:
                self._drained_at = time.monotonic()
                self._log.info("node.draining", seconds=self._config.drain, hint="stop again to stop at once")
            late = time.monotonic() - self._drained_at >= self._config.drain
        held = [job.job_id for job in view.jobs if holds(view, job, votes=left)]
        if held and not late:
            return False
        if held:
            self._log.warning(
                "node.leaves_leases", jobs=held, hint="start it again in time, or their bonds pay"
            )
        try:
            self._housekeeping.settle(view)
        except ChainError as error:
            self._log.warning("settle.failed", reason=str(error))
        if left and not held:
            self._log.info(
                "node.finished", reason="its organisation is no member any more, and all is settled"
            )
        return True

    def _cycle(self) -> int:
        # Known before the view is read: what an earlier cycle claimed is in it.
        self._draining = self._drain.is_set()
        with self._metrics.timed("chain"):
            view = self._chain.lens.view_for(self._me)
            if self._desk.went_back(view.block_number):
                self._chain.check()
            undone = self._desk.refresh(view)
        if undone:
            self._work.undo(undone)
            self._housekeeping.undo(undone)
        self._view = view
        self._say_who_i_am(view)
        busy: set[int] = set()
        actions = decide(view, self._config.settle_every, draining=self._draining)
        for action in actions:
            if action.job_id not in busy and self._act(view, action):
                busy.add(action.job_id)
        self._tidy(view, set(actions))
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

    def _act(self, view: AgentView, action: Action) -> bool:
        """Do what is due of one action; whether the job's view is stale afterwards."""
        if not self._backoff.due(action):
            return False
        try:
            done = self._work.do(view, action)
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

    def _failed(self, action: Action, error: Exception, **facts: object) -> bool:
        """Note a failure, and say so unless it is the same as before."""
        self._metrics.failures.labels(type(error).__name__).inc()
        if self._liveness.trouble(_name(action), str(error)):
            self._log.warning(f"{_name(action)}.failed", job=action.job_id, reason=str(error), **facts)
        return False

    def _tidy(self, view: AgentView, due: set[Action]) -> None:
        """Forget what is over, and do what is not urgent. `due`: what was decided at this view."""
        open_rounds = {(job.job_id, job.round.number) for job in view.jobs}
        open_jobs = {job.job_id for job in view.jobs}
        self._work.forget(view, due)
        self._backoff.forget(lambda key: getattr(key, "job_id", None) not in open_jobs)
        self._housekeeping.tidy(view, open_rounds, busy=self._work.busy())
        self._liveness.keep_troubles({_name(action) for action in due})

    def _say_who_i_am(self, view: AgentView) -> None:
        if int(view.node.account, 16) == 0:
            self._hands.once(
                "unregistered",
                "node.unregistered",
                hint="an organisation registers it by `milon node register`",
            )
        elif not view.active:
            reason = "its organisation is no member any more" if view.node.active else "it was retired"
            self._hands.once(
                ("inactive", reason), "node.inactive", reason=reason, hint="it claims nothing more"
            )
        else:
            self._hands.forget("unregistered")
            if view.paused:
                self._hands.once(
                    "paused", "consortium.paused", hint="new rounds lease nothing until it goes on"
                )
            else:
                self._hands.forget("paused")
            self._hands.once(
                "active", "node.active", organisation=view.organisation.name, capacity=view.node.capacity
            )


def has_left(view: AgentView) -> bool:
    """Whether the node's organisation was a member and is none any more."""
    return view.organisation.since != 0 and view.organisation.until != 0


def holds(view: AgentView, job: JobView, *, votes: bool) -> bool:
    """Whether the node has something to do or to wait for in an open job: a lease, or one that goes on.

    With `votes`, also a vote of the open attempt, and whatever cannot be settled before the round is over.
    """
    lease = job.lease
    if lease.state == LeaseState.LIVE or (lease.state == LeaseState.DELIVERED and (lease.kept or votes)):
        return True
    if not votes:
        return False
    cast = job.voted and job.ballot.state == BallotState.CAST
    return cast or (job.phase in (Phase.TRAINING, Phase.VOTING) and may_vote(view, job))


def _name(action: Action) -> str:
    return type(action).__name__.lower()
