"""Safetensors files: read by the reference library, and refused unless they are exactly what was expected."""

import json
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch

from node.errors import ContentError, StorageError
from node.tensors import HEADER_LIMIT, StateFile, create, digest, dumps, save, schema_of

STATE: dict[str, np.ndarray] = {
    "w": np.arange(6, dtype=np.float32).reshape(2, 3),
    "n": np.array(5, dtype=np.int64),
    "flags": np.array([True, False, True]),
    "none": np.zeros((0, 4), np.float16),
}
SCHEMA = schema_of(STATE)


def file_of(header: Any, data: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype: str = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def test_save_when_the_reference_library_reads_it_then_same_tensors(tmp_path: Path) -> None:
    save(STATE, tmp_path / "m.safetensors")
    read = safetensors.numpy.load_file(tmp_path / "m.safetensors")
    assert digest(read) == digest(STATE)
    assert (tmp_path / "m.safetensors").read_bytes() == dumps(STATE)
    assert list(tmp_path.iterdir()) == [tmp_path / "m.safetensors"]


def test_dumps_when_the_dict_order_changes_then_equal_bytes() -> None:
    assert dumps(dict(reversed(STATE.items()))) == dumps(STATE)


def test_state_file_when_the_reference_library_wrote_it_then_same_tensors(tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    path = tmp_path / "m.safetensors"
    safetensors.torch.save_file(model.state_dict(), path, metadata={"format": "pt"})
    file = StateFile(path, schema_of(model.state_dict()))
    assert file.digest() == digest(model.state_dict())
    for name, tensor in file.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name])


def test_state_file_when_opened_then_views_are_read_only_and_typed(tmp_path: Path) -> None:
    save(STATE, tmp_path / "m")
    file = StateFile(tmp_path / "m", SCHEMA)
    assert file.tensor("w").tolist() == STATE["w"].tolist()
    assert file.tensor("n").shape == ()
    assert file.tensor("none").shape == (0, 4)
    with pytest.raises(ValueError, match="read-only"):
        file.tensor("w")[0, 0] = 1


def test_create_when_filled_then_it_is_the_saved_file(tmp_path: Path) -> None:
    views = create(tmp_path / "m", SCHEMA)
    for name, array in STATE.items():
        views[name][...] = array
    del views
    assert (tmp_path / "m").read_bytes() == dumps(STATE)


@pytest.mark.parametrize(
    "write", [lambda path: save(STATE, path), lambda path: create(path, SCHEMA), StateFile]
)
def test_file_when_the_folder_is_missing_then_storage_error(
    tmp_path: Path, write: Callable[[Path], object]
) -> None:
    with pytest.raises(StorageError, match="No such file"):
        write(tmp_path / "missing" / "m")


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({k: v for k, v in STATE.items() if k != "n"}, "'n' is missing"),
        ({**STATE, "extra": np.zeros(1)}, "'extra' is not in the model"),
        ({**STATE, "w": STATE["w"].T}, r"shape \(3, 2\), the model's is \(2, 3\)"),
        ({**STATE, "w": STATE["w"].astype(np.float64)}, "dtype F64, the model's is F32"),
        ({**STATE, "w": np.zeros((2_000, 300), np.float32)}, "file has .* bytes, the model has"),
    ],
)
def test_state_file_when_it_departs_from_the_schema_then_refused(
    state: dict[str, np.ndarray], reason: str
) -> None:
    with pytest.raises(ContentError, match=reason):
        StateFile.from_bytes(dumps(state) + bytes(HEADER_LIMIT if "file" in reason else 0), SCHEMA)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "too few"),
        (b"\x01\x00", "too few"),
        (struct.pack("<Q", HEADER_LIMIT + 1) + b"{}", "claims 1048577 bytes"),
        (struct.pack("<Q", 1 << 63) + b"{}", "claims"),
        (struct.pack("<Q", 100) + b"{}", "truncated inside its header"),
        (file_of(b"\xff\xfe", b""), "not JSON"),
        (file_of(b"{", b""), "not JSON"),
        (file_of(b"[" * 100_000, b""), "not JSON"),
        (file_of(b"[]", b""), "not a JSON object"),
        (file_of({"__metadata__": 3}, b""), "__metadata__ is not"),
        (file_of(b'{"a":' + json.dumps(entry()).encode() + b',"a":{}}', bytes(8)), "distinct keys"),
        (file_of({"a": entry()}, bytes(7)), "truncated: 7 bytes"),
        (file_of({"a": entry()}, bytes(9)), "too long: 9 bytes"),
        (file_of({"a": entry(offsets=(0, 4))}, bytes(4)), "do not fit its shape"),
        (file_of({"a": entry(offsets=(1, 9))}, bytes(9)), "gap or overlaps"),
        (file_of({"a": entry(), "b": entry(offsets=(4, 12))}, bytes(12)), "gap or overlaps"),
        (file_of({"a": entry(offsets=(8, 0))}, bytes(8)), "do not fit"),
        (file_of({"a": entry(shape=(-2,))}, bytes(8)), "no valid shape"),
        (file_of({"a": entry(shape=(2.0,))}, bytes(8)), "no valid shape"),
        (file_of({"a": entry(shape=(True, 2))}, bytes(8)), "no valid shape"),
        (file_of({"a": entry(shape=[1] * 40)}, bytes(4)), "no valid shape"),
        (file_of({"a": entry(shape=(0, 1 << 62, 1 << 62), offsets=(0, 0))}, b""), "beyond all memory"),
        (file_of({"a": entry(offsets=(0, 8, 8))}, bytes(8)), "no valid data_offsets"),
        (file_of({"a": entry(dtype="F8_E4M3")}, bytes(8)), "dtype 'F8_E4M3'; allowed are F64"),
        (file_of({"a": entry(dtype=["F32"])}, bytes(8)), "allowed are"),  # type: ignore[arg-type]
        (file_of({"a": {**entry(), "x": 1}}, bytes(8)), "not described by"),
        (file_of({"a": [1]}, bytes(8)), "not described by"),
        (file_of({"\ud800": entry()}, bytes(8)), "not JSON"),
    ],
)
def test_state_file_when_malformed_then_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ContentError, match=reason) as caught:
        StateFile.from_bytes(data, name="update")
    assert str(caught.value).startswith("update: ")
    assert "\n" not in str(caught.value)


def test_state_file_when_nested_deeply_under_a_high_recursion_limit_then_refused() -> None:
    # As py_ecc leaves it, which comes with web3: the standard JSON parser alone ends the process here.
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    try:
        with pytest.raises(ContentError, match="not JSON"):
            StateFile.from_bytes(file_of(b"[" * 1_000_000, b""), name="update")
    finally:
        sys.setrecursionlimit(before)


def test_state_file_when_any_byte_is_cut_then_refused() -> None:
    whole = dumps(STATE)
    for length in range(len(whole)):
        with pytest.raises(ContentError):
            StateFile.from_bytes(whole[:length], SCHEMA)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_check_finite_when_a_value_is_not_then_it_names_the_tensor(bad: float, dtype: str) -> None:
    values = torch.zeros(300_000, dtype=getattr(torch, dtype))
    file = StateFile.from_bytes(dumps({"fine": values, "n": torch.tensor(1)}))
    file.check_finite()
    values[299_999] = bad
    file = StateFile.from_bytes(dumps({"fine": torch.zeros(3), "fc.weight": values}))
    assert not file.is_finite()
    with pytest.raises(ContentError, match=r"'fc\.weight' holds NaN or infinity"):
        file.check_finite()


def test_check_finite_when_a_boolean_is_neither_0_nor_1_then_refused() -> None:
    data = file_of({"flags": entry("BOOL", (2,), (0, 2))}, b"\x01\x02")
    with pytest.raises(ContentError, match="'flags' holds a boolean other than"):
        StateFile.from_bytes(data).check_finite()


def test_save_when_a_tensor_has_the_reserved_name_then_refused(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match="reserves"):
        save({"__metadata__": np.zeros(1)}, tmp_path / "m")
