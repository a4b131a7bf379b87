"""The deployment file: what is written is read back, what is damaged is refused."""

import json
from pathlib import Path

import pytest

from chain.deployment_file import (
    CONTRACTS,
    DeployedContract,
    Deployment,
    DeploymentError,
    Parameters,
    read_deployment,
    write_atomically,
)

ADDRESS = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


def deployment() -> Deployment:
    contract = DeployedContract(ADDRESS, 3, "0x01", "aa", "bb", "0x02")
    return Deployment(
        chain_id=31337,
        genesis_hash="0x" + "11" * 32,
        block=3,
        deployer=ADDRESS,
        parameters=Parameters(ADDRESS, ADDRESS, "100", 1_000, "1", "1", 5_000, 1, 2, 3, 50),
        organisations={ADDRESS: "North"},
        contracts=dict.fromkeys(CONTRACTS, contract),
    )


def test_written_deployment_is_read_back_equal(tmp_path: Path) -> None:
    path = tmp_path / "new" / "31337.json"
    write_atomically(path, deployment().to_json())
    assert read_deployment(path) == deployment()
    assert [file.name for file in path.parent.iterdir()] == ["31337.json"]


def test_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match="deploy with scripts/deploy"):
        read_deployment(tmp_path / "1.json")


@pytest.mark.parametrize(
    "damage",
    [
        lambda fields: fields.pop("genesis_hash"),
        lambda fields: fields["contracts"].pop("StakeVault"),
        lambda fields: fields["contracts"]["StakeVault"].update(address=ADDRESS.lower()[:-1] + "F"),
        lambda fields: fields.update(format=1),
        lambda fields: fields.update(parameters=[]),
        lambda fields: fields.update(contracts=None),
    ],
)
def test_damaged_file_is_refused(tmp_path: Path, damage: object) -> None:
    fields = json.loads(deployment().to_json())
    damage(fields)  # type: ignore[operator]
    path = tmp_path / "31337.json"
    path.write_text(json.dumps(fields))
    with pytest.raises(DeploymentError, match="not a deployment file"):
        read_deployment(path)


@pytest.mark.parametrize("text", ["", "[]", "{", "null", "\xff"])
def test_what_is_no_deployment_at_all_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "31337.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(DeploymentError, match="not a deployment file"):
        read_deployment(path)


def test_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "31337.json"
    write_atomically(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "new \ud800")
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["31337.json"]
