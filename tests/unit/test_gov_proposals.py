"""Proposals by the beginning of their ids, and strangers' words made harmless."""

from typing import cast

import pytest

from chain.contracts.governance_events import ProposalCreated
from chain.errors import MilonError
from node.governance.proposals import Motion, find_motion, marked, readable, short_id

PROPOSER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
FIRST, SECOND = int("ab" * 32, 16), int("abababab" + "cd" * 28, 16)


def motion(number: int) -> Motion:
    event = cast(ProposalCreated, None)
    return Motion(number, short_id(number, [FIRST, SECOND]), PROPOSER, None, event, "", ())  # type: ignore[arg-type]


def test_short_id_when_others_begin_alike_then_is_longer() -> None:
    assert short_id(FIRST, [FIRST]) == "0xabababab"
    assert short_id(FIRST, [FIRST, SECOND]) == "0xababababa"
    assert short_id(5, [5, 6]) == "0x" + "0" * 63 + "5"


@pytest.mark.parametrize("text", ["0xabababab" + "a", "ABABABABA", f"{FIRST:064x}", str(FIRST)])
def test_find_when_the_beginning_is_unique_then_finds_it(text: str) -> None:
    assert find_motion([motion(SECOND), motion(FIRST)], text).id == FIRST


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0xabab", "may be 0xababababc, 0xababababa; give more"),
        ("0x12", "there is no proposal 0x12"),
        ("", "not a proposal's id"),
        ("0x", "not a proposal's id"),
        ("hello", "not a proposal's id"),
        ("a" * 65, "not a proposal's id"),
    ],
)
def test_find_when_it_cannot_be_told_then_says_why(text: str, said: str) -> None:
    with pytest.raises(MilonError, match=said):
        find_motion([motion(SECOND), motion(FIRST)], text)


def test_description_when_marked_then_reads_without_the_mark_of_its_own_proposer() -> None:
    assert readable(marked(" because\nof it ", PROPOSER), PROPOSER) == "because\nof it"
    other = "0x" + "12" * 20
    assert "#proposer" in readable(marked("because", other), PROPOSER)


def test_description_when_it_holds_control_characters_then_they_are_replaced_line_by_line() -> None:
    assert readable("a\x1b[2Jb\r\nc\u202ed\te\x00", PROPOSER) == "a\ufffd[2Jb\nc\ufffdd\ufffde\ufffd"
