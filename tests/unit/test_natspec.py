"""`scripts/natspec.py`: comments of the contracts into text for their page."""

from natspec import one_line, paragraphs, parse


def test_comment_when_tags_share_lines_then_each_gets_its_own_text() -> None:
    doc = parse("@notice What it\n does. @param a First,\n of two. @param b\n @return c A | B. @dev Mind it.")
    assert one_line(doc.notice) == "What it does."
    assert doc.params == {"a": "First, of two.", "b": ""}
    assert (doc.returns, doc.dev) == (["c A \\| B."], "Mind it.")


def test_comment_without_tags_is_a_notice_and_an_address_is_no_tag() -> None:
    assert parse("Ask a@notice.example").notice == "Ask a@notice.example"
    assert parse(None).notice == ""
    assert parse("@inheritdoc IThing").inherits == "IThing"


def test_notices_when_several_then_keep_their_order_and_lines() -> None:
    assert parse("@notice One.\n @title T\n @notice Two.").notice == "One.\nTwo."


def test_paragraphs_turn_numbers_into_a_list_and_indented_lines_into_code() -> None:
    text = "Definitions:\n   a = (b, c)\n Guarantees:\n 1. First, which is\n    long.\n 2. Second."
    assert paragraphs(text) == (
        "Definitions:\n\n```\n  a = (b, c)\n```\n\nGuarantees:\n\n1. First, which is\n   long.\n2. Second."
    )


def test_paragraphs_when_an_item_goes_on_without_indent_keep_it_one_item() -> None:
    assert paragraphs("1. First,\n long.\n\n After.") == "1. First,\n   long.\n\nAfter."


def test_paragraphs_when_code_ends_the_text_close_it() -> None:
    assert paragraphs("Like:\n   x") == "Like:\n\n```\n  x\n```"
