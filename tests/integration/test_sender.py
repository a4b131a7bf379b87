"""One locked sender per key: order, reasons, lost answers, repricing, deadlines."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from chain_kit import Relay, Wallets, until
from web3 import Web3
from web3.contract import Contract

from chain.calls import call
from chain.compiler import Artifact
from chain.devnet import Devnet, increase_time, mine, set_mining, start_devnet
from chain.errors import ChainError
from chain.provider import ChainResetError, ChainUnreachableError, HeadWatcher, connect, rpc
from chain.sender import ContractError, ErrorDecoder, KeyInUseError, NotMinedError, Receipt, Sender
from chain.wallet import WalletError, create, from_plain_key, load

GWEI = 10**9


@pytest.fixture
def sender(w3: Web3, wallets: Wallets, probe_artifact: Artifact, tmp_path: Path):
    with Sender(w3, wallets.new(), decoder=ErrorDecoder([probe_artifact.abi]), state_dir=tmp_path) as made:
        yield made


def nonce_of(sender: Sender) -> int:
    return int(rpc(sender.w3, "eth_getTransactionCount", sender.address, "latest"), 16)


def pending_fee(w3: Web3, address: str) -> int:
    """The highest fee limit offered by a waiting transaction of ``address``; 0 if none waits."""
    block = rpc(w3, "eth_getBlockByNumber", "pending", True)
    own = [t for t in block["transactions"] if t["from"].lower() == address.lower()]
    return max((int(t["maxFeePerGas"], 16) for t in own), default=0)


def test_send_on_automining_returns_the_receipt_at_once(sender: Sender, probe: Contract) -> None:
    receipt = sender.send(probe.functions.set(11))
    assert receipt.gas_used > 21_000
    assert call(probe.functions.value(), block=receipt.block_number) == 11
    assert sender.send(probe.functions.set(12)).tx_hash != receipt.tx_hash


def test_send_on_interval_mining_waits_for_the_block(sender: Sender, probe: Contract, w3: Web3) -> None:
    set_mining(w3, auto=False, interval_ms=200)
    try:
        first, second = sender.send(probe.functions.set(21)), sender.send(probe.functions.set(22))
    finally:
        set_mining(w3, auto=True, interval_ms=1000)
    assert second.block_number > first.block_number
    assert call(probe.functions.value()) == 22


def test_custom_error_when_simulated_comes_by_name_and_values_and_spends_nothing(
    sender: Sender, probe: Contract
) -> None:
    balance = sender.balance()
    for hint in (None, 100_000):
        with pytest.raises(ContractError, match=r"TooSmall\(given=3, least=10\)") as caught:
            sender.send(probe.functions.set(3), gas_hint=hint)
        assert (caught.value.name, caught.value.values) == ("TooSmall", {"given": 3, "least": 10})
    assert (sender.balance(), nonce_of(sender)) == (balance, 0)


def test_require_and_panic_when_simulated_come_in_words(sender: Sender, probe: Contract) -> None:
    with pytest.raises(ContractError, match="because") as refused:
        sender.send(probe.functions.refuse())
    assert refused.value.name == "Error"
    with pytest.raises(ContractError, match="division by zero") as panicked:
        sender.send(probe.functions.divide(0))
    assert panicked.value.values == {"code": 0x12}


def test_revert_when_another_was_first_in_the_block_comes_decoded(
    manual_mining: Web3, wallets: Wallets, probe: Contract, probe_artifact: Artifact, tmp_path: Path
) -> None:
    decoder = ErrorDecoder([probe_artifact.abi])
    with (
        ThreadPoolExecutor(2) as pool,
        Sender(manual_mining, wallets.new(), decoder=decoder, state_dir=tmp_path) as one,
        Sender(manual_mining, wallets.new(), decoder=decoder, state_dir=tmp_path) as other,
    ):
        racers = [pool.submit(s.send, probe.functions.takeOnce()) for s in (one, other)]
        until(lambda: pending_fee(manual_mining, one.address) and pending_fee(manual_mining, other.address))
        mine(manual_mining)
        errors = [e for e in (racer.exception(timeout=20) for racer in racers) if e is not None]
        assert len(errors) == 1
        assert isinstance(errors[0], ContractError)
        assert errors[0].name == "Taken"
        loser = next(s for s, r in zip((one, other), racers, strict=True) if r.exception() is not None)
        set_mining(manual_mining, auto=True, interval_ms=0)
        assert loser.send(probe.functions.set(10)).gas_used  # the nonce it spent is counted


def test_send_from_many_threads_mines_each_once(sender: Sender, probe: Contract) -> None:
    with ThreadPoolExecutor(8) as pool:
        receipts = list(pool.map(lambda v: sender.send(probe.functions.set(v)), range(100, 124)))
    assert len({r.tx_hash for r in receipts}) == 24
    assert call(probe.functions.count()) == 24


def test_second_sender_of_a_key_is_refused_with_the_pid(
    w3: Web3, devnet: Devnet, sender: Sender, tmp_path: Path
) -> None:
    wallet = sender._wallet
    with pytest.raises(KeyInUseError, match=f"process {os.getpid()}"):
        Sender(w3, wallet, state_dir=tmp_path)
    sender.close()
    script = (
        "import sys; from pathlib import Path; from chain.provider import connect\n"
        "from chain.sender import Sender; from chain.wallet import from_plain_key\n"
        "url, key, folder = sys.argv[1:]\n"
        "s = Sender(connect(url), from_plain_key(key, 31337, url), state_dir=Path(folder))\n"
        "print('locked', flush=True); sys.stdin.read()\n"
    )
    key = "0x" + bytes(wallet.account.key).hex()
    with subprocess.Popen(
        [sys.executable, "-c", script, devnet.url, key, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"locked\n"
        with pytest.raises(KeyInUseError) as caught:
            Sender(w3, wallet, state_dir=tmp_path)
        assert caught.value.pid == other.pid
        other.kill()
    Sender(w3, wallet, state_dir=tmp_path).close()  # a killed holder leaves no lock behind


def test_send_when_the_nonce_was_used_elsewhere_resyncs(sender: Sender, probe: Contract, w3: Web3) -> None:
    sender.send(probe.functions.set(31))
    raw, _ = _raw(sender, probe, 32, nonce=1, fee=100 * GWEI)
    rpc(w3, "eth_sendRawTransaction", raw)
    sender.send(probe.functions.set(33))
    assert call(probe.functions.value()) == 33
    assert nonce_of(sender) == 3


def test_send_when_an_earlier_process_left_one_hanging_replaces_it(
    manual_mining: Web3, sender: Sender, probe: Contract
) -> None:
    raw, left = _raw(sender, probe, 41, nonce=0, fee=3 * GWEI)
    rpc(manual_mining, "eth_sendRawTransaction", raw)
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(sender.send, probe.functions.set(42))
        until(lambda: pending_fee(manual_mining, sender.address) not in (0, 3 * GWEI))
        mine(manual_mining)
        assert sent.result(timeout=20).tx_hash != left
    assert (call(probe.functions.value()), call(probe.functions.count())) == (42, 1)


def test_send_when_not_mined_in_time_raises_its_fees(
    manual_mining: Web3, wallets: Wallets, probe: Contract, tmp_path: Path
) -> None:
    with (
        ThreadPoolExecutor(1) as pool,
        Sender(manual_mining, wallets.new(), state_dir=tmp_path, resend_after=0.3) as sender,
    ):
        sent = pool.submit(sender.send, probe.functions.set(51))
        until(lambda: pending_fee(manual_mining, sender.address))
        first = pending_fee(manual_mining, sender.address)
        until(lambda: pending_fee(manual_mining, sender.address) > first)
        mine(manual_mining)
        assert sent.result(timeout=20).gas_used
    assert call(probe.functions.count()) == 1


def test_send_when_the_deadline_passes_gives_up_and_the_next_takes_its_place(
    manual_mining: Web3, wallets: Wallets, probe: Contract, tmp_path: Path
) -> None:
    now = int(rpc(manual_mining, "eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    with (
        ThreadPoolExecutor(1) as pool,
        Sender(
            manual_mining, wallets.new(), state_dir=tmp_path, resend_after=0.2, fee_cap=20 * GWEI
        ) as sender,
    ):
        sent = pool.submit(sender.send, probe.functions.set(61), deadline=now + 100)
        until(lambda: pending_fee(manual_mining, sender.address))
        rpc(manual_mining, "hardhat_setNextBlockBaseFeePerGas", hex(1000 * GWEI))
        increase_time(manual_mining, 200)
        with pytest.raises(NotMinedError, match="deadline"):
            sent.result(timeout=20)
        with pytest.raises(NotMinedError, match="too late"):
            sender.send(probe.functions.set(61), deadline=now + 100)
        rpc(manual_mining, "hardhat_setNextBlockBaseFeePerGas", hex(GWEI))
        mine(manual_mining)
        again = pool.submit(sender.send, probe.functions.set(62))
        until(lambda: pending_fee(manual_mining, sender.address) or again.done())
        mine(manual_mining)
        assert again.result(timeout=20).gas_used
    assert call(probe.functions.value()) == 62


def test_send_when_the_answer_is_lost_executes_once_and_returns_the_receipt(
    relay: Relay, wallets: Wallets, probe: Contract, tmp_path: Path
) -> None:
    with Sender(connect(relay.url), wallets.new(), state_dir=tmp_path) as sender:
        relay.lose_answer_to = b"eth_sendRawTransaction"
        receipt = sender.send(probe.functions.set(71))
        assert relay.lose_answer_to is None
        assert nonce_of(sender) == 1
    assert call(probe.functions.count(), block=receipt.block_number) == 1


def test_send_when_the_rpc_is_gone_and_back_resumes(
    manual_mining: Web3, relay: Relay, wallets: Wallets, probe: Contract, tmp_path: Path
) -> None:
    with (
        ThreadPoolExecutor(1) as pool,
        HeadWatcher(relay.url) as heads,
        Sender(connect(relay.url), wallets.new(), heads=heads, state_dir=tmp_path) as sender,
    ):
        sent = pool.submit(sender.send, probe.functions.set(81))
        until(lambda: pending_fee(manual_mining, sender.address))
        relay.cut()
        mine(manual_mining)
        until(lambda: not heads.state.connected)
        relay.restore()
        assert isinstance(sent.result(timeout=20), Receipt)
        until(lambda: heads.state.connected)


def test_send_when_the_rpc_stays_gone_says_so(
    manual_mining: Web3, relay: Relay, wallets: Wallets, probe: Contract, tmp_path: Path
) -> None:
    sender = Sender(connect(relay.url), wallets.new(), state_dir=tmp_path, patience=0.5)
    with ThreadPoolExecutor(1) as pool, sender:
        sent = pool.submit(sender.send, probe.functions.set(91))
        until(lambda: pending_fee(manual_mining, sender.address))
        relay.cut()
        with pytest.raises(ChainUnreachableError, match="milon devnet up"):
            sent.result(timeout=20)


def test_send_when_the_chain_was_reset_stops(
    manual_mining: Web3, devnet: Devnet, relay: Relay, wallets: Wallets, probe: Contract, tmp_path: Path
) -> None:
    with (
        ThreadPoolExecutor(1) as pool,
        start_devnet(0) as fresh,
        Sender(connect(relay.url), wallets.new(), state_dir=tmp_path, resend_after=1.0) as sender,
    ):
        sent = pool.submit(sender.send, probe.functions.set(95))
        until(lambda: pending_fee(manual_mining, sender.address))
        relay.cut()
        relay.target = fresh.port
        relay.restore()
        with pytest.raises(ChainResetError, match="was reset"):
            sent.result(timeout=20)


def test_send_without_coin_says_what_to_do(
    w3: Web3, wallets: Wallets, probe: Contract, tmp_path: Path
) -> None:
    with (
        Sender(w3, wallets.new(amount=1), state_dir=tmp_path) as sender,
        pytest.raises(ChainError, match="send it some"),
    ):
        sender.send(probe.functions.set(15))


def test_weakly_encrypted_key_beyond_the_devnet_is_refused(tmp_path: Path, devnet: Devnet) -> None:
    wallet = load(create(tmp_path, "password", light=True).path, "password")
    wallet.require_usable(31337, devnet.url)
    with pytest.raises(WalletError, match="only the local devnet"):
        wallet.require_usable(31337, "http://chain.example:8545")
    with pytest.raises(WalletError):
        from_plain_key("0x" + "1" * 64, 1, devnet.url)


def _raw(sender: Sender, probe: Contract, value: int, *, nonce: int, fee: int) -> tuple[str, str]:
    """A signed transaction made behind the sender's back; raw bytes and hash."""
    signed = sender._wallet.sign_transaction(
        {
            "chainId": 31337,
            "nonce": nonce,
            "gas": 200_000,
            "to": probe.address,
            "value": 0,
            "data": probe.functions.set(value)._encode_transaction_data(),
            "type": 2,
            "maxFeePerGas": fee,
            "maxPriorityFeePerGas": GWEI,
        }
    )
    return signed.raw_transaction.to_0x_hex(), signed.hash.to_0x_hex()
