"""What an agent takes in of the chain's events when the node that gives them is behind, or they are hostile."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import structlog
from eth_utils.address import to_checksum_address

from chain.contracts import event_types as ev
from chain.errors import ChainError
from chain.events import EventBatch
from node.agent import jobs
from node.agent.jobs import JobDesk
from node.joblog import UpdateRecord, accumulate

NODE = to_checksum_address("0x" + "11" * 20)
POSITION: dict[str, Any] = {"contract": NODE, "block_number": 1, "transaction_hash": "0x", "log_index": 0}
SUBMITTED = ev.JobSubmitted(1, NODE, b"s" * 32, "spec", b"m" * 32, "model", 0, **POSITION)
UPDATE = ev.UpdateSubmitted(1, 1, NODE, 0, 2, 10, b"u" * 32, False, "cid", **POSITION)
ANNOUNCED = ev.ModelAnnounced(1, b"m" * 32, NODE, "elsewhere", **POSITION)
RECORD = UpdateRecord(NODE, 0, 2, 10, b"u" * 32, "cid")


class Logs:
    """A node of which each new reader gets the next of these answers."""

    def __init__(self, *answers: tuple[ev.ChainEvent, ...]) -> None:
        self._answers = list(answers)
        self.readers = 0

    def __call__(self) -> Any:
        self.readers += 1
        return self

    def read(self, block: int) -> EventBatch:
        events = self._answers.pop(0) if self._answers else ()
        return EventBatch(cast(Any, events), block)


@pytest.fixture(autouse=True)
def _typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "to_events", list)


def desk(tmp_path: Path, logs: Logs) -> JobDesk:
    config = SimpleNamespace(node=SimpleNamespace(data_dir=tmp_path))
    consortium = SimpleNamespace(events=logs)
    return JobDesk(
        cast(Any, config), cast(Any, consortium), cast(Any, None), tmp_path, structlog.get_logger()
    )


def view(timestamp: int = 100, accumulator: bytes = accumulate([RECORD])) -> Any:
    round_ = SimpleNamespace(number=1, attempt=1, taken=3, awaited=False, accumulator=accumulator)
    job = SimpleNamespace(job_id=1, phase=1, round=round_, attempt=SimpleNamespace(voted=0))
    return SimpleNamespace(jobs=(job,), block_number=5, timestamp=timestamp)


def test_refresh_when_an_event_is_left_out_then_says_so_and_reads_all_of_them_anew(tmp_path: Path) -> None:
    logs = Logs((SUBMITTED,), (SUBMITTED, UPDATE))
    at_desk = desk(tmp_path, logs)
    with pytest.raises(ChainError, match="do not add up"):
        at_desk.refresh(view())
    assert at_desk.refresh(view()) == set()
    assert at_desk.history(1).updates(1) == [RECORD]
    assert logs.readers == 2


def test_refresh_when_a_reorganisation_swaps_an_update_for_another_then_it_is_noticed(tmp_path: Path) -> None:
    at_desk = desk(tmp_path, Logs((SUBMITTED, UPDATE)))
    at_desk.refresh(view())
    with pytest.raises(ChainError, match="do not add up"):
        at_desk.refresh(view(accumulator=b"x" * 24))


def test_refresh_when_only_an_announcement_is_new_then_it_is_read_before_long(tmp_path: Path) -> None:
    at_desk = desk(tmp_path, Logs((SUBMITTED, UPDATE), (ANNOUNCED,)))
    at_desk.refresh(view(timestamp=100))
    at_desk.refresh(view(timestamp=115))
    assert at_desk.history(1).model_cids(b"m" * 32) == ["model", "elsewhere"]
