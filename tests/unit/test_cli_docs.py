"""The manual of the command line says what the code does."""

from pathlib import Path

import click
import pytest

from node.cli.main import GROUPS, cli
from node.config import SECTIONS
from node.config_text import toml_value
from node.spec.mistakes import allowed_text

MANUAL = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")


def test_manual_lists_every_key_of_the_configuration() -> None:
    for section, model in SECTIONS.items():
        for key, field in model.model_fields.items():
            default = "none" if field.default is None else f"`{toml_value(field.default)}`"
            about = f"{allowed_text(model, key)} | {field.description} |"
            assert f"| `{section}.{key}` | {default} | {about}" in MANUAL


@pytest.mark.parametrize("group", GROUPS)
def test_manual_names_every_command(group: str) -> None:
    found = cli.get_command(click.Context(cli), group)
    assert isinstance(found, click.Group)
    for name in found.commands:
        if group != "ipfs":
            assert f"`milon {group} {name}" in MANUAL


def test_manual_names_every_environment_variable_of_an_option() -> None:
    context = click.Context(cli)
    for name in GROUPS:
        group = cli.get_command(context, name)
        assert isinstance(group, click.Group)
        for command in group.commands.values():
            for option in command.params:
                if isinstance(option.envvar, str):
                    assert f"`{option.envvar}`" in MANUAL
