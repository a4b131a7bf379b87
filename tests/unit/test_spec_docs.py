"""The manual of job files says what the code allows."""

import json
from pathlib import Path

from node.aggregation.rules import RULES
from node.spec import JobFile
from node.spec.fields import Section
from node.spec.mistakes import allowed_text
from node.spec.parameters import ZOO

MANUAL = (Path(__file__).parents[2] / "docs" / "jobs.md").read_text(encoding="utf-8")


def test_manual_lists_every_key_with_what_is_allowed() -> None:
    for name, field in JobFile.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, Section):
            for key in section.model_fields:
                assert any(
                    line.startswith(f"| `{name}.{key}` |") and allowed_text(section, key) in line
                    for line in MANUAL.splitlines()
                ), f"{name}.{key}"
        else:
            assert f"| `{name}` |" in MANUAL
            assert allowed_text(JobFile, name) in MANUAL


def test_manual_lists_every_model_and_rule_with_its_parameters() -> None:
    for kind, parameters in ZOO.items():
        for name, parameter in parameters.items():
            default = json.dumps(parameter.default)
            assert f"| `{kind}` | `{name}` | `{default}` | {parameter.allowed} |" in MANUAL
    for rule in RULES.values():
        assert f"| `{rule.name}` |" in MANUAL
        for taken in rule.parameters:
            assert f"`{taken.name}`: {taken.allowed}" in MANUAL
