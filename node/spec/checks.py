"""What must hold between keys of a job file, each stated once as the keys, a predicate and its wording."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from node.spec.mistakes import Mistake, not_allowed


@dataclass(frozen=True)
class Check:
    """A relation between keys; the first key is the one to blame.

    Attributes:
        keys: dotted keys whose values the predicate takes, in this order.
        holds: True when the values go together.
        allowed: what the first key allows; ``{1}`` and so on stand for the other values.
    """

    keys: tuple[str, ...]
    holds: Callable[..., bool]
    allowed: str


def _without_source(other: object, source: object, mode: object) -> bool:
    return source is not None or mode != "private" or other is not None


CHECKS = (
    Check(
        ("data.source", "data.mode"),
        lambda source, mode: source is not None or mode == "private",
        "a data set or a path, unless data.mode is private",
    ),
    Check(
        ("data.input_shape", "data.source", "data.mode"),
        _without_source,
        "a list such as [64] or [1, 8, 8], since there is no data.source",
    ),
    Check(
        ("data.classes", "data.source", "data.mode"),
        _without_source,
        "a list of at least 2 different names, since there is no data.source",
    ),
    Check(
        ("data.input_shape", "data.source"),
        lambda shape, source: shape is None or source is None,
        "nothing beside data.source, which has the shape itself",
    ),
    Check(
        ("data.classes", "data.source"),
        lambda classes, source: classes is None or source is None,
        "nothing beside data.source, which has the classes itself",
    ),
    Check(
        ("data.input_shape",),
        lambda shape: shape is None or (len(shape) in (1, 3) and all(1 <= side <= 1 << 20 for side in shape)),
        "a list of 1 or 3 whole numbers >= 1, such as [64] or [1, 8, 8]",
    ),
    Check(
        ("data.classes",),
        lambda names: names is None or len(set(names)) == len(names) >= 2,
        "a list of at least 2 different names",
    ),
    Check(
        ("data.standardise", "data.source"),
        lambda wanted, source: not wanted or source is not None,
        "false, since there is no data.source to take mean and deviation from",
    ),
    Check(
        ("data.shards", "schedule.epochs_per_round"),
        lambda shards, epochs: shards is None or shards <= epochs,
        "at most schedule.epochs_per_round ({1}), since no epoch would name the others",
    ),
    Check(
        ("training.momentum", "training.optimizer"),
        lambda momentum, optimizer: momentum == 0 or optimizer == "sgd",
        "0 with optimizer {1}; momentum belongs to sgd",
    ),
    Check(
        ("schedule.min_updates", "schedule.epochs_per_round"),
        lambda updates, epochs: updates <= epochs,
        "at most schedule.epochs_per_round ({1}), since an update holds at least one epoch",
    ),
    Check(
        ("schedule.min_lease", "schedule.lease"),
        lambda least, lease: least <= lease,
        "at most schedule.lease ({1})",
    ),
    Check(
        ("schedule.lease", "schedule.training_window"),
        lambda lease, window: lease <= window,
        "at most schedule.training_window ({1})",
    ),
    Check(
        ("schedule.claim_window", "schedule.training_window"),
        lambda claim, window: claim < window,
        "less than schedule.training_window ({1}), or nobody could take over an overdue lease",
    ),
    Check(
        ("schedule.grace", "schedule.vote_window"),
        lambda grace, window: grace <= window,
        "at most schedule.vote_window ({1})",
    ),
)


def run_checks(values: Mapping[str, Any]) -> list[Mistake]:
    """The relations that do not hold; one that needs a key missing from ``values`` is passed over."""
    mistakes: dict[str, Mistake] = {}
    for check in CHECKS:
        if all(key in values for key in check.keys):
            given = [values[key] for key in check.keys]
            if not check.holds(*given):
                allowed = check.allowed.format(*given)
                mistake = (
                    Mistake(check.keys[0], f"is missing: {allowed}")
                    if given[0] is None
                    else not_allowed(check.keys[0], given[0], allowed)
                )
                mistakes.setdefault(check.keys[0], mistake)
    return list(mistakes.values())
