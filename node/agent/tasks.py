"""Long work off the agent's main thread: each piece runs once, a failed one again after a growing pause."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from chain.errors import MilonError

_RETRY_MIN_S, _RETRY_MAX_S = 0.5, 30.0


class WorkError(MilonError):
    """Work failed in a way that nobody foresaw, such as for lack of memory: that piece, not the agent, is at an end."""


class Backoff:
    """When a thing that failed may be tried again; the pause doubles with each failure in a row."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: dict[Hashable, tuple[int, float]] = {}

    def due(self, key: Hashable) -> bool:
        """Whether the pause after the last failure is over."""
        return key not in self._failures or self._clock() >= self._failures[key][1]

    def failed(self, key: Hashable) -> float:
        """Note a failure; the seconds until the next try."""
        count = self._failures.get(key, (0, 0.0))[0] + 1
        pause = min(_RETRY_MIN_S * 2.0 ** (count - 1), _RETRY_MAX_S)
        self._failures[key] = (count, self._clock() + pause)
        return pause

    def succeeded(self, key: Hashable) -> None:
        """Forget the failures of a key."""
        self._failures.pop(key, None)

    def forget(self, stale: Callable[[Hashable], bool]) -> None:
        """Drop the keys that no longer matter."""
        for key in [k for k in self._failures if stale(k)]:
            del self._failures[key]


class Tasks:
    """Keyed work on a few threads; `wake` is called when a piece ends. Used from one thread."""

    def __init__(self, threads: int, wake: Callable[[], None], backoff: Backoff | None = None) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="milon-work")
        self._wake = wake
        self._backoff = backoff or Backoff()
        self._futures: dict[Hashable, Future[Any]] = {}

    def result(self, key: Hashable, work: Callable[[], Any]) -> Any | None:
        """What `work` returned (never None), or None while it is not there; starts it when that is due.

        Raises:
            MilonError, OSError: what the last try raised, once per try; WorkError in place of anything else.
        """
        future = self._futures.get(key)
        if future is None:
            if self._backoff.due(key):
                future = self._futures[key] = self._pool.submit(work)
                future.add_done_callback(lambda _: self._wake())
            return None
        if not future.done():
            return None
        error = future.exception()
        if error is not None:
            del self._futures[key]
            self._backoff.failed(key)
            if isinstance(error, MilonError | OSError):
                raise error
            raise WorkError(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}") from error
        self._backoff.succeeded(key)
        return future.result()

    def peek(self, key: Hashable) -> Any | None:
        """A finished result, without starting anything."""
        future = self._futures.get(key)
        if future is None or not future.done() or future.exception() is not None:
            return None
        return future.result()

    def busy(self) -> bool:
        """Whether anything still runs."""
        return any(not future.done() for future in self._futures.values())

    def forget(self, stale: Callable[[Hashable], bool]) -> None:
        """Drop finished results and failures that no longer matter; what runs goes on."""
        for key in [k for k, future in self._futures.items() if stale(k) and future.done()]:
            del self._futures[key]
        self._backoff.forget(stale)

    def drop(self, void: Callable[[Hashable], bool]) -> None:
        """Drop keys whose meaning changed, running or not: what runs ends unheard."""
        for key in [k for k in self._futures if void(k)]:
            self._futures.pop(key).cancel()
        self._backoff.forget(void)

    def close(self) -> None:
        """Start nothing more; what runs ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)
