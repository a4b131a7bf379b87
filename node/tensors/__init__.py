"""State dicts as bytes: the canonical digest, safetensors files, and reading those of strangers safely."""

from node.tensors.canonical import ArrayState, digest
from node.tensors.files import StateFile, create, dumps, save
from node.tensors.schema import (
    BFLOAT16,
    DTYPES,
    FLOATING,
    HEADER_LIMIT,
    Array,
    Schema,
    Source,
    TensorSpec,
    as_array,
    schema_of,
    to_torch,
)

__all__ = [
    "BFLOAT16",
    "DTYPES",
    "FLOATING",
    "HEADER_LIMIT",
    "Array",
    "ArrayState",
    "Schema",
    "Source",
    "StateFile",
    "TensorSpec",
    "as_array",
    "create",
    "digest",
    "dumps",
    "save",
    "schema_of",
    "to_torch",
]
