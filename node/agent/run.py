"""Put an agent together from its configuration, and run it until it is told to stop."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import structlog

from chain.consortium import Consortium
from chain.heads import HeadWatcher
from chain.sender import Sender
from chain.wallet import Wallet
from node.agent.cycle import HEARTBEAT_S, Agent
from node.agent.health import HealthServer
from node.agent.logs import configure_logging
from node.agent.metrics import Liveness, Metrics
from node.config import NodeConfig
from node.keys import Key, open_wallet
from node.storage.ipfs import IpfsClient
from node.training.local import warm_up

# Without a finished cycle for so long, the health endpoint answers 503.
_LATE_S = 6 * HEARTBEAT_S
_NOBODY = "0x0000000000000000000000000000000000000000"


def run_agent(
    config: NodeConfig,
    *,
    dry_run: bool = False,
    stop: threading.Event | None = None,
    on_ready: Callable[[dict[str, str]], None] = lambda facts: None,
) -> int:
    """Run one node until `stop` is set, or SIGINT or SIGTERM comes where this is the main thread.

    The signals, and `stop`, let it deliver what it leased first, for at most `node.drain` seconds; a second signal
    stops it at once. It also ends when its organisation has left the consortium and everything is settled.

    Without a key, or with `dry_run`, it watches and says what it would do, and sends nothing. `on_ready` is told the
    node's address, its health URL and its process id once, when it starts to work.
    Returns 0 after an orderly stop.

    Raises:
        MilonError: what keeps it from starting, and ChainResetError when the chain is not the same any more.
    """
    configure_logging(config.log.level, config.log.format)
    log = structlog.get_logger("agent")
    threading.Thread(target=warm_up, name="warm-up", daemon=True).start()
    with ExitStack() as stack:
        consortium = Consortium.connect(config.chain.rpc, config.chain.deployment)
        wallet = _wallet(config, consortium)
        address = wallet.address if wallet is not None else _NOBODY
        heads = stack.enter_context(HeadWatcher(config.chain.rpc))
        metrics, liveness = Metrics(address), Liveness(_LATE_S, lambda: heads.state.connected)
        sender: Sender | None = None
        if wallet is not None and not dry_run:
            sender = stack.enter_context(consortium.sender(wallet, heads=heads))
        ipfs = stack.enter_context(IpfsClient(config.ipfs.api, timeout=config.ipfs.timeout))
        agent = Agent(config, consortium, address, sender, ipfs, heads, metrics, liveness)
        health_url = ""
        if config.health.listen:
            health = HealthServer(config.health.listen, metrics, liveness)
            stack.callback(health.close)
            health_url = health.url
        log.info(
            "node.started",
            address=address,
            rpc=config.chain.rpc,
            ipfs=config.ipfs.api,
            health=health_url,
            mode="dry run" if sender is None else "live",
        )
        on_ready({"address": address, "health": health_url, "pid": str(os.getpid())})
        with _stopping_on_signals(agent, stop):
            agent.run()
        log.info("node.stopped")
    return 0


def _wallet(config: NodeConfig, consortium: Consortium) -> Wallet | None:
    key = Key.of(config.identity)
    return open_wallet(key, consortium) if key.given else None


@contextmanager
def _stopping_on_signals(agent: Agent, stop: threading.Event | None) -> Iterator[None]:
    """Within it, SIGINT and SIGTERM drain the agent (in the main thread only), and so does `stop`."""
    previous = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, lambda *_: agent.drain())
    if stop is not None:
        threading.Thread(target=_stop_after, args=(stop, agent), name="stop", daemon=True).start()
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _stop_after(event: threading.Event, agent: Agent) -> None:
    event.wait()
    agent.drain()
