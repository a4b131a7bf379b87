"""`scripts/deploy.py` as a user runs it: a real endpoint, exit codes, one line for what is wrong."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from consortium_world import DEPLOYER
from web3 import Web3

from chain.devnet import Devnet
from chain.wallet import create

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "deploy.py"
EXAMPLE = str(ROOT / "examples" / "consortium.toml")
Main = Callable[[list[str]], int]


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Main:
    """The script's own entry, in this process: starting Python costs more than what is tested."""
    monkeypatch.setenv("MILON_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    spec = importlib.util.spec_from_file_location("deploy_script", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


@pytest.mark.timeout(300)
def test_script_compiles_and_deploys_once_and_packaged_bytecode_is_the_same(
    w3: Web3, node: Devnet, tmp_path: Path, main: Main, capsys: pytest.CaptureFixture[str]
) -> None:
    keystore = create(tmp_path / "keys", "secret", key=DEPLOYER.key, light=True)
    (tmp_path / "password").write_text("secret\n")
    target = ["--rpc", node.url, "--config", EXAMPLE, "--keystore", str(keystore.path), "--json"]
    run = subprocess.run(
        [sys.executable, SCRIPT, *target],
        capture_output=True,
        text=True,
        timeout=280,
        cwd=tmp_path,
        env={**os.environ, "MILON_PASSWORD": "secret"},
    )
    assert run.returncode == 0, run.stderr
    printed = json.loads(run.stdout)
    assert printed["created"] and "admitted North Hospital" in run.stderr
    recorded = json.loads((tmp_path / "deployments" / "31337.json").read_text())
    assert printed["contracts"] == recorded["contracts"]

    assert main([*target, "--packaged", "--password-file", str(tmp_path / "password")]) == 0
    again = json.loads(capsys.readouterr().out)
    assert not again["created"] and again["contracts"] == printed["contracts"]


def test_script_refuses_in_one_line(
    w3: Web3, node: Devnet, tmp_path: Path, main: Main, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text('lease_bond = -1\n[[organisations]]\nname = "A"')
    for arguments, reason in (
        (["--rpc", node.url, "--config", str(bad), "--devnet-key", "0"], "2 mistakes"),
        (["--rpc", node.url, "--config", EXAMPLE, "--devnet-key", "99"], "--devnet-key must be"),
        (["--rpc", node.url, "--config", EXAMPLE, "--keystore", "nobody"], "no key 'nobody'"),
        (["--rpc", "http://127.0.0.1:9", "--config", EXAMPLE, "--devnet-key", "0"], "cannot reach"),
    ):
        assert main(arguments) == 1
        said = capsys.readouterr()
        assert said.err.startswith("error: ") and reason in said.err
        assert said.err.count("\n") == 1 and not said.out
    assert not (tmp_path / "deployments").exists()


def test_script_s_help_shows_an_example_and_missing_arguments_exit_with_2(
    main: Main, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, code in ((["--help"], 0), ([], 2)):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == code
    assert "--devnet-key 0" in capsys.readouterr().out
