"""Which rules there are and what each accepts: every mistake is found, and told with what is allowed."""

import pytest

from node.aggregation import RULES, RuleSpec, check_rule, min_updates, rule_mistakes
from node.errors import SpecError


@pytest.mark.parametrize(
    ("name", "params", "least"),
    [
        ("fedavg", {}, 1),
        ("fedavgm", {}, 1),
        ("fedavgm", {"beta": 0, "server_lr": 0.5}, 1),
        ("median", {}, 1),
        ("trimmed_mean", {"trim": 0}, 1),
        ("trimmed_mean", {"trim": 2}, 5),
        ("krum", {"f": 0}, 3),
        ("krum", {"f": 2}, 7),
        ("multi_krum", {"f": 1, "m": 2}, 5),
        ("multi_krum", {"f": 1, "m": 6}, 7),
    ],
)
def test_check_rule_when_updates_reach_the_least_then_accepts_and_below_refuses(
    name: str, params: dict[str, float], least: int
) -> None:
    rule = RuleSpec(name, params)
    assert min_updates(rule) == least
    check_rule(rule)
    check_rule(rule, least)
    check_rule(rule, 256)
    for count in (least - 1, 257):
        with pytest.raises(SpecError, match=f"{count} is not from {least} to 256"):
            check_rule(rule, count)


@pytest.mark.parametrize(
    ("name", "params", "told"),
    [
        ("mean", {}, "'mean' is unknown; allowed are fedavg, fedavgm, median"),
        ("median", {"trim": 1}, "params.trim: is unknown; median takes no parameters"),
        ("krum", {}, "params.f: is missing; give a whole number from 0 to 126"),
        ("krum", {"f": -1}, "-1 is not a whole number from 0"),
        ("krum", {"f": 127}, "127 is not a whole number"),
        ("krum", {"f": 1.0}, "1.0 is not a whole number"),
        ("krum", {"f": True}, "True is not a whole number"),
        ("multi_krum", {"f": 1, "m": 0}, "0 is not a whole number from 1"),
        ("trimmed_mean", {"trim": 128}, "128 is not a whole number from 0 to 127"),
        ("fedavgm", {"beta": 1.0}, "1.0 is not a number from 0 up to, not including, 1"),
        ("fedavgm", {"server_lr": 0}, "0 is not a number greater than 0"),
        ("fedavgm", {"server_lr": float("nan")}, "nan is not a number"),
        ("fedavgm", {"server_lr": "1"}, "'1' is not a number"),
    ],
)
def test_check_rule_when_a_parameter_is_wrong_then_it_says_what_is_allowed(
    name: str, params: dict[str, float], told: str
) -> None:
    with pytest.raises(SpecError) as caught:
        check_rule(RuleSpec(name, params))
    assert told in str(caught.value)


def test_rule_mistakes_when_there_are_several_then_all_are_found() -> None:
    found = rule_mistakes(RuleSpec("multi_krum", {"f": -1, "extra": 1}))
    assert [key for key, _ in found] == ["params.extra", "params.f", "params.m"]


def test_complete_when_parameters_are_left_out_then_defaults_in_canonical_types() -> None:
    assert RuleSpec("fedavgm", {"server_lr": 1}).complete() == {"beta": 0.9, "server_lr": 1.0}
    assert isinstance(RuleSpec("fedavgm", {"server_lr": 1}).complete()["server_lr"], float)


def test_registry_when_read_then_every_rule_names_its_source() -> None:
    assert set(RULES) == {"fedavg", "fedavgm", "median", "trimmed_mean", "krum", "multi_krum"}
    assert all(name == rule.name and rule.about and rule.source for name, rule in RULES.items())
