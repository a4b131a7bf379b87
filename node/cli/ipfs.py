"""``milon ipfs``: the embedded IPFS daemon, and small tools for any daemon."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from chain.paths import home
from node.cli.common import emit, examples, json_option
from node.errors import StorageError

_DEFAULT_API = "http://127.0.0.1:5001"


_api = click.option(
    "--api",
    default=_DEFAULT_API,
    show_default=True,
    help="The daemon's RPC: a URL or a multiaddr; Kubo's works too.",
)
_timeout = click.option(
    "--timeout",
    type=click.FloatRange(min=0.1),
    default=60.0,
    show_default=True,
    help="Seconds for the whole transfer.",
)


@click.group(epilog=examples("milon ipfs daemon --repo ~/.milon/ipfs"))
def ipfs() -> None:
    """Run the embedded IPFS daemon, or talk to any IPFS daemon."""


@ipfs.command(
    epilog=examples(
        "milon ipfs daemon --repo ~/.milon/ipfs --bootstrap /ip4/192.0.2.7/tcp/4001/p2p/12D3KooW...",
    )
)
@click.option(
    "--repo", type=click.Path(file_okay=False, path_type=Path), default=lambda: home() / "ipfs",
    help="Directory of blocks, pins and the node's key.  [default: ~/.milon/ipfs, under MILON_HOME if that is set]",
)  # fmt: skip
@click.option(
    "--api", default="127.0.0.1:5001", show_default=True, metavar="HOST:PORT",
    help="Where the RPC listens. Whoever reaches it controls the daemon: keep it on loopback. Port 0: any "
    "free one.",
)  # fmt: skip
@click.option(
    "--listen", multiple=True, default=("/ip4/127.0.0.1/tcp/4001",), show_default=True, metavar="MULTIADDR",
    help="Where other nodes connect; /ip4/0.0.0.0/tcp/4001 for all interfaces. May be repeated.",
)  # fmt: skip
@click.option(
    "--bootstrap", multiple=True, metavar="MULTIADDR",
    help="A node to stay connected to, /ip4/.../tcp/.../p2p/ID. May be repeated.",
)  # fmt: skip
@click.option(
    "--swarm-key", type=click.Path(dir_okay=False, path_type=Path),
    help="Private network: a key file in Kubo's format; only holders of the same key can connect.",
)  # fmt: skip
@click.option("--exit-with-parent", is_flag=True, help="Stop when standard input ends.")
@json_option
def daemon(
    repo: Path,
    api: str,
    listen: tuple[str, ...],
    bootstrap: tuple[str, ...],
    swarm_key: Path | None,
    exit_with_parent: bool,
    as_json: bool,
) -> None:
    """Run an IPFS node until it is interrupted. One line is printed when it is ready."""
    from node.storage.daemon import DaemonConfig, Ready, run

    host, _, port = api.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise StorageError(f"--api {api!r} is not HOST:PORT; expected for example 127.0.0.1:5001")
    config = DaemonConfig(
        repo=repo.expanduser(),
        api_host=host.strip("[]").replace("localhost", "127.0.0.1"),
        api_port=int(port),
        listen=listen,
        bootstrap=bootstrap,
        swarm_key=swarm_key,
        exit_with_parent=exit_with_parent,
    )

    def ready(state: Ready) -> None:
        data = {"api": state.api, "peer_id": state.peer_id, "addresses": list(state.addresses)}
        text = f"IPFS API {state.api}, peer {state.peer_id}, listening on {', '.join(state.addresses)}"
        click.echo(json.dumps(data) if as_json else text)
        sys.stdout.flush()

    run(config, ready)


@ipfs.command("id", epilog=examples("milon ipfs id --json"))
@_api
@json_option
def identity(api: str, as_json: bool) -> None:
    """Show the daemon's peer id and addresses."""
    from node.storage.ipfs import IpfsClient

    found = IpfsClient(api).identity()
    emit(
        as_json,
        {"peer_id": found.peer_id, "addresses": found.addresses},
        "\n".join([found.peer_id, *(f"  {address}" for address in found.addresses)]),
    )


@ipfs.command(epilog=examples("milon ipfs peers"))
@_api
@json_option
def peers(api: str, as_json: bool) -> None:
    """List the peers that the daemon is connected to."""
    from node.storage.ipfs import IpfsClient

    found = IpfsClient(api).peers()
    emit(as_json, found, "\n".join(found) or "no peers; connect one with `milon ipfs connect`")


@ipfs.command(epilog=examples("milon ipfs connect /ip4/192.0.2.7/tcp/4001/p2p/12D3KooW..."))
@click.argument("multiaddr")
@_api
@json_option
def connect(multiaddr: str, api: str, as_json: bool) -> None:
    """Connect the daemon to another node, and keep it connected."""
    from node.storage.ipfs import IpfsClient

    IpfsClient(api).connect(multiaddr)
    emit(as_json, {"connected": multiaddr}, f"connected to {multiaddr}")


@ipfs.command(epilog=examples("milon ipfs add model.safetensors"))
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_api
@_timeout
@json_option
def add(file: Path, api: str, timeout: float, as_json: bool) -> None:
    """Store and pin a file; prints its CID."""
    from node.storage.ipfs import IpfsClient

    cid = IpfsClient(api, timeout=timeout).add(file)
    emit(as_json, {"cid": cid, "bytes": file.stat().st_size}, cid)


@ipfs.command(epilog=examples("milon ipfs cat bafkrei... --output model.safetensors"))
@click.argument("cid")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write to a file.")
@click.option(
    "--max-bytes",
    type=click.IntRange(min=0),
    default=1024**3,
    show_default=True,
    help="Refuse anything larger.",
)
@_api
@_timeout
@json_option
def cat(cid: str, output: Path | None, max_bytes: int, api: str, timeout: float, as_json: bool) -> None:
    """Fetch content by CID, to standard output or a file."""
    from node.storage.ipfs import IpfsClient

    client = IpfsClient(api, timeout=timeout)
    if output is None:
        if as_json:
            raise click.UsageError("--json needs --output, since the content itself goes to standard output")
        sys.stdout.buffer.write(client.fetch(cid, max_bytes=max_bytes))
        return
    size = client.fetch_to(output, cid, max_bytes=max_bytes)
    emit(as_json, {"cid": cid, "bytes": size, "output": str(output)}, f"{size} bytes in {output}")


@ipfs.command(epilog=examples("milon ipfs gc"))
@_api
@json_option
def gc(api: str, as_json: bool) -> None:
    """Delete unpinned blocks from the daemon's disk."""
    from node.storage.ipfs import IpfsClient

    count = IpfsClient(api).collect()
    emit(as_json, {"deleted_blocks": count}, f"{count} blocks deleted")
