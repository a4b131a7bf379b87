"""What a watched job looks like: lines, rows, JSON, and how rounds are summed up."""

import io
import json
from typing import Any

import pytest
from rich.console import Console

from chain.contracts import event_types as ev
from chain.contracts.types import JobStatus
from node.cli.watch import JobWatch
from node.names import Names
from node.roundlog import in_telling_order

ALPHA, BETA = "0x" + "Aa" * 20, "0x" + "Bb" * 20
NODE_A, NODE_B = "0x" + "A1" * 20, "0x" + "B1" * 20
NAMES = Names(
    {ALPHA: "alpha", BETA: "beta", NODE_A: "alpha", NODE_B: "beta"},
    {ALPHA: 0, BETA: 1},
    {NODE_A: ALPHA, NODE_B: BETA},
)
TOKEN = 10**18
TRUE, FALSE = b"\x01" * 16, b"\x02" * 16
MODEL = b"\x07" * 32


def at(kind: Any, block: int, *fields: Any, index: int = 0) -> Any:
    return kind(
        *fields, contract="0x0", block_number=block, transaction_hash=f"0x{block:02x}", log_index=index
    )


def opened(block: int, round_number: int, attempt: int = 1) -> Any:
    return at(ev.RoundOpened, block, 1, round_number, attempt, 10, 20, 30, 0b11, 2, bytes(32), 0)


def a_round() -> list[Any]:
    """Round 1: beta misses its lease, alpha trains all, both vote; the last transaction closes it and opens 2."""
    return [
        opened(1, 1),
        at(ev.EpochsLeased, 2, 1, 1, NODE_A, 1, 0, 3, 99),
        at(ev.EpochsLeased, 3, 1, 1, NODE_B, 1, 3, 1, 99),
        at(ev.UpdateSubmitted, 4, 1, 1, NODE_A, 0, 3, 860, b"\x03" * 32, True, "bafyone"),
        at(ev.LeaseMissed, 5, 1, 1, NODE_B, 3, 1, TOKEN),
        at(ev.EpochsLeased, 6, 1, 1, NODE_A, 1, 3, 1, 99),
        at(ev.UpdateSubmitted, 7, 1, 1, NODE_A, 3, 1, 290, b"\x04" * 32, False, "bafytwo"),
        at(ev.VoteCast, 8, 1, 1, ALPHA, 1, NODE_A, TRUE, TRUE, 912_300),
        at(ev.VoteCast, 9, 1, 1, BETA, 1, NODE_B, TRUE, FALSE, 500_000),
        at(ev.RoundClosed, 10, 1, 1, 1, MODEL, 0b1001, 0, 912_300, TOKEN // 2, bytes(24), index=1),
        at(ev.RoundOpened, 10, 1, 2, 1, 10, 20, 30, 0b11, 2, MODEL, 0b1, index=2),
        at(ev.ResultRevealed, 10, 1, 1, 1, MODEL, 0b1001, 0, 0b01, 0b10, "bafymodel", index=3),
    ]


def watch(**options: Any) -> tuple[JobWatch, io.StringIO]:
    out = io.StringIO()
    console = Console(file=out, width=200, highlight=False, markup=False)
    return JobWatch(1, TOKEN, 10, NAMES, console, **options), out


def test_watch_when_a_round_goes_by_then_tells_each_happening_in_a_line() -> None:
    shown, out = watch()
    shown.feed(a_round())
    lines = out.getvalue().splitlines()
    assert lines[:9] == [
        "round  1  opened    from model 0x000000…0000, quorum 2 of 2",
        "round  1  leased    alpha          epochs 0 to 2",
        "round  1  leased    beta           epoch 3",
        "round  1  delivered alpha          epochs 0 to 2, 860 samples, keeps its epochs",
        "round  1  missed    beta           epoch 3, loses 1",
        "round  1  leased    alpha          epoch 3",
        "round  1  delivered alpha          epoch 3, 290 samples",
        "round  1  voted     alpha          accuracy 0.9123  (1 of 2 voted, quorum 2)",
        "round  1  voted     beta           accuracy 0.5000  (2 of 2 voted, quorum 2)",
    ]
    assert "at bafymodel; beta lost the bond" in lines[9]
    assert lines[10].startswith("round 1 of 10  accuracy 0.9123  3 leases, 1 missed  2 of 2 updates accepted")
    assert lines[11] == "  rewards: alpha 4.5"
    assert lines[12].startswith("round  2  opened") and lines[12].endswith("1 lease carried over")


def test_summary_when_a_round_closed_then_counts_what_its_events_say() -> None:
    shown, _ = watch()
    events = a_round()
    shown.feed(events[:7], at=100.0)
    shown.feed(events[7:], at=104.5)
    (summary,) = shown.summaries
    assert (summary.round, summary.digest, summary.cid) == (1, MODEL, "bafymodel")
    assert (summary.leases, summary.expired, summary.updates, summary.accepted) == (3, 1, 2, 2)
    assert (summary.votes, summary.matching, summary.quorum, summary.eligible) == (2, 1, 2, 2)
    assert summary.accuracy == pytest.approx(0.9123)
    assert (summary.seconds, summary.train_seconds) == (4.5, 0.0)
    assert summary.paid == {NODE_A: 4 * TOKEN, ALPHA: TOKEN // 2}
    assert summary.penalties == {NODE_B: TOKEN}


def test_summary_when_an_update_was_left_out_then_it_is_not_paid() -> None:
    shown, _ = watch()
    events = a_round()
    events[9] = at(ev.RoundClosed, 10, 1, 1, 1, MODEL, 0b0001, 0, 912_300, TOKEN // 2, bytes(32))
    shown.feed(events)
    assert shown.summaries[0].accepted == 1
    assert shown.summaries[0].paid[NODE_A] == 3 * TOKEN


def test_summary_when_times_are_given_by_block_then_measures_with_them() -> None:
    shown, _ = watch()
    shown.feed(a_round(), {1: 50.0, 7: 53.0, 10: 57.0})
    assert (shown.summaries[0].seconds, shown.summaries[0].train_seconds) == (7.0, 3.0)


def test_watch_when_an_attempt_fails_then_keeps_updates_and_forgets_votes() -> None:
    shown, out = watch()
    events = a_round()
    again = [
        at(ev.VoteFailed, 20, 1, 1, 1, 0b10),
        at(ev.AttemptFailed, 20, 1, 1, 1, True),
        opened(20, 1, attempt=2),
        at(ev.VoteCast, 21, 1, 1, ALPHA, 2, NODE_A, TRUE, TRUE, 900_000),
    ]
    shown.feed([*events[:9], *again])
    text = out.getvalue()
    assert "the vote of attempt 1; beta lost the bond" in text
    assert "attempt 1: no quorum; the updates are kept" in text
    assert "attempt 2, from model" in text
    assert text.splitlines()[-1].endswith("(1 of 2 voted, quorum 2)")


def test_watch_when_blocks_are_taken_back_then_what_they_told_is_forgotten() -> None:
    shown, out = watch()
    events = a_round()
    shown.feed(events)
    shown.undo_from(9)
    assert shown.summaries == []
    assert "took back block 9" in out.getvalue()
    shown.feed(events[8:])
    assert len(shown.summaries) == 1
    assert shown.summaries[0].votes == 2


def test_watch_when_job_ends_then_knows_how() -> None:
    shown, out = watch()
    assert shown.status == JobStatus.OPEN
    shown.feed([at(ev.JobEnded, 30, 1, JobStatus.CANCELLED, 2 * TOKEN)])
    assert shown.status == JobStatus.CANCELLED
    assert "job 1 cancelled, 2 refunded" in out.getvalue()


def test_watch_when_brief_then_prints_rows_alone() -> None:
    shown, out = watch(happenings=False)
    shown.feed(a_round())
    assert [line.split()[0] for line in out.getvalue().splitlines()] == ["round", "rewards:"]


def test_watch_when_json_then_prints_every_event_of_the_job_and_no_other(
    capfd: pytest.CaptureFixture[str],
) -> None:
    shown, _ = watch(as_json=True)
    other = at(ev.EpochsLeased, 2, 2, 1, NODE_A, 1, 0, 3, 99)
    shown.feed([other, *a_round()])
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [line["event"] for line in lines].count("RoundSummary") == 1
    assert len(lines) == len(a_round()) + 1
    leased = next(line for line in lines if line["event"] == "EpochsLeased")
    assert leased["name"] == "alpha"
    assert leased["block"] == 2
    summary = next(line for line in lines if line["event"] == "RoundSummary")
    assert summary["digest"] == "0x" + MODEL.hex()


def test_telling_order_when_one_transaction_closes_and_opens_then_result_comes_first() -> None:
    kinds = [type(event).__name__ for event in in_telling_order(a_round()[9:])]
    assert kinds == ["ResultRevealed", "RoundClosed", "RoundOpened"]


def test_names_when_address_is_unknown_then_is_shortened() -> None:
    assert NAMES.of("0x1234567890") == "0x123456…7890"
    assert NAMES.at(0b101) == ["alpha", "seat 2"]


def test_watch_when_names_are_long_then_columns_still_line_up() -> None:
    out = io.StringIO()
    names = Names({NODE_A: "South Institute", NODE_B: "beta"}, {}, {})
    JobWatch(1, TOKEN, 10, names, Console(file=out, width=200)).feed(a_round()[:3])
    leased = [line for line in out.getvalue().splitlines() if "leased" in line]
    assert [line.index(" epoch") for line in leased] == [len("round  1  leased    South Institute")] * 2
