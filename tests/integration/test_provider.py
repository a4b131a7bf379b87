"""Connecting, identity, and view calls against a real node."""

from pathlib import Path

import pytest
from chain_kit import Relay, Wallets
from web3 import Web3
from web3.contract import Contract

from chain.calls import call, call_many
from chain.devnet import Devnet
from chain.errors import ChainError
from chain.provider import (
    ChainIdentity,
    ChainResetError,
    ChainUnreachableError,
    check_identity,
    connect,
    genesis_hash,
    identity,
    rpc,
)
from chain.reverts import ContractError, ErrorDecoder
from chain.sender import Sender

SOMEBODY = "0x00000000000000000000000000000000000000AA"


@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_connect_over_http_and_websocket_answers_the_same(
    devnet: Devnet, probe: Contract, scheme: str
) -> None:
    w3 = connect(devnet.url.replace("http", scheme))
    contract = w3.eth.contract(address=probe.address, abi=probe.abi)
    assert w3.eth.chain_id == 31337
    assert contract.functions.value().call() == call(contract.functions.value()) == 0
    assert call_many(w3, [contract.functions.count(), contract.functions.taker()]) == [0, "0x" + "0" * 40]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "ws://127.0.0.1:1", "http://no-such-host.invalid:8545"]
)
def test_connect_to_nobody_says_what_to_do(url: str) -> None:
    with pytest.raises(ChainUnreachableError, match=r"cannot reach the chain at .*`milon devnet up`"):
        connect(url, timeout=5)


def test_connect_to_another_scheme_is_refused() -> None:
    with pytest.raises(ChainError, match="must begin with"):
        connect("ftp://127.0.0.1")


def test_identity_when_the_genesis_differs_says_reset(w3: Web3) -> None:
    found = identity(w3)
    assert found == ChainIdentity(31337, genesis_hash(w3))
    check_identity(w3, found)
    with pytest.raises(ChainResetError, match="was reset"):
        check_identity(w3, ChainIdentity(31337, "0x" + "1" * 64))
    with pytest.raises(ChainResetError, match="leads to chain 31337"):
        check_identity(w3, ChainIdentity(5, found.genesis_hash))


@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_requests_after_a_broken_connection_open_a_new_one(relay: Relay, scheme: str) -> None:
    w3 = connect(relay.url.replace("http", scheme))
    relay.cut()
    with pytest.raises(ChainUnreachableError):
        rpc(w3, "eth_blockNumber")
    relay.restore()
    assert int(rpc(w3, "eth_blockNumber"), 16) >= 0


def test_call_returns_structs_arrays_and_bytes(probe: Contract) -> None:
    assert call(probe.functions.shapes(SOMEBODY)) == ((3, SOMEBODY), [SOMEBODY], (1).to_bytes(32, "big"))


def test_call_pinned_to_a_block_sees_its_state(
    w3: Web3, wallets: Wallets, probe: Contract, tmp_path: Path
) -> None:
    with Sender(w3, wallets.new(), state_dir=tmp_path) as sender:
        first = sender.send(probe.functions.set(77))
        sender.send(probe.functions.set(78))
    assert call(probe.functions.value(), block=first.block_number) == 77
    assert call(probe.functions.value(), block=first.block_hash) == 77
    assert call(probe.functions.value()) == 78


def test_call_that_reverts_comes_decoded(probe: Contract) -> None:
    decoder = ErrorDecoder([probe.abi])
    with pytest.raises(ContractError, match=r"TooSmall\(given=1, least=10\)"):
        call(probe.functions.set(1), decoder=decoder)
    with pytest.raises(ContractError, match="TooSmall"), decoder.translating():
        probe.functions.set(1).call()
    with pytest.raises(ContractError, match="unknown error 0x"):
        call(probe.functions.set(1))


def test_call_where_no_contract_is_says_so(w3: Web3, probe: Contract) -> None:
    nothing = w3.eth.contract(address=SOMEBODY, abi=probe.abi)
    with pytest.raises(ChainError, match="no contract answers value"):
        call(nothing.functions.value())
