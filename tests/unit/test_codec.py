"""Values from the chain, which anyone may have written."""

import pytest
from eth_abi.abi import encode

from chain.codec import decode_values

STRING = [{"name": "cid", "type": "string"}]


def _read(raw: bytes) -> str:
    return str(decode_values(STRING, encode(["bytes"], [raw]))[0])


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"bafy\xc3", b"\xed\xa0\x80"])
def test_decode_values_when_a_string_is_not_utf8_then_it_is_replaced(raw: bytes) -> None:
    assert "\ufffd" in _read(raw)


@pytest.mark.parametrize("raw", [b"\x1b[2Jowned", b"a\nb", b"a\rb", "\u202eevil".encode(), b"\x9b31m", b"\0"])
def test_decode_values_when_a_string_holds_control_characters_then_they_are_replaced(raw: bytes) -> None:
    assert _read(raw).isprintable()


def test_decode_values_when_a_string_is_plain_then_it_is_kept() -> None:
    assert _read("Zürich Klinik 3, bafy".encode()) == "Zürich Klinik 3, bafy"


def test_decode_values_when_a_string_is_nested_in_a_struct_then_it_is_replaced_there() -> None:
    parameter = {
        "type": "tuple",
        "components": [{"name": "a", "type": "uint8"}, {"name": "b", "type": "string"}],
    }
    assert decode_values([parameter], encode(["(uint8,bytes)"], [(1, b"\xff")])) == [(1, "\ufffd")]


def test_decode_values_when_bytes_are_read_then_they_stay_bytes() -> None:
    assert decode_values([{"type": "bytes"}], encode(["bytes"], [b"\xff\n"])) == [b"\xff\n"]
