"""The job spec: what a job's nodes must know, as canonical JSON on IPFS, read as a stranger's."""

import json
import math
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from node.errors import ContentError
from node.spec.architecture import Architecture
from node.spec.fields import AggregationSpec, ModelSpec, Name, Section, TrainingSpec
from node.spec.parameters import check_parameters
from node.spec.rules import check_rule_parameters

MAX_SPEC_BYTES = 4 << 20
MAX_FEATURES = 1 << 24
MAX_SHARD_SAMPLES = 1 << 31
# A shard is held in memory while it is trained on, by nodes whose size the client does not know.
MAX_SHARD_BYTES = 1 << 32

_Cid = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9]+$")]
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Samples = Annotated[int, Field(ge=1, le=MAX_SHARD_SAMPLES)]
_Numbers = Annotated[tuple[float, ...], Field(strict=False, min_length=1, max_length=1 << 16)]


class ShardEntry(Section):
    """One shard of shared data: where it is, what it must be, what it holds.

    Attributes:
        index: position in the manifest.
        cid: where IPFS finds it.
        sha256: digest of its bytes, hexadecimal.
        samples: number of samples.
        per_class: number of samples of each class, in the order of the job's classes.
    """

    index: Annotated[int, Field(ge=0, lt=256)]
    cid: _Cid
    sha256: _Sha256
    samples: _Samples
    per_class: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(strict=False)]


class HoldoutEntry(Section):
    """The held-out part of shared data; attributes as of `ShardEntry`."""

    cid: _Cid
    sha256: _Sha256
    samples: _Samples


class Standardisation(Section):
    """Scale of the features: ``(x - mean) / std``, one entry per feature, or per channel of an image."""

    mean: _Numbers
    std: _Numbers

    @model_validator(mode="after")
    def _matches(self) -> "Standardisation":
        if len(self.mean) != len(self.std) or any(value <= 0 for value in self.std):
            raise ValueError("mean and std differ in length, or a deviation is not > 0")
        return self


class DataSpec(Section):
    """How a node reads private data and holds out a part; fields as in the job file's data section."""

    mode: Literal["shared", "private"]
    holdout: Annotated[float, Field(gt=0, lt=0.9)]
    seed: Annotated[int, Field(ge=0, lt=1 << 63)]
    label: Annotated[str, Field(min_length=1, max_length=256)] | None
    image_size: Annotated[int, Field(ge=4, le=1024)]
    grayscale: bool


class JobSpec(Section):
    """Everything that a job's nodes must agree on beside the chain's terms.

    Attributes:
        format: version of this format.
        ruleset: version of training and aggregation rules, as the chain's terms have it.
        input_shape: shape of one sample: ``(features,)`` or ``(channels, height, width)``.
        classes: names of the classes, in the order of the labels.
        standardisation: already applied to shards and hold-out; to be applied to private data and to inputs
            of predictions. None when features are used as they are.
        shards: the manifest of shared data; None for private data.
        holdout: the held-out part of shared data; None for private data.
        max_update_bytes: largest update or model that a node has to fetch.
    """

    format: Literal["milon-job/1"] = "milon-job/1"
    ruleset: Annotated[str, Field(min_length=1, max_length=31, pattern=r"^[!-~]+$")]
    name: Name
    model: ModelSpec
    input_shape: Annotated[
        tuple[Annotated[int, Field(ge=1)], ...], Field(strict=False, min_length=1, max_length=3)
    ]
    classes: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=256)], ...],
        Field(strict=False, min_length=2, max_length=1 << 16),
    ]
    training: TrainingSpec
    aggregation: AggregationSpec
    data: DataSpec
    standardisation: Standardisation | None
    shards: Annotated[tuple[ShardEntry, ...], Field(strict=False, min_length=1, max_length=256)] | None
    holdout: HoldoutEntry | None
    max_update_bytes: Annotated[int, Field(ge=1, le=1 << 36)]

    @model_validator(mode="after")
    def _consistent(self) -> "JobSpec":
        if len(self.input_shape) == 2 or math.prod(self.input_shape) > MAX_FEATURES:
            raise ValueError(
                f"input_shape {list(self.input_shape)} is neither flat nor an image, or too large"
            )
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("two classes have one name")
        if self.standardisation and len(self.standardisation.mean) != self.input_shape[0]:
            raise ValueError("standardisation does not fit input_shape")
        shared = self.data.mode == "shared"
        if shared != (self.shards is not None) or shared != (self.holdout is not None):
            raise ValueError("shared data has a manifest and a hold-out, private data has neither")
        sizes = [shard.samples for shard in self.shards or ()] + (
            [self.holdout.samples] if self.holdout else []
        )
        if max(sizes, default=0) * (4 * math.prod(self.input_shape) + 8) > MAX_SHARD_BYTES:
            raise ValueError(f"a shard or the hold-out is larger than {MAX_SHARD_BYTES >> 30} GiB")
        for position, shard in enumerate(self.shards or ()):
            if shard.index != position:
                raise ValueError(f"shard {position} has index {shard.index}")
            if len(shard.per_class) != len(self.classes) or sum(shard.per_class) != shard.samples:
                raise ValueError(f"the counts of shard {position} do not add up")
        params, mistakes = check_parameters(self.model.kind, self.model.params)
        rule_params, more = check_rule_parameters(self.aggregation.rule, self.aggregation.params, None)
        if mistakes or more:
            raise ValueError("; ".join(map(str, [*mistakes, *more])))
        if params != self.model.params or rule_params != self.aggregation.params:
            raise ValueError("parameters are not complete")
        return self

    @property
    def architecture(self) -> Architecture:
        """The job's model, as the functions of ``node.training`` take it."""
        return Architecture(
            self.model.kind, self.model.params, self.input_shape, len(self.classes), self.model.seed
        )

    def shard_index(self, epoch: int) -> int:
        """Position of the shard that an epoch of a round names: its index modulo the number of shards.

        Raises:
            ValueError: the job's data is private, so that epochs name no shard.
        """
        if self.shards is None:
            raise ValueError("private data has no shards")
        return epoch % len(self.shards)

    def shard(self, epoch: int) -> ShardEntry:
        """The shard that an epoch of a round names; raises as `shard_index` does."""
        shards = self.shards
        index = self.shard_index(epoch)
        assert shards is not None  # noqa: S101 (shard_index has raised otherwise)
        return shards[index]

    def to_bytes(self) -> bytes:
        """Canonical JSON: keys sorted, no spaces, UTF-8, shortest decimals that give back each float."""
        tree = self.model_dump(mode="json")
        text = json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text.encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> "JobSpec":
        """Reads a spec that anyone may have written.

        Raises:
            ContentError: too large, not JSON, unknown or missing keys, values out of bounds, parts that do
                not fit each other, or not the canonical bytes of what it says.
        """
        if len(content) > MAX_SPEC_BYTES:
            raise ContentError(f"job spec: {len(content)} bytes are more than the {MAX_SPEC_BYTES} allowed")
        try:
            spec = cls.model_validate_json(content)
        except ValidationError as error:
            raise ContentError(f"job spec: {_first(error)}") from error
        except RecursionError as error:
            raise ContentError("job spec: nested too deeply") from error
        if spec.to_bytes() != content:
            raise ContentError("job spec: not in canonical form")
        return spec


def _first(error: ValidationError) -> str:
    item: dict[str, Any] = dict(error.errors(include_url=False, include_input=False)[0])
    where = ".".join(map(str, item["loc"]))
    more = error.error_count() - 1
    return f"{where + ': ' if where else ''}{item['msg']}" + (f" (and {more} more)" if more else "")
