"""A job's aggregation rule, checked against the registry of rules and worded as every other mistake."""

from collections.abc import Mapping
from typing import Any

from node.aggregation.rules import RULES, RuleSpec
from node.spec.mistakes import Mistake, not_allowed, not_one_of, unknown_key


def check_rule_parameters(
    rule: str, params: Mapping[str, Any], updates: int | None
) -> tuple[dict[str, Any], list[Mistake]]:
    """Completes and checks a rule's parameters.

    Args:
        rule: name of the rule.
        params: as given by the job.
        updates: the fewest updates with which a round may close, or None to leave that unchecked.

    Returns:
        The parameters in canonical types with defaults filled in, and the mistakes; the first is meaningful
        only when there are none.
    """
    if rule not in RULES:
        return dict(params), [not_one_of("aggregation.rule", rule, RULES)]
    known = {parameter.name: parameter for parameter in RULES[rule].parameters}
    mistakes = [unknown_key(f"aggregation.params.{name}", known) for name in params if name not in known]
    for name, parameter in known.items():
        value = params.get(name, parameter.default)
        if value is None:
            mistakes.append(Mistake(f"aggregation.params.{name}", f"is missing: {parameter.allowed}"))
        elif not parameter.accepts(value):
            mistakes.append(not_allowed(f"aggregation.params.{name}", value, parameter.allowed))
    if mistakes:
        return dict(params), mistakes
    complete = RuleSpec(rule, params).complete()
    least = RULES[rule].least(complete)
    if updates is not None and updates < least:
        told = " and ".join(f"{name} = {value}" for name, value in complete.items())
        allowed = f"at least {least}, which {rule} with {told} needs"
        mistakes.append(not_allowed("schedule.min_updates", updates, allowed))
    return dict(complete), mistakes
