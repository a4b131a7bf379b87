"""Parameters as members write and read them."""

import pytest

from chain.errors import MilonError
from node.governance.settings import MONTH, SETTINGS, duration, parse_assignments, set_together, setting

TIMELOCK = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


@pytest.mark.parametrize(
    ("key", "text", "value", "shown"),
    [
        ("lease_bond", "2", 2 * 10**18, "2 MLN"),
        ("vote_bond", " 0.5 ", 5 * 10**17, "0.5 MLN"),
        ("max_share", "50%", 5_000, "50 %"),
        ("max_share", "0.3333", 3_333, "33.33 %"),
        ("max_share", "0.01 %", 1, "0.01 %"),
        ("unbonding_period", "3600", 3_600, "1 h"),
        ("voting_delay", "0", 0, "0 s"),
        ("voting_period", "12h", 43_200, "12 h"),
        ("timelock_delay", "30d", MONTH, "30 d"),
        ("quorum", "60%", 60, "60 %"),
        ("quorum", "1", 100, "100 %"),
        ("treasury", TIMELOCK.lower(), TIMELOCK, TIMELOCK),
    ],
)
def test_parse_when_well_written_then_is_the_chain_s_value_and_reads_back(
    key: str, text: str, value: int | str, shown: str
) -> None:
    assert setting(key).parse(text) == value
    assert setting(key).show(value, "MLN") == shown


@pytest.mark.parametrize(
    ("key", "text", "said"),
    [
        ("lease_bond", "-1", "not an amount of tokens"),
        ("lease_bond", "1e-19", "not an amount of tokens"),
        ("lease_bond", str(2**96), "out of bounds"),
        ("max_share", "0", "out of bounds; 0.01 % to 100 %"),
        ("max_share", "101%", "out of bounds"),
        ("max_share", "0.00001", "not a share"),
        ("max_share", "NaN", "not a share"),
        ("quorum", "Infinity", "not a percentage"),
        ("quorum", "50.5%", "not a percentage"),
        ("voting_period", "0", "out of bounds; 1 s to 30 d"),
        ("voting_delay", "31d", "out of bounds"),
        ("voting_delay", "1.5h", "not a time"),
        ("voting_delay", "٣", "not a time"),
        ("treasury", "0x" + "00" * 20, "not an address"),
        ("treasury", TIMELOCK.replace("C8", "c8"), "not an address"),
        ("treasury", "north", "not an address"),
    ],
)
def test_parse_when_mistyped_then_says_how_it_is_written(key: str, text: str, said: str) -> None:
    with pytest.raises(MilonError, match=f"^{key}: .*{said}"):
        setting(key).parse(text)


def test_assignments_when_mistyped_then_say_which() -> None:
    assert parse_assignments(["quorum = 60%", "lease_bond=1"]) == {"quorum": 60, "lease_bond": 10**18}
    for words, said in (
        (["quorum"], "is not PARAMETER=VALUE"),
        (["quorum=1", "quorum=1"], "given twice"),
        (["kworum=1"], "no parameter 'kworum'; there are lease_bond"),
    ):
        with pytest.raises(MilonError, match=said):
            parse_assignments(words)


def test_settings_of_one_function_stand_in_the_order_of_its_arguments() -> None:
    from chain.artifacts import load_artifact

    abis = {
        "EpochScheduler": "IEpochScheduler",
        "StakeVault": "StakeVault",
        "ConsortiumGovernor": "ConsortiumGovernor",
        "ConsortiumTimelock": "ConsortiumTimelock",
    }
    for one in SETTINGS.values():
        abi = load_artifact(abis[one.contract]).abi
        (entry,) = [e for e in abi if e.get("type") == "function" and e["name"] == one.function]
        together = set_together(one.contract, one.function)
        assert len(entry["inputs"]) == len(together)
        if len(together) > 1:
            names = [p["name"].strip("_").lower() for p in entry["inputs"]]
            assert names == [each.key.replace("_", "") for each in together]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (90, "1 min 30 s"), (3_605, "1 h"), (93_600, "1 d 2 h"), (86_460, "1 d")],
)
def test_duration_when_shown_then_is_in_its_two_largest_units(seconds: int, text: str) -> None:
    assert duration(seconds) == text
