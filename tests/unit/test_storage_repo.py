"""The daemon's directory: one holder, a private key that stays private, swarm keys in Kubo's form."""

import threading
from pathlib import Path

import pytest

from node.errors import StorageError
from node.storage.repo import Repo, read_swarm_key


def test_identity_when_made_then_is_private_and_stays(tmp_path: Path) -> None:
    repo = Repo(tmp_path)
    public = repo.keys().public_key.to_bytes()
    assert (tmp_path / "identity.key").stat().st_mode & 0o777 == 0o600
    assert repo.keys().public_key.to_bytes() == public


def test_identity_when_readable_by_others_or_damaged_then_is_refused(tmp_path: Path) -> None:
    repo = Repo(tmp_path)
    repo.keys()
    (tmp_path / "identity.key").chmod(0o644)
    with pytest.raises(StorageError, match="chmod 600"):
        repo.keys()
    (tmp_path / "identity.key").chmod(0o600)
    (tmp_path / "identity.key").write_text("rubbish")
    with pytest.raises(StorageError, match="Ed25519"):
        repo.keys()


def test_repository_when_held_then_a_second_holder_is_refused(tmp_path: Path) -> None:
    first = Repo(tmp_path)
    with pytest.raises(StorageError, match="another IPFS daemon"):
        Repo(tmp_path)
    first.close()
    Repo(tmp_path).close()


def test_collection_when_something_is_being_added_then_waits(tmp_path: Path) -> None:
    repo, collected = Repo(tmp_path), threading.Event()

    def collect() -> None:
        with repo.collecting():
            collected.set()

    with repo.adding():
        thread = threading.Thread(target=collect)
        thread.start()
        assert not collected.wait(0.1)
    assert collected.wait(5)
    thread.join()


def test_swarm_key_when_in_kubos_form_then_is_read(tmp_path: Path) -> None:
    path = tmp_path / "swarm.key"
    path.write_text("/key/swarm/psk/1.0.0/\n/base16/\n" + "Ab" * 32 + "\n")
    assert read_swarm_key(path) == "ab" * 32


@pytest.mark.parametrize("text", ["", "ab" * 32, "/key/swarm/psk/1.0.0/\n/base16/\n" + "ab" * 31,
                                  "/key/swarm/psk/1.0.0/\n/base16/\n" + "zz" * 32])  # fmt: skip
def test_swarm_key_when_malformed_then_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "swarm.key"
    path.write_text(text)
    with pytest.raises(StorageError, match="swarm key"):
        read_swarm_key(path)


def test_swarm_key_when_missing_then_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot read"):
        read_swarm_key(tmp_path / "nowhere")
