"""The embedded IPFS node as one process: repository, swarm and HTTP API, until a signal or ``shutdown``."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import trio

from node.errors import StorageError
from node.storage.dag import Dag
from node.storage.http import Server
from node.storage.repo import Repo, read_swarm_key
from node.storage.rpc import Rpc, fetcher
from node.storage.swarm import Swarm, make_host


@dataclass(frozen=True)
class DaemonConfig:
    """What a daemon needs to know; port 0 lets the system choose."""

    repo: Path
    api_host: str = "127.0.0.1"
    api_port: int = 5001
    listen: tuple[str, ...] = ("/ip4/127.0.0.1/tcp/4001",)
    bootstrap: tuple[str, ...] = ()
    swarm_key: Path | None = None
    exit_with_parent: bool = False


@dataclass(frozen=True)
class Ready:
    """Where a running daemon is found."""

    api: str
    peer_id: str
    addresses: Sequence[str]


def run(config: DaemonConfig, ready: Callable[[Ready], None]) -> None:
    """Serve until SIGTERM, SIGINT, ``shutdown``, or the end of standard input with ``exit_with_parent``.

    ``ready`` is called once, when the API and the swarm answer.

    Raises:
        StorageError: a port is taken, the repository is in use, or a key cannot be read.
    """
    logging.getLogger("libp2p").setLevel(logging.CRITICAL)
    swarm_key = read_swarm_key(config.swarm_key) if config.swarm_key else None
    repo = Repo(config.repo)
    try:
        trio.run(_serve, config, repo, swarm_key, ready)
    except BaseExceptionGroup as group:
        raise _first(group) from group
    finally:
        repo.close()


async def _serve(
    config: DaemonConfig, repo: Repo, swarm_key: str | None, ready: Callable[[Ready], None]
) -> None:
    swarm = Swarm(make_host(repo.keys(), swarm_key), repo.blocks, repo.root / "peers.json", repo.pins)
    token = trio.lowlevel.current_trio_token()
    stopped = trio.Event()

    def stop() -> None:
        with contextlib.suppress(trio.RunFinishedError):
            token.run_sync_soon(stopped.set)

    dag = Dag(repo, fetcher(swarm, token))
    server = Server(config.api_host, config.api_port, Rpc(repo, dag, swarm, token, stop))
    with contextlib.ExitStack() as at_exit:
        at_exit.callback(server.server_close)
        async with swarm.running(config.listen, config.bootstrap):
            serving = threading.Thread(
                target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True
            )
            serving.start()
            if config.exit_with_parent:
                threading.Thread(target=_watch_parent, args=(stop,), daemon=True).start()
            family = "ip6" if ":" in config.api_host else "ip4"
            repo.write_api(f"/{family}/{config.api_host}/tcp/{server.port}")
            host = f"[{config.api_host}]" if family == "ip6" else config.api_host
            ready(Ready(f"http://{host}:{server.port}", swarm.peer_id, swarm.addresses()))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_watch_signals, stopped)
                await stopped.wait()
                nursery.cancel_scope.cancel()
            await trio.to_thread.run_sync(server.shutdown)


async def _watch_signals(stopped: trio.Event) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            stopped.set()


def _watch_parent(stop: Callable[[], None]) -> None:
    """The parent holds the other end of standard input: it ends when the parent does, however that
    happens."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    stop()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error that a user should see."""
    known = group.subgroup(StorageError)
    leaf: BaseException = known if known is not None else group
    while isinstance(leaf, BaseExceptionGroup):
        leaf = leaf.exceptions[0]
    return leaf
