"""The IPFS daemon as a child process of an agent, a demonstration or a test."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from node.errors import StorageError

_TERMINATE_PATIENCE = 5.0


@dataclass
class DaemonProcess:
    """A running daemon. Nothing is left behind when its parent is killed: it watches its standard input."""

    process: subprocess.Popen[str]
    api: str
    peer_id: str
    addresses: tuple[str, ...]

    def stop(self, timeout: float = 10.0) -> int:
        """Ask it to stop, insist after ``timeout`` seconds; returns the exit status."""
        self.process.terminate()
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return self.kill()
        self._close()
        return status

    def kill(self) -> int:
        """End it at once, as a crash would; returns the exit status."""
        self.process.kill()
        status = self.process.wait(_TERMINATE_PATIENCE)
        self._close()
        return status

    def __enter__(self) -> DaemonProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.stop()
        else:
            self._close()

    def _close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


def start_daemon(
    repo: Path,
    *,
    api_port: int = 0,
    listen_port: int = 0,
    bootstrap: Sequence[str] = (),
    swarm_key: Path | None = None,
    log: Path,
    timeout: float = 60.0,
) -> DaemonProcess:
    """Start ``milon ipfs daemon`` on 127.0.0.1 and wait until its API answers. Port 0 lets the system choose.

    Raises:
        StorageError: it did not start; the message is the daemon's own, or names the log.
    """
    command = [
        *(sys.executable, "-m", "node.cli.main", "ipfs", "daemon", "--json", "--exit-with-parent"),
        *("--repo", str(repo), "--api", f"127.0.0.1:{api_port}"),
        *("--listen", f"/ip4/127.0.0.1/tcp/{listen_port}"),
        *(part for address in bootstrap for part in ("--bootstrap", address)),
        *(("--swarm-key", str(swarm_key)) if swarm_key else ()),
    ]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a+") as output:
        begin = output.seek(0, 2)
        process = subprocess.Popen(  # noqa: S603 - this interpreter and this package
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output, text=True
        )
        line = first_line(process, timeout)
        if line:
            ready = json.loads(line)
            return DaemonProcess(process, ready["api"], ready["peer_id"], tuple(ready["addresses"]))
        process.kill()
        process.wait(_TERMINATE_PATIENCE)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        output.seek(begin)
        said = output.read().strip().splitlines()
    reason = _reason(said[-1]) if said else f"it said nothing within {timeout:g} s"
    raise StorageError(f"the IPFS daemon on {repo} did not start: {reason} (log: {log})")


def first_line(process: subprocess.Popen[str], timeout: float) -> str:
    """The line that a child prints when it is ready; empty when it ended or took more than ``timeout`` seconds.

    One that took too long is killed.
    """
    lines: list[str] = []

    def read() -> None:
        if process.stdout is not None:
            lines.append(process.stdout.readline())

    reader = threading.Thread(target=read, daemon=True)
    began = time.monotonic()
    reader.start()
    reader.join(timeout)
    if reader.is_alive():
        process.kill()
        reader.join(max(1.0, began + timeout - time.monotonic()))
    return lines[0] if lines else ""


def _reason(line: str) -> str:
    """What the daemon's last line on standard error says, which is JSON when it is the command's own."""
    try:
        return str(json.loads(line)["error"])
    except (ValueError, KeyError, TypeError):
        return line
