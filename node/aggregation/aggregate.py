"""One round's updates to the next global model, by the job's rule: a pure function of their bytes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from node.aggregation.elements import CHUNK, Kernel, elementwise
from node.aggregation.krum import select, squared_distances
from node.aggregation.means import momentum, reduced_weights, weighted_mean
from node.aggregation.order import chunk_for, trimmed_mean
from node.aggregation.rules import MAX_UPDATES, RuleSpec, check_rule
from node.errors import ContentError
from node.tensors import DTYPES, Array, Schema, Source, create


@dataclass(frozen=True)
class Update:
    """A valid update: its bit in the round's bitmaps, how many samples it was trained on, and its weights.

    The caller has checked digest and finiteness (``StateFile.check_finite``).
    """

    index: int
    samples: int
    state: Source


@dataclass(frozen=True)
class Aggregate:
    """The new model's tensors; the bitmap of the updates it was made of, and the indices of the rest."""

    state: dict[str, Array]
    accepted: int
    left_out: tuple[int, ...]


def aggregate(
    rule: RuleSpec,
    updates: Sequence[Update],
    previous: Source,
    before_previous: Source | None = None,
    *,
    out: Path | str | None = None,
    threads: int | None = None,
) -> Aggregate:
    """Aggregates valid updates; the same bytes whatever their order here and the number of threads.

    ``previous`` is the model that the updates were trained from, ``before_previous`` the final model before
    it (None in the first round). With ``out`` the result is a new safetensors file there, and the returned
    arrays are views of it; else it is in memory. ``threads`` None: one per core.

    Raises: SpecError if the rule is wrong or does not work on so many updates; ContentError if a state's
    tensors are not those of ``previous``; StorageError if ``out`` cannot be written.
    """
    check_rule(rule, len(updates))
    params = rule.complete()
    ordered = sorted(updates, key=lambda update: update.index)
    schema = previous.schema
    _check(ordered, schema, before_previous)
    sources = [update.state for update in ordered]
    chosen = list(range(len(ordered)))
    if rule.name in ("krum", "multi_krum"):
        distances = squared_distances(sources, previous, schema, threads)
        chosen = sorted(select(distances, int(params["f"]), int(params.get("m", 1))))

    result = _empty(schema) if out is None else create(out, schema)
    if rule.name == "krum":
        for name in schema:
            np.copyto(result[name], sources[chosen[0]].tensor(name))
    else:
        inputs, make_kernel, chunk = _plan(rule, params, ordered, chosen, previous, before_previous)
        elementwise(inputs, schema, result, make_kernel, threads, chunk)
    accepted = sum(1 << ordered[place].index for place in chosen)
    left_out = tuple(update.index for update in ordered if not accepted >> update.index & 1)
    return Aggregate(result, accepted, left_out)


def _plan(
    rule: RuleSpec,
    params: dict[str, int | float],
    updates: Sequence[Update],
    chosen: Sequence[int],
    previous: Source,
    before_previous: Source | None,
) -> tuple[list[Source], Callable[[], Kernel], int]:
    """What streams through which kernel, and how many elements at a time."""
    sources = [updates[place].state for place in chosen]
    count = len(sources)
    weights = reduced_weights([update.samples for update in updates])
    match rule.name:
        case "fedavg":
            return sources, lambda: weighted_mean(weights), CHUNK
        case "fedavgm":
            models = [previous] if before_previous is None else [previous, before_previous]
            beta, server_lr = float(params["beta"]), float(params["server_lr"])
            return sources + models, lambda: momentum(weights, beta, server_lr), CHUNK
        case "multi_krum":
            return sources, lambda: weighted_mean([1] * count), CHUNK
        case _:
            trim = int(params.get("trim", (count - 1) // 2))
            return sources, lambda: trimmed_mean(count, trim), chunk_for(count)


def _check(updates: Sequence[Update], schema: Schema, before_previous: Source | None) -> None:
    indices = [update.index for update in updates]
    if len(set(indices)) != len(indices) or not all(0 <= index < MAX_UPDATES for index in indices):
        raise ValueError(f"indices of updates {indices} are not distinct numbers below {MAX_UPDATES}")
    for update in updates:
        if update.samples < 0:
            raise ValueError(f"update {update.index} has {update.samples} samples")
        if (reason := schema.difference(update.state.schema)) is not None:
            raise ContentError(f"update {update.index}: {reason}: leave it out as invalid")
    if before_previous is not None and (reason := schema.difference(before_previous.schema)) is not None:
        raise ContentError(f"model before the previous one: {reason}")


def _empty(schema: Schema) -> dict[str, Array]:
    return {name: np.empty(spec.shape, DTYPES[spec.dtype]) for name, spec in schema.items()}
