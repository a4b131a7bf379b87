"""The compiled contracts that travel in the wheel, and finding what compiles them."""

import json
import stat
from pathlib import Path

import pytest

from chain import nodejs
from chain.artifacts import (
    ABI_DIRECTORY,
    Artifact,
    CompileError,
    load_artifact,
    write_artifacts,
    written_hash,
)
from chain.compiler import compile_sources, settings_hash, sources_hash
from chain.errors import ChainError

ROOT = Path(__file__).resolve().parents[2]
THING = Artifact("Thing", "contracts/Thing.sol", "0.8.37", "ab", [{"type": "fallback"}], b"\x60\x00", b"\x01")


def test_artifacts_in_the_package_are_of_the_present_sources() -> None:
    assert written_hash() == sources_hash(ROOT), "run `python -m chain.compiler` and commit chain/abi"
    index = json.loads((ABI_DIRECTORY / "index.json").read_text())
    for name in index["contracts"]:
        assert load_artifact(name).settings_hash == settings_hash()


def test_artifacts_when_written_are_read_back_and_old_ones_removed(tmp_path: Path) -> None:
    (tmp_path / "Gone.json").write_text("{}")
    write_artifacts({"Thing": THING}, "hash", tmp_path)
    assert load_artifact("Thing", tmp_path) == THING
    assert written_hash(tmp_path) == "hash"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["Thing.json", "index.json"]


@pytest.mark.parametrize("content", ["", "[]", '{"name": "Broken"}'])
def test_artifact_when_missing_or_damaged_says_what_to_run(tmp_path: Path, content: str) -> None:
    with pytest.raises(CompileError, match=r"python -m chain\.compiler"):
        load_artifact("Missing", tmp_path)
    (tmp_path / "Broken.json").write_text(content)
    with pytest.raises(CompileError, match="damaged"):
        load_artifact("Broken", tmp_path)


def test_sources_hash_changes_with_a_contract_and_not_with_a_test(tmp_path: Path) -> None:
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "A.sol").write_text("contract A {}")
    before = sources_hash(tmp_path)
    (tmp_path / "contracts" / "A.t.sol").write_text("contract T {}")
    assert sources_hash(tmp_path) == before
    (tmp_path / "contracts" / "A.sol").write_text("contract A { }")
    assert sources_hash(tmp_path) != before


def test_project_without_contracts_packages_or_compiler_says_so(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="no Solidity files"):
        compile_sources(tmp_path)
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "A.sol").write_text('import {X} from "@none/such/X.sol";')
    with pytest.raises(CompileError, match="@none/such is not installed"):
        compile_sources(tmp_path)


def test_node_when_only_an_old_one_is_found_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "node"
    old.write_text("#!/bin/sh\necho v18.19.1\n")
    old.chmod(old.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(nodejs, "_from_wheel", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    nodejs.find_node.cache_clear()
    try:
        with pytest.raises(ChainError, match=r"no Node\.js 22\.13 or later \(.*node is 18\.19\.1\); install"):
            nodejs.find_node()
        old.write_text("#!/bin/sh\necho v22.13.0\n")
        assert nodejs.find_node() == old
    finally:
        nodejs.find_node.cache_clear()
