"""Safetensors files: written whole, and those of strangers read safely and lazily."""

import mmap
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from node.errors import ContentError, StorageError
from node.tensors.canonical import data_bytes, stream_digest
from node.tensors.header import layout, parse
from node.tensors.schema import DTYPES, FLOATING, Array, Schema, as_array, schema_of, shown, to_torch

if TYPE_CHECKING:
    import torch

_CHECK_CHUNK = 1 << 18


class StateFile:
    """A safetensors file whose header was checked before anything was allocated; tensors are read lazily.

    Views map the file: it must not be changed or truncated while they are in use. The mapping is freed with
    the last view. Values are not looked at on opening: see ``check_finite``.

    Raises (constructor): ContentError if the file is not one that a reader accepts (docs/aggregation.md), or
    differs from ``schema``; StorageError if it cannot be opened.
    """

    def __init__(self, path: Path | str, schema: Schema | None = None) -> None:
        path = Path(path)
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
        except OSError as error:
            raise StorageError(f"cannot open {path}: {error.strerror}; check the path") from error
        self._open(memoryview(mapped), path.name, schema)

    @classmethod
    def from_bytes(cls, data: bytes, schema: Schema | None = None, name: str = "state") -> "StateFile":
        """The same checks and views over bytes in memory; ``name`` is for messages."""
        self = cls.__new__(cls)
        self._open(memoryview(data), name, schema)
        return self

    def tensor(self, name: str) -> Array:
        """Read-only view, C order, of the tensor's own shape and dtype (``BFLOAT16`` for BF16)."""
        spec = self.schema[name]
        return np.ndarray(spec.shape, DTYPES[spec.dtype], self._buffer, self._offsets[name])

    def digest(self) -> bytes:
        """SHA-256 of the canonical stream, 32 bytes."""
        return stream_digest(self.schema, self.tensor)

    def is_finite(self) -> bool:
        """Whether no floating tensor holds NaN or infinity and every boolean is 0 or 1."""
        return self._first_unsound() is None

    def check_finite(self) -> None:
        """Raises ContentError, naming the tensor, unless ``is_finite``."""
        if (name := self._first_unsound()) is not None:
            held = "a boolean other than 0 or 1" if self.schema[name].dtype == "BOOL" else "NaN or infinity"
            raise ContentError(f"{self._name}: tensor {shown(name)} holds {held}: refused")

    def state_dict(self) -> "dict[str, torch.Tensor]":
        """Copies of all tensors, on the CPU."""
        return to_torch({name: self.tensor(name) for name in self.schema})

    def _open(self, buffer: memoryview, name: str, schema: Schema | None) -> None:
        self._buffer, self._name = buffer, name
        try:
            if schema is not None and buffer.nbytes > schema.max_file_bytes:
                raise ContentError(f"file has {buffer.nbytes} bytes, the model has {schema.nbytes}")
            self.schema, self._offsets = parse(buffer)
            if schema is not None and (reason := schema.difference(self.schema)) is not None:
                raise ContentError(reason)
        except ContentError as error:
            raise ContentError(f"{name}: {error}: refused") from None

    def _first_unsound(self) -> str | None:
        for name, spec in self.schema.items():
            flat = self.tensor(name).reshape(-1)
            chunks = (flat[i : i + _CHECK_CHUNK] for i in range(0, flat.size, _CHECK_CHUNK))
            if not all(_is_sound(chunk, spec.dtype) for chunk in chunks):
                return name
        return None


def dumps(state: Mapping[str, Any]) -> bytes:
    """The safetensors file of a state dict as bytes; equal states give equal bytes."""
    header, offsets = layout(schema_of(state))
    return b"".join([header, *(as_array(name, state[name]).tobytes() for name in offsets)])


def save(state: Mapping[str, Any], path: Path | str) -> None:
    """Writes the bytes of ``dumps`` so that ``path`` is either whole or as before. Raises StorageError."""
    path = Path(path)
    part = path.with_name(path.name + ".part")
    header, offsets = layout(schema_of(state))
    try:
        with part.open("wb") as file:
            file.write(header)
            for name in offsets:
                file.write(data_bytes(as_array(name, state[name])))
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise StorageError(
            f"cannot write {path}: {error.strerror}; check the folder and its space"
        ) from error


def create(path: Path | str, schema: Schema) -> dict[str, Array]:
    """A new file of zeros whose tensors are returned as writable views, to be filled in place.

    The space is reserved first, so that a full disk is an error here and no fault later. Raises StorageError.
    """
    header, offsets = layout(schema)
    size = len(header) + schema.nbytes
    try:
        with Path(path).open("w+b") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
            mapped = mmap.mmap(file.fileno(), size)
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror}; check the folder and its space"
        ) from error
    mapped[: len(header)] = header
    return {
        name: np.ndarray(spec.shape, DTYPES[spec.dtype], mapped, offsets[name])
        for name, spec in schema.items()
    }


def _is_sound(chunk: Array, dtype: str) -> bool:
    if dtype == "BF16":
        return bool(((chunk.view("<u2") & 0x7F80) != 0x7F80).all())
    if dtype == "BOOL":
        return bool((chunk.view(np.uint8) <= 1).all())
    return dtype not in FLOATING or bool(np.isfinite(chunk).all())
