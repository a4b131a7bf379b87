"""One Hardhat node for all contract tests; every test starts at the same block and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from consortium_world import CONFIG, DEPLOYER, World
from eth_account import Account
from web3 import Web3

from chain.artifacts import Artifact
from chain.compiler import ensure_artifacts
from chain.deployment import deploy, packaged_artifacts
from chain.deployment_file import Deployment
from chain.devnet import Devnet, start_devnet
from chain.devtime import revert, set_mining, snapshot
from chain.sender import Sender
from chain.wallet import Wallet

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def artifacts() -> dict[str, Artifact]:
    ensure_artifacts(ROOT)
    return packaged_artifacts()


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MILON_HOME", str(tmp_path_factory.mktemp("home")))
        with start_devnet(0, project=ROOT) as devnet:
            yield devnet


@pytest.fixture(scope="session")
def session_w3(node: Devnet) -> Web3:
    w3 = node.connect()
    # Only what a test does makes blocks, so that a deadline passes when the test says so.
    set_mining(w3, auto=True, interval_ms=0)
    return w3


@pytest.fixture
def w3(session_w3: Web3) -> Iterator[Web3]:
    before = snapshot(session_w3)
    yield session_w3
    revert(session_w3, before)


@pytest.fixture
def deployer(w3: Web3, tmp_path: Path) -> Iterator[Sender]:
    with Sender(w3, Wallet(Account.from_key(DEPLOYER.key), devnet_only=True), state_dir=tmp_path) as sender:
        yield sender


@pytest.fixture(scope="session")
def populated(
    session_w3: Web3, artifacts: dict[str, Artifact], tmp_path_factory: pytest.TempPathFactory
) -> Deployment:
    folder = tmp_path_factory.mktemp("deployments")
    wallet = Wallet(Account.from_key(DEPLOYER.key), devnet_only=True)
    with Sender(session_w3, wallet, state_dir=folder) as sender:
        deployment = deploy(sender, artifacts, CONFIG, folder).deployment
    with World(session_w3, deployment, folder) as world:
        world.populate()
        # Who proposes was a member a second before.
        world.wait(1)
    return deployment


@pytest.fixture
def world(populated: Deployment, w3: Web3, tmp_path: Path) -> Iterator[World]:
    """Four organisations with stake and one node each; no job yet."""
    with World(w3, populated, tmp_path) as world:
        yield world
