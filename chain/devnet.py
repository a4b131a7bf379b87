"""Start, find and stop the local chain."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from web3 import Web3

from chain.backends import BACKENDS, CHAIN_ID, backend_command, default_project, supervised
from chain.devaccounts import DevAccount, dev_accounts
from chain.devtime import fund, increase_time, mine, revert, set_mining, snapshot
from chain.errors import ChainError
from chain.paths import home, private_directory
from chain.provider import ChainUnreachableError, RpcError, connect, rpc

__all__ = [
    "BACKENDS",
    "DEFAULT_PORT",
    "DevAccount",
    "Devnet",
    "DevnetError",
    "dev_accounts",
    "find_devnet",
    "fund",
    "increase_time",
    "list_devnets",
    "mine",
    "revert",
    "set_mining",
    "snapshot",
    "start_devnet",
    "stop_devnet",
]

DEFAULT_PORT = 8545
_HOST = "127.0.0.1"
_START_S, _STOP_S = 60.0, 10.0
_PROBE_S = 0.05


class DevnetError(ChainError):
    """The local chain does not start, or there is none."""


@dataclass(frozen=True)
class Devnet:
    """A running local chain. As a context manager it is stopped at the end."""

    url: str
    port: int
    pid: int
    backend: str
    log: Path
    started: str  # the process's start time as the system gives it, so that a reused pid is not taken for it
    accounts: tuple[DevAccount, ...] = field(default_factory=dev_accounts, repr=False)
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False, compare=False)

    def connect(self) -> Web3:
        """A client of this chain."""
        return connect(self.url)

    def alive(self) -> bool:
        """Whether its process still runs."""
        if self.process is not None:
            return self.process.poll() is None
        return _start_time(self.pid) == self.started

    def stop(self) -> None:
        """End its process and wait until it is gone."""
        if self.process is not None:
            _end_child(self.process)
        elif self.alive():
            _end_other(self)
        _state_file(self.port).unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start_devnet(
    port: int = DEFAULT_PORT,
    *,
    backend: str = "hardhat",
    project: Path | None = None,
    detach: bool = False,
    log: Path | None = None,
) -> Devnet:
    """Start a local chain on loopback and return once it answers; chain id 31337, blocks on demand and each
    second.

    ``port`` 0 takes a free one. Without ``detach`` it dies with this process, however that ends.
    ``project`` is a folder with the backend in its ``node_modules``. Raises DevnetError if the port is
    taken or it does not come up, ChainError if the backend is not installed.
    """
    port = _free_port(port)
    command = backend_command(backend, project or default_project(), port)
    log = log or private_directory(home() / "devnet") / f"{port}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603
            command if detach else supervised(command),
            stdin=subprocess.DEVNULL if detach else subprocess.PIPE,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=project or default_project(),
            start_new_session=True,  # Ctrl-C in the terminal is for us to handle, not for the chain
        )
    url = f"http://{_HOST}:{port}"
    try:
        w3 = _await_ready(process, url, log)
    except BaseException:
        _end_child(process)
        raise
    with suppress(
        RpcError
    ):  # printing a line per request costs a seventh of each call; only Hardhat has this
        rpc(w3, "hardhat_setLoggingEnabled", False)
    devnet = Devnet(url, port, process.pid, backend, log, _start_time(process.pid) or "", process=process)
    _state_file(port).write_text(json.dumps(_state(devnet)))
    if detach:
        # Popen would warn about a child it never waited for; a detached one is meant to outlive us.
        threading.Thread(target=process.wait, daemon=True).start()
    return devnet


def find_devnet(port: int | None = None) -> Devnet | None:
    """The running local chain on ``port`` (default: the only one, or that on the default port), started by
    any process of this user."""
    running = list_devnets()
    if port is not None:
        return next((d for d in running if d.port == port), None)
    return next((d for d in running if d.port == DEFAULT_PORT), running[0] if running else None)


def list_devnets() -> list[Devnet]:
    """All running local chains of this user; what is left of dead ones is cleaned up."""
    found: list[Devnet] = []
    for file in sorted((home() / "devnet").glob("*.json")):
        try:
            state: dict[str, Any] = json.loads(file.read_text())
            devnet = Devnet(**{**state, "log": Path(state["log"])})
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if devnet.alive():
            found.append(devnet)
        else:
            file.unlink(missing_ok=True)
    return found


def stop_devnet(port: int | None = None) -> Devnet:
    """Stop the local chain that ``find_devnet`` finds, and return what it was. Raises DevnetError if none
    runs."""
    devnet = find_devnet(port)
    if devnet is None:
        where = "" if port is None else f" on port {port}"
        raise DevnetError(f"no devnet runs{where}; start one with `milon devnet up`")
    devnet.stop()
    return devnet


def _await_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> Web3:
    deadline = time.monotonic() + _START_S
    while True:
        if process.poll() is not None:
            raise DevnetError(f"the devnet ended at once: {_last_words(log)} (log: {log})")
        try:
            w3 = connect(url, timeout=5.0)
        except ChainUnreachableError as error:
            if time.monotonic() > deadline:
                raise DevnetError(f"the devnet did not answer within {_START_S:.0f} s; see {log}") from error
        else:
            found = int(rpc(w3, "eth_chainId"), 16)
            if found != CHAIN_ID or process.poll() is not None:
                raise DevnetError(
                    f"something else (chain {found}) answers at {url}; choose another with --port"
                )
            return w3
        with suppress(subprocess.TimeoutExpired):
            process.wait(_PROBE_S)


def _free_port(port: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            mine = next((d for d in list_devnets() if d.port == port), None)
            hint = (
                "a devnet runs there: `milon devnet down` stops it" if mine else "choose another with --port"
            )
            raise DevnetError(f"port {port} is taken; {hint}") from error
        return int(probe.getsockname()[1])


def _end_child(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _end_other(devnet: Devnet) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(devnet.pid, number)
        deadline = time.monotonic() + _STOP_S
        while devnet.alive() and time.monotonic() < deadline:
            time.sleep(_PROBE_S)  # another process's child cannot be waited for
        if not devnet.alive():
            return
    raise DevnetError(f"the devnet's process {devnet.pid} does not end; stop it by hand")


def _start_time(pid: int) -> str | None:
    """When process ``pid`` started, None if there is none (or only its unreaped remains)."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] == "Z" else fields[19]
    answer = subprocess.run(  # noqa: S603
        ["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, timeout=10, check=False
    )
    return answer.stdout.strip() or None


def _state_file(port: int) -> Path:
    return private_directory(home() / "devnet") / f"{port}.json"


def _state(devnet: Devnet) -> dict[str, Any]:
    return {k: getattr(devnet, k) for k in ("url", "port", "pid", "backend", "started")} | {
        "log": str(devnet.log)
    }


def _last_words(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "no output")
