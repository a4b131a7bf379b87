"""Where content is said to be, by people who may lie."""

from __future__ import annotations

from typing import Any

from eth_utils.address import to_checksum_address

from chain.contracts import event_types as ev
from node.joblog import JobHistory, JobLog, UpdateRecord, accumulate

DIGEST, OTHER = b"m" * 32, b"o" * 32


def address(number: int) -> Any:
    return to_checksum_address(f"0x{number:040x}")


def position(index: int) -> dict[str, Any]:
    return {
        "contract": address(1),
        "block_number": index,
        "transaction_hash": f"0x{index:064x}",
        "log_index": 0,
    }


def history(*events: ev.ChainEvent) -> JobHistory:
    log = JobLog()
    log.add(events)
    return log.job(1)


def submitted(cid: str) -> ev.JobSubmitted:
    return ev.JobSubmitted(1, address(9), b"s" * 32, "spec", DIGEST, cid, 0, **position(1))


def revealed(cid: str, at: int) -> ev.ResultRevealed:
    return ev.ResultRevealed(1, 1, 1, DIGEST, 1, 0, 1, 0, cid, **position(at))


def announced(cid: str, by: int, at: int, digest: bytes = DIGEST) -> ev.ModelAnnounced:
    return ev.ModelAnnounced(1, digest, address(by), cid, **position(at))


def test_model_cids_when_one_node_announces_often_then_only_its_last_word_counts() -> None:
    spam = [announced(f"nowhere{i}", by=7, at=10 + i) for i in range(1000)]
    assert history(submitted("client"), *spam).model_cids(DIGEST) == ["client", "nowhere999"]


def test_model_cids_when_somebody_announces_later_then_reveals_still_come_first() -> None:
    told = history(revealed("first", 2), revealed("second", 3), announced("hint", by=7, at=4))
    assert told.model_cids(DIGEST) == ["second", "first", "hint"]


def test_model_cids_when_a_reveal_lied_then_an_honest_node_can_correct_it() -> None:
    told = history(revealed("nowhere", 2), announced("right", by=7, at=3), announced("nowhere", by=8, at=4))
    assert told.model_cids(DIGEST) == ["nowhere", "right"]


def test_model_cids_of_another_digest_are_not_given() -> None:
    assert history(announced("x", by=7, at=1, digest=OTHER)).model_cids(DIGEST) == []


def leased(node: int, number: int, at: int) -> ev.EpochsLeased:
    return ev.EpochsLeased(1, number, address(node), 1, 0, 1, 99, **position(at))


def updated(node: int, number: int, at: int) -> ev.UpdateSubmitted:
    return ev.UpdateSubmitted(1, number, address(node), 0, 1, 5, DIGEST, True, "cid", **position(at))


def test_undo_from_when_blocks_are_taken_back_then_forgets_what_they_told_of_each_round() -> None:
    told = history(submitted("c"), leased(7, 1, 2), updated(7, 1, 3), leased(8, 2, 4), updated(8, 2, 5))
    assert told.claimed(2, address(8)) and not told.claimed(1, address(8))
    assert [record.node for record in told.updates(2)] == [address(8)]
    told.undo_from(4)
    assert told.lessees() == {address(7)} and not told.claimed(2, address(8))
    assert told.updates(2) == [] and len(told.updates(1)) == 1
    assert told.cids(DIGEST) == ["cid", "c"] and told.submitted is not None
    told.undo_from(1)
    assert told.submitted is None and told.cids(DIGEST) == [] and told.events == []


def test_accumulate_is_the_first_24_bytes_of_each_hash() -> None:
    first = updates_of(updated(7, 1, 3))
    assert len(accumulate(first)) == 24 and accumulate([]) == bytes(24)
    assert accumulate([*first, *first]) != accumulate(first)


def updates_of(*events: ev.UpdateSubmitted) -> list[UpdateRecord]:
    return history(*events).updates(1)
