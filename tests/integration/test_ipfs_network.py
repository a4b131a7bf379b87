"""Several daemons as processes: content crosses real sockets, survives its publisher, and comes back after crashes."""

import hashlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from ipfs_kit import absent_cid, noise, vm_high_water, wait_connected, wait_until

from node.errors import ContentError, StorageError
from node.storage.cid import Cid
from node.storage.ipfs import IpfsClient
from node.storage.process import DaemonProcess, start_daemon

MIB = 1024 * 1024

Start = Callable[..., tuple[DaemonProcess, IpfsClient]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[DaemonProcess] = []

    def begin(name: str, **options: object) -> tuple[DaemonProcess, IpfsClient]:
        daemon = start_daemon(tmp_path / name, log=tmp_path / f"{name}.log", **options)  # type: ignore[arg-type]
        running.append(daemon)
        return daemon, IpfsClient(daemon.api)

    yield begin
    for daemon in running:
        if daemon.process.poll() is None:
            daemon.kill()


def port_of(daemon: DaemonProcess) -> int:
    return int(daemon.addresses[0].split("/tcp/")[1].split("/")[0])


def test_content_when_added_on_one_daemon_then_is_fetched_from_another(start: Start) -> None:
    first, publisher = start("first")
    second, reader = start("second", bootstrap=first.addresses)
    wait_connected(reader, first)
    data = noise(1, 40 * MIB + 5)
    cid, before = publisher.add(data), vm_high_water(second)
    assert reader.fetch(cid, max_bytes=len(data), sha256=hashlib.sha256(data).digest(), timeout=60) == data
    assert vm_high_water(second) - before < 96 * MIB
    with pytest.raises(ContentError, match="larger"):
        reader.fetch(publisher.add(noise(2, 3 * MIB)), max_bytes=MIB)


def test_content_when_its_publisher_died_then_is_fetched_from_whoever_pinned_it(start: Start) -> None:
    first, publisher = start("first")
    second, keeper = start("second", bootstrap=first.addresses)
    _, reader = start("third", bootstrap=[*first.addresses, *second.addresses])
    wait_connected(keeper, first)
    wait_connected(reader, first, second)
    data = noise(3, 6 * MIB)
    cid = publisher.add(data)
    keeper.pin(cid)
    first.kill()
    assert reader.fetch(cid, max_bytes=len(data), timeout=20) == data


def test_content_when_one_of_two_holders_freezes_then_is_fetched_from_the_other(start: Start) -> None:
    first, publisher = start("first")
    second, keeper = start("second", bootstrap=first.addresses)
    _, reader = start("third", bootstrap=[*first.addresses, *second.addresses])
    wait_connected(keeper, first)
    wait_connected(reader, first, second)
    data = noise(4, 4 * MIB)
    cid = publisher.add(data)
    keeper.pin(cid)
    first.process.send_signal(signal.SIGSTOP)
    try:
        assert reader.fetch(cid, max_bytes=len(data), timeout=40) == data
    finally:
        first.process.send_signal(signal.SIGCONT)


def test_fetch_when_its_only_publisher_freezes_then_ends_at_the_timeout(start: Start) -> None:
    first, publisher = start("first")
    _, reader = start("second", bootstrap=first.addresses)
    wait_connected(reader, first)
    cid = publisher.add(noise(5, 2 * MIB))
    first.process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    try:
        with pytest.raises(ContentError, match=cid):
            reader.fetch(cid, max_bytes=2 * MIB, timeout=2)
        assert time.monotonic() - began < 8
    finally:
        first.process.send_signal(signal.SIGCONT)
    assert reader.fetch(cid, max_bytes=2 * MIB, timeout=20) == noise(5, 2 * MIB)


def test_content_when_published_while_it_is_awaited_then_arrives(start: Start, tmp_path: Path) -> None:
    first, publisher = start("first")
    _, reader = start("second", bootstrap=first.addresses)
    wait_connected(reader, first)
    data = b"late" * 1000
    reading = subprocess.Popen(
        [sys.executable, "-c", _FETCH, reader.api, str(Cid.of(data))], stdout=subprocess.PIPE
    )
    assert reading.stdout is not None
    assert reading.stdout.readline() == b"asking\n"
    publisher.add(data)
    assert reading.communicate(timeout=20)[0] == data


_FETCH = """
import sys
from node.storage.ipfs import IpfsClient
print("asking", flush=True)
sys.stdout.buffer.write(IpfsClient(sys.argv[1]).fetch(sys.argv[2], max_bytes=10_000, timeout=15))
"""


def test_content_when_known_only_to_a_peers_peer_then_is_found_through_the_dht(start: Start) -> None:
    middle, _ = start("middle")
    first, publisher = start("first", bootstrap=middle.addresses)
    _, reader = start("second", bootstrap=middle.addresses)
    wait_connected(publisher, middle)
    wait_connected(reader, middle)
    data = noise(6, MIB + 1)
    cid = publisher.add(data)
    assert first.peer_id not in reader.peers()
    assert reader.fetch(cid, max_bytes=len(data), timeout=30) == data


def test_daemon_when_killed_and_started_again_then_has_its_identity_content_and_peers(start: Start) -> None:
    first, publisher = start("first")
    second, reader = start("second")
    reader.connect(first.addresses[0])
    wait_connected(reader, first)
    cid = publisher.add(noise(7, 2 * MIB))
    first.kill()
    wait_until(lambda: not reader.peers(), "the loss is noticed")
    again, publisher = start("first", listen_port=port_of(first))
    assert again.peer_id == first.peer_id
    assert publisher.fetch(cid, max_bytes=2 * MIB) == noise(7, 2 * MIB)
    wait_connected(reader, again)
    assert reader.fetch(cid, max_bytes=2 * MIB) == noise(7, 2 * MIB)

    second.kill()
    _, reader = start("second")
    wait_connected(reader, again)


def test_client_when_its_daemon_is_gone_and_comes_back_then_works_again(start: Start) -> None:
    daemon, client = start("one")
    cid = client.add(b"model")
    port = urlsplit(daemon.api).port
    daemon.kill()
    with pytest.raises(StorageError, match="milon ipfs daemon"):
        client.fetch(cid, max_bytes=10)
    start("one", api_port=port)
    assert client.fetch(cid, max_bytes=10) == b"model"


def test_block_when_damaged_on_the_publishers_disk_then_is_never_served(start: Start, tmp_path: Path) -> None:
    first, publisher = start("first")
    _, reader = start("second", bootstrap=first.addresses)
    wait_connected(reader, first)
    data = noise(8, 1000)
    cid = publisher.add(data)
    name = hashlib.sha256(data).hexdigest()
    (tmp_path / "first" / "blocks" / name[:2] / name).write_bytes(noise(9, 1000))
    with pytest.raises(ContentError, match="not served"):
        reader.fetch(cid, max_bytes=1000, timeout=2)
    publisher.add(data)
    assert reader.fetch(cid, max_bytes=1000, timeout=10) == data


def test_swarm_when_keys_differ_then_daemons_cannot_connect(start: Start, tmp_path: Path) -> None:
    keys = []
    for name in ("a", "b"):
        keys.append(tmp_path / f"{name}.key")
        keys[-1].write_text(
            "/key/swarm/psk/1.0.0/\n/base16/\n" + hashlib.sha256(name.encode()).hexdigest() + "\n"
        )
    first, publisher = start("first", swarm_key=keys[0])
    _, friend = start("friend", swarm_key=keys[0])
    friend.connect(first.addresses[0], timeout=15)
    cid = publisher.add(b"secret weights")
    assert friend.fetch(cid, max_bytes=100) == b"secret weights"
    for name, key in (("stranger", keys[1]), ("open", None)):
        _, stranger = start(name, swarm_key=key)
        with pytest.raises(StorageError):
            stranger.connect(first.addresses[0], timeout=2)
        with pytest.raises(ContentError):
            stranger.fetch(cid, max_bytes=100, timeout=1)
        assert stranger.peers() == []


def test_connect_when_nobody_or_somebody_else_answers_then_error_says_so(start: Start) -> None:
    first, client = start("first")
    second, _ = start("second")
    with pytest.raises(StorageError, match="cannot reach"):
        client.connect(f"/ip4/127.0.0.1/tcp/9/p2p/{second.peer_id}", timeout=15)
    with pytest.raises(StorageError, match="own address"):
        client.connect(first.addresses[0])
    with pytest.raises(StorageError, match="not a peer's address"):
        client.connect("/ip4/127.0.0.1/tcp/9")
    wrong = second.addresses[0].replace(second.peer_id, start("third")[0].peer_id)
    with pytest.raises(StorageError, match="cannot reach"):
        client.connect(wrong, timeout=15)


def test_daemon_when_its_directory_or_ports_are_taken_then_says_so_in_one_line(
    start: Start, tmp_path: Path
) -> None:
    first, _ = start("first")
    with pytest.raises(StorageError, match="another IPFS daemon is running"):
        start("first")
    with pytest.raises(StorageError, match=r"cannot serve the API.*choose another --api") as caught:
        start("second", api_port=urlsplit(first.api).port)
    assert "Traceback" not in (tmp_path / "second.log").read_text()
    assert "\n" not in str(caught.value)
    with pytest.raises(StorageError, match="port taken"):
        start("third", listen_port=port_of(first))
    with pytest.raises(StorageError, match="swarm key"):
        start("fourth", swarm_key=tmp_path / "nowhere")


@pytest.mark.parametrize("how", ["terminate", "shutdown", "parent"])
def test_daemon_when_asked_to_stop_then_ends_cleanly_and_frees_its_ports(
    start: Start, tmp_path: Path, how: str
) -> None:
    daemon, client = start("one")
    assert (tmp_path / "one" / "api").read_text().strip() == f"/ip4/127.0.0.1/tcp/{urlsplit(daemon.api).port}"
    client.add(b"x")
    if how == "terminate":
        daemon.process.terminate()
    elif how == "parent":
        assert daemon.process.stdin is not None
        daemon.process.stdin.close()
    else:
        client._client.stop()
    assert daemon.process.wait(10) == 0
    assert not (tmp_path / "one" / "api").exists()
    assert (tmp_path / "one.log").read_text() == ""
    for port in (urlsplit(daemon.api).port, port_of(daemon)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))


def test_content_that_a_stranger_pushes_unasked_then_is_not_stored(start: Start) -> None:
    daemon, client = start("one")
    pushed = b"nobody asked for this"
    subprocess.run(
        [sys.executable, "-c", _PUSH, daemon.addresses[0], pushed.decode()], check=True, timeout=60
    )
    assert client.identity().peer_id == daemon.peer_id
    with pytest.raises(ContentError, match="not served"):
        client.fetch(str(Cid.of(pushed)), max_bytes=100, timeout=1)
    with pytest.raises(ContentError, match="not served"):
        client.fetch(absent_cid("other"), max_bytes=100, timeout=1)


_PUSH = """
import sys, trio
from libp2p import new_host
from libp2p.bitswap.cid import CODEC_RAW, compute_cid_v1_obj
from libp2p.bitswap.messages import create_message, create_wantlist_entry
from libp2p.bitswap.pb.bitswap_pb2 import Message
from libp2p.peer.peerinfo import info_from_p2p_addr
from multiaddr import Multiaddr
async def main():
    host, info, data = new_host(), info_from_p2p_addr(Multiaddr(sys.argv[1])), sys.argv[2].encode()
    answered = trio.Event()
    async def answer(stream):
        length = (await stream.read(1))[0]
        message = Message()
        message.ParseFromString(await stream.read(length))
        assert message.blockPresences[0].type == Message.DontHave
        answered.set()
    host.set_stream_handler("/ipfs/bitswap/1.2.0", answer)
    async with host.run([Multiaddr("/ip4/127.0.0.1/tcp/0")]):
        await host.connect(info)
        stream = await host.new_stream(info.peer_id, ["/ipfs/bitswap/1.2.0"])
        cid = compute_cid_v1_obj(data, CODEC_RAW)
        want = create_wantlist_entry(cid, send_dont_have=True)
        for message in (create_message(blocks_v110=[(cid.prefix().to_bytes(), data)]), create_message([want])):
            body = message.SerializeToString()
            await stream.write(bytes([len(body)]) + body)
        with trio.fail_after(20):
            await answered.wait()
trio.run(main)
"""


def test_other_bitswap_implementation_when_connected_then_content_goes_both_ways(start: Start) -> None:
    daemon, client = start("one")
    ours, theirs = noise(10, 600_000), noise(11, 900_000)
    cid = client.add(ours)
    other = subprocess.Popen(
        [sys.executable, "-c", _OTHER, daemon.addresses[0], cid, "11"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert other.stdout is not None
    address, their_cid, our_digest = other.stdout.readline().split()
    assert our_digest == hashlib.sha256(ours).hexdigest()
    client.connect(address)
    assert client.fetch(their_cid, max_bytes=len(theirs), timeout=20) == theirs
    other.communicate(timeout=20)


_OTHER = """
import hashlib, random, sys, trio
from libp2p import new_host
from libp2p.bitswap import BitswapClient, MemoryBlockStore, cid_to_text
from libp2p.bitswap.dag import MerkleDag
from libp2p.peer.peerinfo import info_from_p2p_addr
from multiaddr import Multiaddr
async def main():
    host, info = new_host(), info_from_p2p_addr(Multiaddr(sys.argv[1]))
    async with host.run([Multiaddr("/ip4/127.0.0.1/tcp/0")]), trio.open_nursery() as nursery:
        client = BitswapClient(host, MemoryBlockStore())
        client.set_nursery(nursery)
        await client.start()
        dag = MerkleDag(client)
        cid = await dag.add_bytes(random.Random(int(sys.argv[3])).randbytes(900_000), chunk_size=50_000)
        await host.connect(info)
        data, _ = await dag.fetch_file(sys.argv[2], info.peer_id, 20)
        print(host.get_addrs()[0], cid_to_text(cid), hashlib.sha256(data).hexdigest(), flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)
        nursery.cancel_scope.cancel()
trio.run(main)
"""
