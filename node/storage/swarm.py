"""The libp2p host: identity, connections, provider records, and the way back to peers that went away.

Connections are encrypted and authenticated by Noise or TLS, never plain; with a swarm key only holders of the
same key can connect at all. Peers that were named in the configuration or by ``swarm/connect`` are dialled
again, with growing pauses, for as long as the daemon runs.
"""

from __future__ import annotations

import errno
import json
import logging
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import trio
from libp2p import create_yamux_muxer_option, new_host
from libp2p.abc import INotifee
from libp2p.crypto.keys import KeyPair
from libp2p.crypto.x25519 import create_new_key_pair as new_noise_key
from libp2p.host.basic_host import BasicHost
from libp2p.kad_dht.kad_dht import DHTMode, KadDHT
from libp2p.network.config import ConnectionConfig
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import PeerInfo, info_from_p2p_addr
from libp2p.rcmgr import new_resource_manager
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as NoiseTransport
from libp2p.security.tls.transport import PROTOCOL_ID as TLS
from libp2p.security.tls.transport import TLSTransport
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import Multiaddr

from node.errors import ContentError, StorageError
from node.storage.bitswap import Exchange
from node.storage.blocks import BlockStore
from node.storage.cid import Cid

DIAL_TIMEOUT = 10.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 15.0
_MAX_KNOWN = 256
_PROVIDE_TIMEOUT = 20.0
_PROVIDE_PAUSE = 1.1
"""Seconds; libp2p's DHT drops more than ten announcements of one peer in ten seconds."""
_PROVIDE_ROUND = 60.0
_PROVIDE_AGAIN = 12 * 3600.0
_FIND_TIMEOUT = 4.0

log = logging.getLogger("milon.ipfs")


class _Watcher(INotifee):  # type: ignore[misc]
    """Passes connection events on; the other events of the interface are of no interest."""

    def __init__(self, swarm: Swarm) -> None:
        self._swarm = swarm

    async def connected(self, network: Any, conn: Any) -> None:
        await self._swarm.on_connected(conn.muxed_conn.peer_id)

    async def disconnected(self, network: Any, conn: Any) -> None:
        self._swarm.on_disconnected(conn.muxed_conn.peer_id)

    async def opened_stream(self, network: Any, stream: Any) -> None: ...

    async def closed_stream(self, network: Any, stream: Any) -> None: ...

    async def listen(self, network: Any, multiaddr: Any) -> None: ...

    async def listen_close(self, network: Any, multiaddr: Any) -> None: ...


class Swarm:
    """One node in the network. All methods run in trio unless they say otherwise."""

    def __init__(
        self, host: BasicHost, store: BlockStore, known_path: Path, pins: Callable[[], Sequence[Cid]]
    ) -> None:
        self.host = host
        self._pins = pins
        self._newcomer = trio.Event()
        self.exchange = Exchange(host, store, find_more=self._connect_providers)
        self._dht = KadDHT(host, DHTMode.SERVER)
        self._known_path = known_path
        self._known: dict[str, list[str]] = {}
        self._lost: dict[str, trio.Event] = {}
        self._nursery: trio.Nursery | None = None
        self._to_provide, self._provide_queue = trio.open_memory_channel[Cid](1024)

    @property
    def peer_id(self) -> str:
        """This node's peer id."""
        return str(self.host.get_id())

    def addresses(self) -> list[str]:
        """Multiaddrs, with the peer id, under which other nodes can dial this one."""
        suffix = f"/p2p/{self.peer_id}"
        return [text if text.endswith(suffix) else text + suffix for text in map(str, self.host.get_addrs())]

    def peers(self) -> list[tuple[str, str]]:
        """Connected peers: (peer id, remote address)."""
        found = []
        for peer, connections in self.host.get_network().get_connections_map().items():
            for connection in connections[:1]:
                addresses = [str(address) for address in connection.get_transport_addresses()]
                found.append((str(peer), addresses[0] if addresses else ""))
        return found

    async def connect(self, text: str) -> str:
        """Dial ``/ip4/.../tcp/.../p2p/ID`` and keep the connection alive from now on; returns the peer id.

        Raises:
            ContentError: the address cannot be read.
            StorageError: nobody answers there, or somebody else does.
        """
        info = _parse(text)
        peer = str(info.peer_id)
        if peer == self.peer_id:
            raise ContentError(f"{text} is this daemon's own address; give another node's")
        try:
            await self._dial(info)
        except StorageError:
            if peer not in self._known:
                raise
        self._remember(peer, info)
        if not self.host.is_peer_connected(info.peer_id):
            raise StorageError(f"cannot reach {text}; is that daemon running, with the same swarm key?")
        return peer

    def provide(self, cid: Cid) -> None:
        """Announce in the DHT, in the background, that this node serves a CID. When too many wait it is
        dropped: connected peers find the content without it."""
        with suppress(trio.WouldBlock):
            self._to_provide.send_nowait(cid)

    async def find_providers(self, cid: Cid, count: int) -> list[PeerInfo]:
        """Peers that the DHT, or a connected peer's own word, names as holders of a CID."""
        with trio.move_on_after(_FIND_TIMEOUT):
            found: list[PeerInfo] = await self._dht.find_providers(str(cid), count)
            return found
        return []

    async def on_connected(self, peer: ID) -> None:
        self.exchange.peer_joined(peer)
        with suppress(Exception):
            await self._dht.add_peer(peer, skip_server_mode_check=True)
        self._newcomer.set()

    def on_disconnected(self, peer: ID) -> None:
        if self.host.get_network().get_connections(peer):
            return
        self.exchange.peer_left(peer)
        if (lost := self._lost.get(str(peer))) is not None:
            lost.set()

    @asynccontextmanager
    async def running(self, listen: Sequence[str], bootstrap: Sequence[str]) -> AsyncIterator[None]:
        """Listen, exchange and stay connected while the body runs.

        Raises:
            StorageError: an address cannot be listened on.
        """
        addresses = [Multiaddr(text) for text in listen]
        for address in addresses:
            _check_free(address)
        self._known = self._load_known()
        async with self.host.run(listen_addrs=addresses), background_trio_service(self._dht):
            network = self.host.get_network()
            if len(network.listeners) < len(addresses):
                raise StorageError(f"cannot listen on {', '.join(listen)}; choose another --listen address")
            network.register_notifee(_Watcher(self))
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                await nursery.start(self.exchange.run)
                nursery.start_soon(self._provide_forever)
                nursery.start_soon(self._provide_pins_forever)
                for text in bootstrap:
                    info = _parse(text)
                    if str(info.peer_id) != self.peer_id:
                        self._known[str(info.peer_id)] = [str(address) for address in info.addrs]
                for peer in self._known:
                    self._keep(peer)
                yield
                nursery.cancel_scope.cancel()

    async def _dial(self, info: PeerInfo) -> None:
        network = self.host.get_network()
        if self.host.is_peer_connected(info.peer_id):
            return
        network.unblock_peer(info.peer_id)
        for address in info.addrs:
            with trio.move_on_after(DIAL_TIMEOUT):
                try:
                    await network.dial_addr(address, info.peer_id)
                except Exception as error:  # noqa: BLE001 - libp2p raises exceptions of many kinds here
                    log.debug("dialling %s failed: %s", address, error)
                    continue
                self.host.get_peerstore().clear_addrs(info.peer_id)
                self.host.get_peerstore().add_addrs(info.peer_id, [address], 0)
                return
        raise StorageError(
            f"cannot reach {info.addrs[0] if info.addrs else info.peer_id}; is that daemon running, with "
            f"the same swarm key?"
        )

    def _remember(self, peer: str, info: PeerInfo) -> None:
        first = peer not in self._known
        self._known[peer] = [str(address) for address in info.addrs]
        while len(self._known) > _MAX_KNOWN:
            self._known.pop(next(iter(self._known)))
        temporary = self._known_path.with_suffix(".tmp")
        with suppress(OSError):
            temporary.write_text(json.dumps(self._known))
            temporary.replace(self._known_path)
        if first:
            self._keep(peer)

    def _load_known(self) -> dict[str, list[str]]:
        try:
            stored = json.loads(self._known_path.read_text())
            return {str(peer): [str(address) for address in addresses] for peer, addresses in stored.items()}
        except (OSError, ValueError, AttributeError):
            return {}

    def _keep(self, peer: str) -> None:
        if self._nursery is not None:
            self._nursery.start_soon(self._keep_connected, peer)

    async def _keep_connected(self, peer: str) -> None:
        """Dial until connected, wait for the connection to be lost, begin again."""
        identity, pause = ID.from_string(peer), _FIRST_PAUSE
        while peer in self._known:
            lost = self._lost[peer] = trio.Event()
            try:
                await self._dial(PeerInfo(identity, [Multiaddr(text) for text in self._known[peer]]))
                pause = _FIRST_PAUSE
                if self.host.is_peer_connected(identity):
                    await lost.wait()
            except StorageError:
                pause = min(pause * 2, _LONGEST_PAUSE)
            await trio.sleep(pause)
        self._lost.pop(peer, None)

    async def _provide_forever(self) -> None:
        async for cid in self._provide_queue:
            with trio.move_on_after(_PROVIDE_TIMEOUT), suppress(Exception):
                await self._dht.provide(str(cid))
            await trio.sleep(_PROVIDE_PAUSE)

    async def _provide_pins_forever(self) -> None:
        """Announce what is pinned again when peers have joined, who may hold no record of it, and twice a day."""
        while True:
            with trio.move_on_after(_PROVIDE_AGAIN):
                await self._newcomer.wait()
            self._newcomer = trio.Event()
            for cid in await trio.to_thread.run_sync(self._pins):
                await self._to_provide.send(cid)
            await trio.sleep(_PROVIDE_ROUND)

    async def _connect_providers(self, cid: Cid) -> None:
        """Ask the DHT who holds a CID and connect to whoever is not connected yet."""
        with suppress(Exception):
            for info in (await self.find_providers(cid, 8))[:8]:
                if str(info.peer_id) != self.peer_id and info.addrs:
                    with suppress(StorageError):
                        await self._dial(info)


def make_host(keys: KeyPair, swarm_key: str | None) -> BasicHost:
    """A TCP host that speaks only Noise and TLS over yamux. ``swarm_key`` is 64 hexadecimal digits or
    None."""
    noise = NoiseTransport(keys, noise_privkey=new_noise_key().private_key)
    limits = new_resource_manager(
        enable_memory_limits=False, enable_circuit_breaker=False, enable_graceful_degradation=False
    )
    return new_host(
        key_pair=keys,
        sec_opt={NOISE: noise, TLS: TLSTransport(keys)},
        muxer_opt=create_yamux_muxer_option(),
        resource_manager=limits,
        connection_config=ConnectionConfig(low_watermark=0, min_connections=0, max_connections_per_peer=2),
        psk=swarm_key,
    )


def _parse(text: str) -> PeerInfo:
    try:
        return info_from_p2p_addr(Multiaddr(text))
    except Exception as error:
        raise ContentError(
            f"not a peer's address: {text[:200]!r}; expected /ip4/ADDRESS/tcp/PORT/p2p/PEER_ID"
        ) from error


def _check_free(address: Multiaddr) -> None:
    """libp2p listens with SO_REUSEPORT, under which two daemons would silently share a port."""
    values = {protocol.name: value for protocol, value in address.items()}
    host, port = values.get("ip4") or values.get("ip6"), int(values.get("tcp") or 0)
    if host is None or "tcp" not in values:
        raise StorageError(f"cannot listen on {address}; expected /ip4/ADDRESS/tcp/PORT")
    family = socket.AF_INET if "ip4" in values else socket.AF_INET6
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise StorageError(
                    f"port taken: {address}; stop what listens there or choose another --listen"
                ) from error
            raise StorageError(f"cannot listen on {address}: {error.strerror}") from error
