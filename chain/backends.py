"""The programs that can be the local chain, and how each is started with the same accounts and the same
clock."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from chain.devaccounts import MNEMONIC
from chain.errors import ChainError
from chain.nodejs import find_node

CHAIN_ID = 31337
_HOST = "127.0.0.1"
_NETWORK = Path(__file__).with_name("devnet-network.json")


def default_project() -> Path:
    """The folder whose ``node_modules`` holds the backends: the source checkout that this file lies in, if
    it has one, else the current directory."""
    checkout = Path(__file__).resolve().parent.parent
    return checkout if (checkout / "package.json").is_file() else Path.cwd()


def backend_command(backend: str, project: Path, port: int) -> list[str]:
    """The command line of ``backend`` listening on loopback ``port``. Raises ChainError if it is not
    installed."""
    try:
        build = _BACKENDS[backend]
    except KeyError:
        raise ChainError(
            f"unknown devnet backend {backend!r}; choose one of {', '.join(_BACKENDS)}"
        ) from None
    return build(project.resolve(), port)


def _hardhat(project: Path, port: int) -> list[str]:
    cli = project / "node_modules" / "hardhat" / "dist" / "src" / "cli.js"
    if not cli.is_file():
        raise _missing("hardhat", "hardhat@3.18", project)
    # Hardhat refuses a configuration from outside the project that it is installed in.
    folder = project / "node_modules" / ".cache" / "milon"
    config = folder / "devnet.config.mjs"
    text = (
        f"export default {{ networks: {{ node: {json.dumps(json.loads(_NETWORK.read_text()))} }},\n"
        f"  paths: {{ artifacts: {json.dumps(str(folder / 'artifacts'))}, "
        f"cache: {json.dumps(str(folder / 'cache'))} }} }};\n"
    )
    try:
        if not config.is_file() or config.read_text() != text:
            folder.mkdir(parents=True, exist_ok=True)
            written = folder / f"devnet.{os.getpid()}.new"
            written.write_text(text)
            written.replace(config)  # another devnet may be reading it just now
    except OSError as error:
        raise ChainError(f"cannot write {config}: {error.strerror}; make {project} writable") from error
    # Bound to loopback by name: Hardhat would bind every interface inside a container.
    listen = ["--hostname", _HOST, "--port", str(port)]
    return [str(find_node()), str(cli), "node", "--config", str(config), *listen]


def _anvil(project: Path, port: int) -> list[str]:
    binaries = sorted((project / "node_modules" / "@foundry-rs").glob("anvil-*/bin/anvil"))
    program = str(binaries[0]) if binaries else shutil.which("anvil")
    if program is None:
        raise _missing("anvil", "@foundry-rs/anvil@1.7", project)
    mining = ["--block-time", "1", "--mixed-mining"]
    chain = ["--chain-id", str(CHAIN_ID), "--mnemonic", MNEMONIC, "--accounts", "20"]
    return [program, "--host", _HOST, "--port", str(port), *chain, *mining]


def _ganache(project: Path, port: int) -> list[str]:
    script = project / "node_modules" / "ganache" / "dist" / "node" / "cli.js"
    program = [str(find_node()), str(script)] if script.is_file() else [shutil.which("ganache") or ""]
    if not program[0]:
        raise _missing("ganache", "ganache@7.9", project)
    chain = ["--chain.chainId", str(CHAIN_ID), "--wallet.mnemonic", MNEMONIC, "--wallet.totalAccounts", "20"]
    # It cannot mine both on demand and by the clock; deadlines need the clock.
    return [*program, "--server.host", _HOST, "--server.port", str(port), *chain, "--miner.blockTime", "1"]


def _missing(backend: str, package: str, project: Path) -> ChainError:
    return ChainError(
        f"devnet backend {backend} is not installed in {project}; run `npm install {package}` there, "
        "or name the folder that has it with --project"
    )


def supervised(command: list[str]) -> list[str]:
    """``command`` under the supervisor that ends it with us."""
    return [sys.executable, "-I", "-S", str(Path(__file__).with_name("supervise.py")), *command]


_BACKENDS: dict[str, Callable[[Path, int], list[str]]] = {
    "hardhat": _hardhat,
    "anvil": _anvil,
    "ganache": _ganache,
}
BACKENDS = tuple(_BACKENDS)
