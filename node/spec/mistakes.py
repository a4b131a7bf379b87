"""Turns what validation found into lines that a person can act on: the key, the value, what is allowed."""

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ValidationError

from node.errors import SpecError

_SHOWN = 60  # characters of a value or of an option list; the rest is elided


@dataclass(frozen=True)
class Mistake:
    """One thing wrong in a job file.

    Attributes:
        key: dotted key, for example ``training.lr``.
        text: what is wrong with it and what is allowed, without the key.
    """

    key: str
    text: str

    def __str__(self) -> str:
        return f"{self.key}: {self.text}"


def not_allowed(key: str, value: object, allowed: str) -> Mistake:
    """The usual mistake: ``training.lr: -1 is not allowed: a number > 0``."""
    return Mistake(key, f"{show(value)} is not allowed: {allowed}")


def not_one_of(key: str, value: object, options: Iterable[str]) -> Mistake:
    """A name that is not among ``options``, with the nearest one suggested."""
    names = sorted(options)
    return Mistake(
        key,
        f"{show(value)} is not allowed: one of {', '.join(names)}{suggestion(str(value), names)}",
    )


def unknown_key(key: str, options: Iterable[str]) -> Mistake:
    """A key that nothing reads, with the nearest known one suggested."""
    names = sorted(options)
    known = ", ".join(names) or "nothing"
    return Mistake(key, f"unknown key{suggestion(key.rpartition('.')[2], names)}; allowed here: {known}")


def suggestion(name: str, options: Iterable[str]) -> str:
    """``'; did you mean X?'`` when an option is near ``name``, else the empty string."""
    near = difflib.get_close_matches(name, list(options), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def show(value: object) -> str:
    """A value as a job file would spell it, on one line and not too long."""
    plain = float(value) if isinstance(value, Decimal) else value
    text = json.dumps(plain, default=str, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def from_validation(error: ValidationError, section: str, model: type[BaseModel]) -> list[Mistake]:
    """Every mistake that pydantic found in one section of a job file or job spec.

    Args:
        error: what ``model`` raised.
        section: dotted key of the section, empty for the top level.
        model: the section's class, whose fields carry ``allowed`` texts.
    """
    found: dict[str, Mistake] = {}
    for item in error.errors(include_url=False):
        location = [part for part in item["loc"] if isinstance(part, str)]
        name = location[0] if location else ""
        key = f"{section}.{name}".strip(".")
        allowed = allowed_text(model, name)
        if item["type"] == "extra_forbidden":
            mistake = unknown_key(key, model.model_fields)
        elif item["type"] == "missing":
            mistake = Mistake(key, f"is missing: {allowed}")
        elif not name:
            mistake = not_allowed(key or "the file", item["input"], "a table of keys")
        else:
            choices = field_extra(model, name).get("choices")
            mistake = (
                not_one_of(key, item["input"], choices)
                if choices and isinstance(item["input"], str)
                else not_allowed(key, item["input"], allowed)
            )
        found.setdefault(key, mistake)
    return list(found.values())


def allowed_text(model: type[BaseModel], name: str) -> str:
    """What field ``name`` of ``model`` allows, as it is written beside the field."""
    return str(field_extra(model, name).get("allowed", "another value"))


def field_extra(model: type[BaseModel], name: str) -> Mapping[str, Any]:
    """The notes kept beside a field: ``allowed`` and, for names, ``choices``."""
    field = model.model_fields.get(name)
    extra = field.json_schema_extra if field is not None else None
    return extra if isinstance(extra, dict) else {}


def raise_all(mistakes: Iterable[Mistake], where: str) -> None:
    """Raises one SpecError that lists every mistake, one per line; returns if there is none."""
    lines = [str(mistake) for mistake in mistakes]
    if lines:
        count = f"{len(lines)} mistake{'s' if len(lines) > 1 else ''}"
        raise SpecError("\n".join([f"{where}: {count}", *(f"  {line}" for line in lines)]))
