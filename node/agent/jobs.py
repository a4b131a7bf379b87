"""The jobs that an agent knows: their history, their content, and whether it takes part."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from chain.consortium import Consortium
from chain.contracts import event_types as ev
from chain.contracts.seals import hash_result
from chain.contracts.structs import to_events
from chain.contracts.types import AgentView, JobView
from chain.errors import ChainError
from node.agent.validator import RoundInputs, RoundResult
from node.config import NodeConfig
from node.content import JobContent, Limits
from node.data.dataset import Dataset
from node.data.private import PrivateData, load_private
from node.errors import ContentError, ContentMissing, DataError, TrainingError
from node.joblog import JobHistory, JobLog, accumulate
from node.rewards import Unsettled, owing
from node.spec import RULESET
from node.storage.cache import ContentCache
from node.storage.ipfs import IpfsClient
from node.training.models import skeleton

_CACHE_BYTES = 8 << 30
# Seconds of chain time after which events are read although the view shows nothing new.
_READ_ANYWAY_S = 15


class JobDesk:
    """Everything about jobs that can be rebuilt from the chain and from IPFS."""

    def __init__(
        self,
        config: NodeConfig,
        consortium: Consortium,
        ipfs: IpfsClient,
        work_dir: Path,
        log: FilteringBoundLogger,
    ) -> None:
        self._config = config
        self._chain = consortium
        self._ipfs = ipfs
        self._log = log
        self._cache = ContentCache(config.node.data_dir / "cache", _CACHE_BYTES)
        self._work_dir = work_dir
        self._events = consortium.events()
        self._history = JobLog()
        self._contents: dict[int, JobContent] = {}
        self._refusals: dict[int, str] = {}
        self._accepted: set[int] = set()
        self._private: dict[int, PrivateData] = {}
        self._views: dict[int, JobView] = {}
        self._ended: set[int] = set()
        self._settled: set[int] = set()
        self._peers: dict[str, str] = {}
        self._organisations: dict[str, str] = {}
        self._fingerprint: object = None
        self._block = -1

    def went_back(self, block: int) -> bool:
        """Whether the chain has become shorter than it was: a reset, or a long reorganisation."""
        before, self._block = self._block, block
        return block < before

    def refresh(self, view: AgentView) -> set[int]:
        """Take in the view, and the events up to its block when it shows that something happened.

        Returns the jobs that a reorganisation of the chain undid; what was known of them is forgotten.

        Raises:
            ChainResetError: nothing is left of the chain that was read before.
        """
        undone: set[int] = set()
        over: set[int] = set()
        # Announcements change nothing that the view shows.
        fingerprint = (
            view.timestamp // _READ_ANYWAY_S,
            tuple(
                (
                    j.job_id,
                    j.phase,
                    j.round.number,
                    j.round.attempt,
                    j.round.taken,
                    j.round.accumulator,
                    j.round.awaited,
                    j.attempt.voted,
                )
                for j in view.jobs
            ),
        )
        if fingerprint != self._fingerprint:
            batch = self._events.read(view.block_number)
            if batch.undone_from is not None:
                self._chain.check()
                undone = self._history.undo_from(batch.undone_from)
                self._forget(undone)
            events = to_events(batch.events)
            self._history.add(events)
            self._note_nodes(events)
            self._check_complete(view)
            over = self._history.ended()
            self._fingerprint = fingerprint
        views = {job.job_id: job for job in view.jobs}
        self._ended = (self._ended | set(self._views) | over) - set(views) - undone
        self._settled -= set(views)
        self._views = views
        return undone

    def _check_complete(self, view: AgentView) -> None:
        """Forget all events, so that they are read anew, if they do not add up to what the contracts say.

        Behind a balanced RPC URL the node that gives the logs may lag behind the one that gives the view.
        """
        for job in view.jobs:
            history, number = self._history.job(job.job_id), job.round.number
            closed = number == 1 or history.result(number - 1) is not None
            if closed and history.submitted and accumulate(history.updates(number)) == job.round.accumulator:
                continue
            self._forget(self._history.undo_from(0))
            self._events, self._fingerprint = self._chain.events(), None
            raise ChainError(
                f"job {job.job_id}: the events do not add up to what the contracts say; the RPC node leaves some out "
                "or is still behind"
            )

    def _note_nodes(self, events: Iterable[ev.ChainEvent]) -> None:
        for event in events:
            if isinstance(event, ev.NodeRegistered | ev.NodeUpdated):
                self._peers[event.node] = event.peer
                self._organisations[event.node] = event.account
            elif isinstance(event, ev.NodeRetired | ev.NodeRotated):
                self._peers.pop(event.node, None)

    def peers(self, me: str) -> list[str]:
        """Where the other nodes' IPFS daemons are, as far as the registry knows."""
        return [peer for node, peer in self._peers.items() if node != me and peer]

    def history(self, job_id: int) -> JobHistory:
        """What the events say of a job."""
        return self._history.job(job_id)

    def content(self, job_id: int) -> JobContent:
        """The job's content, fetched when asked for."""
        if job_id not in self._contents:
            self._contents[job_id] = JobContent(
                self._views[job_id].job,
                self._history.job(job_id),
                self._ipfs,
                self._cache,
                self._work_dir,
                Limits(timeout=self._config.ipfs.timeout),
            )
        return self._contents[job_id]

    def takes_part(self, job_id: int) -> bool:
        """Whether this node works for a job: it was not told otherwise, and it can.

        Raises:
            ContentMissing, StorageError: the spec cannot be fetched now; ask again later.
        """
        wanted = self._config.node.jobs
        if wanted != "all" and job_id not in wanted:
            return False
        if job_id in self._refusals:
            return False
        reason = self._why_not(job_id)
        if reason is not None:
            self._refusals[job_id] = reason
            self._log.warning("job.refused", job=job_id, reason=reason)
        return reason is None

    def _why_not(self, job_id: int) -> str | None:
        if job_id in self._accepted:
            return None
        ruleset = self._views[job_id].job.terms.ruleset_name
        if ruleset != RULESET:
            return f"the job follows ruleset {ruleset!r}, this version of Milon follows {RULESET!r}"
        try:
            spec = self.content(job_id).spec
            if spec.ruleset != ruleset:
                return f"its spec names ruleset {spec.ruleset!r}, its terms {ruleset!r}"
            skeleton(spec.architecture)
            if spec.data.mode == "private":
                if self._config.node.private_data is None:
                    return "it trains on private data, and [node] private_data is not set"
                self._private[job_id] = load_private(self._config.node.private_data, spec)
        except ContentMissing:
            raise
        except (ContentError, DataError, TrainingError) as error:
            return str(error)
        self._accepted.add(job_id)
        self._log.info("job.joined", job=job_id, name=spec.name, model=spec.model.kind, mode=spec.data.mode)
        return None

    def private_training(self, job_id: int) -> Dataset | None:
        """The node's own training data, where the job trains on that."""
        private = self._private.get(job_id)
        return None if private is None else private.train

    def holdout(self, job_id: int) -> Dataset:
        """What this node scores the job's models on."""
        private = self._private.get(job_id)
        return self.content(job_id).holdout() if private is None else private.holdout

    def cached_model(self, job_id: int, digest: bytes) -> Path | None:
        """A model's file, if this node has it."""
        return self.content(job_id).cached_path(digest) if job_id in self._accepted else None

    def round_inputs(self, job: JobView) -> RoundInputs:
        """What the result of the open round depends on."""
        history, number = self._history.job(job.job_id), job.round.number
        before: bytes | None = None
        if number == 2 and history.submitted is not None:
            before = history.submitted.model_digest
        elif number > 2:
            before = history.results()[number - 2].model_digest
        return RoundInputs(
            job.job_id,
            number,
            tuple(history.updates(number)),
            job.round.accumulator,
            job.round.model_digest,
            before,
        )

    def matching_seals(self, job: JobView, result: RoundResult) -> int | None:
        """How many votes of the open attempt bear a true seal of `result`; None if another candidate leads."""
        round_ = job.round
        hashed = hash_result(result.model_digest, result.accepted, result.invalid)
        ballots = self._chain.ballots(job.job_id, round_.number, round_.attempt)
        if job.attempt.leading != ballots.candidate(hashed):
            return None
        votes = self._history.job(job.job_id).votes(round_.number, round_.attempt)
        return sum(vote.seal == ballots.seal(hashed, vote.account) for vote in votes)

    def ended_and_unsettled(self) -> list[int]:
        """Jobs that are over and may still owe something to this node's organisation."""
        return sorted(self._ended - self._settled)

    def lessees(self, job_id: int, account: str) -> list[str]:
        """The nodes of an organisation that ever leased epochs of a job, retired ones too."""
        lessees = self._history.job(job_id).lessees()
        return sorted(node for node in lessees if self._organisations.get(node) == account)

    def owing(self, job_id: int, view: AgentView) -> Unsettled:
        """What settling a job would do for this node's organisation now. Raises ChainError."""
        account = view.node.account
        nodes = self.lessees(job_id, account)
        return owing(self._chain, job_id, nodes, account, view.organisation.seat)

    def _forget(self, undone: set[int]) -> None:
        self._accepted -= undone
        self._settled -= undone
        for job_id in undone:
            for known in (self._contents, self._private, self._refusals, self._views):
                known.pop(job_id, None)

    def settled(self, job_id: int) -> None:
        """Forget an ended job."""
        self._settled.add(job_id)
        self._contents.pop(job_id, None)
        self._private.pop(job_id, None)
