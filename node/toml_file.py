"""Reads a TOML file within a size limit, and lays values typed at the command line over it."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from node.errors import SpecError
from node.spec.mistakes import Mistake

MAX_BYTES = 1 << 20


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """The tables of the file.

    Args:
        path: the file.
        what: what it should be, for the message, such as "node configuration".

    Raises:
        SpecError: it cannot be read, is larger than a mebibyte, or is not TOML.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SpecError(f"{path}: larger than {MAX_BYTES} bytes, so not a {what}")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(f"{path}: cannot be read: {error.strerror}; give the path of a {what}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: not a TOML file: {error}") from error


def lay_over(raw: dict[str, Any], overrides: Mapping[str, str], example: str) -> list[Mistake]:
    """Sets dotted keys in ``raw`` in place; a value that is not TOML is taken as a string.

    Returns:
        A mistake for every key that names no place in a table; ``example`` shows how to write one.
    """
    mistakes = []
    for key, text in overrides.items():
        *tables, last = key.split(".")
        table: Any = raw
        for name in tables:
            table = table.setdefault(name, {}) if isinstance(table, dict) else None
        if isinstance(table, dict) and last and all(tables):
            table[last] = _value(text)
        else:
            mistakes.append(Mistake(key, f"unknown key; write section.key, such as {example}"))
    return mistakes


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
