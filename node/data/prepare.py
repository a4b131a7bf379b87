"""The client's side of a job's data: read, hold out, scale, split, and describe it in the job spec."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from node.data.dataset import Dataset
from node.data.scaling import measure_scale, scaled
from node.data.shards import encode_shard
from node.data.sources import load_source
from node.data.split import holdout_split, split_dirichlet, split_even
from node.errors import DataError
from node.spec import (
    RULESET,
    Architecture,
    DataSpec,
    HoldoutEntry,
    JobFile,
    JobSpec,
    ShardEntry,
    Standardisation,
)


@dataclass(frozen=True)
class Part:
    """One piece of shared data as it goes to IPFS.

    Attributes:
        content: its bytes.
        sha256: their digest, hexadecimal.
        samples: number of samples.
        per_class: number of samples of each class.
    """

    content: bytes
    sha256: str
    samples: int
    per_class: tuple[int, ...]


@dataclass(frozen=True)
class PreparedJob:
    """A job whose data is ready to be published.

    Attributes:
        job: the job file.
        input_shape: shape of one sample.
        classes: names of the classes.
        standardisation: scale of the features, already applied to the parts.
        shards: what the epochs name, in order; empty for private data.
        holdout: held-out part; None for private data.
    """

    job: JobFile
    input_shape: tuple[int, ...]
    classes: tuple[str, ...]
    standardisation: Standardisation | None
    shards: tuple[Part, ...]
    holdout: Part | None

    @property
    def architecture(self) -> Architecture:
        """The job's model."""
        model = self.job.model
        return Architecture(model.kind, model.params, self.input_shape, len(self.classes), model.seed)

    def spec(self, shard_cids: Sequence[str], holdout_cid: str | None, max_update_bytes: int) -> JobSpec:
        """The job spec, once IPFS has given the parts their CIDs.

        Args:
            shard_cids: one per shard, in order; empty for private data.
            holdout_cid: None for private data.
            max_update_bytes: the job file's, or ``node.training.models.default_update_bytes``.
        """
        data = self.job.data
        entries = tuple(
            ShardEntry(index=i, cid=cid, sha256=part.sha256, samples=part.samples, per_class=part.per_class)
            for i, (cid, part) in enumerate(zip(shard_cids, self.shards, strict=True))
        )
        held = self.holdout
        return JobSpec(
            ruleset=RULESET,
            name=self.job.name,
            model=self.job.model,
            input_shape=self.input_shape,
            classes=self.classes,
            training=self.job.training,
            aggregation=self.job.aggregation,
            data=DataSpec(
                mode=data.mode,
                holdout=data.holdout,
                seed=data.seed,
                label=data.label,
                image_size=data.image_size,
                grayscale=data.grayscale,
            ),
            standardisation=self.standardisation,
            shards=entries or None,
            holdout=None
            if held is None or holdout_cid is None
            else HoldoutEntry(cid=holdout_cid, sha256=held.sha256, samples=held.samples),
            max_update_bytes=max_update_bytes,
        )


def prepare(job: JobFile) -> PreparedJob:
    """Reads the job's data and makes its parts; nothing is published.

    Raises:
        DataError: the data is missing, malformed, or too little for the job.
    """
    data = job.data
    if data.source is None:
        if data.input_shape is None or data.classes is None:
            raise DataError("data.source: is missing; give it, or data.input_shape and data.classes")
        return PreparedJob(job, data.input_shape, data.classes, None, (), None)
    whole = load_source(data.source, label=data.label, image_size=data.image_size, grayscale=data.grayscale)
    train, holdout = holdout_split(whole, data.holdout, data.seed)
    standardise = data.standardise if data.standardise is not None else whole.x.ndim == 2
    scale = measure_scale(train) if standardise else None
    if data.mode == "private":
        return PreparedJob(job, whole.input_shape, whole.classes, scale, (), None)
    train = scaled(train, scale)
    shards = (
        split_even(train, job.shards, data.seed)
        if data.split == "even"
        else split_dirichlet(train, job.shards, data.alpha, data.seed)
    )
    parts = tuple(_part(shard) for shard in shards)
    return PreparedJob(job, whole.input_shape, whole.classes, scale, parts, _part(scaled(holdout, scale)))


def _part(dataset: Dataset) -> Part:
    content = encode_shard(dataset)
    return Part(content, hashlib.sha256(content).hexdigest(), len(dataset), dataset.counts())
