"""The agent's own HTTP endpoint: `/healthz` (200 or 503, JSON) and `/metrics` (Prometheus)."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST

from chain.errors import MilonError
from node.agent.metrics import Liveness, Metrics

_REQUEST_TIMEOUT_S = 5


class HealthServer:
    """Serves on `listen` ("host:port", port 0 for any) in a thread of its own.

    Raises:
        MilonError: the address cannot be bound.
    """

    def __init__(self, listen: str, metrics: Metrics, liveness: Liveness) -> None:
        host, _, port = listen.rpartition(":")

        class Handler(BaseHTTPRequestHandler):
            timeout = _REQUEST_TIMEOUT_S

            def do_GET(self) -> None:
                if self.path == "/metrics":
                    self._answer(200, CONTENT_TYPE_LATEST, metrics.render())
                elif self.path in ("/", "/healthz"):
                    well, document = liveness.report()
                    body = json.dumps(document).encode() + b"\n"
                    self._answer(200 if well else 503, "application/json", body)
                else:
                    self._answer(404, "text/plain", b"try /healthz or /metrics\n")

            def _answer(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Requests are not worth a line."""

        try:
            self._server = ThreadingHTTPServer((host, int(port)), Handler)
        except OSError as error:
            raise MilonError(
                f"cannot listen on {listen} for health: {error.strerror}; "
                'choose another [health] listen, or "" for none'
            ) from error
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
