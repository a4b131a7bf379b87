"""`scripts/slither_check.py`: each finding needs an answer, each answer a finding."""

import pytest
import slither_check
from slither_check import Answer, Finding


def element(name: str, *parents: str) -> dict[str, object]:
    """As Slither writes it: a part knows what it stands in."""
    fields: dict[str, object] = {"parent": element(*parents)} if parents else {}
    return {"name": name, "type_specific_fields": fields}


def report(*findings: tuple[str, dict[str, object]]) -> dict[str, object]:
    return {
        "success": True,
        "results": {
            "detectors": [
                {"check": check, "impact": "Low", "description": "Some\n\ttext", "elements": [part]}
                for check, part in findings
            ]
        },
    }


TIMESTAMP = Finding("timestamp", "Low", "EpochScheduler.claim", "Some text")


def test_finding_is_placed_by_contract_function_and_variable() -> None:
    found = slither_check.read_findings(
        report(("timestamp", element("claim", "EpochScheduler")), ("x", element("v", "f", "C")))
    )
    assert list(found) == [TIMESTAMP, Finding("x", "Low", "C.f.v", "Some text")]


def test_finding_with_an_answer_passes_and_another_does_not() -> None:
    answers = [Answer("timestamp", ("EpochScheduler.claim",), "Deadlines are chain time.")]
    assert list(slither_check.shortcomings([TIMESTAMP], answers)) == []
    other = Finding("timestamp", "Low", "EpochScheduler.expire", "Some text")
    (line,) = slither_check.shortcomings([TIMESTAMP, other], answers)
    assert line.startswith("no answer: timestamp (Low) at EpochScheduler.expire")


def test_answer_holds_for_its_detector_alone_and_places_may_have_wildcards() -> None:
    answer = Answer("timestamp", ("EpochScheduler.*",), "why")
    assert answer.answers(TIMESTAMP)
    assert not answer.answers(Finding("calls-loop", "Low", "EpochScheduler.claim", ""))
    assert not answer.answers(Finding("timestamp", "Low", "StakeVault.withdraw", ""))


def test_answer_that_nothing_asks_for_any_more_fails() -> None:
    answers = [Answer("timestamp", ("EpochScheduler.claim", "Gone.f"), "why")]
    assert list(slither_check.shortcomings([TIMESTAMP], answers)) == [
        "no finding for the answer: timestamp at Gone.f"
    ]


@pytest.mark.parametrize("field", ["detector", "places", "why"])
def test_answer_when_a_part_is_missing_is_refused(field: str) -> None:
    entry = {"detector": '"timestamp"', "places": '["C.f"]', "why": '"because"'}
    lines = [f"{key} = {value}" for key, value in entry.items() if key != field]
    with pytest.raises(SystemExit, match="needs detector, places and why"):
        slither_check.read_answers("[[answer]]\n" + "\n".join(lines))


def test_function_that_slither_skipped_is_a_finding() -> None:
    log = (
        "ERROR:X:Impossible to generate IR for StakeVault._pull (contracts/StakeVault.sol#257):\n 'NoneType'"
    )
    (finding,) = slither_check.skipped(log)
    assert (finding.detector, finding.place) == ("not-read", "StakeVault._pull")
    assert len(list(slither_check.shortcomings([finding], []))) == 1
    assert list(slither_check.skipped("analyzed (41 contracts)")) == []


def test_slither_when_it_fails_itself_says_so() -> None:
    with pytest.raises(SystemExit, match="broken"):
        list(slither_check.read_findings({"success": False, "error": "broken"}))


def test_committed_answers_are_read_and_each_says_why() -> None:
    answers = slither_check.read_answers(slither_check.ANSWERS.read_text())
    assert all(len(answer.why.split()) > 3 for answer in answers)
