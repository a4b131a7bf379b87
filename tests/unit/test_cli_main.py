"""The command line: help for every command, exit codes, errors as one line or as JSON."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from node.cli.common import plain, to_json
from node.cli.main import GROUPS, cli, run


def commands() -> Iterator[list[str]]:
    """Every command and group, as it is typed."""
    context = click.Context(cli)
    for name in GROUPS:
        yield [name]
        group = cli.get_command(context, name)
        assert isinstance(group, click.Group)
        yield from ([name, sub] for sub in group.list_commands(context))


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_help_when_asked_of_any_command_then_shows_an_example(command: list[str]) -> None:
    shown = CliRunner().invoke(cli, [*command, "--help"])
    assert shown.exit_code == 0
    assert f"milon {command[0]}" in shown.output.partition("Usage:")[2]
    assert "Example" in shown.output


@pytest.mark.parametrize(
    "command", [c for c in commands() if len(c) == 2 and c not in (["ipfs", "cat"],)], ids=" ".join
)
def test_every_command_takes_json(command: list[str]) -> None:
    assert "--json" in CliRunner().invoke(cli, [*command, "--help"]).output


def test_help_when_shown_then_heavy_libraries_are_not_loaded() -> None:
    code = (
        "import sys; from node.cli.main import run; run(['--help']);"
        "sys.exit(any(m in sys.modules for m in ('torch', 'web3', 'sklearn', 'libp2p', 'rich')))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_job_file_when_wrong_then_is_refused_without_loading_torch(tmp_path: Path) -> None:
    (tmp_path / "job.toml").write_text("name = 3\n")
    code = (
        "import sys; from node.cli.main import run; assert run(['job', 'submit', 'job.toml']) == 1;"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, timeout=60, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["--nonsense"],
        ["job"],
        ["job", "show"],
        ["job", "show", "first"],
        ["job", "show", "0"],
        ["job", "submit"],
        ["job", "submit", "x.toml", "--set", "novalue"],
        ["job", "list", "--limit", "0"],
        ["rewards", "show", "0x12"],
        ["rewards", "show", "0xBcd4042DE499D14e55001CcbB24a551F3b954097"],
        ["rewards", "show", "--devnet-key", "1", "--keystore", "k"],
        ["node", "init", "--capacity", "many"],
        ["node", "register", "--stake", "-1"],
        ["model", "fetch", "1", "--round", "-1"],
        ["model", "predict", "1"],
    ],
    ids=" ".join,
)
def test_usage_when_mistyped_then_exits_2_with_a_line_on_stderr(
    arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "Traceback" not in shown.err
    assert "rror" in shown.err or "Usage" in shown.err


def test_error_when_json_is_asked_for_then_is_json_on_stderr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["job", "list", "--json"]) == 1
    shown = capfd.readouterr()
    assert shown.out == ""
    document = json.loads(shown.err)
    assert document["exit_code"] == 1
    assert "deployments" in document["error"]


def test_error_when_debugging_then_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from chain.errors import MilonError

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MILON_DEBUG", "1")
    with pytest.raises(MilonError):
        run(["job", "list"])


def test_fault_when_unexpected_then_is_one_line_that_says_how_to_see_more(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr(cli, "main", broken)
    assert run(["job", "list"]) == 1
    shown = capfd.readouterr().err
    assert shown.startswith("error: unexpected RuntimeError: first line; MILON_DEBUG=1")
    assert len(shown.splitlines()) == 1


def test_interruption_when_it_comes_then_exits_130(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "main", interrupted)
    assert run(["job", "list"]) == 130
    assert capfd.readouterr().err == "error: interrupted\n"


def test_output_when_reader_goes_away_then_ends_quietly() -> None:
    code = "import sys; from node.cli.main import main; sys.argv = ['milon', '--help']; main()"
    with subprocess.Popen(
        [sys.executable, "-u", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 0


def test_version_when_asked_then_names_the_package(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capfd.readouterr().out.startswith("milon, version ")


def test_json_when_given_typed_values_then_speaks_plainly() -> None:
    from chain.contracts.types import Content, JobStatus, Role

    assert plain(JobStatus.COMPLETED) == "completed"
    assert plain(Role.TRAINER | Role.VALIDATOR) == ["trainer", "validator"]
    assert plain(Content(b"\x01\x02", "bafy")) == {"digest": "0x0102", "cid": "bafy"}
    assert json.loads(to_json({"amount": 10**30, 3: (None, Path("a"))})) == {
        "amount": 10**30,
        "3": [None, "a"],
    }
