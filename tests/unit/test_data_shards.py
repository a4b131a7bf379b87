"""Shards as bytes: the same data give the same bytes, and malformed ones never become data."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from node.data import Dataset, decode_shard, encode_shard
from node.data.builtin import load_builtin
from node.errors import ContentError

IRIS = load_builtin("iris").subset(range(0, 150, 10))


def decode(content: bytes, max_samples: int = 15) -> Dataset:
    return decode_shard(content, input_shape=(4,), classes=IRIS.classes, max_samples=max_samples)


def test_shard_when_written_and_read_is_the_same_data() -> None:
    back = decode(encode_shard(IRIS))
    assert np.array_equal(back.x, IRIS.x)
    assert np.array_equal(back.y, IRIS.y)
    assert back.classes == IRIS.classes


def test_shard_of_equal_data_has_equal_bytes() -> None:
    strided = Dataset(np.asfortranarray(IRIS.x), IRIS.y.copy(), IRIS.classes)
    assert encode_shard(strided) == encode_shard(IRIS)


def arrays(**replaced: np.ndarray | None) -> bytes:
    given_arrays = {"x": IRIS.x, "y": IRIS.y, **replaced}
    return bytes(save({name: value for name, value in given_arrays.items() if value is not None}))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 64,
        arrays()[:-1],
        arrays() + b"\0",
        arrays(y=None),
        arrays(z=IRIS.y),
        arrays(x=IRIS.x.astype(np.float64)),
        arrays(y=IRIS.y.astype(np.int32)),
        arrays(x=IRIS.x[:-1]),
        arrays(x=IRIS.x[:, :3].copy()),
        arrays(x=IRIS.x.reshape(15, 2, 2)),
        arrays(x=np.full_like(IRIS.x, np.nan)),
        arrays(y=IRIS.y + 1),
        arrays(y=IRIS.y - 1),
        arrays(x=IRIS.x[:0], y=IRIS.y[:0]),
    ],
)
def test_shard_when_malformed_is_refused(content: bytes) -> None:
    with pytest.raises(ContentError, match="shard: "):
        decode(content)


def test_shard_with_more_samples_than_the_manifest_says_is_refused() -> None:
    with pytest.raises(ContentError, match="shard: "):
        decode(encode_shard(IRIS), max_samples=14)


def test_shard_larger_than_its_samples_can_need_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(ContentError, match="bytes are more than 1 samples can need"):
        decode(b"\0" * 10_000, max_samples=1)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_shard_with_any_byte_changed_is_refused_or_still_sound(data: st.DataObject) -> None:
    content = bytearray(encode_shard(IRIS))
    where = data.draw(st.integers(0, len(content) - 1))
    content[where] ^= data.draw(st.integers(1, 255))
    decoder: Callable[[bytes], Dataset] = decode
    try:
        read = decoder(bytes(content))
    except ContentError:
        return
    assert read.x.shape == IRIS.x.shape
    assert np.isfinite(read.x).all()
