"""Our compiler run and Hardhat's give the same bytes."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from chain.artifacts import ABI_DIRECTORY, load_artifact
from chain.compiler import CompileError, compile_sources
from chain.nodejs import find_node

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the contracts' project without its tests; the checkout's own build is left alone."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("package.json", "hardhat.config.js"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(
        ROOT / "contracts", folder / "contracts", ignore=shutil.ignore_patterns("*.t.sol", "test", "*.md")
    )
    (folder / "chain").mkdir()
    for file in (ROOT / "chain").glob("*.json"):
        shutil.copy(file, folder / "chain")
    (folder / "node_modules").symlink_to(ROOT / "node_modules")
    return folder


@pytest.mark.timeout(400)
def test_shipped_bytecode_of_every_contract_equals_hardhat_s(project: Path) -> None:
    cli = ROOT / "node_modules" / "hardhat" / "dist" / "src" / "cli.js"
    built = subprocess.run(
        [find_node(), cli, "compile"], cwd=project, capture_output=True, text=True, timeout=390
    )
    assert built.returncode == 0, built.stderr
    shipped = json.loads((ABI_DIRECTORY / "index.json").read_text())["contracts"]
    found = {
        file.stem: json.loads(file.read_text())
        for file in (project / "artifacts" / "contracts").rglob("*.json")
    }
    assert sorted(found) == shipped
    for name, hardhat in found.items():
        artifact = load_artifact(name)
        assert hardhat["bytecode"] == "0x" + artifact.bytecode.hex(), name
        assert hardhat["deployedBytecode"] == "0x" + artifact.deployed_bytecode.hex(), name
        assert (hardhat["abi"], hardhat["sourceName"]) == (artifact.abi, artifact.source_name), name


def test_contract_compiled_now_equals_the_shipped(project: Path) -> None:
    smallest = min(
        (project / "contracts").glob("*.sol"), key=lambda file: len(load_artifact(file.stem).bytecode)
    )
    assert "@openzeppelin" in smallest.read_text(), "choose one that imports a package"
    assert compile_sources(project, [smallest])[smallest.stem] == load_artifact(smallest.stem)


def test_contract_that_does_not_compile_says_where(project: Path) -> None:
    broken = project / "contracts" / "Broken.sol"
    broken.write_text(
        "// SPDX-License-Identifier: MIT\npragma solidity ^0.8.28;\ncontract Broken { uint256 x = y; }\n"
    )
    try:
        with pytest.raises(CompileError, match=r"Undeclared identifier.*Broken\.sol:3"):
            compile_sources(project, [broken])
    finally:
        broken.unlink()


def test_two_contracts_of_one_name_are_refused(project: Path) -> None:
    files = [project / "contracts" / f"Twin{i}.sol" for i in (1, 2)]
    for file in files:
        file.write_text("// SPDX-License-Identifier: MIT\npragma solidity ^0.8.28;\ncontract Twin {}\n")
    try:
        with pytest.raises(CompileError, match="two contracts are called Twin"):
            compile_sources(project, files)
    finally:
        for file in files:
            file.unlink()
