"""Keyed work off the main thread, and its pauses after failures."""

from __future__ import annotations

import threading

import pytest

from node.agent.tasks import Backoff, Tasks, WorkError
from node.errors import ContentError


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def settled(tasks: Tasks, woken: threading.Event) -> None:
    assert woken.wait(5)
    woken.clear()


def test_result_when_work_ends_then_wakes_and_returns_it_once_run() -> None:
    woken, runs = threading.Event(), []
    tasks = Tasks(1, woken.set)

    def work() -> int:
        runs.append(1)
        return 5

    assert tasks.result("k", work) is None
    settled(tasks, woken)
    assert tasks.result("k", work) == 5
    assert tasks.result("k", work) == 5
    assert len(runs) == 1
    tasks.close()


def test_result_when_work_fails_then_raises_and_pauses_before_the_next_try() -> None:
    woken, clock = threading.Event(), Clock()
    tasks = Tasks(1, woken.set, Backoff(clock))
    fail = True

    def work() -> str:
        if fail:
            raise ContentError("no")
        return "done"

    tasks.result("k", work)
    settled(tasks, woken)
    with pytest.raises(ContentError, match="no"):
        tasks.result("k", work)
    fail = False
    assert tasks.result("k", work) is None
    assert not tasks.busy(), "it must not start again before its pause is over"
    clock.now = 0.6
    assert tasks.result("k", work) is None
    settled(tasks, woken)
    assert tasks.result("k", work) == "done"
    tasks.close()


def test_backoff_when_failures_repeat_then_doubles_up_to_a_limit_and_success_forgets() -> None:
    backoff = Backoff(Clock())
    pauses = [backoff.failed("k") for _ in range(8)]
    assert pauses[:3] == [0.5, 1.0, 2.0]
    assert pauses[-1] == 30.0
    backoff.succeeded("k")
    assert backoff.due("k")


def test_forget_when_stale_then_runs_again() -> None:
    woken = threading.Event()
    tasks = Tasks(1, woken.set)
    tasks.result("k", lambda: 1)
    settled(tasks, woken)
    tasks.forget(lambda key: key == "k")
    assert tasks.peek("k") is None
    assert tasks.result("k", lambda: 2) is None
    settled(tasks, woken)
    assert tasks.result("k", lambda: 2) == 2
    tasks.close()


@pytest.mark.parametrize(
    "error", [RuntimeError("not enough memory:\nyou tried"), MemoryError(), ValueError("x")]
)
def test_result_when_work_fails_unforeseen_then_the_error_is_one_that_the_agent_survives(
    error: Exception,
) -> None:
    woken = threading.Event()
    tasks = Tasks(1, woken.set)

    def work() -> None:
        raise error

    assert tasks.result("k", work) is None
    settled(tasks, woken)
    with pytest.raises(WorkError, match=type(error).__name__) as caught:
        tasks.result("k", work)
    assert "\n" not in str(caught.value)
    tasks.close()


def test_drop_when_a_key_changes_its_meaning_in_mid_run_then_the_old_result_is_never_heard() -> None:
    woken, go = threading.Event(), threading.Event()
    tasks = Tasks(2, woken.set)

    def old() -> str:
        assert go.wait(5)
        return "old"

    assert tasks.result("k", old) is None
    tasks.drop(lambda key: key == "k")
    assert tasks.result("k", lambda: "new") is None
    settled(tasks, woken)
    go.set()
    settled(tasks, woken)
    assert tasks.result("k", old) == "new"
    tasks.close()
