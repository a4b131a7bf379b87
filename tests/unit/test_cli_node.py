"""`milon node init`: a configuration that the agent reads, a key that is never lost."""

import json
from pathlib import Path

import pytest

from chain.wallet import find
from node.cli.main import run
from node.config import load_config


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MILON_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MILON_PASSWORD", "correct horse")
    for name in (
        "MILON_KEYSTORE",
        "MILON_DEVNET_KEY",
        "MILON_PASSWORD_FILE",
        "MILON_CONFIG",
        "MILON_DEPLOYMENT",
    ):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_init_when_no_key_is_given_then_makes_one_that_the_configuration_names(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert (
        run(["node", "init", "a/node.toml", "--name", "north ward", "--capacity", "3", "--devnet", "--json"])
        == 0
    )
    facts = json.loads(capfd.readouterr().out)
    config = load_config(folder / "a" / "node.toml")
    assert config.node.capacity == 3
    assert config.node.name == "north ward"
    assert str(config.identity.keystore) == facts["keystore"]
    assert find(facts["keystore"]).address == facts["address"]


def test_init_when_file_exists_then_refuses_and_leaves_it(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "node.toml").write_text("mine")
    assert run(["node", "init", "--devnet-key", "1"]) == 1
    assert "exists already" in capfd.readouterr().err
    assert (folder / "node.toml").read_text() == "mine"


def test_init_when_forced_then_keeps_the_key_that_is_there(folder: Path) -> None:
    assert run(["node", "init", "--devnet"]) == 0
    key = folder / "keys" / "node.json"
    before = key.read_bytes()
    assert run(["node", "init", "--devnet", "--force", "--capacity", "9"]) == 0
    assert key.read_bytes() == before
    assert load_config(folder / "node.toml").node.capacity == 9


def test_init_when_a_devnet_key_is_given_then_makes_no_keystore(folder: Path) -> None:
    assert run(["node", "init", "--devnet-key", "4", "--role", "validator"]) == 0
    config = load_config(folder / "node.toml")
    assert config.identity.devnet_key == 4
    assert config.node.roles == ("validator",)
    assert not (folder / "keys").exists()


def test_init_when_an_option_is_not_allowed_then_writes_nothing(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["node", "init", "--rpc", "nowhere", "--name", "!", "--ipfs", "x"]) == 1
    shown = capfd.readouterr().err
    for key in ("chain.rpc", "node.name", "ipfs.api"):
        assert key in shown
    assert list(folder.iterdir()) == []


def test_run_when_configuration_is_wrong_then_lists_every_mistake(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "node.toml").write_text("[node]\ncapacity = 0\ncolour = 1\n")
    assert run(["node", "run"]) == 1
    shown = capfd.readouterr().err
    assert "2 mistakes" in shown
    assert "node.capacity" in shown
    assert "node.colour: unknown key" in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--keystore", "nobody"], "no key 'nobody'"),
        ([], "needs a key"),
    ],
)
def test_key_when_missing_then_says_how_to_give_one(
    folder: Path, arguments: list[str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    from chain.errors import ChainError
    from node.cli.session import Session, one_key

    keystore = arguments[1] if arguments else None
    session = Session(
        "http://127.0.0.1:1", folder / "d.json", "http://127.0.0.1:1", one_key(keystore, None, None)
    )
    session.__dict__["consortium"] = _Deployed()
    with pytest.raises(ChainError, match=said):
        _ = session.wallet


class _Deployed:
    """As much of a consortium as opening a key asks for."""

    class deployment:  # noqa: N801 (stands for an attribute)
        chain_id = 31337

    class w3:  # noqa: N801 (stands for an attribute)
        class provider:  # noqa: N801 (stands for an attribute)
            endpoint_uri = "http://127.0.0.1:1"


def test_init_when_a_deployment_lies_here_then_the_configuration_names_the_newest(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "deployments").mkdir()
    (folder / "deployments" / "7.json").write_text("{}")
    (folder / "deployments" / "7.partial.json").write_text("{}")
    assert run(["node", "init", "a/node.toml", "--devnet-key", "1"]) == 0
    assert load_config(folder / "a" / "node.toml").chain.deployment == folder / "deployments" / "7.json"
    assert "milon node register --config a/node.toml" in capfd.readouterr().out


def test_init_when_there_is_no_deployment_then_says_where_it_has_to_go(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["node", "init", "a/node.toml", "--devnet-key", "1"]) == 0
    assert str(folder / "a" / "deployments" / "31337.json") in capfd.readouterr().out


def test_init_when_the_environment_names_chain_and_ipfs_then_the_configuration_does(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MILON_RPC", "http://127.0.0.1:8546")
    monkeypatch.setenv("MILON_IPFS", "http://127.0.0.1:5009")
    assert run(["node", "init", "--devnet-key", "1"]) == 0
    config = load_config(folder / "node.toml")
    assert (config.chain.rpc, config.ipfs.api) == ("http://127.0.0.1:8546", "http://127.0.0.1:5009")


def test_run_when_there_is_no_configuration_then_says_how_to_write_one(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["node", "run"]) == 1
    assert "milon node init node.toml" in capfd.readouterr().err
