"""``milon ipfs``: the tools against a running daemon, for people and for machines."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from ipfs_kit import absent_cid

from node.cli.ipfs import ipfs
from node.errors import ContentError
from node.storage.process import DaemonProcess, start_daemon


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    folder = tmp_path_factory.mktemp("ipfs")
    with start_daemon(folder / "repo", log=folder / "log") as process:
        yield process


def milon(daemon: DaemonProcess, *arguments: str) -> Result:
    return CliRunner().invoke(ipfs, [*arguments, "--api", daemon.api])


def test_tools_when_used_by_machines_then_print_json(daemon: DaemonProcess, tmp_path: Path) -> None:
    source, target = tmp_path / "model", tmp_path / "back"
    source.write_bytes(b"weights" * 1000)
    assert json.loads(milon(daemon, "id", "--json").stdout)["peer_id"] == daemon.peer_id
    assert json.loads(milon(daemon, "peers", "--json").stdout) == []
    added = json.loads(milon(daemon, "add", str(source), "--json").stdout)
    assert added["bytes"] == 7000
    fetched = milon(daemon, "cat", added["cid"], "-o", str(target), "--json")
    assert json.loads(fetched.stdout)["bytes"] == 7000
    assert target.read_bytes() == source.read_bytes()
    assert json.loads(milon(daemon, "gc", "--json").stdout) == {"deleted_blocks": 0}


def test_tools_when_used_by_people_then_print_lines(daemon: DaemonProcess, tmp_path: Path) -> None:
    source = tmp_path / "model"
    source.write_bytes(b"small weights")
    cid = milon(daemon, "add", str(source)).stdout.strip()
    assert milon(daemon, "cat", cid).stdout_bytes == b"small weights"
    assert milon(daemon, "id").stdout.splitlines()[0] == daemon.peer_id
    assert "milon ipfs connect" in milon(daemon, "peers").stdout


def test_cat_when_content_is_missing_or_oversized_then_fails(daemon: DaemonProcess, tmp_path: Path) -> None:
    missing = milon(daemon, "cat", absent_cid("cli"), "--timeout", "0.5")
    assert isinstance(missing.exception, ContentError)
    source = tmp_path / "model"
    source.write_bytes(b"x" * 100)
    cid = milon(daemon, "add", str(source)).stdout.strip()
    assert isinstance(milon(daemon, "cat", cid, "--max-bytes", "99").exception, ContentError)


@pytest.mark.parametrize("command", ["daemon", "id", "peers", "connect", "add", "cat", "gc"])
def test_command_when_asked_for_help_then_shows_an_example(command: str) -> None:
    shown = CliRunner().invoke(ipfs, [command, "--help"])
    assert shown.exit_code == 0
    assert f"milon ipfs {command}" in shown.output
