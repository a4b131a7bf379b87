"""What tensors a model has, and NumPy arrays and torch tensors seen as one.

NumPy alone is enough; torch is imported by ``to_torch`` and nowhere else. bfloat16, which NumPy lacks, is
held as the one-field dtype ``BFLOAT16``, so that an array always says what it is.
"""

import math
import sys
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from node.errors import ContentError

if TYPE_CHECKING:
    import torch

Array = NDArray[Any]

BFLOAT16: np.dtype[Any] = np.dtype([("bfloat16", "<u2")])
DTYPES: Mapping[str, np.dtype[Any]] = MappingProxyType(
    {
        "F64": np.dtype("<f8"),
        "F32": np.dtype("<f4"),
        "F16": np.dtype("<f2"),
        "BF16": BFLOAT16,
        "I64": np.dtype("<i8"),
        "I32": np.dtype("<i4"),
        "I16": np.dtype("<i2"),
        "I8": np.dtype("i1"),
        "U8": np.dtype("u1"),
        "BOOL": np.dtype("?"),
    }
)
FLOATING = frozenset({"F64", "F32", "F16", "BF16"})
HEADER_LIMIT = 1 << 20
"""Bytes of a safetensors header; about eight thousand tensors. A longer one is refused before it is read."""

_NAMES = {dtype.str[1:]: name for name, dtype in DTYPES.items() if name != "BF16"}
_TORCH_NAMES = {
    "torch.float64": "F64",
    "torch.float32": "F32",
    "torch.float16": "F16",
    "torch.bfloat16": "BF16",
    "torch.int64": "I64",
    "torch.int32": "I32",
    "torch.int16": "I16",
    "torch.int8": "I8",
    "torch.uint8": "U8",
    "torch.bool": "BOOL",
}


class TensorSpec(NamedTuple):
    """dtype as safetensors names it (a key of ``DTYPES``) and shape of one tensor."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of data."""
        return self.size * DTYPES[self.dtype].itemsize


class Schema(Mapping[str, TensorSpec]):
    """Names, dtypes and shapes of a model's tensors, in canonical order (by name). Immutable, hashable."""

    __slots__ = ("_specs",)

    def __init__(self, specs: Mapping[str, TensorSpec]) -> None:
        self._specs = MappingProxyType(dict(sorted(specs.items())))

    def __getitem__(self, name: str) -> TensorSpec:
        return self._specs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._specs)

    def __len__(self) -> int:
        return len(self._specs)

    def __hash__(self) -> int:
        return hash(tuple(self._specs.items()))

    def __repr__(self) -> str:
        return f"Schema({len(self)} tensors, {self.nbytes} bytes)"

    @property
    def nbytes(self) -> int:
        """Bytes of data of all tensors."""
        return sum(spec.nbytes for spec in self._specs.values())

    @property
    def max_file_bytes(self) -> int:
        """No file of this schema that ``StateFile`` accepts is longer: the limit to fetch by."""
        return 8 + HEADER_LIMIT + self.nbytes

    def difference(self, other: "Schema") -> str | None:
        """One line that says how ``other`` departs from this schema; None if the two are equal."""
        for name in self:
            if name not in other:
                return f"tensor {shown(name)} is missing"
        for name, spec in other.items():
            if name not in self:
                return f"tensor {shown(name)} is not in the model"
            if spec.dtype != self[name].dtype:
                return f"tensor {shown(name)} has dtype {spec.dtype}, the model's is {self[name].dtype}"
            if spec.shape != self[name].shape:
                return f"tensor {shown(name)} has shape {spec.shape}, the model's is {self[name].shape}"
        return None


class Source(Protocol):
    """Anything that tensors can be read from one at a time: ``StateFile``, ``ArrayState``."""

    @property
    def schema(self) -> Schema: ...

    def tensor(self, name: str) -> Array: ...


def as_array(name: str, value: Any) -> Array:
    """``value`` (NumPy array or torch tensor) as a C-ordered little-endian array.

    Copied only if it is not one already. Raises ContentError if it is neither, or its dtype is not one of
    ``DTYPES``.
    """
    dtype = DTYPES[_spec_of(name, value).dtype]
    if isinstance(value, np.ndarray | np.generic):
        return np.asarray(value).astype(dtype, order="C", copy=False)
    tensor = value.detach().cpu().contiguous()
    if dtype == BFLOAT16:
        tensor = tensor.view(sys.modules["torch"].int16)
        return np.asarray(tensor.numpy()).astype("<i2", copy=False).view(BFLOAT16)
    return np.asarray(tensor.numpy()).astype(dtype, copy=False)


def schema_of(state: Mapping[str, Any]) -> Schema:
    """Schema of a state dict of NumPy arrays or torch tensors. Raises ContentError as ``as_array`` does."""
    return Schema({name: _spec_of(name, value) for name, value in state.items()})


def to_torch(state: Mapping[str, Array]) -> "dict[str, torch.Tensor]":
    """Copies of NumPy arrays (``BFLOAT16`` included) as torch tensors on the CPU."""
    import torch

    def convert(array: Array) -> torch.Tensor:
        if array.dtype == BFLOAT16:
            return torch.from_numpy(array.view("<i2").astype(np.int16)).view(torch.bfloat16)
        return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), order="C"))

    return {name: convert(array) for name, array in state.items()}


def shown(text: object) -> str:
    """Another's text fit for one line of a message."""
    line = repr(text)
    return line if len(line) <= 80 else line[:77] + "..."


def _spec_of(name: str, value: Any) -> TensorSpec:
    if not isinstance(name, str):
        raise ContentError(f"tensor name {name!r} is not a string; name every tensor by a string")
    dtype: str | None = None
    if isinstance(value, np.ndarray | np.generic):
        dtype = "BF16" if value.dtype == BFLOAT16 else _NAMES.get(value.dtype.str[1:])
    elif (torch := sys.modules.get("torch")) is not None and isinstance(value, torch.Tensor):
        dtype = _TORCH_NAMES.get(str(value.dtype))
    else:
        raise ContentError(f"{shown(name)} is a {type(value).__name__}; give NumPy arrays or torch tensors")
    if dtype is None:
        raise ContentError(f"tensor {shown(name)} has dtype {value.dtype}; allowed are {', '.join(DTYPES)}")
    return TensorSpec(dtype, tuple(int(length) for length in value.shape))
