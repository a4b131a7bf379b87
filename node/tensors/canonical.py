"""The canonical stream of a state dict and its SHA-256 digest, by which everyone names a model.

The stream is specified in docs/aggregation.md.
"""

import hashlib
import struct
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from node.tensors.schema import Array, Schema, as_array, schema_of

_TAG = b"milon-state-1\0"


def digest(state: Mapping[str, Any]) -> bytes:
    """SHA-256 of the canonical stream of a state dict of NumPy arrays or torch tensors; 32 bytes.

    Data is hashed in place; only a tensor that is not contiguous is copied, one at a time.
    """
    return stream_digest(schema_of(state), lambda name: as_array(name, state[name]))


def data_bytes(array: Array) -> memoryview:
    """The bytes of an array in C order, not copied."""
    return array.reshape(-1).view(np.uint8).data


def stream_digest(schema: Schema, tensor: Callable[[str], Array]) -> bytes:
    """SHA-256 of the canonical stream of the tensors that ``tensor`` returns by name (C-ordered)."""
    sha = hashlib.sha256(_TAG + struct.pack("<Q", len(schema)))
    for name, spec in schema.items():
        encoded, dtype = name.encode(), spec.dtype.encode()
        sha.update(struct.pack("<Q", len(encoded)) + encoded)
        sha.update(struct.pack("<Q", len(dtype)) + dtype)
        sha.update(struct.pack(f"<Q{len(spec.shape)}Q", len(spec.shape), *spec.shape))
        sha.update(struct.pack("<Q", spec.nbytes))
        sha.update(data_bytes(tensor(name)))
    return sha.digest()


class ArrayState:
    """A state dict in memory (values: NumPy arrays or torch tensors) as a ``Source``; shares their memory."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self._arrays = {name: as_array(name, value) for name, value in state.items()}
        self.schema = schema_of(self._arrays)

    def tensor(self, name: str) -> Array:
        return self._arrays[name]

    def digest(self) -> bytes:
        return stream_digest(self.schema, self.tensor)
