"""JSON-RPC over HTTP and WebSocket: one request, one answer, a timeout, and one clear error when nobody
answers.

web3's own HTTP provider retries ``eth_sendRawTransaction``, whose second answer ("already known") then
hides the first, and spends several times the node's own time on each call. These providers repeat nothing
that changes the chain and keep connections open.
"""

import itertools
import json
import sys
import threading
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, cast

import urllib3
from urllib3.exceptions import HTTPError, ProtocolError
from web3 import Web3
from web3._utils.encoding import Web3JsonEncoder
from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as ws_connect

from chain.errors import ChainError

# py_ecc, which web3 brings, raises it to 100,000: at that depth nested JSON from a hostile node would run off the
# end of the C stack, and end the process, before the parser gives up.
sys.setrecursionlimit(2_000)

_WRITES = frozenset({"eth_sendRawTransaction", "eth_sendTransaction"})
_PAGE = 100  # calls in one batch; providers refuse long ones
_MAX_WS_MESSAGE = 64 * 2**20


class ChainUnreachableError(ChainError):
    """Nobody answered at the RPC URL, or not in time. Whether a transaction arrived is then unknown."""

    def __init__(self, url: str, reason: object) -> None:
        super().__init__(
            f"cannot reach the chain at {url}: {reason}; start a local one with `milon devnet up`, "
            "or correct the RPC URL"
        )
        self.url = url


class RpcError(ChainError):
    """The node answered a request with an error.

    ``code`` is the JSON-RPC code, ``reason`` the node's own words, ``data`` the bytes that a reverting
    contract returned, where the node passed them on.
    """

    def __init__(self, method: str, error: object) -> None:
        fields: dict[str, Any] = error if isinstance(error, dict) else {"message": str(error)}
        self.method = method
        self.code: int | None = fields.get("code")
        self.reason = str(fields.get("message", "no reason given"))
        self.data = _revert_data(fields.get("data"))
        super().__init__(f"the chain refused {method}: {self.reason}")


def rpc(w3: Web3, method: str, *params: Any) -> Any:
    """One JSON-RPC call past web3's formatters; the bare ``result``, hexadecimal strings and all.

    Raises RpcError for an error answer, ChainUnreachableError where there is none.
    """
    return _result(method, _provider(w3).make_request(RPCEndpoint(method), list(params)))


def rpc_batch(w3: Web3, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
    """Several calls in one round trip; each element is a result or the RpcError of that call.

    Falls back to one request per call where the node refuses batches. Raises ChainUnreachableError.
    """
    requests: list[tuple[RPCEndpoint, Any]] = [(RPCEndpoint(m), list(params)) for m, params in calls]
    answers = _provider(w3).make_batch_request(requests)
    if not isinstance(answers, list) or len(answers) != len(calls):
        answers = [_provider(w3).make_request(method, params) for method, params in requests]
    outcomes: list[Any] = []
    for (method, _), answer in zip(calls, answers, strict=True):
        try:
            outcomes.append(_result(method, answer))
        except RpcError as error:
            outcomes.append(error)
    return outcomes


def rpc_all(w3: Web3, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
    """As ``rpc_batch``, of any number of calls, a page at a time, that all have to succeed.

    Raises RpcError for the first that failed, ChainUnreachableError.
    """
    outcomes: list[Any] = []
    for start in range(0, len(calls), _PAGE):
        outcomes += rpc_batch(w3, calls[start : start + _PAGE])
    failure = next((outcome for outcome in outcomes if isinstance(outcome, RpcError)), None)
    if failure is not None:
        raise failure
    return outcomes


class _Transport(JSONBaseProvider):
    """What both transports share: numbering, encoding, and putting the answers of a batch in order."""

    def __init__(self, url: str, timeout: float) -> None:
        super().__init__()
        self.endpoint_uri = url
        self.timeout = timeout
        self._ids = itertools.count(1)

    @abstractmethod
    def _exchange(self, body: bytes, ids: frozenset[int], *, repeatable: bool) -> Any:
        """Send a request and return the decoded answer to one of ``ids``; raises ChainUnreachableError."""

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        request = self._request(method, params)
        body = json.dumps(request, cls=Web3JsonEncoder).encode()
        answer = self._exchange(body, frozenset({request["id"]}), repeatable=method not in _WRITES)
        if not isinstance(answer, dict):
            raise self._no_json_rpc()
        return cast(RPCResponse, answer)

    def make_batch_request(self, requests: list[tuple[RPCEndpoint, Any]]) -> list[RPCResponse] | RPCResponse:
        numbered = [self._request(method, params) for method, params in requests]
        body = json.dumps(numbered, cls=Web3JsonEncoder).encode()
        ids = frozenset(request["id"] for request in numbered)
        repeatable = not any(method in _WRITES for method, _ in requests)
        answers = self._exchange(body, ids, repeatable=repeatable)
        if isinstance(answers, list):
            if not all(isinstance(answer, dict) and isinstance(answer.get("id"), int) for answer in answers):
                raise self._no_json_rpc()
            answers.sort(key=lambda answer: answer["id"])
        return cast(list[RPCResponse] | RPCResponse, answers)

    def _no_json_rpc(self) -> ChainError:
        return ChainError(f"{self.endpoint_uri} does not speak JSON-RPC; correct the RPC URL")

    def _request(self, method: RPCEndpoint, params: Any) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params or []}


class HttpTransport(_Transport):
    """JSON-RPC over HTTP with keep-alive; safe to share between threads."""

    def __init__(self, url: str, timeout: float) -> None:
        super().__init__(url, timeout)
        self._pool = urllib3.PoolManager(
            maxsize=8,
            retries=False,
            timeout=urllib3.Timeout(connect=min(timeout, 5.0), read=timeout),
            headers={"Content-Type": "application/json"},
        )

    def _exchange(self, body: bytes, ids: frozenset[int], *, repeatable: bool) -> Any:
        try:
            try:
                response = self._pool.request("POST", self.endpoint_uri, body=body)
            except ProtocolError:
                # A kept connection that the server closed meanwhile looks like this; a fresh one tells.
                if not repeatable:
                    raise
                response = self._pool.request("POST", self.endpoint_uri, body=body)
        except HTTPError as error:
            raise ChainUnreachableError(self.endpoint_uri, _root_cause(error)) from error
        try:
            return json.loads(response.data)
        except (ValueError, RecursionError) as error:
            if response.status >= 500 or response.status == 429:
                raise ChainUnreachableError(self.endpoint_uri, f"HTTP status {response.status}") from error
            raise ChainError(
                f"{self.endpoint_uri} does not speak JSON-RPC (HTTP status {response.status}); "
                "correct the RPC URL"
            ) from error


class WebSocketTransport(_Transport):
    """JSON-RPC over one WebSocket, one exchange at a time; opened again when it was lost."""

    def __init__(self, url: str, timeout: float) -> None:
        super().__init__(url, timeout)
        self._lock = threading.Lock()
        self._opened = ExitStack()
        self._socket: ClientConnection | None = None

    def _exchange(self, body: bytes, ids: frozenset[int], *, repeatable: bool) -> Any:
        with self._lock:
            kept = self._socket is not None
            try:
                return self._ask(body, ids)
            except TimeoutError as error:
                self._drop()
                raise ChainUnreachableError(self.endpoint_uri, "no answer in time") from error
            except (OSError, WebSocketException) as error:
                self._drop()
                if not (kept and repeatable):
                    raise ChainUnreachableError(self.endpoint_uri, _root_cause(error)) from error
            try:
                return self._ask(body, ids)
            except (OSError, WebSocketException) as error:
                self._drop()
                raise ChainUnreachableError(self.endpoint_uri, _root_cause(error)) from error

    def _ask(self, body: bytes, ids: frozenset[int]) -> Any:
        if self._socket is None:
            connection = ws_connect(
                self.endpoint_uri, open_timeout=self.timeout, max_size=_MAX_WS_MESSAGE, compression=None
            )
            self._socket = self._opened.enter_context(connection)
        self._socket.send(body.decode())
        while True:
            try:
                answer = json.loads(self._socket.recv(timeout=self.timeout))
                answered = {a.get("id") for a in (answer if isinstance(answer, list) else [answer])}
            except (ValueError, AttributeError, TypeError, RecursionError) as error:
                raise self._no_json_rpc() from error
            # An answer to a request that was given up may still arrive; only ours counts.
            if answered & ids or answered == {None}:
                return answer

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close_socket()  # no closing handshake with a peer that does not answer
            self._socket = None
            self._opened.close()


def _provider(w3: Web3) -> JSONBaseProvider:
    return cast(JSONBaseProvider, w3.provider)


def _result(method: str, answer: RPCResponse) -> Any:
    if answer.get("error") is not None:
        raise RpcError(method, answer["error"])
    return answer.get("result")


def _revert_data(data: object) -> bytes | None:
    """Dig the revert bytes out: nodes nest them differently (geth and EDR: a string; others: data or
    result)."""
    if isinstance(data, dict):
        return next((d for key in ("data", "result") if (d := _revert_data(data.get(key))) is not None), None)
    if isinstance(data, str):
        start = data.find("0x")
        try:
            return bytes.fromhex(data[start + 2 :]) if start >= 0 else None
        except ValueError:
            return None
    return None


def _root_cause(error: BaseException) -> str:
    """The innermost reason in plain words; urllib3 wraps the operating system's in several layers of its
    own."""
    text = str(error).lower()
    if "refused" in text:
        return "connection refused"
    if "timed out" in text or isinstance(error, TimeoutError):
        return "no answer in time"
    if "resolve" in text or "name or service" in text:
        return "unknown host"
    return str(error).rsplit(": ", 1)[-1] or type(error).__name__
