"""Decoding why a contract refused, in every shape in which nodes report it."""

from typing import Any

import pytest
from eth_abi.abi import encode

from chain.codec import selector
from chain.reverts import ContractError, ErrorDecoder
from chain.transport import RpcError

TOO_SMALL = {
    "type": "error",
    "name": "TooSmall",
    "inputs": [{"name": "given", "type": "uint256"}, {"name": "who", "type": "address"}],
}
WHO = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
DATA = selector(TOO_SMALL) + encode(["uint256", "address"], [7, WHO])
DECODER = ErrorDecoder([[TOO_SMALL]])


@pytest.mark.parametrize(
    "data",
    [
        "0x" + DATA.hex(),
        {"message": "reverted", "data": "0x" + DATA.hex()},
        {"hash": None, "result": "0x" + DATA.hex(), "reason": None},
        "Reverted 0x" + DATA.hex(),
    ],
)
def test_custom_error_in_each_node_s_shape_is_named_with_values(data: Any) -> None:
    error = RpcError("eth_call", {"code": 3, "message": "execution reverted", "data": data})
    explained = DECODER.explain(error)
    assert isinstance(explained, ContractError)
    assert (explained.name, explained.values) == ("TooSmall", {"given": 7, "who": WHO})
    assert str(explained) == f"the contract refused: TooSmall(given=7, who={WHO})"


def test_standard_errors_are_put_in_words() -> None:
    reason = bytes.fromhex("08c379a0") + encode(["string"], ["not yours"])
    assert str(DECODER.decode(reason)) == "the contract refused: not yours"
    panic = bytes.fromhex("4e487b71") + encode(["uint256"], [0x11])
    assert (DECODER.decode(panic).name, "overflow" in str(DECODER.decode(panic))) == ("Panic", True)


def test_bytes_that_no_abi_explains_are_shown_raw() -> None:
    assert DECODER.decode(b"\x01\x02\x03\x04").name == "Unknown"
    assert "0x01020304" in str(DECODER.decode(b"\x01\x02\x03\x04"))
    truncated = DECODER.decode(DATA[:20])
    assert (truncated.name, truncated.data) == ("Unknown", DATA[:20])


def test_revert_without_bytes_keeps_the_node_s_words() -> None:
    for error in (
        {"code": 3, "message": "execution reverted"},
        {"code": -32000, "message": "VM Exception: revert", "data": "0x"},
    ):
        explained = DECODER.explain(RpcError("eth_call", error))
        assert isinstance(explained, ContractError)
        assert explained.name == "Reverted"
        assert error["message"] in str(explained)


def test_error_that_is_no_revert_stays_what_it_was() -> None:
    error = RpcError("eth_sendRawTransaction", {"code": -32000, "message": "nonce too low"})
    assert DECODER.explain(error) is error
    assert "nonce too low" in str(RpcError("x", "nonce too low"))
