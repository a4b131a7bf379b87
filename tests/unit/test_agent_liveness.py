"""When an agent counts as well, and what it says troubles it."""

from __future__ import annotations

from node.agent.metrics import Liveness


def test_report_when_the_chain_does_not_answer_then_is_unwell_at_once() -> None:
    connected = True
    liveness = Liveness(60.0, lambda: connected)
    assert liveness.report()[0]
    connected = False
    well, document = liveness.report()
    assert not well and document["connected"] is False


def test_report_when_no_cycle_ends_in_time_then_is_unwell() -> None:
    assert not Liveness(-1.0).report()[0]


def test_keep_troubles_when_something_is_not_due_any_more_then_forgets_it_but_not_the_chain() -> None:
    liveness = Liveness(60.0)
    for what in ("chain", "train", "vote"):
        assert liveness.trouble(what, "broken")
    liveness.keep_troubles({"vote"})
    assert liveness.report()[1]["troubles"] == {"chain": "broken", "vote": "broken"}
    assert not liveness.trouble("vote", "broken")
