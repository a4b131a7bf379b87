"""Reads the chain's events for the commands: all of them once, or as they come until a job has ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

from chain.blocks import block_times
from chain.contracts import event_types as ev
from chain.contracts.structs import to_events
from chain.contracts.types import JobStatus
from chain.errors import ChainError
from chain.heads import HeadWatcher
from chain.transport import ChainUnreachableError
from node.joblog import JobHistory, JobLog

if TYPE_CHECKING:
    from chain.consortium import Consortium

_HEARTBEAT_S = 5.0
_TIMED = (ev.RoundOpened, ev.RoundClosed, ev.UpdateSubmitted)


class Watch(Protocol):
    """What follows a job: it takes the job's events in the order of the chain."""

    job_id: int

    @property
    def status(self) -> JobStatus:
        """What became of the job as far as the events tell."""

    def feed(self, events: Iterable[ev.ChainEvent], at: float | Mapping[int, float] | None = None) -> None:
        """Take events that happened `at` these seconds of any one clock, by block where that differs."""

    def undo_from(self, block: int) -> None:
        """Forget what happened in this block and later."""


def read_log(consortium: Consortium) -> JobLog:
    """Everything that ever happened to the jobs. Raises ChainError."""
    log = JobLog()
    log.add(to_events(consortium.events().read().events))
    return log


def read_history(consortium: Consortium, job_id: int) -> JobHistory:
    """Everything that ever happened to one job.

    Raises:
        ChainError: the chain does not answer, or there is no such job.
    """
    history = read_log(consortium).job(job_id)
    if history.submitted is None:
        count = consortium.scheduler.job_count()
        raise ChainError(f"there is no job {job_id}, there are {count} so far: see `milon job list`")
    return history


def round_times(consortium: Consortium, events: Iterable[ev.ChainEvent]) -> dict[int, float]:
    """Chain time in seconds of the blocks in which rounds open, get updates and close. Raises ChainError."""
    blocks = [event.block_number for event in events if isinstance(event, _TIMED)]
    return {number: float(at) for number, at in block_times(consortium.w3, blocks).items()}


def follow(
    consortium: Consortium,
    url: str,
    watch: Watch,
    warn: Callable[[str], None],
    on_event: Callable[[ev.ChainEvent], None] = lambda event: None,
) -> JobStatus:
    """Feeds a watch from the deployment's first block on until its job has ended.

    Outages of the chain are sat out; ``warn`` is told once about each. ``on_event`` is called with every event
    of the job after the watch was fed.

    Raises:
        ChainResetError: the chain behind the URL is another one now.
        KeyboardInterrupt: the user has seen enough.
    """
    reader = consortium.events()
    lag: float | None = None
    lost = False
    with HeadWatcher(url) as heads:
        while watch.status == JobStatus.OPEN:
            try:
                batch = reader.read()
                if batch.undone_from is not None:
                    consortium.check()
                    watch.undo_from(batch.undone_from)
                events = to_events(batch.events)
                if lag is None:
                    # What is past has the chain's times; from here on the clock is finer than blocks are.
                    watch.feed(events, round_times(consortium, events))
                    lag = time.time() - block_times(consortium.w3, [batch.block])[batch.block]
                else:
                    watch.feed(events, time.time() - lag)
                for event in events:
                    if getattr(event, "job_id", None) == watch.job_id:
                        on_event(event)
                lost = False
            except ChainUnreachableError as error:
                if not lost:
                    warn(f"{error}; waiting for it")
                lost = True
                heads.wait(heads.state.block, _HEARTBEAT_S)
                continue
            if watch.status == JobStatus.OPEN:
                heads.wait(batch.block, _HEARTBEAT_S)
    return watch.status
