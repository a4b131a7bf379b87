"""Event reading: decoding, pages, and blocks that the chain takes back."""

from pathlib import Path
from typing import Any

import pytest
from chain_kit import Wallets
from web3 import Web3
from web3.contract import Contract

from chain.devnet import Devnet, mine, revert, snapshot
from chain.events import EventReader
from chain.provider import RpcError, connect, rpc
from chain.sender import Sender


@pytest.fixture
def sender(w3: Web3, wallets: Wallets, tmp_path: Path):
    with Sender(w3, wallets.new(), state_dir=tmp_path) as made:
        yield made


def reader_of(w3: Web3, probe: Contract, **options: Any) -> EventReader:
    first = int(rpc(w3, "eth_blockNumber"), 16)
    return EventReader(w3, {probe.address: probe.abi}, first + 1, **options)


def values(events: Any) -> list[int]:
    return [event.args["value"] for event in events]


def test_read_decodes_indexed_dynamic_and_struct_arguments(w3: Web3, sender: Sender, probe: Contract) -> None:
    reader = reader_of(w3, probe)
    sent = sender.send(probe.functions.set(12))
    paired = sender.send(probe.functions.pair(sender.address))
    first, second = reader.read().events
    assert (first.name, first.tx_hash, first.block_hash) == ("Set", sent.tx_hash, sent.block_hash)
    assert first.args == {
        "who": sender.address,
        "value": 12,
        "tag": bytes(Web3.keccak(text="tag")),
        "blob": bytes.fromhex("c0ffee"),
    }
    assert (second.block_number, second.args["pair"]) == (paired.block_number, (5, sender.address))
    assert second.args["list"] == [0, 7]
    assert len(second.args["both"]) == 32


def test_read_again_delivers_only_what_is_new(w3: Web3, sender: Sender, probe: Contract) -> None:
    reader = reader_of(w3, probe)
    sender.send(probe.functions.set(13))
    assert values(reader.read().events) == [13]
    assert reader.read().events == ()
    sender.send(probe.functions.set(14))
    sender.send(probe.functions.set(15))
    batch = reader.read()
    assert (values(batch.events), batch.undone_from) == ([14, 15], None)


def test_read_when_pinned_to_a_block_stops_there(w3: Web3, sender: Sender, probe: Contract) -> None:
    reader = reader_of(w3, probe)
    first = sender.send(probe.functions.set(16))
    sender.send(probe.functions.set(17))
    assert values(reader.read(first.block_number).events) == [16]
    assert reader.next_block == first.block_number + 1
    assert values(reader.read().events) == [17]


def test_read_when_the_chain_reorganises_undoes_and_reads_the_new_branch(
    w3: Web3, sender: Sender, probe: Contract, wallets: Wallets, tmp_path: Path
) -> None:
    reader = reader_of(w3, probe)
    kept = sender.send(probe.functions.set(18))
    assert values(reader.read().events) == [18]
    before = snapshot(w3)
    lost = sender.send(probe.functions.set(19))
    assert values(reader.read().events) == [19]
    revert(w3, before)
    with Sender(w3, sender._wallet, state_dir=tmp_path / "fresh") as again:
        again.send(probe.functions.set(20))
        again.send(probe.functions.set(21))
    batch = reader.read()
    assert batch.undone_from is not None
    assert kept.block_number < batch.undone_from <= lost.block_number
    assert values(batch.events) == [20, 21]


def test_read_when_the_chain_became_shorter_undoes_at_once(w3: Web3, sender: Sender, probe: Contract) -> None:
    reader = reader_of(w3, probe)
    kept = sender.send(probe.functions.set(22))
    before = snapshot(w3)
    reader.read()
    for value in (23, 24, 25):
        sender.send(probe.functions.set(value))
    assert values(reader.read().events) == [23, 24, 25]
    revert(w3, before)
    batch = reader.read()
    assert batch.undone_from is not None
    assert batch.undone_from > kept.block_number
    assert batch.events == ()


def test_read_when_the_provider_refuses_long_ranges_shrinks_its_pages(
    devnet: Devnet, w3: Web3, sender: Sender, probe: Contract
) -> None:
    limited = connect(devnet.url)
    exchange, asked = limited.provider.make_request, []

    def refuse_long(method: str, params: Any) -> Any:
        if method == "eth_getLogs":
            length = int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) + 1
            asked.append(length)
            if length > 3:
                return {"jsonrpc": "2.0", "id": 0, "error": {"code": -32005, "message": "range too large"}}
        return exchange(method, params)

    limited.provider.make_request = refuse_long  # type: ignore[method-assign]
    reader = reader_of(limited, probe)
    for value in range(30, 40):
        sender.send(probe.functions.set(value))
        mine(w3)
    assert values(reader.read().events) == list(range(30, 40))
    assert max(asked) > 3


def test_read_when_even_one_block_is_refused_raises_and_loses_nothing(
    devnet: Devnet, sender: Sender, probe: Contract
) -> None:
    broken = connect(devnet.url)
    exchange = broken.provider.make_request

    def refuse(method: str, params: Any) -> Any:
        if method == "eth_getLogs":
            return {"jsonrpc": "2.0", "id": 0, "error": {"code": -32005, "message": "no logs today"}}
        return exchange(method, params)

    reader = reader_of(broken, probe)
    sender.send(probe.functions.set(41))
    broken.provider.make_request = refuse  # type: ignore[method-assign]
    with pytest.raises(RpcError, match="no logs today"):
        reader.read()
    broken.provider.make_request = exchange  # type: ignore[method-assign]
    assert values(reader.read().events) == [41]
