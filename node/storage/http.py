"""A small threaded HTTP/1.1 server for the RPC: one thread per connection, large buffers, strict limits.

Threads, because the work of a request is hashing and moving bytes, which Python does outside its lock:
several agents that share one daemon use several cores, and the network stack keeps its own thread.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from node.errors import ContentError, StorageError

PIECE = 1024 * 1024
"""Bytes read from or written to a socket at a time."""
MAX_BODY = 16 * 1024**3
"""Bytes; the largest upload."""
MAX_CONNECTIONS = 128
IDLE_TIMEOUT = 120.0
"""Seconds without progress on a connection before it is closed."""
_MAX_LINE = 1024


log = logging.getLogger("milon.ipfs")


class RpcError(Exception):
    """A refusal with an HTTP status; anything else that a command raises becomes status 500."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Request:
    """A command with its arguments, its options and its body."""

    def __init__(self, handler: Handler, command: str, query: dict[str, list[str]]) -> None:
        self.command = command
        self.args = query.get("arg", [])
        self.content_type = handler.headers.get("Content-Type", "")
        self._query = query
        self._handler = handler

    def option(self, name: str, default: str = "") -> str:
        """The last value of an option."""
        return self._query.get(name, [default])[-1]

    def flag(self, name: str, *, default: bool) -> bool:
        """An option that is true or false."""
        return self.option(name, str(default)).lower() in ("1", "t", "true")

    def body(self) -> Iterator[memoryview]:
        """The body in pieces; each is overwritten by the next.

        Raises:
            RpcError: the body is malformed, cut short or larger than ``MAX_BODY``.
        """
        return self._handler.read_body()


Reply = dict[str, Any] | list[dict[str, Any]] | Iterator[bytes | memoryview]
Dispatch = Callable[[Request], Reply]
"""Answers a request with one JSON object, several, or a stream of bytes."""


class Server(ThreadingHTTPServer):
    """Listens on one address; ``serve_forever`` in a thread, ``shutdown`` from another."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, host: str, port: int, dispatch: Dispatch) -> None:
        self.dispatch = dispatch
        try:
            self.loopback = ipaddress.ip_address(host).is_loopback
        except ValueError as error:
            raise StorageError(f"--api needs an IP address, not {host!r}; expected 127.0.0.1:5001") from error
        self._places = threading.BoundedSemaphore(MAX_CONNECTIONS)
        try:
            super().__init__((host, port), Handler)
        except OSError as error:
            raise StorageError(
                f"cannot serve the API on {host}:{port}: {error.strerror}; "
                "stop what listens there or choose another --api"
            ) from error

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            request.sendall(
                b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in mid-request is no event."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = IDLE_TIMEOUT
    rbufsize = 256 * 1024
    server: Server

    def do_POST(self) -> None:
        """Run one command."""
        self._body = self._pieces()
        self._read = 0
        try:
            self._refuse_browsers()
            url = urlsplit(self.path)
            if not url.path.startswith("/api/v0/"):
                raise RpcError(404, "404 page not found")
            command = url.path.removeprefix("/api/v0/").strip("/")
            query = _query(url.query)
            reply = self.server.dispatch(Request(self, command, query))
            if isinstance(reply, (dict, list)):
                self._drain()
                self._send_json(reply)
            else:
                self._stream(reply)
        except RpcError as error:
            self._fail(error.status, str(error))
        except (ContentError, StorageError) as error:
            self._fail(500, str(error))
        except OSError:
            self.close_connection = True
        except Exception:
            log.exception("a command failed: %s", self.path[:200])
            self._fail(500, "internal error; the daemon's log says more")

    def do_GET(self) -> None:
        """Kubo answers nothing but POST, so that a link in a page cannot reach the API."""
        self._body = iter(())
        self._fail(405, "405 - Method Not Allowed: the API takes POST only")

    do_PUT = do_DELETE = do_HEAD = do_OPTIONS = do_PATCH = do_GET  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged: an agent makes many, and their failures reach it."""

    def read_body(self) -> Iterator[memoryview]:
        """See ``Request.body``."""
        return self._body

    def _refuse_browsers(self) -> None:
        """A page in a browser must not reach the API: no origin, no browser, no name that could be rebound
        (CSRF)."""
        agent = self.headers.get("User-Agent", "")
        if self.headers.get("Origin") or self.headers.get("Referer") or agent.startswith("Mozilla"):
            raise RpcError(403, "403 - Forbidden: browsers may not use this API")
        host = urlsplit("//" + self.headers.get("Host", "")).hostname or ""
        if self.server.loopback and host != "localhost":
            try:
                ipaddress.ip_address(host)
            except ValueError as error:
                raise RpcError(403, f"403 - Forbidden: unknown host {host[:80]!r}; use 127.0.0.1") from error

    def _pieces(self) -> Iterator[memoryview]:
        buffer = memoryview(bytearray(PIECE))
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            while size := self._chunk_size():
                yield from self._take(size, buffer)
                self._line()
            while self._line():
                pass
        else:
            try:
                size = int(self.headers.get("Content-Length", 0))
            except ValueError as error:
                raise RpcError(400, "malformed Content-Length") from error
            yield from self._take(size, buffer)

    def _take(self, size: int, buffer: memoryview) -> Iterator[memoryview]:
        self._read += size
        if size < 0 or self._read > MAX_BODY:
            self.close_connection = True
            raise RpcError(413, f"the body is larger than {MAX_BODY} bytes")
        while size:
            got = self.rfile.readinto(buffer[: min(size, PIECE)])
            if not got:
                self.close_connection = True
                raise RpcError(400, "the body was cut short")
            size -= got
            yield buffer[:got]

    def _chunk_size(self) -> int:
        try:
            return int(self._line().split(b";")[0], 16)
        except ValueError as error:
            self.close_connection = True
            raise RpcError(400, "malformed chunk") from error

    def _line(self) -> bytes:
        line = self.rfile.readline(_MAX_LINE)
        if not line.endswith(b"\n"):
            self.close_connection = True
            raise RpcError(400, "the body was cut short")
        return line.strip()

    def _drain(self) -> None:
        """A client reads the answer only after it has sent all of its body."""
        if not self.close_connection:
            for _ in self._body:
                pass

    def _send_json(self, reply: dict[str, Any] | list[dict[str, Any]], status: int = 200) -> None:
        lines = reply if isinstance(reply, list) else [reply]
        body = "".join(json.dumps(line) + "\n" for line in lines).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close" if self.close_connection else "keep-alive")
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, reply: Iterator[bytes | memoryview]) -> None:
        """Send a stream. What fails before its first byte is an error answer; later, the connection is cut,
        so that the client cannot take a part for the whole."""
        first = next(reply, b"")
        self._drain()
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            if first:
                self._send_chunk(first)
            for piece in reply:
                if piece:
                    self._send_chunk(piece)
            self.wfile.write(b"0\r\n\r\n")
        except (ContentError, StorageError, OSError):
            self.close_connection = True

    def _send_chunk(self, piece: bytes | memoryview) -> None:
        self.connection.sendall(b"%x\r\n" % len(piece))
        self.connection.sendall(piece)
        self.connection.sendall(b"\r\n")

    def _fail(self, status: int, message: str) -> None:
        try:
            self._drain()
        except (RpcError, OSError):
            self.close_connection = True
        self._send_json({"Message": message, "Code": 0, "Type": "error"}, status)


def _query(text: str) -> dict[str, list[str]]:
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=64)
    except ValueError as error:
        raise RpcError(400, "malformed query") from error
