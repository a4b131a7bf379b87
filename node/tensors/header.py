"""The header of a safetensors file: written in one way only, and never trusted when read."""

import json
import math
import struct
from typing import Any

from pydantic_core import from_json

from node.errors import ContentError
from node.tensors.schema import DTYPES, HEADER_LIMIT, Schema, TensorSpec, shown

_MAX_DIMENSIONS = 32


def layout(schema: Schema) -> tuple[bytes, dict[str, int]]:
    """The file's bytes before the data, and where each tensor's data starts.

    The offsets are in file order: widest dtype first, so that all are aligned, then by name. Raises
    ContentError if the header is longer than a reader accepts.
    """
    if "__metadata__" in schema:
        raise ContentError("a tensor is named '__metadata__', which the file format reserves; rename it")
    begin = 0
    entries: dict[str, dict[str, Any]] = {}
    for name in sorted(schema, key=lambda name: (-DTYPES[schema[name].dtype].itemsize, name)):
        dtype, shape = schema[name]
        end = begin + schema[name].nbytes
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": (begin, end)}
        begin = end
    text = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > HEADER_LIMIT:
        raise ContentError(
            f"the header of {len(schema)} tensors has {len(text)} bytes; at most {HEADER_LIMIT}"
        )
    start = 8 + len(text)
    return struct.pack("<Q", len(text)) + text, {
        name: start + entry["data_offsets"][0] for name, entry in entries.items()
    }


def parse(buffer: memoryview) -> tuple[Schema, dict[str, int]]:
    """Schema of a whole file and where each tensor's data starts in it.

    Raises ContentError unless the header is well formed and its tensors fill the rest of the file exactly.
    """
    if buffer.nbytes < 8:
        raise ContentError(f"file has {buffer.nbytes} bytes, too few for a header")
    (length,) = struct.unpack_from("<Q", buffer)
    if length > HEADER_LIMIT:
        raise ContentError(f"header claims {length} bytes, at most {HEADER_LIMIT} are allowed")
    if 8 + length > buffer.nbytes:
        raise ContentError("file is truncated inside its header")
    text = bytes(buffer[8 : 8 + length])
    try:
        # Refuses deep nesting whatever the interpreter's recursion limit, which some libraries raise so far that
        # the standard parser would run off the end of the C stack.
        from_json(text)
        header = json.loads(text.decode(), object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError):
        raise ContentError("header is not JSON with distinct keys") from None
    if not isinstance(header, dict):
        raise ContentError("header is not a JSON object")
    if not isinstance(header.pop("__metadata__", {}), dict):
        raise ContentError("__metadata__ is not a JSON object")
    specs: dict[str, TensorSpec] = {}
    ranges: list[tuple[int, int, str]] = []
    for name, entry in header.items():
        specs[name], begin, end = _parse_entry(name, entry)
        ranges.append((begin, end, name))
    position = 0
    for begin, end, name in sorted(ranges):
        if begin != position:
            raise ContentError(f"tensor {shown(name)} leaves a gap or overlaps another")
        position = end
    held = buffer.nbytes - 8 - length
    if held != position:
        state = "truncated" if held < position else "too long"
        raise ContentError(f"file is {state}: {held} bytes of data, its header says {position}")
    return Schema(specs), {name: 8 + length + begin for begin, _, name in ranges}


def _parse_entry(name: str, entry: Any) -> tuple[TensorSpec, int, int]:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ContentError(f"tensor {shown(name)} is not described by dtype, shape and data_offsets alone")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ContentError(f"tensor {shown(name)} has dtype {shown(dtype)}; allowed are {', '.join(DTYPES)}")
    if not _are_lengths(shape) or len(shape) > _MAX_DIMENSIONS:
        raise ContentError(f"tensor {shown(name)} has no valid shape")
    if not _are_lengths(offsets) or len(offsets) != 2:
        raise ContentError(f"tensor {shown(name)} has no valid data_offsets")
    spec = TensorSpec(dtype, tuple(shape))
    if math.prod(length for length in shape if length) >= 1 << 48:
        raise ContentError(f"tensor {shown(name)} has a shape beyond all memory")
    if offsets[1] - offsets[0] != spec.nbytes:
        raise ContentError(f"tensor {shown(name)} has data_offsets that do not fit its shape")
    return spec, offsets[0], offsets[1]


def _are_lengths(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 1 << 63 for value in values)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate key")
    return found
