"""Writes a node's configuration as TOML in which every key is explained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from node.config import SECTIONS
from node.spec.mistakes import field_extra


def render(given: Mapping[str, Mapping[str, Any]]) -> str:
    """The text of a configuration file.

    Args:
        given: values by section and key; a key that is not given, or is None, stands in a comment with its default.
    """
    parts = ["# Configuration of a Milon node. Relative paths are taken from this file's folder."]
    for section, model in SECTIONS.items():
        parts += ["", f"[{section}]  # {_first_line(model.__doc__)}"]
        for key, field in model.model_fields.items():
            value = given.get(section, {}).get(key)
            parts.append(f"# {field.description}: {field_extra(model, key).get('allowed', '')}")
            line = f"{key} = {toml_value(field.default if value is None else value)}"
            parts.append(line if value is not None else f"# {line}")
    return "\n".join(parts) + "\n"


def toml_value(value: Any) -> str:
    """A string, number, boolean, path or list of them as TOML; None, which TOML lacks, as an empty string.

    TOML's basic strings take JSON's escapes, but no surrogates (so nothing else is escaped) and no bare DEL.
    """
    if value is None:
        return '""'
    if isinstance(value, Path):
        return toml_value(str(value))
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _first_line(docstring: str | None) -> str:
    return (docstring or "").strip().splitlines()[0]
