"""A node's configuration: what is read, what is refused, and the text that `milon node init` writes."""

import tomllib
from pathlib import Path

import pytest

from node.config import SECTIONS, check_config, load_config
from node.config_text import render, toml_value
from node.errors import SpecError


def mistakes_of(text: str, folder: Path) -> list[str]:
    with pytest.raises(SpecError) as caught:
        check_config(tomllib.loads(text), folder)
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def test_config_when_file_is_empty_then_has_documented_defaults(tmp_path: Path) -> None:
    config = check_config({}, tmp_path)
    assert config.chain.rpc == "http://127.0.0.1:8545"
    assert config.chain.deployment == tmp_path / "deployments/31337.json"
    assert config.node.data_dir == tmp_path / ".milon"
    assert config.node.jobs == "all"
    assert config.health.listen == "127.0.0.1:0"
    assert config.identity.keystore is None


def test_config_when_many_keys_are_wrong_then_names_every_one_with_what_is_allowed(tmp_path: Path) -> None:
    found = mistakes_of(
        """
        [chain]
        rpc = "ftp://chain"
        [identity]
        devnet_key = -1
        [node]
        capacity = 0
        roles = ["trainr"]
        device = "gpu"
        jobs = [-1]
        [ipfs]
        api = "http://host:99999"
        peers = ["here"]
        timeout = 0
        [health]
        listen = "8080"
        [log]
        level = "loud"
        """,
        tmp_path,
    )
    keys = {line.split(":")[0] for line in found}
    assert keys == {
        "chain.rpc",
        "identity.devnet_key",
        "node.capacity",
        "node.roles",
        "node.device",
        "node.jobs",
        "ipfs.api",
        "ipfs.peers",
        "ipfs.timeout",
        "health.listen",
        "log.level",
    }
    assert "node.capacity: 0 is not allowed: a whole number from 1 to 65535" in found


def test_config_when_key_or_section_is_mistyped_then_suggests_the_near_one(tmp_path: Path) -> None:
    found = mistakes_of("[nod]\n[chain]\ndeploymnt = 'x'", tmp_path)
    assert any(line.startswith("nod: unknown key; did you mean node?") for line in found)
    assert any(line.startswith("chain.deploymnt: unknown key; did you mean deployment?") for line in found)


def test_config_when_section_is_no_table_then_says_so(tmp_path: Path) -> None:
    assert any(line.startswith("node:") for line in mistakes_of("node = 3", tmp_path))


def test_config_when_two_keys_are_named_then_refuses(tmp_path: Path) -> None:
    found = mistakes_of("[identity]\nkeystore = 'k.json'\ndevnet_key = 1", tmp_path)
    assert found == ["identity.devnet_key: 1 is not allowed: nothing beside identity.keystore; give one"]


def test_config_when_paths_are_relative_then_they_start_at_the_file(tmp_path: Path) -> None:
    file = tmp_path / "a" / "node.toml"
    file.parent.mkdir()
    file.write_text("[identity]\nkeystore = 'keys/k.json'\n[node]\nprivate_data = 'mine.csv'\n")
    config = load_config(file)
    assert config.identity.keystore == tmp_path / "a/keys/k.json"
    assert config.node.private_data == str(tmp_path / "a/mine.csv")


def test_config_when_private_data_is_a_built_in_name_then_it_stays_a_name(tmp_path: Path) -> None:
    assert check_config({"node": {"private_data": "wine"}}, tmp_path).node.private_data == "wine"


def test_config_when_values_are_laid_over_then_they_win_and_are_checked(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_text("[node]\ncapacity = 2\n")
    assert load_config(file, {"node.capacity": "4", "node.roles": '["trainer"]'}).node.capacity == 4
    with pytest.raises(SpecError, match=r"node\.capacity: \"many\" is not allowed"):
        load_config(file, {"node.capacity": "many"})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such file; write it with `milon node init"),
        (b"[node", "not a TOML file"),
        (b"\xff\xfe", "not a TOML file"),
    ],
)
def test_config_when_file_is_unreadable_then_says_which_and_why(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    file = tmp_path / "node.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SpecError, match=f"node.toml: {said}"):
        load_config(file)


def test_config_when_node_is_no_trainer_then_declares_no_capacity(tmp_path: Path) -> None:
    node = check_config({"node": {"roles": ["validator"], "capacity": 3}}, tmp_path).node
    assert (node.role_mask, node.declared_capacity) == (2, 0)
    assert check_config({"node": {"capacity": 3}}, tmp_path).node.declared_capacity == 3


def test_rendered_text_when_read_back_then_gives_what_was_given(tmp_path: Path) -> None:
    given = {
        "identity": {"keystore": 'odd "name"\\.json'},
        "node": {"name": "north", "roles": ["validator"], "capacity": 7},
    }
    read = tomllib.loads(render(given))
    assert read["node"] == {"name": "north", "roles": ["validator"], "capacity": 7}
    assert check_config(read, tmp_path).identity.keystore == tmp_path / 'odd "name"\\.json'


def test_rendered_text_when_nothing_is_given_then_explains_every_key() -> None:
    text = render({})
    assert tomllib.loads(text) == {section: {} for section in SECTIONS}
    for model in SECTIONS.values():
        for key, field in model.model_fields.items():
            assert f"# {key} = " in text
            assert str(field.description) in text


@pytest.mark.parametrize("value", ["\x00\x1f\x7f", 'quote " and \\', "naïve 日本 🙂", ["a", 1, True, 2.5]])
def test_toml_value_when_parsed_then_is_the_value(value: object) -> None:
    assert tomllib.loads(f"x = {toml_value(value)}")["x"] == value
