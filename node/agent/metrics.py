"""What an agent counts, for Prometheus and for its own health endpoint."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest


class Metrics:
    """One agent's counters, in a registry of their own. Safe for use from several threads."""

    def __init__(self, node: str) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.info = Gauge("milon_node", "The node's address, as a label", ["address"], registry=registry)
        self.info.labels(node).set(1)
        self.seconds = Counter(
            "milon_activity_seconds", "Wall-clock seconds spent, by activity", ["activity"], registry=registry
        )
        self.cpu = Gauge("milon_cpu_seconds", "CPU seconds of the process", registry=registry)
        self.cpu.set_function(time.process_time)
        self.cycles = Counter("milon_cycles", "Cycles of the agent", registry=registry)
        self.block = Gauge("milon_block", "Newest block acted on", registry=registry)
        self.last_cycle = Gauge(
            "milon_last_cycle_timestamp_seconds", "When the last cycle ended", registry=registry
        )
        self.transactions = Counter(
            "milon_transactions",
            "Transactions, by function and outcome",
            ["function", "outcome"],
            registry=registry,
        )
        self.gas = Counter("milon_gas_used", "Gas used by this node's transactions", registry=registry)
        self.updates = Counter("milon_updates_delivered", "Updates recorded on the chain", registry=registry)
        self.epochs = Counter("milon_epochs_trained", "Epochs trained and delivered", registry=registry)
        self.votes = Counter("milon_votes_cast", "Votes cast", registry=registry)
        self.reveals = Counter(
            "milon_results_revealed", "Rounds that this node made final", registry=registry
        )
        self.failures = Counter("milon_failures", "Failures, by kind", ["kind"], registry=registry)

    @contextmanager
    def timed(self, activity: str) -> Iterator[None]:
        """Add the time of a block of code to an activity: chain, ipfs, train, aggregate, evaluate, wait."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds.labels(activity).inc(time.perf_counter() - start)

    def render(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self.registry)


class Liveness:
    """When the agent last finished a cycle, and what troubles it. Safe for use from several threads.

    `limit`: seconds without a finished cycle after which the agent counts as unwell; `connected` tells whether the
    chain answers now.
    """

    def __init__(self, limit: float, connected: Callable[[], bool] = lambda: True) -> None:
        self._limit, self._connected = limit, connected
        self._lock = threading.Lock()
        self._last = time.monotonic()
        self._troubles: dict[str, str] = {}
        self._facts: dict[str, object] = {}

    def cycle_done(self, **facts: object) -> None:
        """A cycle ended well; `facts` is what the health endpoint shows."""
        with self._lock:
            self._last = time.monotonic()
            self._facts = facts

    def trouble(self, what: str, message: str | None) -> bool:
        """Set or clear (None) a trouble; whether that changed anything."""
        with self._lock:
            before = self._troubles.get(what)
            if message is None:
                self._troubles.pop(what, None)
            else:
                self._troubles[what] = message
            return before != message

    def keep_troubles(self, current: Collection[str]) -> None:
        """Clear the troubles with what is not due any more: all but the chain's and the `current`."""
        with self._lock:
            self._troubles = {
                what: text for what, text in self._troubles.items() if what == "chain" or what in current
            }

    def report(self) -> tuple[bool, dict[str, object]]:
        """Whether the agent is well, and the document that says so."""
        connected = self._connected()
        with self._lock:
            age = time.monotonic() - self._last
            well = connected and age <= self._limit and "chain" not in self._troubles
            document: dict[str, object] = {
                "status": "ok" if well else "unwell",
                "connected": connected,
                "seconds_since_cycle": round(age, 3),
                "troubles": dict(self._troubles),
                **self._facts,
            }
            return well, document
