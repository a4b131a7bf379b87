"""From decoded ABI tuples to the frozen dataclasses that mirror Solidity's structs and events."""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, TypeVar

from chain.contracts import event_types, governance_events
from chain.contracts.event_types import ChainEvent
from chain.events import Event

T = TypeVar("T")

# Two contracts have events of these names; what they are called here depends on what they tell.
_RENAMED = {
    ("ParametersSet", "minimumStake"): "VaultParametersSet",
    ("VoteCast", "voter"): "ProposalVoteCast",
}
_known_converters: dict[type[Any], tuple[Callable[[Any], Any], ...]] = {}


def to_struct(kind: type[T], values: Sequence[Any], **position: Any) -> T:
    """A mirror dataclass from a tuple of its fields, nested ones included; `position` is for events.

    >>> to_struct(Content, (bytes(32), "bafy"))
    """
    return kind(
        *[convert(value) for convert, value in zip(_converters(kind), values, strict=True)], **position
    )


def to_events(events: Iterable[Event]) -> list[ChainEvent]:
    """The typed forms of those events that this version knows, in their order."""
    return [typed for event in events if (typed := to_event(event)) is not None]


def to_event(event: Event) -> ChainEvent | None:
    """The typed form of an event that `EventReader` read; None where there is none for its name."""
    kind = event_kind(event.name, next(iter(event.args), ""))
    if kind is None:
        return None
    return to_struct(
        kind,
        list(event.args.values()),
        contract=event.address,
        block_number=event.block_number,
        transaction_hash=event.tx_hash,
        log_index=event.log_index,
    )


def event_kind(name: str, first_argument: str) -> type[ChainEvent] | None:
    """The dataclass of an event by its Solidity name and that of its first argument; None if there is none."""
    known = _RENAMED.get((name, first_argument), name)
    kind = getattr(event_types, known, None) or getattr(governance_events, known, None)
    return kind if isinstance(kind, type) and issubclass(kind, ChainEvent) else None


def snake_case(name: str) -> str:
    """The Python name of a Solidity name: `minLeaseTime` and `final_` become `min_lease_time` and `final`."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower().strip("_")


def _converters(kind: type[Any]) -> tuple[Callable[[Any], Any], ...]:
    found = _known_converters.get(kind)
    if found is None:
        hints = typing.get_type_hints(kind)
        found = tuple(_converter(hints[field.name]) for field in fields(kind) if not field.kw_only)
        _known_converters[kind] = found
    return found


def _converter(hint: Any) -> Callable[[Any], Any]:
    if typing.get_origin(hint) is tuple:
        inner = _converter(typing.get_args(hint)[0])
        return lambda values: tuple(inner(value) for value in values)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    if isinstance(hint, type) and is_dataclass(hint):
        return lambda values: to_struct(hint, values)
    return lambda value: value
