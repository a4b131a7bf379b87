"""Watch a chain's newest block, so that whoever waits for one wakes at once instead of asking in a loop."""

import json
import logging
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from web3.types import RPCEndpoint
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as ws_connect

from chain.errors import ChainError
from chain.transport import HttpTransport, WebSocketTransport

_log = logging.getLogger(__name__)

_SILENCE_S = 5.0  # after so long without a block, ask whether the connection still lives
_POLL_MIN_S, _POLL_MAX_S = 0.03, 0.5
_RETRY_MIN_S, _RETRY_MAX_S = 0.1, 5.0
_RESUBSCRIBE_S = 30.0


@dataclass(frozen=True)
class HeadState:
    """What a watcher knows: newest block (-1: none yet), its chain timestamp in seconds, when the chain was
    last heard of (``time.monotonic`` seconds), whether it is connected now, and how: "subscription" or
    "polling"."""

    block: int = -1
    timestamp: int = 0
    seen_at: float = 0.0
    connected: bool = False
    mode: str = "polling"


class HeadWatcher:
    """A thread that follows the chain's head and wakes waiters on each new block.

    It subscribes to ``newHeads`` over WebSocket (``ws_url``, by default the RPC URL with its scheme
    changed, which suits Hardhat and anvil), polls where that is not offered, and comes back by itself after
    an outage.

    >>> with HeadWatcher("http://127.0.0.1:8545") as heads:
    ...     newest = heads.wait(after_block=17, timeout=5.0)

    """

    def __init__(self, url: str, *, ws_url: str | None = None, timeout: float = 10.0) -> None:
        self._ws_url = ws_url or "ws" + url.removeprefix("http") if url.startswith("http") else url
        self._timeout = timeout
        self._rpc = (HttpTransport if url.startswith("http") else WebSocketTransport)(url, timeout)
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._wakes = 0
        self._state = HeadState()
        self._socket: ClientConnection | None = None
        self._thread = threading.Thread(target=self._run, name="head-watcher", daemon=True)

    @property
    def state(self) -> HeadState:
        """The present state, for a health endpoint."""
        return self._state

    def start(self) -> Self:
        """Start watching; returns itself."""
        self._thread.start()
        return self

    @property
    def wakes(self) -> int:
        """How often waiters were woken: what ``wait`` takes as ``since``."""
        return self._wakes

    def wait(self, after_block: int, timeout: float, *, since: int | None = None) -> int | None:
        """Block until the head is beyond ``after_block``; its number, or None after ``timeout`` seconds.

        Returns None early on ``wake``, on ``stop``, and when the head went back (a reset or reorganised
        chain). With ``since``, a value of ``wakes``, a wake that came after that was read counts too: whoever
        looks, then waits, misses nothing in between.
        """
        with self._changed:
            wakes = self._wakes if since is None else since
            self._changed.wait_for(
                lambda: self._state.block > after_block or self._wakes != wakes or self._stopped.is_set(),
                timeout,
            )
            return self._state.block if self._state.block > after_block else None

    def wake(self) -> None:
        """Make every waiter return now."""
        with self._changed:
            self._wakes += 1
            self._changed.notify_all()

    def stop(self) -> None:
        """Stop the thread, release every waiter, close the connection."""
        self._stopped.set()
        self.wake()
        socket = self._socket
        if socket is not None:
            with suppress(OSError, WebSocketException):
                socket.close()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(self._timeout)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        retry = _RETRY_MIN_S
        while not self._stopped.is_set():
            started = time.monotonic()
            try:
                self._subscribe()
            except (OSError, WebSocketException, ValueError, KeyError, ChainError) as error:
                _log.debug("no head subscription at %s: %s", self._ws_url, error)
            try:
                self._poll(until=time.monotonic() + _RESUBSCRIBE_S)
            except ChainError as error:
                self._lost(error)
                retry = _RETRY_MIN_S if time.monotonic() - started > _RETRY_MAX_S else retry
                self._stopped.wait(retry)
                retry = min(retry * 2, _RETRY_MAX_S)

    def _subscribe(self) -> None:
        """Follow ``newHeads`` until the connection ends; raises at once where the endpoint has no such
        thing."""
        with ws_connect(self._ws_url, open_timeout=self._timeout, compression=None) as socket:
            self._socket = socket
            try:
                _send(socket, 1, "eth_subscribe", ["newHeads"])
                _send(socket, 2, "eth_getBlockByNumber", ["latest", False])
                silent = False
                while not self._stopped.is_set():
                    try:
                        message = json.loads(socket.recv(timeout=_SILENCE_S))
                    except TimeoutError:
                        if silent:
                            raise
                        silent = True
                        _send(socket, 2, "eth_getBlockByNumber", ["latest", False])
                        continue
                    silent = False
                    if message.get("error") is not None:
                        raise ValueError(message["error"])
                    header = message["params"]["result"] if "params" in message else message["result"]
                    if isinstance(header, dict):
                        self._seen(header, "subscription")
            finally:
                self._socket = None

    def _poll(self, until: float) -> None:
        """Ask for the head with a period that grows while nothing happens; raises ChainError when
        unreachable."""
        period = _POLL_MIN_S
        while not self._stopped.is_set():
            before = self._state.block
            answer = self._rpc.make_request(RPCEndpoint("eth_getBlockByNumber"), ["latest", False])
            if not isinstance(answer.get("result"), dict):
                raise ChainError(f"{self._rpc.endpoint_uri} has no newest block: {answer.get('error')}")
            self._seen(answer["result"], "polling")
            if time.monotonic() > until:
                return
            period = _POLL_MIN_S if self._state.block != before else min(period * 1.3, _POLL_MAX_S)
            self._stopped.wait(period)

    def _seen(self, header: Any, mode: str) -> None:
        block, timestamp = int(header["number"], 16), int(header["timestamp"], 16)
        with self._changed:
            if block < self._state.block:
                self._wakes += 1
            self._state = HeadState(block, timestamp, time.monotonic(), True, mode)
            self._changed.notify_all()

    def _lost(self, error: Exception) -> None:
        if self._state.connected:
            _log.warning("lost the chain: %s", error)
        with self._changed:
            was = self._state
            self._state = HeadState(was.block, was.timestamp, was.seen_at, False, was.mode)


def _send(socket: ClientConnection, number: int, method: str, params: list[Any]) -> None:
    socket.send(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}))
