"""The client against a real daemon: round trips, limits, errors that say what to do, and Kubo's ways."""

import concurrent.futures
import hashlib
import http.client
import resource
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import ipfshttpclient
import pytest
from ipfs_kit import absent_cid, noise, vm_high_water

from node.errors import ContentError, StorageError
from node.storage.ipfs import IpfsClient
from node.storage.process import DaemonProcess, start_daemon

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    folder = tmp_path_factory.mktemp("ipfs")
    with start_daemon(folder / "repo", log=folder / "log") as process:
        yield process


@pytest.fixture
def client(daemon: DaemonProcess) -> IpfsClient:
    return IpfsClient(daemon.api)


def ask(
    daemon: DaemonProcess, method: str, path: str, headers: dict[str, str] | None = None
) -> tuple[int, str]:
    url = urlsplit(daemon.api)
    connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=10)
    try:
        connection.request(method, path, headers=headers or {})
        reply = connection.getresponse()
        return reply.status, reply.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize("size", [0, 1, 255, MIB - 1, MIB, MIB + 1, 5 * MIB + 3])
def test_bytes_when_added_then_are_fetched_equal(client: IpfsClient, size: int) -> None:
    data = noise(size, size)
    cid = client.add(data)
    assert client.fetch(cid, max_bytes=size, sha256=hashlib.sha256(data).digest()) == data


def test_bytes_when_they_contain_multipart_boundaries_then_are_fetched_equal(client: IpfsClient) -> None:
    data = b"\r\n--" * 100_000 + b"\r\n\r\n--\r\n"
    assert client.fetch(client.add(data), max_bytes=len(data)) == data


def test_file_when_added_by_path_then_has_the_cid_of_its_bytes(client: IpfsClient, tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(noise(7, 3 * MIB))
    assert client.add(path) == client.add(path.read_bytes())


def test_content_when_fetched_to_a_file_then_the_file_is_whole(client: IpfsClient, tmp_path: Path) -> None:
    data = noise(8, 2 * MIB + 1)
    target = tmp_path / "out" / "model"
    target.parent.mkdir()
    assert client.fetch_to(target, client.add(data), max_bytes=3 * MIB) == len(data)
    assert target.read_bytes() == data
    assert list(target.parent.iterdir()) == [target]


def test_content_when_larger_than_allowed_then_is_refused_and_leaves_nothing(
    client: IpfsClient, tmp_path: Path
) -> None:
    cid = client.add(bytes(3 * MIB))
    with pytest.raises(ContentError, match=f"{cid} is larger than the {3 * MIB - 1} bytes allowed"):
        client.fetch(cid, max_bytes=3 * MIB - 1)
    with pytest.raises(ContentError, match="larger"):
        client.fetch_to(tmp_path / "model", cid, max_bytes=100)
    assert list(tmp_path.iterdir()) == []


def test_content_when_its_digest_is_another_then_is_refused_and_leaves_nothing(
    client: IpfsClient, tmp_path: Path
) -> None:
    cid = client.add(b"weights")
    with pytest.raises(ContentError, match="has SHA-256"):
        client.fetch(cid, max_bytes=100, sha256=bytes(32))
    with pytest.raises(ContentError, match="has SHA-256"):
        client.fetch_to(tmp_path / "model", cid, max_bytes=100, sha256=bytes(32))
    assert list(tmp_path.iterdir()) == []


def test_content_when_nobody_serves_it_then_error_comes_at_the_timeout(client: IpfsClient) -> None:
    began = time.monotonic()
    with pytest.raises(ContentError, match="not served by any of 0 connected peers"):
        client.fetch(absent_cid("nobody"), max_bytes=100, timeout=1)
    assert 0.9 < time.monotonic() - began < 6


@pytest.mark.parametrize("cid", ["", "bafy", "../../etc/passwd", "x" * 10_000])
def test_cid_when_malformed_then_is_refused_before_the_daemon_is_asked(cid: str) -> None:
    client = IpfsClient("http://127.0.0.1:9")
    with pytest.raises(ContentError, match="not a content identifier"):
        client.fetch(cid, max_bytes=100)
    with pytest.raises(ContentError, match="not a content identifier"):
        client.pin(cid)


def test_daemon_when_unreachable_then_error_names_the_url_and_the_remedy() -> None:
    client = IpfsClient("http://127.0.0.1:9")
    for call in (client.identity, client.peers, lambda: client.add(b"x")):
        with pytest.raises(StorageError, match=r"http://127.0.0.1:9; start one with `milon ipfs daemon`"):
            call()
    with pytest.raises(StorageError, match="milon ipfs daemon"):
        client.fetch(absent_cid("x"), max_bytes=10)


def test_daemon_when_something_else_answers_then_error_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(StorageError, match="does not answer as an IPFS daemon"):
            IpfsClient(f"http://127.0.0.1:{server.getsockname()[1]}").identity()
        thread.join()


def test_client_when_shared_by_threads_then_every_thread_gets_its_own_content(client: IpfsClient) -> None:
    contents = [noise(seed, MIB + seed) for seed in range(8)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        cids = list(pool.map(client.add, contents))
        assert list(pool.map(lambda cid: client.fetch(cid, max_bytes=2 * MIB), cids)) == contents


def test_content_when_unpinned_and_collected_then_is_gone_and_pinned_content_stays(
    client: IpfsClient,
) -> None:
    kept, dropped = client.add(b"kept" * 1000), client.add(b"dropped" * 1000)
    client.unpin(dropped)
    client.unpin(dropped)
    assert client.collect() >= 1
    assert client.fetch(kept, max_bytes=10_000) == b"kept" * 1000
    with pytest.raises(ContentError):
        client.fetch(dropped, max_bytes=10_000, timeout=0.5)


def test_api_when_addressed_as_multiaddr_or_url_then_is_the_same_daemon(daemon: DaemonProcess) -> None:
    url = urlsplit(daemon.api)
    by_multiaddr = IpfsClient(f"/ip4/{url.hostname}/tcp/{url.port}").identity()
    assert by_multiaddr == IpfsClient(f"http://localhost:{url.port}").identity()
    assert by_multiaddr.peer_id == daemon.peer_id
    assert set(by_multiaddr.addresses) == set(daemon.addresses)


def test_plain_ipfshttpclient_when_used_as_against_kubo_then_works(daemon: DaemonProcess) -> None:
    url = urlsplit(daemon.api)
    with ipfshttpclient.Client(f"/ip4/{url.hostname}/tcp/{url.port}/http") as plain:
        cid = plain.add_bytes(b"hello")
        assert plain.cat(cid) == b"hello"
        assert plain.cat(cid, offset=1, length=3) == b"ell"
        assert cid in plain.pin.ls(type="recursive")["Keys"]
        assert plain.pin.rm(cid)["Pins"] == [cid]
        with pytest.raises(ipfshttpclient.exceptions.ErrorResponse, match="not pinned"):
            plain.pin.rm(cid)
        assert plain.pin.add(cid)["Pins"] == [cid]
        assert plain.block.stat(cid) == {"Key": cid, "Size": 5}
        assert plain.id()["ID"] == daemon.peer_id
        assert plain.repo.stat()["NumObjects"] >= 1
        assert plain.version()["Version"].startswith("0.")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Referer": "http://evil.example/page"},
        {"User-Agent": "Mozilla/5.0"},
        {"Host": "rebound.example:5001"},
    ],
)
def test_browser_when_it_calls_the_api_then_is_forbidden(
    daemon: DaemonProcess, headers: dict[str, str]
) -> None:
    assert ask(daemon, "POST", "/api/v0/id", headers)[0] == 403


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v0/id", 405),
        ("OPTIONS", "/api/v0/id", 405),
        ("POST", "/api/v0/config/show", 404),
        ("POST", "/webui", 404),
        ("POST", "/api/v0/cat", 400),
        ("POST", "/api/v0/add", 400),
        ("POST", "/api/v0/cat?arg=bafy", 500),
        ("POST", "/api/v0/id?timeout=soon", 200),
        ("POST", f"/api/v0/cat?arg={absent_cid('x')}&timeout=soon", 400),
        ("POST", f"/api/v0/cat?arg={absent_cid('x')}&length=-1", 400),
        ("POST", "/api/v0/swarm/connect?arg=/ip4/127.0.0.1/tcp/1", 500),
        ("POST", f"/api/v0/routing/provide?arg={absent_cid('x')}", 500),
    ],
)
def test_request_when_bad_then_status_is_kubos(
    daemon: DaemonProcess, method: str, path: str, status: int
) -> None:
    assert ask(daemon, method, path)[0] == status


@pytest.mark.parametrize("size", [b"zz", b"-5", b"fffffffffffff"])
def test_upload_when_its_framing_is_hostile_then_is_refused_and_the_daemon_goes_on(
    daemon: DaemonProcess, client: IpfsClient, size: bytes
) -> None:
    url = urlsplit(daemon.api)
    with socket.create_connection((url.hostname, url.port), timeout=10) as connection:
        connection.sendall(
            b"POST /api/v0/add HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n"
            b'Content-Type: multipart/form-data; boundary="b"\r\n\r\n' + size + b"\r\n"
        )
        assert connection.recv(4096).split()[1] in (b"400", b"413")
    assert client.identity().peer_id == daemon.peer_id


def test_upload_when_the_client_goes_away_then_the_daemon_goes_on(
    daemon: DaemonProcess, client: IpfsClient
) -> None:
    url = urlsplit(daemon.api)
    with socket.create_connection((url.hostname, url.port), timeout=10) as connection:
        connection.sendall(
            b"POST /api/v0/add HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n"
            b'Content-Type: multipart/form-data; boundary="b"\r\n\r\n--b\r\n\r\nhalf'
        )
    assert client.identity().peer_id == daemon.peer_id


def test_memory_when_a_large_file_is_added_and_read_then_does_not_grow_with_it(
    daemon: DaemonProcess, client: IpfsClient, tmp_path: Path
) -> None:
    client.fetch(client.add(bytes(2 * MIB)), max_bytes=2 * MIB)
    before = vm_high_water(daemon)
    path = tmp_path / "large"
    path.write_bytes(noise(9, 48 * MIB))
    assert client.fetch_to(tmp_path / "back", client.add(path), max_bytes=48 * MIB) == 48 * MIB
    assert vm_high_water(daemon) - before < 24 * MIB


def test_disk_when_full_then_add_says_so_and_what_was_there_is_still_served(tmp_path: Path) -> None:
    with start_daemon(tmp_path / "repo", log=tmp_path / "log") as daemon:
        client = IpfsClient(daemon.api)
        kept = client.add(b"kept" * 1000)
        soft, hard = resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (MIB // 2, hard))
        with pytest.raises(StorageError, match=r"no space left.*milon ipfs gc"):
            client.add(noise(10, 4 * MIB))
        assert client.fetch(kept, max_bytes=10_000) == b"kept" * 1000
        assert list((tmp_path / "repo" / "tmp").iterdir()) == []
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (soft, hard))
        assert client.fetch(client.add(bytes(4 * MIB)), max_bytes=4 * MIB) == bytes(4 * MIB)
