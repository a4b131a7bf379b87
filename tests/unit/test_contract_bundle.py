"""The release archive: complete, the same every time, and of use to a program that knows nothing of Milon."""

import hashlib
import json
import re
import tarfile
from pathlib import Path

import contract_bundle
import pytest
from pydantic import TypeAdapter
from web3 import Web3

from chain.artifacts import load_artifact
from chain.deployment_file import CONTRACTS, Deployment, read_deployment
from chain.errors import MilonError

Files = dict[str, bytes]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """What is in the archive, by path below its one folder."""
    path = contract_bundle.write(tmp_path_factory.mktemp("dist"))
    found = {}
    with tarfile.open(path) as archive:
        for entry in archive.getmembers():
            top, _, name = entry.name.partition("/")
            assert f"{top}.tar.gz" == path.name
            content = archive.extractfile(entry)
            assert content is not None
            found[name] = content.read()
    return found


@pytest.mark.parametrize("name", CONTRACTS)
def test_abi_and_bytecode_of_each_contract_load_in_web3(files: Files, name: str) -> None:
    abi = json.loads(files[f"abi/{name}.json"])
    artifact = load_artifact(name)
    contract = Web3().eth.contract(abi=abi, bytecode=files[f"bytecode/{name}.hex"].decode().strip())
    assert {e.get("name") for e in artifact.abi} <= {e.get("name") for e in abi}
    assert contract.bytecode == artifact.bytecode != b""
    assert bytes.fromhex(files[f"bytecode/{name}.runtime.hex"].decode()) == artifact.deployed_bytecode
    assert {f.fn_name for f in contract.all_functions()} == {
        e["name"] for e in abi if e["type"] == "function"
    }


def test_abi_of_the_scheduler_has_all_of_its_interface(files: Files) -> None:
    abi = json.loads(files["abi/EpochScheduler.json"])
    assert all(entry in abi for entry in load_artifact("IEpochScheduler").abi)
    named = [(entry["type"], contract_bundle.signature(entry)) for entry in abi if "name" in entry]
    assert len(set(named)) == len(named), "declared twice"


def test_sums_are_right_and_of_every_other_file(files: Files) -> None:
    sums = dict(reversed(line.split("  ")) for line in files["SHA256SUMS"].decode().splitlines())
    assert sums == {
        path: hashlib.sha256(content).hexdigest() for path, content in files.items() if path != "SHA256SUMS"
    }


def test_archive_when_written_again_has_the_same_bytes(tmp_path: Path) -> None:
    first, second = (contract_bundle.write(tmp_path / name) for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()


def test_readme_names_only_what_is_there_and_pages_link_to_sources_that_are(files: Files) -> None:
    readme = files["README.md"].decode()
    for cell in re.findall(r"^\| (`.+?) \|", readme, re.MULTILINE):
        for path in re.findall(r"`([^`]+)`", cell):
            wanted = path.replace("NAME", "EpochScheduler")
            assert any(name == wanted or name.startswith(wanted) for name in files), path
    for link in re.findall(r"\]\(\.\./([^)#]+)\)", files["docs/contracts.md"].decode()):
        assert link in files


def test_sources_when_archived_leave_tests_out(files: Files) -> None:
    assert "contracts/EpochScheduler.sol" in files
    assert not any(name.endswith(".t.sol") for name in files)


def test_example_is_a_deployment_and_fits_the_schema(files: Files, tmp_path: Path) -> None:
    path = tmp_path / "31337.json"
    path.write_bytes(files["deployment.example.json"])
    assert set(read_deployment(path).contracts) == set(CONTRACTS)
    fields = json.loads(files["deployment.example.json"])
    schema = json.loads(files["deployment.schema.json"])
    assert set(fields) == set(schema["required"]) == set(schema["properties"])
    assert fields["format"] == schema["properties"]["format"]["const"]
    assert set(schema["properties"]["contracts"]["required"]) == set(CONTRACTS)
    del fields["format"]
    TypeAdapter(Deployment).validate_json(json.dumps(fields), strict=True)


def test_archive_when_the_compiled_contracts_are_old_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(contract_bundle, "written_hash", lambda: "another")
    with pytest.raises(MilonError, match="make abi"):
        contract_bundle.write(tmp_path)
    assert list(tmp_path.iterdir()) == []
