"""Keystores: made, opened, listed, and what is refused."""

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from chain.wallet import (
    WalletError,
    create,
    find,
    from_plain_key,
    list_accounts,
    load,
    read_password,
)
from node.cli.account import account

KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


def test_key_when_created_opens_with_its_password_alone(tmp_path: Path) -> None:
    made = create(tmp_path / "keys", "secret", "alice", light=True)
    wallet = load(made.path, "secret")
    assert (wallet.address, wallet.label) == (made.address, "alice")
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.path.parent.stat().st_mode) == 0o700
    with pytest.raises(WalletError, match="wrong password"):
        load(made.path, "guess")


def test_key_when_given_is_kept_and_never_shown(tmp_path: Path) -> None:
    made = create(tmp_path, "secret", key=KEY, light=True)
    wallet = load(made.path, "secret")
    assert wallet.address == ADDRESS
    secret = KEY.removeprefix("0x")
    for text in (repr(wallet), str(wallet), repr(made), made.path.read_text(), f"{wallet!r}"):
        assert secret not in text


def test_key_with_strong_encryption_is_good_for_any_chain(tmp_path: Path) -> None:
    wallet = load(create(tmp_path, "secret").path, "secret")
    wallet.require_usable(1, "https://rpc.example")
    assert not wallet.devnet_only


def test_weak_key_is_good_for_the_devnet_alone(tmp_path: Path) -> None:
    wallet = load(create(tmp_path, "secret", light=True).path, "secret")
    wallet.require_usable(31337, "http://127.0.0.1:8545")
    for chain_id, url in ((1, "http://127.0.0.1:8545"), (31337, "http://10.0.0.7:8545")):
        with pytest.raises(WalletError, match="only the local devnet"):
            wallet.require_usable(chain_id, url)


@pytest.mark.parametrize(
    ("chain_id", "url"),
    [(1, "http://127.0.0.1:8545"), (31337, "http://10.0.0.7:8545"), (31337, "http://127.0.0.1.example:8545")],
)
def test_plain_key_beyond_the_devnet_is_refused(chain_id: int, url: str) -> None:
    with pytest.raises(WalletError, match="only the local devnet") as refused:
        from_plain_key(KEY, chain_id, url)
    assert KEY.removeprefix("0x") not in str(refused.value)


def test_plain_key_on_the_devnet_is_taken() -> None:
    for url in ("http://127.0.0.1:8545", "ws://localhost:9000", "http://[::1]:8545"):
        assert from_plain_key(KEY, 1337, url).address == ADDRESS
    with pytest.raises(WalletError, match="not 32 bytes"):
        from_plain_key("0x1234", 1337, "http://127.0.0.1:8545")


def test_create_over_an_existing_key_is_refused_and_leaves_it(tmp_path: Path) -> None:
    before = create(tmp_path, "secret", "alice", light=True).path.read_bytes()
    with pytest.raises(WalletError, match="exists already"):
        create(tmp_path, "secret", "alice", light=True)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [before]


@pytest.mark.parametrize("label", ["../evil", "a/b", ".hidden", "x" * 65, "a b"])
def test_label_that_is_no_file_name_is_refused(tmp_path: Path, label: str) -> None:
    with pytest.raises(WalletError, match="label"):
        create(tmp_path, "secret", label, light=True)


@pytest.mark.parametrize("content", ["", "{}", "[1]", "null", '{"address": "zz"}', "\x00"])
def test_file_that_is_no_keystore_is_refused_and_not_listed(tmp_path: Path, content: str) -> None:
    path = tmp_path / "odd.json"
    path.write_text(content)
    with pytest.raises(WalletError, match="is not a keystore"):
        load(path, "secret")
    assert list_accounts(tmp_path) == []


def test_keystore_with_a_damaged_part_is_refused_in_one_line(tmp_path: Path) -> None:
    made = create(tmp_path, "secret", light=True)
    keystore = json.loads(made.path.read_text())
    del keystore["crypto"]["kdfparams"]
    made.path.write_text(json.dumps(keystore))
    with pytest.raises(WalletError, match="damaged"):
        load(made.path, "secret")
    with pytest.raises(WalletError, match="cannot read keystore"):
        load(tmp_path / "none.json", "secret")


def test_find_takes_path_label_and_address(tmp_path: Path) -> None:
    made = create(tmp_path, "secret", "alice", key=KEY, light=True)
    for name in (str(made.path), "alice", "alice.json", ADDRESS, ADDRESS.lower()):
        assert find(name, tmp_path).path == made.path
    with pytest.raises(WalletError, match="milon account list"):
        find("bob", tmp_path)


def test_password_comes_from_file_then_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MILON_PASSWORD", raising=False)
    with pytest.raises(WalletError, match="MILON_PASSWORD"):
        read_password()
    monkeypatch.setenv("MILON_PASSWORD", "from environment")
    assert read_password() == "from environment"
    file = tmp_path / "password"
    file.write_text("from file\n")
    assert read_password(file) == "from file"
    file.write_text("\n")
    with pytest.raises(WalletError, match="is empty"):
        read_password(file)
    with pytest.raises(WalletError, match="cannot read password file"):
        read_password(tmp_path / "none")


def test_commands_new_and_list_agree(tmp_path: Path) -> None:
    runner = CliRunner(env={"MILON_HOME": str(tmp_path), "MILON_PASSWORD": "secret"})
    made = runner.invoke(account, ["new", "--label", "alice", "--devnet", "--json"])
    assert made.exit_code == 0, made.output
    listed = runner.invoke(account, ["list", "--json"])
    assert json.loads(listed.output) == [json.loads(made.output)]
    assert json.loads(made.output)["path"] == str(tmp_path / "keys" / "alice.json")
    again = runner.invoke(account, ["new", "--label", "alice", "--devnet"])
    assert isinstance(again.exception, WalletError)
    assert runner.invoke(account, ["new", "--no-such-option"]).exit_code == 2
    for command in ([], ["new"], ["list"]):
        shown = runner.invoke(account, [*command, "--help"])
        assert "Example: milon account" in shown.output
