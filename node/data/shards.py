"""The bytes of a shard on IPFS: safetensors with ``x`` and ``y``, read as a stranger's."""

import math

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from node.data.dataset import Dataset
from node.errors import ContentError, DataError

_HEADER_BYTES = 4096


def encode_shard(dataset: Dataset) -> bytes:
    """``x`` float32 and ``y`` int64, without metadata; the same data give the same bytes."""
    content: bytes = save({"x": np.ascontiguousarray(dataset.x), "y": np.ascontiguousarray(dataset.y)})
    return content


def shard_bytes(input_shape: tuple[int, ...], samples: int) -> int:
    """The most bytes that a shard of this many samples may have."""
    return samples * (4 * math.prod(input_shape) + 8) + _HEADER_BYTES


def decode_shard(
    content: bytes, *, input_shape: tuple[int, ...], classes: tuple[str, ...], max_samples: int
) -> Dataset:
    """Reads a shard that anyone may have written.

    Raises:
        ContentError: too large, not safetensors, other tensors than ``x`` and ``y``, wrong dtypes or shapes,
            no or too many samples, values that are not finite, labels out of range.
    """
    limit = shard_bytes(input_shape, max_samples)
    if len(content) > limit:
        raise ContentError(
            f"shard: {len(content)} bytes are more than {max_samples} samples can need ({limit})"
        )
    try:
        tensors = load(content)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ContentError(f"shard: not safetensors: {error}") from error
    if set(tensors) != {"x", "y"}:
        raise ContentError(f"shard: holds {', '.join(sorted(tensors)[:8]) or 'nothing'} instead of x and y")
    x, y = tensors["x"], tensors["y"]
    if x.shape[1:] != input_shape or not 1 <= len(x) <= max_samples:
        raise ContentError(f"shard: x has shape {list(x.shape)}; the job's samples have {list(input_shape)}")
    try:
        return Dataset(x, y, classes)
    except DataError as error:
        raise ContentError(f"shard: {error}") from error
