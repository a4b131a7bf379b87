"""The aggregation rules that a job may name, what each takes, and how many updates each needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from node.errors import SpecError

RULESET = "milon-1"
"""Version of everything in docs/aggregation.md that decides the bytes of an aggregate. A job pins it."""

MAX_UPDATES = 256


@dataclass(frozen=True)
class Parameter:
    """One parameter of a rule: a whole number or a number between ``low`` and ``high``.

    ``low_open`` and ``high_open`` say that the end itself is not allowed; ``default`` None that the job must
    give the parameter.
    """

    name: str
    kind: type[int] | type[float]
    low: float
    high: float
    about: str
    default: int | float | None = None
    low_open: bool = False
    high_open: bool = False

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        kind = "a whole number" if self.kind is int else "a number"
        low = f"greater than {self.low:g}" if self.low_open else f"from {self.low:g}"
        high = f"up to, not including, {self.high:g}" if self.high_open else f"to {self.high:g}"
        return f"{kind} {low} {high}"

    def accepts(self, value: Any) -> bool:
        """Whether ``value`` is of the kind and in the range; a boolean is no number."""
        if isinstance(value, bool) or not isinstance(value, int if self.kind is int else int | float):
            return False
        above = value > self.low if self.low_open else value >= self.low
        below = value < self.high if self.high_open else value <= self.high
        return above and below


@dataclass(frozen=True)
class Rule:
    """A rule as the registry describes it; ``least``: its parameters to the fewest updates it works on."""

    name: str
    about: str
    source: str
    parameters: tuple[Parameter, ...] = ()
    least: Callable[[Mapping[str, Any]], int] = lambda _: 1


@dataclass(frozen=True)
class RuleSpec:
    """A rule and its parameters as a job gives them; parameters that are left out take their defaults."""

    name: str
    params: Mapping[str, int | float] = field(default_factory=dict)

    def complete(self) -> dict[str, int | float]:
        """All parameters in canonical types, defaults filled in. Raises SpecError as ``check_rule`` does."""
        check_rule(self)
        given = ((p, self.params.get(p.name, p.default)) for p in RULES[self.name].parameters)
        return {parameter.name: parameter.kind(value) for parameter, value in given if value is not None}


_FAULTS = Parameter(
    "f", int, 0, (MAX_UPDATES - 3) // 2, "updates that may be malicious; needs 2f + 3 updates"
)

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        rule.name: rule
        for rule in (
            Rule("fedavg", "mean weighted by samples", "McMahan et al. 2017"),
            Rule(
                "fedavgm",
                "step from the last model towards the weighted mean, with momentum",
                "Hsu et al. 2019",
                (
                    Parameter("beta", float, 0, 1, "server momentum", 0.9, high_open=True),
                    Parameter(
                        "server_lr", float, 0, 1000, "server's step", 1.0, low_open=True, high_open=True
                    ),
                ),
            ),
            Rule("median", "median of each coordinate", "Yin et al. 2018"),
            Rule(
                "trimmed_mean",
                "mean of each coordinate without its largest and smallest values",
                "Yin et al. 2018",
                (Parameter("trim", int, 0, (MAX_UPDATES - 1) // 2, "values left out at each end"),),
                lambda params: 2 * int(params["trim"]) + 1,
            ),
            Rule(
                "krum",
                "the update closest to its neighbours",
                "Blanchard et al. 2017",
                (_FAULTS,),
                lambda params: 2 * int(params["f"]) + 3,
            ),
            Rule(
                "multi_krum",
                "mean of the m updates closest to their neighbours",
                "Blanchard et al. 2017",
                (
                    _FAULTS,
                    Parameter("m", int, 1, MAX_UPDATES, "updates that are averaged; needs m + f updates"),
                ),
                lambda params: max(2 * int(params["f"]) + 3, int(params["m"]) + int(params["f"])),
            ),
        )
    }
)


def rule_mistakes(spec: RuleSpec, updates: int | None = None) -> list[tuple[str, str]]:
    """Everything wrong with a rule as (key, what is wrong and what is allowed); an empty list if nothing is.

    ``updates``: how many updates there are, or the fewest that a round may close with; None leaves that
    unchecked. Keys are "rule", "params.<name>" and "updates".
    """
    rule = RULES.get(spec.name)
    if rule is None:
        return [("rule", f"{spec.name!r} is unknown; allowed are {', '.join(RULES)}")]
    names = [parameter.name for parameter in rule.parameters]
    mistakes = [
        (f"params.{name}", f"is unknown; {rule.name} takes {', '.join(names) or 'no parameters'}")
        for name in spec.params
        if name not in names
    ]
    for parameter in rule.parameters:
        value = spec.params.get(parameter.name, parameter.default)
        if value is None:
            mistakes.append((f"params.{parameter.name}", f"is missing; give {parameter.allowed}"))
        elif not parameter.accepts(value):
            mistakes.append((f"params.{parameter.name}", f"{value!r} is not {parameter.allowed}"))
    if mistakes or updates is None:
        return mistakes
    given = {p.name: spec.params.get(p.name, p.default) for p in rule.parameters}
    least = rule.least(given)
    if not least <= updates <= MAX_UPDATES:
        told = "".join(f" {name} = {value}" for name, value in given.items())
        mistakes.append(
            ("updates", f"{updates} is not from {least} to {MAX_UPDATES}, as {rule.name}{told} needs")
        )
    return mistakes


def check_rule(spec: RuleSpec, updates: int | None = None) -> None:
    """Raises SpecError with everything that ``rule_mistakes`` finds, in one line."""
    if mistakes := rule_mistakes(spec, updates):
        raise SpecError("; ".join(f"aggregation {key}: {what}" for key, what in mistakes))


def min_updates(spec: RuleSpec) -> int:
    """The fewest updates that the rule works on. Raises SpecError as ``check_rule`` does."""
    return RULES[spec.name].least(spec.complete())
