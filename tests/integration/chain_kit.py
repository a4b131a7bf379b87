"""Helpers of the chain's integration tests."""

import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from chain.devnet import Devnet, fund
from chain.wallet import Wallet, from_plain_key


class Wallets:
    """Makes funded keys."""

    def __init__(self, devnet: Devnet) -> None:
        self._devnet = devnet

    def new(self, amount: int = 10**20) -> Wallet:
        wallet = from_plain_key("0x" + secrets.token_hex(32), 31337, self._devnet.url)
        fund(self._devnet.connect(), [wallet.address], amount)
        return wallet


class Relay:
    """Passes TCP connections on to ``port``; ``cut`` breaks and refuses them, ``restore`` lets them through
    again.

    ``lose_answer_to`` names bytes; the answer to the next request with them is swallowed and the connection
    broken.
    """

    def __init__(self, port: int) -> None:
        self.target = port
        self.lose_answer_to: bytes | None = None
        self.refuse_upgrade = False
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._server: socket.socket | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.restore()
        return self

    def __exit__(self, *exc: object) -> None:
        self.cut()

    def restore(self) -> None:
        server = socket.socket()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", self.port))
        server.listen()
        self.port = server.getsockname()[1]
        self._server = server
        threading.Thread(target=self._accept, args=(server,), daemon=True).start()

    def cut(self) -> None:
        if self._server is not None:
            with suppress(OSError):
                self._server.shutdown(socket.SHUT_RDWR)
            self._server.close()
            self._server = None
        with self._lock:
            for end in self._open:
                _break(end)
            self._open.clear()

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                near, _ = server.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.target), timeout=5)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            with self._lock:
                self._open |= {near, far}
            threading.Thread(target=self._pump, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(far, near, False), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, request: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if request and self.refuse_upgrade and b"upgrade: websocket" in data.lower():
                    source.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                    break
                if request and self.lose_answer_to is not None and self.lose_answer_to in data:
                    self.lose_answer_to = None
                    _break(source)
                sink.sendall(data)
        # What was sent on must still arrive there.
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


def until(condition: Callable[[], object], timeout: float = 20.0) -> None:
    """Wait until ``condition`` holds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)


def _break(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
