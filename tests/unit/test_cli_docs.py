"""The manual of the command line says what the code does."""

import re
import shlex
from pathlib import Path

import click
import pytest

from node.cli.main import GROUPS, cli
from node.config import SECTIONS
from node.config_text import toml_value
from node.spec.mistakes import allowed_text

DOCS = Path(__file__).parents[2] / "docs"
MANUAL = (DOCS / "cli.md").read_text(encoding="utf-8")


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


@pytest.mark.parametrize("page", sorted(p.name for p in DOCS.glob("*.md")))
def test_pages_type_commands_and_options_that_exist(page: str) -> None:
    blocks = re.findall(
        r"^```\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    typed = re.findall(r"^(?:\$ )?milon (.+)$", "\n".join(blocks), re.MULTILINE)
    for line in typed:
        words = shlex.split(re.split(r" [|&](?: |$)", line)[0], comments=True)
        command: click.Command = cli
        context = click.Context(cli)
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            name = words.pop(0)
            found = command.get_command(context, name)
            assert found is not None, f"milon {line}: no command {name}"
            command = found
        known = {text for option in command.params for text in (*option.opts, *option.secondary_opts)}
        unknown = {word.partition("=")[0] for word in words if word.startswith("-")} - known - {"--help"}
        assert not unknown, f"milon {line}: no option {unknown}"
