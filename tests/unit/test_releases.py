"""Models as they are named, and where their registration says that they are."""

import pytest
from eth_utils.address import to_checksum_address

from chain.contracts.event_types import ModelAnnounced, VersionRegistered
from chain.errors import MilonError
from node.joblog import JobHistory
from node.releases import Reference, check_name, parse_reference

ACCOUNT = to_checksum_address("0x" + "12" * 20)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("digits", Reference("digits", None)),
        ("digits@3", Reference("digits", 3)),
        ("2-b.x_y@0", Reference("2-b.x_y", 0)),
        ("a" * 64, Reference("a" * 64, None)),
    ],
)
def test_reference_when_well_written_then_reads_back(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference
    assert str(reference) == text


@pytest.mark.parametrize(
    "text",
    ["", "@1", "Digits", ".digits", "a" * 65, "digits@", "digits@x", "digits@-1", "digits@1@2", "digits@٣"],
)
def test_reference_when_mistyped_then_is_refused(text: str) -> None:
    with pytest.raises(MilonError):
        parse_reference(text)


def test_name_when_it_holds_a_newline_then_is_refused() -> None:
    with pytest.raises(MilonError):
        check_name("digits\n")


def test_model_when_its_version_names_another_address_then_that_is_tried_too() -> None:
    place = {"contract": ACCOUNT, "block_number": 1, "transaction_hash": "0x", "log_index": 0}
    history, model = JobHistory(7), bytes([5]) * 32
    history.add(ModelAnnounced(7, model, ACCOUNT, "bafynode", **place))  # type: ignore[arg-type]
    other = to_checksum_address("0x" + "34" * 20)
    registered = VersionRegistered(bytes(32), 1, 7, "digits", model, "bafyversion", 9, other, **place)  # type: ignore[arg-type]
    history.add(registered)
    assert history.model_cids(model) == ["bafynode", "bafyversion"]
