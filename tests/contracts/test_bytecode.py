"""Hardhat and py-solc-x compile the same sources to the same bytecode.

That the artifacts are what py-solc-x makes of the sources now is tested where the deploy script compiles them.
"""

import json
import subprocess
from pathlib import Path

import pytest

from chain.artifacts import ABI_DIRECTORY, Artifact, load_artifact
from chain.deployment_file import CONTRACTS
from chain.nodejs import find_node

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(300)
def test_py_solc_x_and_hardhat_give_equal_bytecode_for_every_contract(artifacts: dict[str, Artifact]) -> None:
    cli = ROOT / "node_modules" / "hardhat" / "dist" / "src" / "cli.js"
    subprocess.run(
        [find_node(), cli, "compile", "--quiet", "--no-tests"],
        cwd=ROOT,
        check=True,
        timeout=280,
        capture_output=True,
    )
    names = json.loads((ABI_DIRECTORY / "index.json").read_text())["contracts"]
    assert set(CONTRACTS) < set(names)
    for name in names:
        ours = load_artifact(name)
        theirs = json.loads((ROOT / "artifacts" / ours.source_name / f"{name}.json").read_text())
        assert ours.bytecode.hex() == theirs["bytecode"].removeprefix("0x"), name
        assert ours.deployed_bytecode.hex() == theirs["deployedBytecode"].removeprefix("0x"), name
        assert ours.abi == theirs["abi"], name


def test_every_contract_fits_the_size_limit_of_the_evm(artifacts: dict[str, Artifact]) -> None:
    for name in CONTRACTS:
        assert 0 < len(artifacts[name].deployed_bytecode) <= 24_576, name
