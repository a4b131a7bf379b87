"""What commands print for people: tables that can be copied from, figures of an audit, what an account has."""

import pytest

from node.audit import AuditReport
from node.cli.audit import show_report
from node.cli.common import print_table
from node.names import Names

ADDRESS = "0x" + "Aa" * 20


def test_table_when_the_terminal_is_narrow_then_an_address_stays_whole_if_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    print_table(["name", "address"], [["a member of the consortium", ADDRESS]], wrap=False)
    assert ADDRESS in capsys.readouterr().out
    print_table(["name", "address"], [["a member of the consortium", ADDRESS]])
    assert ADDRESS not in capsys.readouterr().out


def test_report_when_shown_then_counts_and_amounts_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    figures = {"rounds": 2, "budget": 3 * 10**18, "paid": 10**18, "votes": 4}
    show_report(AuditReport(True, 1, 9, (), (), (), (), figures, {}), Names())
    shown = capsys.readouterr().out
    assert "counted  rounds 2, votes 4\n" in shown
    assert "tokens   budget 3, paid 1\n" in shown
    assert shown.endswith("audit of job 1 at block 9: ok\n")
