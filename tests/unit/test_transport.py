"""Answers of a node that does not keep to JSON-RPC: one error, whatever they are."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from chain.errors import ChainError
from chain.transport import HttpTransport, WebSocketTransport

NONSENSE = ["", "{", "1", "null", '"x"', "[1]", "[" * 100_000]


@pytest.mark.parametrize("text", NONSENSE)
@pytest.mark.parametrize("kind", [HttpTransport, WebSocketTransport])
def test_request_when_the_answer_is_nonsense_then_is_a_chain_error(kind: Any, text: str) -> None:
    transport = kind("ws://127.0.0.1:1", 1.0)
    if kind is HttpTransport:
        answer = SimpleNamespace(data=text.encode(), status=200)
        transport._pool = SimpleNamespace(request=lambda *_, **__: answer)
    else:
        transport._socket = SimpleNamespace(send=lambda _: None, recv=lambda timeout: text)
    with pytest.raises(ChainError):
        transport.make_request("eth_blockNumber", [])


@pytest.mark.parametrize(
    "answers", [[1, 2], [{"id": 1}, {"id": None}], [{"id": 1}, {"id": "x"}], [{"id": 1}, None]]
)
def test_batch_when_an_answer_names_no_request_then_is_a_chain_error(answers: list[Any]) -> None:
    transport = HttpTransport("http://127.0.0.1:1", 1.0)
    found = SimpleNamespace(data=json.dumps(answers).encode(), status=200)
    transport._pool = cast(Any, SimpleNamespace(request=lambda *_, **__: found))
    with pytest.raises(ChainError):
        transport.make_batch_request([(cast(Any, "eth_chainId"), []), (cast(Any, "eth_chainId"), [])])
