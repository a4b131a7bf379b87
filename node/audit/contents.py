"""Fetches everything that a job published, and recomputes what validators agreed on."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chain.contracts import event_types as ev
from node.audit.report import Book, Check, Where
from node.audit.state import JobState, RoundRecord
from node.content import JobContent, Limits
from node.data.shards import decode_shard, shard_bytes
from node.errors import ContentError, DataError, SpecError, TrainingError
from node.joblog import JobHistory, UpdateRecord
from node.rounds import check_update, next_model
from node.storage.cache import ContentCache
from node.storage.ipfs import IpfsClient
from node.tensors import StateFile
from node.training.evaluate import evaluate

# What wrong content can raise; trouble with the auditor's own daemon or disk (StorageError) ends the audit instead.
_WRONG = (ContentError, DataError, SpecError, TrainingError)
_CACHE_BYTES = 8 << 30
_MILLION = 1_000_000
# Devices and builds of PyTorch differ in the last bits; a score may differ by as much as this, in millionths.
_SCORE_TOLERANCE = 5_000


@dataclass(frozen=True)
class ContentOptions:
    """`work_dir`: an existing folder for what is fetched, emptied at the end. `timeout`: seconds for one fetch.

    `scores`: whether models are evaluated on shared held-out data, on `device`.
    """

    work_dir: Path
    timeout: float = 60.0
    scores: bool = True
    device: str = "cpu"


def check_contents(
    state: JobState,
    history: JobHistory,
    ipfs: IpfsClient,
    options: ContentOptions,
    book: Book,
    tell: Callable[[str], None],
) -> int:
    """Fetch and check the job's content, round by round: memory holds one round's updates, mapped from files.

    Returns the bytes of all that the job published and that is still served, each CID once.

    Raises:
        StorageError: the auditor's own IPFS daemon or disk cannot be used.
    """
    with (
        tempfile.TemporaryDirectory(dir=options.work_dir, prefix="audit-") as folder,
        MeasuredIpfs(ipfs) as measured,
    ):
        # A cache of its own: what an earlier run has fetched does not prove that it is still served.
        cache = ContentCache(Path(folder) / "cache", _CACHE_BYTES)
        limits = Limits(timeout=options.timeout)
        content = JobContent(state.facts.job, history, measured, cache, Path(folder), limits)
        _ContentAudit(state, history, content, measured, options, Path(folder), book, tell).run()
        return sum(measured.sizes.values())


class MeasuredIpfs(IpfsClient):
    """A client that remembers the size, in bytes, of every CID that it fetched."""

    def __init__(self, ipfs: IpfsClient) -> None:
        super().__init__(ipfs.api, timeout=ipfs.timeout)
        self.sizes: dict[str, int] = {}

    def fetch(
        self, cid: str, *, max_bytes: int, timeout: float | None = None, sha256: bytes | None = None
    ) -> bytes:
        """See IpfsClient."""
        data = super().fetch(cid, max_bytes=max_bytes, timeout=timeout, sha256=sha256)
        self.sizes[cid] = len(data)
        return data

    def fetch_to(
        self,
        path: Path,
        cid: str,
        *,
        max_bytes: int,
        timeout: float | None = None,
        sha256: bytes | None = None,
    ) -> int:
        """See IpfsClient."""
        size = super().fetch_to(path, cid, max_bytes=max_bytes, timeout=timeout, sha256=sha256)
        self.sizes[cid] = size
        return size


class _ContentAudit:
    def __init__(
        self,
        state: JobState,
        history: JobHistory,
        content: JobContent,
        ipfs: IpfsClient,
        options: ContentOptions,
        folder: Path,
        book: Book,
        tell: Callable[[str], None],
    ) -> None:
        self._state, self._history, self._content, self._ipfs = state, history, content, ipfs
        self._options, self._folder, self._book, self._tell = options, folder, book, tell

    def run(self) -> None:
        self._tell("fetching the spec and the initial model")
        if not self._check_spec():
            return
        self._check_initial_model()
        self._check_data()
        for round_ in self._state.rounds.values():
            self._tell(f"round {round_.number}: fetching {len(round_.updates)} updates, aggregating")
            self._check_round(round_)

    def _check_spec(self) -> bool:
        submitted = self._state.submitted
        if submitted is None:
            return False
        where = Where(digest=submitted.spec_digest.hex(), cid=submitted.spec_cid)
        job = self._state.facts.job
        try:
            spec = self._content.spec
            schema = self._content.schema
        except _WRONG as error:
            return self._book.expect(
                Check.JOB, False, f"the spec cannot be used, so no content was checked: {error}", where
            )
        self._book.expect(Check.JOB, bool(schema.nbytes), "the spec's model has no weights", where)
        self._book.equal(Check.JOB, "the spec's ruleset", spec.ruleset, job.terms.ruleset_name, where)
        limit = job.terms.max_update_bytes
        self._book.equal(Check.JOB, "the spec's max_update_bytes", spec.max_update_bytes, limit, where)
        return True

    def _check_initial_model(self) -> None:
        submitted = self._state.submitted
        if submitted is not None:
            self._check_served(
                Check.JOB,
                "the initial model",
                submitted.model_digest,
                Where(digest=submitted.model_digest.hex()),
            )

    def _check_data(self) -> None:
        spec = self._content.spec
        if spec.shards is None or spec.holdout is None:
            self._book.note("the job trains on private data: shards and scores are their owners' alone")
            return
        self._tell(f"fetching {len(spec.shards)} shards and the held-out data")
        for shard in spec.shards:
            what = f"shard {shard.index}"
            self._check_shard(what, shard.cid, shard.sha256, shard.samples, shard.per_class)
        held = spec.holdout
        self._check_shard("the held-out data", held.cid, held.sha256, held.samples, None)

    def _check_shard(
        self, what: str, cid: str, sha256: str, samples: int, per_class: tuple[int, ...] | None
    ) -> None:
        spec, where = self._content.spec, Where(digest=sha256, cid=cid)
        try:
            data = self._ipfs.fetch(
                cid,
                max_bytes=shard_bytes(spec.input_shape, samples),
                timeout=self._options.timeout,
                sha256=bytes.fromhex(sha256),
            )
            dataset = decode_shard(
                data, input_shape=spec.input_shape, classes=spec.classes, max_samples=samples
            )
        except _WRONG as error:
            self._book.expect(Check.DATA, False, f"{what}: {error}", where)
            return
        self._book.equal(Check.DATA, f"the number of samples of {what}", len(dataset), samples, where)
        if per_class is not None:
            counts = tuple(int(n) for n in np.bincount(dataset.y, minlength=len(spec.classes)))
            self._book.equal(
                Check.DATA, f"the number of samples by class of {what}", counts, per_class, where
            )

    def _check_round(self, round_: RoundRecord) -> None:
        checked = {
            record.first: check_update(self._content, record, give_up=True) for record in round_.records()
        }
        closed = round_.closed
        if closed is None:
            self._book.note(
                f"round {round_.number} has no result; what it delivered was fetched and not judged"
            )
            return
        for record in round_.records():
            self._judge(round_, record, checked[record.first])
        self._recompute(round_, closed, checked)
        digest = closed.model_digest
        where = Where(round=round_.number, digest=digest.hex())
        model = self._check_served(Check.MODELS, f"the model of round {round_.number}", digest, where)
        if model is not None:
            self._score(closed, model, where)

    def _judge(self, round_: RoundRecord, record: UpdateRecord, found: StateFile | str) -> None:
        where = Where(
            round=round_.number,
            epoch=record.first,
            node=record.node,
            digest=record.digest.hex(),
            cid=record.cid,
            transaction=next(u.transaction_hash for u in round_.updates if u.first == record.first),
        )
        invalid = bool(round_.invalid >> record.first & 1)
        if isinstance(found, str):
            self._book.expect(Check.UPDATES, invalid, f"an update was taken for valid: {found}", where)
        else:
            problem = "an update was judged invalid, but it is served and sound (it may have come too late)"
            self._book.expect(Check.UPDATES, not invalid, problem, where)

    def _recompute(
        self, round_: RoundRecord, closed: ev.RoundClosed, checked: dict[int, StateFile | str]
    ) -> None:
        where = Where(
            round=round_.number,
            attempt=closed.attempt,
            digest=closed.model_digest.hex(),
            transaction=closed.transaction_hash,
        )
        # By the verdict, so that one wrong verdict is one finding and not a row of them.
        taken = [record for record in round_.records() if not round_.invalid >> record.first & 1]
        valid = [(record, state) for record in taken if isinstance(state := checked[record.first], StateFile)]
        if len(valid) < len(taken):
            problem = f"the model cannot be recomputed: {len(taken) - len(valid)} of its updates are missing"
            self._book.expect(Check.AGGREGATES, False, problem, where)
            return
        try:
            previous = self._content.model(round_.start)
            before = self._content.model(round_.before) if round_.before is not None else None
            digest, accepted = next_model(self._content, valid, previous, before, self._folder)
        except _WRONG as error:
            self._book.expect(Check.AGGREGATES, False, f"the model cannot be recomputed: {error}", where)
            return
        recorded = closed.model_digest
        self._book.expect(
            Check.AGGREGATES,
            digest == recorded,
            f"the job's rule makes model {digest.hex()} of these updates, recorded is {recorded.hex()}",
            where,
        )
        self._book.equal(Check.AGGREGATES, "the set of accepted updates", closed.accepted, accepted, where)

    def _check_served(self, check: Check, what: str, digest: bytes, where: Where) -> StateFile | None:
        """The model from an announced CID, asked for anew although it may be in the cache."""
        model: StateFile | None = None
        wrong: list[str] = []
        for cid in self._history.model_cids(digest):
            try:
                model = self._content.fetch_state(cid, digest, what)
            except _WRONG as error:
                wrong.append(f"{cid}: {error}")
        reason = "; ".join(wrong) or "nobody said where"
        self._book.expect(check, model is not None, f"{what} is not served: {reason}", where)
        if model is not None:
            for hint in wrong:
                # Anyone may announce a CID: one that leads nowhere harms nobody where another leads to the model.
                self._book.note(f"a CID announced for {what} leads nowhere: {hint}")
        return model

    def _score(self, closed: ev.RoundClosed, model: StateFile, where: Where) -> None:
        spec = self._content.spec
        if spec.holdout is None or not self._options.scores:
            return
        try:
            score = evaluate(
                spec.architecture, model.state_dict(), self._content.holdout(), device=self._options.device
            )
        except _WRONG as error:
            self._book.expect(Check.SCORES, False, f"the model cannot be scored: {error}", where)
            return
        off = abs(score.millionths - closed.score)
        self._book.expect(
            Check.SCORES,
            off <= _SCORE_TOLERANCE,
            f"the recorded score is {closed.score / _MILLION:.4f}, the model's is {score.accuracy:.4f}",
            where,
        )
