"""The configuration of one node: read from TOML, checked whole, every mistake reported at once."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError

from node.errors import SpecError
from node.spec.fields import Name, Section, choice, option
from node.spec.jobfile import BUILT_IN_SOURCES
from node.spec.mistakes import Mistake, from_validation, not_allowed, raise_all, unknown_key
from node.toml_file import lay_over, read_toml

ROLES: Mapping[str, int] = {"trainer": 1, "validator": 2, "supernode": 4, "predictor": 8}
_DEVICE = re.compile(r"auto|cpu|cuda(:[0-9]{1,3})?")
_MULTIADDR = re.compile(r"(/[A-Za-z0-9._:%-]+){2,}")
_MAX_PEER = 256  # bytes; the registry takes no more


def _url(*schemes: str) -> AfterValidator:
    def check(value: str) -> str:
        parts = urlsplit(value)
        # Reading the port raises ValueError when it is no port.
        if parts.scheme not in schemes or not parts.hostname or parts.port == 0:
            raise ValueError("not a URL")
        return value.rstrip("/")

    return AfterValidator(check)


def _path(value: object) -> object:
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise ValueError("not a path")
    return Path(value).expanduser()


def _listen(value: str) -> str:
    host, _, port = value.rpartition(":")
    if value and (not host or not port.isdecimal() or int(port) >= 1 << 16):
        raise ValueError("not host:port")
    return value


def _matches(pattern: re.Pattern[str]) -> AfterValidator:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError("no match")
        return value

    return AfterValidator(check)


def _roles(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value or len(set(value)) != len(value) or not set(value) <= set(ROLES):
        raise ValueError("not roles")
    return value


def _jobs(value: object) -> object:
    if value == "all":
        return value
    if not isinstance(value, list | tuple) or not value:
        raise ValueError("not job ids")
    if not all(isinstance(item, int) and not isinstance(item, bool) and item >= 0 for item in value):
        raise ValueError("not job ids")
    return tuple(value)


RpcUrl = Annotated[str, _url("http", "https", "ws", "wss")]
HttpUrl = Annotated[str, _url("http", "https")]
FilePath = Annotated[Path, BeforeValidator(_path), Field(strict=False)]


class ChainConfig(Section):
    """Which chain, and which deployment on it."""

    rpc: RpcUrl = option(
        "http://127.0.0.1:8545", "a URL http://host:port (or https, ws, wss)", "JSON-RPC endpoint"
    )
    deployment: FilePath = option(
        Path("deployments/31337.json"),
        "the path of a deployment file",
        "what was deployed where",
        validate_default=False,
    )


class IdentityConfig(Section):
    """The node's own key. Without one the agent only watches (dry run)."""

    keystore: FilePath | None = option(None, "the path of an encrypted keystore", "the node's key")
    password_file: FilePath | None = option(
        None, "the path of a file whose first line is the password", "password of the keystore"
    )
    devnet_key: int | None = option(
        None, "a whole number from 0 to 999", "index of a well-known key; on a devnet only", ge=0, le=999
    )


class NodeSection(Section):
    """What the node is and does."""

    name: Name | None = option(
        None,
        "1 to 64 letters, digits, spaces, dots, dashes",
        "what logs call the node; its address when left out",
    )
    roles: Annotated[tuple[str, ...], Field(strict=False), AfterValidator(_roles)] = option(
        ("trainer", "validator"), f"a list of different names out of {', '.join(ROLES)}", "what the node does"
    )
    capacity: int = option(
        1,
        "a whole number from 1 to 65535",
        "training capacity, in equal units of the consortium",
        ge=1,
        le=65535,
    )
    data_dir: FilePath = option(
        Path(".milon"),
        "the path of a folder",
        "where the node keeps its cache",
        validate_default=False,
    )
    device: Annotated[str, _matches(_DEVICE)] = option(
        "auto", "auto, cpu, cuda or cuda:N", "where PyTorch computes; auto takes CUDA if there is any"
    )
    threads: int = option(1, "a whole number from 1 to 1024", "CPU threads of PyTorch", ge=1, le=1024)
    private_data: str | None = option(
        None,
        f"{', '.join(BUILT_IN_SOURCES)}, or the path of a .npz file, a .csv file or a folder of images",
        "the node's own data, for jobs with data.mode private; it never leaves the node",
        min_length=1,
    )
    jobs: Annotated[Literal["all"] | tuple[int, ...], BeforeValidator(_jobs)] = option(
        "all", "all, or a list of job ids such as [1, 2]", "jobs that the node takes part in"
    )
    keep_updates: bool = option(
        True, "true or false", "validators serve every update that they fetched until its round is final"
    )
    keep_leases: bool = option(
        True,
        "true or false",
        "lease the same epochs of the next round with each update, without a transaction",
    )
    settle_every: int = option(
        10,
        "a whole number from 1 to 200",
        "closed rounds of a job whose rewards are collected in one transaction",
        ge=1,
        le=200,
    )
    drain: float = option(
        30.0,
        "seconds from 0 to 86400",
        "how long an agent that is told to stop goes on to deliver what it leased; 0 stops it at once",
        ge=0,
        le=86400,
    )

    @property
    def role_mask(self) -> int:
        """The roles as the registry's bitmask: TRAINER 1, VALIDATOR 2, SUPERNODE 4, PREDICTOR 8."""
        return sum(ROLES[role] for role in self.roles)

    @property
    def declared_capacity(self) -> int:
        """What the registry wants to hear: 0 for a node that is no trainer."""
        return self.capacity if "trainer" in self.roles else 0


class IpfsConfig(Section):
    """The IPFS daemon beside the node."""

    api: HttpUrl = option("http://127.0.0.1:5001", "a URL http://host:port", "RPC API of the IPFS daemon")
    peers: Annotated[
        tuple[Annotated[str, _matches(_MULTIADDR), Field(max_length=_MAX_PEER)], ...], Field(strict=False)
    ] = option(
        (),
        "a list of multiaddresses such as /ip4/10.0.0.5/tcp/4001/p2p/12D3...",
        "daemons to connect to at start",
    )
    timeout: float = option(
        30.0, "seconds > 0, up to 3600", "how long one fetch may stand still", gt=0, le=3600
    )
    replicate_models: bool = option(True, "true or false", "keep a copy of every final model and announce it")


class HealthConfig(Section):
    """The health and metrics endpoint."""

    listen: Annotated[str, AfterValidator(_listen)] = option(
        "127.0.0.1:0", 'host:port, with port 0 for any free one, or "" for none', "where it listens"
    )


class LogConfig(Section):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = choice(
        "info", ("debug", "info", "warning", "error"), "least severe that is logged"
    )
    format: Literal["text", "json"] = choice("text", ("text", "json"), "lines for people, or for machines")


SECTIONS: Mapping[str, type[Section]] = {
    "chain": ChainConfig,
    "identity": IdentityConfig,
    "node": NodeSection,
    "ipfs": IpfsConfig,
    "health": HealthConfig,
    "log": LogConfig,
}


class NodeConfig(Section):
    """The whole configuration; all paths are absolute. Build it with `load_config` or `check_config`."""

    chain: ChainConfig
    identity: IdentityConfig
    node: NodeSection
    ipfs: IpfsConfig
    health: HealthConfig
    log: LogConfig


def load_config(path: Path | str | None, overrides: Mapping[str, str] | None = None) -> NodeConfig:
    """Reads and checks a node's configuration.

    Args:
        path: a TOML file, from whose folder relative paths are taken; None for the defaults.
        overrides: dotted keys to values as a user types them, such as ``{"node.capacity": "4"}``.

    Raises:
        SpecError: the file cannot be read, is not TOML, or holds mistakes: all of them, one per line.
    """
    where = "node configuration" if path is None else str(path)
    if path is not None and not Path(path).exists():
        raise SpecError(
            f"{path}: no such file; write it with `milon node init {path}`, or give --config FILE"
        )
    raw = {} if path is None else read_toml(Path(path), "node configuration")
    folder = Path.cwd() if path is None else Path(path).absolute().parent
    return check_config(raw, folder, where, lay_over(raw, overrides or {}, "node.capacity"))


def check_config(
    raw: Mapping[str, Any],
    folder: Path,
    where: str = "node configuration",
    mistakes: list[Mistake] | None = None,
) -> NodeConfig:
    """A NodeConfig from tables, with relative paths taken from ``folder``.

    Raises:
        SpecError: lists every mistake, and those that the caller found before, one per line.
    """
    found = list(mistakes or [])
    found += [unknown_key(key, SECTIONS) for key in raw if key not in SECTIONS]
    tables = {name: raw.get(name, {}) for name in SECTIONS}
    valid: dict[str, Section] = {}
    for name, model in SECTIONS.items():
        try:
            valid[name] = model.model_validate(tables[name])
        except ValidationError as error:
            found += from_validation(error, name, model)
    if isinstance(identity := valid.get("identity"), IdentityConfig):
        found += _check_identity(identity)
    raise_all(found, where)
    return NodeConfig(**{name: _resolve(section, folder) for name, section in valid.items()})


def _check_identity(identity: IdentityConfig) -> Iterator[Mistake]:
    if identity.devnet_key is not None and identity.keystore is not None:
        yield not_allowed(
            "identity.devnet_key", identity.devnet_key, "nothing beside identity.keystore; give one"
        )
    if identity.password_file is not None and identity.keystore is None:
        yield not_allowed(
            "identity.password_file", str(identity.password_file), "nothing without identity.keystore"
        )


def _resolve(section: BaseModel, folder: Path) -> Any:
    """Makes every path of a section absolute; a data set's name is not a path."""
    update: dict[str, Any] = {name: folder / value for name, value in section if isinstance(value, Path)}
    if isinstance(section, NodeSection) and section.private_data not in (None, *BUILT_IN_SOURCES):
        update["private_data"] = str(folder / Path(str(section.private_data)).expanduser())
    return section.model_copy(update=update)
