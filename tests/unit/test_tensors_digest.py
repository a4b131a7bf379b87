"""The canonical stream: pinned by value, independent of everything but names, dtypes, shapes and values."""

import hashlib
import struct
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from node.errors import ContentError
from node.tensors import BFLOAT16, DTYPES, ArrayState, StateFile, digest, dumps, schema_of, to_torch

STATE: dict[str, np.ndarray] = {
    "b.bias": np.array([0.5, -0.0, 3.25], dtype=np.float32),
    "a.weight": np.arange(6, dtype=np.float64).reshape(2, 3),
    "steps": np.array(7, dtype=np.int64),
}


def reference_stream(state: dict[str, np.ndarray]) -> bytes:
    """The specification's stream, written out naively."""
    parts = [b"milon-state-1\0", struct.pack("<Q", len(state))]
    for name in sorted(state, key=lambda name: name.encode()):
        array = state[name]
        dtype = schema_of(state)[name].dtype.encode()
        data = array.tobytes(order="C")
        parts += [struct.pack("<Q", len(name.encode())), name.encode(), struct.pack("<Q", len(dtype)), dtype]
        parts += [struct.pack("<Q", n) for n in (array.ndim, *array.shape, len(data))] + [data]
    return b"".join(parts)


def test_digest_of_a_known_state_then_it_is_the_pinned_value() -> None:
    assert digest(STATE).hex() == "b41b6e57d04a072b9e5e28304c2043b5178128afede7b64909d7ab638894e875"


def test_digest_when_compared_with_the_specification_then_equal() -> None:
    assert digest(STATE) == hashlib.sha256(reference_stream(STATE)).digest()


def test_digest_when_the_dict_order_changes_then_equal() -> None:
    assert digest(dict(reversed(STATE.items()))) == digest(STATE)


def test_digest_when_memory_layout_changes_then_equal() -> None:
    array = np.arange(24, dtype=np.float32).reshape(4, 6)
    spaced = np.zeros((8, 6), np.float32)
    spaced[::2] = array
    layouts = [np.asfortranarray(array), np.ascontiguousarray(array.T).T, spaced[::2], array.astype(">f4")]
    assert {digest({"w": layout}) for layout in layouts} == {digest({"w": array})}


def test_digest_of_torch_tensors_when_numpy_holds_the_same_then_equal() -> None:
    weight = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    model = {"w": torch.nn.Parameter(weight), "t": weight.T, "n": torch.tensor(3)}
    assert digest(model) == digest({"w": weight.numpy(), "t": weight.numpy().T, "n": np.array(3)})


@pytest.mark.parametrize("dtype", [d for d in DTYPES if d != "BF16"])
def test_digest_of_each_dtype_when_read_from_a_file_then_equal(dtype: str) -> None:
    state = {"x": np.array([[0, 1, 1], [1, 0, 1]]).astype(DTYPES[dtype]), "s": np.ones((), DTYPES[dtype])}
    assert StateFile.from_bytes(dumps(state)).digest() == digest(state) == ArrayState(state).digest()


def test_bfloat16_when_it_passes_through_numpy_and_a_file_then_nothing_changes() -> None:
    tensor = torch.tensor([[1.5, -2.0], [3.0e38, 1e-40]], dtype=torch.bfloat16)
    file = StateFile.from_bytes(dumps({"w": tensor, "scalar": tensor[0, 0]}))
    assert file.schema["w"].dtype == "BF16"
    assert file.tensor("w").dtype == BFLOAT16
    assert torch.equal(file.state_dict()["w"], tensor)
    assert file.digest() == digest(to_torch({name: file.tensor(name) for name in file.schema}))


@pytest.mark.parametrize(
    "changed",
    [
        {"w": np.zeros((2, 3), np.float32)},
        {"w": np.zeros((3, 2), np.float64)},
        {"v": np.zeros((3, 2), np.float32)},
        {"w": np.zeros((3, 2), np.float32), "x": np.zeros(0, np.float32)},
        {"w": np.zeros((1, 3, 2), np.float32)},
        {"w": np.zeros((3, 2), np.int32)},
        {"w": np.array([[0, 0], [0, 0], [0, -0.0]], np.float32)},
    ],
)
def test_digest_when_name_dtype_shape_or_a_bit_changes_then_differs(changed: dict[str, np.ndarray]) -> None:
    assert digest(changed) != digest({"w": np.zeros((3, 2), np.float32)})


@given(st.lists(st.text(max_size=6).filter(lambda name: name.isprintable()), unique=True, max_size=5))
def test_digest_of_any_names_then_it_is_the_specifications(names: list[str]) -> None:
    state = {name: np.full(len(name), i, np.int16) for i, name in enumerate(names)}
    assert digest(state) == hashlib.sha256(reference_stream(state)).digest()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (np.zeros(2, np.complex64), "dtype complex64"),
        (torch.zeros(2, dtype=torch.complex64), "dtype torch.complex64"),
        (np.array(["a"]), "dtype <U1"),
        ([1.0], "is a list"),
    ],
)
def test_digest_of_an_unsupported_value_then_it_says_what_is_allowed(value: object, reason: str) -> None:
    with pytest.raises(ContentError, match=reason):
        digest({"w": value})


def test_digest_of_arrays_then_torch_is_not_imported() -> None:
    script = (
        "import sys, numpy as np; from node.tensors import digest; from node.aggregation import aggregate;"
        "digest({'w': np.zeros(3)}); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
