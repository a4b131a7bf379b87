"""Compiled contracts as they travel in the wheel: one JSON file per contract, so that an installed agent
needs no compiler and no Node.js.

The files in ``chain/abi`` are generated and committed. After a change of a contract run ``python -m
chain.compiler``; a test holds the files to the sources.
"""

import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from chain.errors import ChainError

ABI_DIRECTORY = Path(__file__).with_name("abi")


class CompileError(ChainError):
    """The contracts do not compile, or cannot be compiled here."""


@dataclass(frozen=True)
class Artifact:
    """One compiled contract. ``bytecode`` is empty for interfaces and abstract contracts.

    ``source_name`` is the path under the project's root, ``compiler`` solc's version, ``settings_hash`` the
    SHA-256 of the settings it ran with.
    """

    name: str
    source_name: str
    compiler: str
    settings_hash: str
    abi: list[dict[str, Any]]
    bytecode: bytes
    deployed_bytecode: bytes

    def to_json(self) -> str:
        """Stable JSON text: equal artifacts give equal bytes."""
        fields = asdict(self) | {
            "bytecode": "0x" + self.bytecode.hex(),
            "deployed_bytecode": "0x" + self.deployed_bytecode.hex(),
        }
        return json.dumps(fields, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Artifact":
        """The inverse of ``to_json``."""
        fields: dict[str, Any] = json.loads(text)
        for key in ("bytecode", "deployed_bytecode"):
            fields[key] = bytes.fromhex(fields[key][2:])
        return cls(**fields)


def write_artifacts(artifacts: dict[str, Artifact], sources: str, directory: Path = ABI_DIRECTORY) -> None:
    """Write one file per contract and ``index.json`` with the ``sources_hash``, and remove files of
    contracts that are no more."""
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.glob("*.json"):
        if old.stem not in artifacts:
            old.unlink()
    for name, artifact in artifacts.items():
        (directory / f"{name}.json").write_text(artifact.to_json())
    index = {"sources_hash": sources, "contracts": sorted(artifacts)}
    (directory / "index.json").write_text(json.dumps(index, indent=1) + "\n")
    load_artifact.cache_clear()


def written_hash(directory: Path = ABI_DIRECTORY) -> str | None:
    """The ``sources_hash`` that the artifacts in ``directory`` were made from; None if there are none."""
    try:
        return str(json.loads((directory / "index.json").read_text())["sources_hash"])
    except (OSError, ValueError, KeyError):
        return None


@lru_cache(maxsize=64)
def load_artifact(name: str, directory: Path = ABI_DIRECTORY) -> Artifact:
    """A compiled contract by name. Raises CompileError if there is none."""
    try:
        return Artifact.from_json((directory / f"{name}.json").read_text())
    except OSError as error:
        raise CompileError(f"no compiled contract {name!r}; run `python -m chain.compiler`") from error
    except (ValueError, KeyError, TypeError) as error:
        raise CompileError(f"{directory / name}.json is damaged; run `python -m chain.compiler`") from error
