"""What integration tests of the chain share: one local chain, one compiled contract, a breakable
connection."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from chain_kit import Relay, Wallets
from web3 import Web3
from web3.contract import Contract

from chain.compiler import Artifact, compile_sources
from chain.devnet import Devnet, set_mining, start_devnet
from chain.sender import Sender

_ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def milon_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of its own instead of the user's ~/.milon."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MILON_HOME", str(home))
        yield home


@pytest.fixture(scope="session")
def devnet(milon_home: Path) -> Iterator[Devnet]:
    """A Hardhat chain for the whole session. Tests that change its mining put it back."""
    with start_devnet(0) as chain:
        yield chain


@pytest.fixture(scope="session")
def probe_artifact() -> Artifact:
    """The compiled Probe contract."""
    return compile_sources(_ROOT, [_ROOT / "tests" / "integration" / "sol" / "Probe.sol"])["Probe"]


@pytest.fixture
def w3(devnet: Devnet) -> Web3:
    return devnet.connect()


@pytest.fixture
def wallets(devnet: Devnet) -> Wallets:
    """Fresh funded keys of this chain."""
    return Wallets(devnet)


@pytest.fixture
def probe(w3: Web3, wallets: Wallets, probe_artifact: Artifact, tmp_path: Path) -> Contract:
    """A fresh Probe."""
    factory = w3.eth.contract(abi=probe_artifact.abi, bytecode=probe_artifact.bytecode)
    with Sender(w3, wallets.new(), state_dir=tmp_path) as sender:
        receipt = sender.send(factory.constructor())
    return w3.eth.contract(address=receipt.contract_address, abi=probe_artifact.abi)


@pytest.fixture
def manual_mining(w3: Web3, probe: Contract) -> Iterator[Web3]:
    """Blocks come only when the test mines them; the Probe is deployed already."""
    set_mining(w3, auto=False, interval_ms=0)
    try:
        yield w3
    finally:
        set_mining(w3, auto=True, interval_ms=1000)


@pytest.fixture
def relay(devnet: Devnet) -> Iterator[Relay]:
    """A connection to the chain that a test can cut."""
    with Relay(devnet.port) as running:
        yield running
