"""Aggregation: pure functions from states to a state, equal to the byte for everyone who computes them."""

from node.aggregation.aggregate import Aggregate, Update, aggregate
from node.aggregation.rules import (
    RULES,
    RULESET,
    Parameter,
    Rule,
    RuleSpec,
    check_rule,
    min_updates,
    rule_mistakes,
)

__all__ = [
    "RULES",
    "RULESET",
    "Aggregate",
    "Parameter",
    "Rule",
    "RuleSpec",
    "Update",
    "aggregate",
    "check_rule",
    "min_updates",
    "rule_mistakes",
]
