"""The sections of a job file: every key with its type, its bounds, its default and what it is for."""

import re
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

TOKEN_DECIMALS = 18
MAX_SECONDS = 30 * 24 * 3600
MAX_BYTES = 1 << 36
_UINT96 = (1 << 96) - 1
_FLOAT_MAX = 1e6
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}")


class Section(BaseModel):
    """A table of a job file: immutable, no unknown keys, no conversions such as "1" to 1."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def option(default: Any, allowed: str, about: str, **constraints: Any) -> Any:
    """A key: its default (``...`` when it must be given), what is allowed in words, and what it is for."""
    choices = constraints.pop("choices", None)
    extra: dict[str, Any] = {"allowed": allowed} | ({"choices": list(choices)} if choices else {})
    return Field(default, description=about, json_schema_extra=extra, **constraints)


def choice(default: Any, options: tuple[str, ...], about: str) -> Any:
    """A key whose value is one of a few names."""
    return option(default, f"one of {', '.join(options)}", about, choices=options)


def seconds(default: int, about: str, low: int = 1) -> Any:
    """A duration in whole seconds of chain time."""
    return option(default, f"whole seconds, {low} to {MAX_SECONDS}", about, ge=low, le=MAX_SECONDS)


def tokens(value: object) -> int:
    """Base units (10**-18 token) of a decimal number of tokens.

    Raises:
        ValueError: not a decimal, negative, finer than 18 decimals, or too large for the chain.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError("not a number")
    try:
        units = Decimal(str(value)).scaleb(TOKEN_DECIMALS)
    except InvalidOperation as error:
        raise ValueError("not a decimal number") from error
    if not units.is_finite() or units != units.to_integral_value() or not 0 <= units <= _UINT96:
        raise ValueError("out of range")
    return int(units)


def _name(value: object) -> object:
    if isinstance(value, str) and not _NAME.fullmatch(value):
        raise ValueError("not a name")
    return value


Tokens = Annotated[int, BeforeValidator(tokens)]
Name = Annotated[str, BeforeValidator(_name)]
_TOKENS = "tokens >= 0 with at most 18 decimals, as a number or a string"
_SEED = {"ge": 0, "lt": 1 << 63}


class ModelSpec(Section):
    """Which model is trained."""

    kind: str = option(
        ...,
        "logistic, mlp, cnn, or a name of the entry-point group milon.models",
        "architecture",
        max_length=64,
    )
    params: dict[str, Any] = option({}, "a table", "the architecture's parameters, listed below")
    seed: int = option(0, "a whole number >= 0", "seed of the initial weights", **_SEED)


class DataSection(Section):
    """What is trained on, and how it is divided."""

    source: str | None = option(
        None,
        "digits, breast_cancer, wine, iris, or the path of a .npz file, a .csv file or a folder of images; "
        "may be left out when data.mode is private",
        "data set of the client; in private mode only its shape, classes and scale are used",
        min_length=1,
    )
    mode: Literal["shared", "private"] = choice(
        "shared", ("shared", "private"), "whether shards go through IPFS or every node has its own data"
    )
    split: Literal["even", "dirichlet"] = choice(
        "even", ("even", "dirichlet"), "how samples are spread over the shards"
    )
    alpha: float = option(
        0.5,
        "a number > 0, up to 1000000",
        "concentration of the Dirichlet split; small is skewed",
        gt=0,
        le=_FLOAT_MAX,
    )
    shards: int | None = option(
        None,
        "a whole number from 1 to schedule.epochs_per_round",
        "number of shards; as many as epochs per round when left out",
        ge=1,
        le=256,
    )
    holdout: float = option(
        0.2, "a number > 0 and < 0.9", "share of every class held out for scoring", gt=0, lt=0.9
    )
    seed: int = option(0, "a whole number >= 0", "seed of the hold-out and the split", **_SEED)
    standardise: bool | None = option(
        None,
        "true or false",
        "scale features to mean 0 and deviation 1 of the training part; flat features only when left out",
    )
    label: str | None = option(
        None,
        "the name of a column",
        "csv: column of the labels; the last one when left out",
        min_length=1,
        max_length=256,
    )
    image_size: int = option(
        32, "a whole number from 4 to 1024", "images: side in pixels that they are resized to", ge=4, le=1024
    )
    grayscale: bool = option(False, "true or false", "images: one channel instead of three")
    input_shape: Annotated[tuple[int, ...], Field(strict=False)] | None = option(
        None,
        "a list of 1 or 3 whole numbers >= 1, such as [64] or [1, 8, 8]",
        "shape of one sample, when there is no data.source",
    )
    classes: Annotated[tuple[str, ...], Field(strict=False)] | None = option(
        None, "a list of at least 2 different names", "names of the classes, when there is no data.source"
    )


class TrainingSpec(Section):
    """How one node trains on one lease."""

    optimizer: Literal["sgd", "adam", "adamw"] = choice(
        "sgd", ("sgd", "adam", "adamw"), "optimiser; its state starts afresh with every lease"
    )
    lr: float = option(0.05, "a number > 0, up to 1000", "learning rate", gt=0, le=1000)
    momentum: float = option(0.0, "a number from 0 up to, not including, 1", "momentum of sgd", ge=0, lt=1)
    weight_decay: float = option(0.0, "a number from 0 to 100", "weight decay (L2 penalty)", ge=0, le=100)
    batch_size: int = option(32, "a whole number from 1 to 65536", "samples per step", ge=1, le=65536)
    local_passes: int = option(
        1,
        "a whole number from 1 to 1000",
        "passes over its shard for one epoch of the schedule",
        ge=1,
        le=1000,
    )
    proximal: float = option(
        0.0,
        "a number from 0 to 1000000",
        "mu of FedProx (Li et al. 2020), which pulls towards the round's model",
        ge=0,
        le=_FLOAT_MAX,
    )
    clip_grad: float | None = option(
        None, "a number > 0, up to 1000000", "largest norm of a step's gradient", gt=0, le=_FLOAT_MAX
    )


class AggregationSpec(Section):
    """How the updates of a round become the next model."""

    rule: str = option("fedavg", "the name of an aggregation rule", "aggregation rule", max_length=64)
    params: dict[str, Any] = option({}, "a table", "the rule's parameters, listed below")


class ScheduleSection(Section):
    """Rounds, deadlines and how many have to take part; durations are seconds of chain time."""

    rounds: int = option(10, "a whole number from 1 to 65535", "rounds", ge=1, le=65535)
    epochs_per_round: int = option(
        8, "a whole number from 1 to 256", "epochs leased in one round", ge=1, le=256
    )
    min_updates: int = option(
        1,
        "a whole number from 1 to schedule.epochs_per_round",
        "updates without which a round's training has failed",
        ge=1,
        le=256,
    )
    min_validators: int = option(
        1, "a whole number from 1 to 64", "organisations without which no vote is held", ge=1, le=64
    )
    claim_window: int = seconds(10, "after an attempt opens, how long a node may claim only once", low=0)
    lease: int = seconds(120, "from a claim to the deadline of its update")
    min_lease: int = seconds(5, "claims are refused when less than this is left of training")
    training_window: int = seconds(300, "from the opening of an attempt to the end of training")
    vote_window: int = seconds(120, "from the end of training to the end of voting")
    reveal_window: int = seconds(120, "from the end of voting to the last moment of the reveal")
    grace: int = seconds(
        10, "from a quorum of votes until it may be revealed although some have not voted", low=0
    )
    max_attempts: int = option(
        3, "a whole number from 1 to 16", "attempts of one round before the job fails", ge=1, le=16
    )


class BudgetSection(Section):
    """What the client pays, in tokens."""

    epoch_price: Tokens = option(10**18, _TOKENS, "paid for every accepted epoch", validate_default=False)
    vote_price: Tokens = option(10**18, _TOKENS, "paid for every matching vote", validate_default=False)
    budget: Tokens | None = option(None, _TOKENS, "refuse to submit a job that would escrow more than this")
