"""Watching the head: woken at once, by subscription or polling, and back after an outage."""

import threading
import time

import pytest
from chain_kit import Relay, until
from web3 import Web3

from chain.devnet import Devnet, mine
from chain.provider import HeadWatcher


def test_wait_when_a_block_comes_wakes_at_once(devnet: Devnet, manual_mining: Web3) -> None:
    with HeadWatcher(devnet.url) as heads:
        until(lambda: heads.state.mode == "subscription" and heads.state.block >= 0)
        before = heads.state.block
        started = time.monotonic()
        threading.Timer(0.1, mine, [manual_mining]).start()
        assert heads.wait(before, timeout=10) == before + 1
        assert time.monotonic() - started < 2
        assert heads.state.timestamp > 0


def test_wait_when_nothing_happens_returns_none(devnet: Devnet, manual_mining: Web3) -> None:
    with HeadWatcher(devnet.url) as heads:
        until(lambda: heads.state.block >= 0)
        assert heads.wait(heads.state.block, timeout=0.1) is None


@pytest.mark.parametrize("release", ["wake", "stop"])
def test_wait_when_released_returns_none_early(devnet: Devnet, manual_mining: Web3, release: str) -> None:
    heads = HeadWatcher(devnet.url).start()
    try:
        until(lambda: heads.state.block >= 0)
        started = time.monotonic()
        threading.Timer(0.1, getattr(heads, release)).start()
        assert heads.wait(heads.state.block, timeout=20) is None
        assert time.monotonic() - started < 5
    finally:
        heads.stop()


def test_watcher_without_websockets_polls(relay: Relay, manual_mining: Web3) -> None:
    relay.refuse_upgrade = True
    with HeadWatcher(relay.url) as heads:
        until(lambda: heads.state.block >= 0)
        before = heads.state.block
        mine(manual_mining)
        assert heads.wait(before, timeout=10) == before + 1
        assert heads.state.mode == "polling"


def test_watcher_when_the_rpc_is_gone_and_back_goes_on(relay: Relay, manual_mining: Web3) -> None:
    with HeadWatcher(relay.url) as heads:
        until(lambda: heads.state.connected)
        before = heads.state
        relay.cut()
        until(lambda: not heads.state.connected)
        assert heads.state.block == before.block
        mine(manual_mining)
        relay.restore()
        assert heads.wait(before.block, timeout=20) == before.block + 1
        assert heads.state.connected
        assert heads.state.seen_at > before.seen_at


def test_watcher_started_before_the_chain_finds_it_later(relay: Relay) -> None:
    relay.cut()
    with HeadWatcher(relay.url) as heads:
        assert heads.wait(-1, timeout=0.5) is None
        assert not heads.state.connected
        relay.restore()
        assert heads.wait(-1, timeout=20) is not None
