"""A node's configuration names its new key, and is otherwise left as its owner wrote it."""

import tomllib
from pathlib import Path

import pytest

from node.config_text import render
from node.errors import StorageError
from node.leaving import may_unbond
from node.rotation import name_key, next_label

WRITTEN = """# ours
[node]
name = "ward"  # what people say
keystore = "not this one"

[ identity ]  # the key
# node's key: the path of an encrypted keystore
keystore = "keys/ward.json"
# password_file = ""

[log]
level = "debug"
"""


def test_name_key_when_a_key_replaces_another_then_nothing_else_changes(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_text(WRITTEN)
    name_key(file, {"keystore": "keys/ward-2.json", "password_file": "secret.txt", "devnet_key": None})
    expected = WRITTEN.replace('"keys/ward.json"', '"keys/ward-2.json"')
    assert file.read_text() == expected.replace('# password_file = ""', 'password_file = "secret.txt"')


def test_name_key_when_the_kind_of_key_changes_then_the_old_one_is_commented_out(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_text(WRITTEN)
    name_key(file, {"devnet_key": 7})
    assert tomllib.loads(file.read_text())["identity"] == {"devnet_key": 7}
    assert '# keystore = "keys/ward.json"' in file.read_text()


def test_name_key_when_the_configuration_is_of_our_making_then_its_key_is_replaced_in_place(
    tmp_path: Path,
) -> None:
    file = tmp_path / "node.toml"
    file.write_text(render({"identity": {"devnet_key": 3}, "node": {"capacity": 4}}))
    name_key(file, {"keystore": 'keys/a "b".json'})
    assert file.read_text() == render(
        {"identity": {"keystore": 'keys/a "b".json'}, "node": {"capacity": 4}}
    ).replace('# devnet_key = ""', "# devnet_key = 3")


@pytest.mark.parametrize(
    "written", ['identity = {keystore = "a"}\n', "[node]\n", 'identity.keystore = "a"\n']
)
def test_name_key_when_it_is_written_in_another_way_then_leaves_it_and_says_what_to_set(
    tmp_path: Path, written: str
) -> None:
    file = tmp_path / "node.toml"
    file.write_text(written)
    with pytest.raises(StorageError, match=r'set in \[identity\]: keystore = "b"'):
        name_key(file, {"keystore": "b"})
    assert file.read_text() == written


def test_next_label_when_keys_are_there_then_counts_on(tmp_path: Path) -> None:
    assert next_label(tmp_path, "ward") == "ward-2"
    (tmp_path / "ward-2.json").touch()
    assert next_label(tmp_path, "ward") == next_label(tmp_path, "ward-2") == "ward-3"


@pytest.mark.parametrize(
    ("unbonding", "left", "may"),
    [(0, 0, True), (5, 0, True), (5, 600, True), (5, 500, True), (5, 400, False)],
)
def test_unbond_when_some_waits_already_then_begins_anew_in_the_first_half_alone(
    unbonding: int, left: int, may: bool
) -> None:
    from chain.contracts.types import Account

    held = Account(free=1, locked=0, unbonding=unbonding, unbonding_at=10_000 + left, credit=0)
    assert may_unbond(held, 10_000, 1_000) is may
