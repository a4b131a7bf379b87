"""A job's content, fetched from strangers and verified: spec, data, models, updates.

Everything is checked against a digest that the chain holds, or that a verified manifest holds, before it is used.
"""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from chain.contracts.types import Job
from node.data.dataset import Dataset
from node.data.shards import decode_shard
from node.errors import ContentError, ContentMissing
from node.joblog import JobHistory, UpdateRecord
from node.spec import JobSpec
from node.spec.jobspec import MAX_SPEC_BYTES
from node.storage.cache import ContentCache
from node.storage.ipfs import IpfsClient
from node.tensors import Schema, StateFile, schema_of
from node.training.models import skeleton

# One sample of a shard costs at most its float32 features, an int64 label, and a header shared by all.
_SHARD_OVERHEAD_BYTES = 64 * 1024
# What each of several places is given at the least to begin to answer, in seconds.
_LEAST_S = 1.0
_SPEC_S = 10.0


@dataclass(frozen=True)
class Limits:
    """What one fetch may cost. `timeout` in seconds, per attempt at one provider's CID."""

    timeout: float = 60.0


class JobContent:
    """The content of one job. Safe for use from several threads; what was verified stays in the cache."""

    def __init__(
        self,
        job: Job,
        history: JobHistory,
        ipfs: IpfsClient,
        cache: ContentCache,
        work_dir: Path,
        limits: Limits | None = None,
    ) -> None:
        self._job = job
        self._history = history
        self._ipfs = ipfs
        self._cache = cache
        self._work_dir = work_dir
        self._limits = limits or Limits()
        self._spec: JobSpec | None = None
        self._schema: Schema | None = None
        self._served: set[bytes] = set()
        self._shards: dict[int, Dataset] = {}
        self._holdout: Dataset | None = None

    @property
    def spec(self) -> JobSpec:
        """The job's spec, whose SHA-256 the chain holds.

        Raises:
            ContentError: nobody serves it, or it is not what a spec may be.
        """
        if self._spec is None:
            if self._history.submitted is None:
                raise ContentError(
                    f"job {self._history.job_id} has no submission event: is the RPC node in sync?"
                )
            # It is small: whoever serves it needs no longer, and there may be many that nobody serves.
            timeout = min(self._limits.timeout, _SPEC_S)
            cid, digest = self._history.submitted.spec_cid, self._job.spec_digest
            data = self._bytes(cid, digest, MAX_SPEC_BYTES, timeout)
            self._spec = JobSpec.from_bytes(data)
        return self._spec

    @property
    def schema(self) -> Schema:
        """Names, dtypes and shapes that every model and update of the job must have."""
        if self._schema is None:
            self._schema = schema_of(skeleton(self.spec.architecture).state_dict())
        return self._schema

    def model(self, digest: bytes) -> StateFile:
        """A model of the job by its canonical digest (32 bytes), from the cache or any CID announced for it.

        Raises:
            ContentMissing: no CID that was announced could be fetched. ContentError: what came was wrong.
        """
        cached = self._cached(digest)
        if cached is not None:
            return cached
        cids = self._history.model_cids(digest)
        if not cids:
            raise ContentMissing(f"nobody has said where model {digest.hex()[:16]} can be fetched")
        return self._first_of(cids, digest, f"model {digest.hex()[:16]}")

    def update(self, record: UpdateRecord, timeout: float | None = None) -> StateFile:
        """An update as its event describes it, verified: digest, schema, finiteness.

        Whether it is valid must not depend on what this node happens to have: it is fetched from any CID that this
        job's events name for its digest, and what lies in the cache for another reason does not count. `timeout`:
        seconds for each fetch, by default that of the limits.

        Raises:
            ContentMissing: nobody serves it now. ContentError: it can never be valid.
        """
        cached = self._cached(record.digest) if record.digest in self._served else None
        if cached is not None:
            return cached
        cids = [record.cid, *self._history.cids(record.digest)]
        what = f"update of epoch {record.first} by {record.node}"
        update = self._first_of(list(dict.fromkeys(cids)), record.digest, what, timeout)
        self._served.add(record.digest)
        return update

    def path(self, digest: bytes) -> Path:
        """The file of a model or update of this digest, as `model` and `update` verified it.

        Raises:
            ContentError: as `model`.
        """
        cached = self._cache.get(digest)
        if cached is None:
            self.model(digest)
            cached = self._cache.get(digest)
        if cached is None:
            raise ContentMissing(f"model {digest.hex()[:16]} left the cache: is it too small?")
        return cached

    def cached_path(self, digest: bytes) -> Path | None:
        """As `path`, without fetching anything."""
        return self._cache.get(digest)

    def store(self, path: Path, digest: bytes) -> StateFile:
        """Move a state file of this agent's own making into the cache."""
        return StateFile(self._cache.put(digest, path), self.schema)

    def note_served(self, digest: bytes) -> None:
        """This node itself serves an update of this digest under the CID that it records."""
        self._served.add(digest)

    def shard(self, epoch: int) -> Dataset:
        """The shard that an epoch index names (shared data)."""
        entry = self.spec.shard(epoch)
        index = entry.index
        if index not in self._shards:
            self._shards[index] = self._dataset(entry.cid, bytes.fromhex(entry.sha256), entry.samples)
        return self._shards[index]

    def expected_samples(self, record: UpdateRecord) -> int | None:
        """The weight that an update must claim: the samples of its shards. None for private data, unknown here."""
        if self.spec.shards is None:
            return None
        return sum(
            self.spec.shard(epoch).samples for epoch in range(record.first, record.first + record.count)
        )

    def holdout(self) -> Dataset:
        """The held-out data on which shared-data jobs are scored."""
        if self._holdout is None:
            entry = self.spec.holdout
            if entry is None:
                raise ContentError("the job's spec has no held-out data: it trains on private data")
            self._holdout = self._dataset(entry.cid, bytes.fromhex(entry.sha256), entry.samples)
        return self._holdout

    def _dataset(self, cid: str, sha256: bytes, samples: int) -> Dataset:
        features = 1
        for extent in self.spec.input_shape:
            features *= extent
        limit = samples * (4 * features + 8) + _SHARD_OVERHEAD_BYTES
        data = self._bytes(cid, sha256, limit)
        return decode_shard(
            data, input_shape=self.spec.input_shape, classes=self.spec.classes, max_samples=samples
        )

    def _bytes(self, cid: str, sha256: bytes, max_bytes: int, timeout: float | None = None) -> bytes:
        cached = self._cache.get(sha256)
        if cached is not None:
            data = cached.read_bytes()
            if hashlib.sha256(data).digest() == sha256:
                return data
        timeout = timeout or self._limits.timeout
        data = self._ipfs.fetch(cid, max_bytes=max_bytes, timeout=timeout, sha256=sha256)
        self._cache.put(sha256, data)
        return data

    def _cached(self, digest: bytes) -> StateFile | None:
        path = self._cache.get(digest)
        # The digest was verified when the file was put there; the header is read again on every opening.
        return None if path is None else StateFile(path, self.schema)

    def _first_of(self, cids: list[str], digest: bytes, what: str, timeout: float | None = None) -> StateFile:
        """From the first CID that leads to it. One that leads to wrong content says nothing about the others.

        They share the time: anyone may name CIDs that lead nowhere, and what a try has brought stays with the daemon.
        """
        wrong: ContentError | None = None
        missing: ContentMissing | None = None
        share = max((timeout or self._limits.timeout) / max(len(cids), 1), _LEAST_S)
        for cid in cids:
            try:
                return self.fetch_state(cid, digest, what, share)
            except ContentMissing as error:
                missing = missing or error
            except ContentError as error:
                wrong = wrong or error
        raise missing or wrong or ContentMissing(f"no CID is known for {what}")

    def fetch_state(self, cid: str, digest: bytes, what: str, timeout: float | None = None) -> StateFile:
        """A model or update from this one CID, whatever the cache holds, verified; `what` it is goes into messages.

        `timeout` in seconds, by default that of the limits.

        Raises:
            ContentMissing: nobody serves it now. ContentError: it has another digest or schema, or is not finite.
        """
        # The client's limit is a stranger's number: nothing longer than the schema allows can be right.
        limit = min(self._job.terms.max_update_bytes, self.schema.max_file_bytes)
        with tempfile.TemporaryDirectory(dir=self._work_dir) as folder:
            path = Path(folder) / "state.safetensors"
            self._ipfs.fetch_to(path, cid, max_bytes=limit, timeout=timeout or self._limits.timeout)
            try:
                state = StateFile(path, self.schema)
                if state.digest() != digest:
                    raise ContentError("it does not have the recorded digest")
                state.check_finite()
            except ContentError as error:
                raise ContentError(f"{what} at {cid}: {error}") from error
            return StateFile(self._cache.put(digest, path), self.schema)
