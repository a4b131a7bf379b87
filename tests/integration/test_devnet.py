"""The local chain's life: up, found from elsewhere, down, and never left behind."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from chain_kit import until
from click.testing import CliRunner
from web3 import Web3

from chain.devnet import (
    Devnet,
    DevnetError,
    dev_accounts,
    find_devnet,
    fund,
    increase_time,
    list_devnets,
    mine,
    revert,
    snapshot,
    start_devnet,
)
from chain.errors import ChainError
from chain.provider import rpc
from node.cli.devnet import devnet as devnet_command


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_devnet_funds_the_well_known_accounts_and_mines_by_itself(devnet: Devnet, w3: Web3) -> None:
    first = devnet.accounts[0]
    assert first.address == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    assert first.key not in repr(first)
    assert w3.eth.get_balance(first.address) > 9000 * 10**18
    before = w3.eth.block_number
    until(lambda: w3.eth.block_number > before, timeout=10)


def test_clock_and_state_move_as_told(w3: Web3) -> None:
    before = snapshot(w3)
    earlier = mine(w3)
    assert increase_time(w3, 5000) >= earlier + 5000
    someone = dev_accounts()[7].address
    fund(w3, [someone], 123)
    assert w3.eth.get_balance(someone) == 123
    revert(w3, before)
    assert w3.eth.get_balance(someone) != 123
    with pytest.raises(ChainError, match="no snapshot"):
        revert(w3, before)


def test_start_on_a_taken_port_says_so(devnet: Devnet) -> None:
    with pytest.raises(DevnetError, match=rf"port {devnet.port} is taken; a devnet runs there"):
        start_devnet(devnet.port)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(DevnetError, match="choose another with --port"):
            start_devnet(other.getsockname()[1])


def test_start_without_the_backend_says_how_to_install_it(tmp_path: Path, milon_home: Path) -> None:
    with pytest.raises(ChainError, match="npm install hardhat"):
        start_devnet(0, project=tmp_path)
    with pytest.raises(ChainError, match="choose one of hardhat, anvil, ganache"):
        start_devnet(0, backend="geth")


def test_devnet_whose_backend_fails_says_why(tmp_path: Path, milon_home: Path) -> None:
    cli = tmp_path / "node_modules" / "hardhat" / "dist" / "src" / "cli.js"
    cli.parent.mkdir(parents=True)
    cli.write_text("console.error('Error: native part missing'); process.exit(3);")
    with pytest.raises(DevnetError, match="native part missing"):
        start_devnet(0, project=tmp_path)


def test_devnet_when_its_parent_is_killed_ends_too(milon_home: Path) -> None:
    script = (
        "from chain.devnet import start_devnet; import sys\n"
        "print(start_devnet(0).port, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        port = int(parent.stdout.readline())
        assert listens(port)
        parent.kill()
    until(lambda: not listens(port), timeout=10)
    assert port not in [d.port for d in list_devnets()]


def test_commands_up_status_down_work_across_processes(milon_home: Path) -> None:
    script = "from node.cli.devnet import devnet; devnet()"
    up = subprocess.run(
        [sys.executable, "-c", script, "up", "--port", "0", "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    facts = json.loads(up.stdout)
    assert len(facts["accounts"]) == 20
    found = find_devnet(facts["port"])
    assert found is not None
    assert (found.url, found.pid) == (facts["url"], facts["pid"])
    assert int(rpc(found.connect(), "eth_chainId"), 16) == 31337
    runner = CliRunner()
    port = str(facts["port"])
    shown = runner.invoke(devnet_command, ["status", "--port", port, "--json"])
    assert json.loads(shown.output)["running"] is True
    address = "0x" + "12" * 20
    assert runner.invoke(devnet_command, ["fund", address, "--coins", "3", "--port", port]).exit_code == 0
    assert int(rpc(found.connect(), "eth_getBalance", address, "latest"), 16) == 3 * 10**18
    assert runner.invoke(devnet_command, ["down", "--port", port]).exit_code == 0
    assert not listens(facts["port"])
    again = runner.invoke(devnet_command, ["status", "--port", port, "--json"])
    assert (again.exit_code, json.loads(again.output)) == (1, {"running": False})
    gone = runner.invoke(devnet_command, ["down", "--port", port])
    assert isinstance(gone.exception, DevnetError)


def test_foreground_when_interrupted_stops_the_chain(milon_home: Path) -> None:
    script = "from node.cli.devnet import devnet; devnet()"
    with subprocess.Popen(
        [sys.executable, "-c", script, "up", "--port", "0", "--foreground", "--json"],
        stdout=subprocess.PIPE,
        text=True,
    ) as command:
        assert command.stdout is not None
        port = json.loads(command.stdout.readline())["port"]
        assert listens(port)
        os.kill(command.pid, signal.SIGINT)
        assert command.wait(20) == 0
    assert not listens(port)
