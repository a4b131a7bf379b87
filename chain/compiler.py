"""Solidity to ABI and bytecode, exactly as Hardhat would do it: same sources, source names and settings.

``python -m chain.compiler`` in a source checkout brings the artifacts in ``chain/abi`` up to date.
"""

import hashlib
import json
import re
import stat
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast

import solcx
from solcx.exceptions import SolcError, SolcNotInstalled

from chain.artifacts import (
    ABI_DIRECTORY,
    Artifact,
    CompileError,
    load_artifact,
    write_artifacts,
    written_hash,
)
from chain.nodejs import find_node

__all__ = [
    "ABI_DIRECTORY",
    "Artifact",
    "CompileError",
    "analyse",
    "compile_sources",
    "ensure_artifacts",
    "load_artifact",
    "settings_hash",
    "sources_hash",
    "write_artifacts",
    "written_hash",
]

_SETTINGS_FILE = Path(__file__).with_name("solc-settings.json")
_SHIM = Path(__file__).with_name("solc_shim.cjs")
_OUTPUTS = ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"]
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_IMPORT = re.compile(r"""\bimport\b[^;"']*["']([^"']+)["']""")


def compile_sources(root: Path, sources: Iterable[Path] | None = None) -> dict[str, Artifact]:
    """Compile the contracts of the project at ``root``; artifacts by contract name.

    ``sources`` are files under ``root``, by default all of ``contracts/`` but tests (``*.t.sol`` and
    ``contracts/test/``). Contracts of packages in ``node_modules`` are compiled where imported, and not
    returned. Raises CompileError.
    """
    root = root.resolve()
    files = sorted(sources) if sources is not None else _contract_files(root)
    request = _request(root, files, lambda name: {"*": _OUTPUTS} if name.startswith("project/") else {})
    output = _run(root, request)
    return _artifacts(output, settings_hash())


def analyse(root: Path) -> dict[str, Any]:
    """solc's standard JSON output for the project's contracts and all that they import, with syntax trees and
    ABIs: checked and not compiled further, which takes a second. Raises CompileError."""
    root = root.resolve()
    return _run(root, _request(root, _contract_files(root), lambda name: {"": ["ast"], "*": ["abi"]}))


def settings_hash() -> str:
    """SHA-256 of compiler version and settings."""
    return hashlib.sha256(json.dumps(_config(), sort_keys=True).encode()).hexdigest()


def sources_hash(root: Path) -> str:
    """SHA-256 over names and texts of the project's contracts and the settings: what decides the bytecode
    here."""
    digest = hashlib.sha256(settings_hash().encode())
    for file in _contract_files(root):
        for part in (file.relative_to(root).as_posix().encode(), file.read_bytes()):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def ensure_artifacts(root: Path, directory: Path = ABI_DIRECTORY) -> bool:
    """Compile and write unless the artifacts are of these very sources; whether it did. Raises
    CompileError."""
    sources = sources_hash(root)
    if written_hash(directory) == sources:
        return False
    write_artifacts(compile_sources(root), sources, directory)
    return True


class _Resolver:
    """Finds every imported file and gives each the name that Hardhat 3 gives it, since names decide the
    order in which solc lays things out: ``project/PATH``, ``npm/PACKAGE@VERSION/PATH`` with a remapping per
    package."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._texts: dict[str, str] = {}
        self._packages: dict[str, str] = {}

    def resolve(self, files: list[Path]) -> tuple[dict[str, str], list[str]]:
        for file in files:
            self._add(f"project/{file.relative_to(self._root).as_posix()}", file)
        remappings = [f"project/:{package}/={prefix}/" for package, prefix in sorted(self._packages.items())]
        return self._texts, remappings

    def _add(self, name: str, file: Path) -> None:
        if name in self._texts:
            return
        try:
            self._texts[name] = text = file.read_text()
        except OSError as error:
            raise CompileError(
                f"cannot read {file}: {error.strerror}; run `npm ci` if it is a package's"
            ) from error
        for target in _IMPORT.findall(_COMMENT.sub("", text)):
            if target.startswith("."):
                there = (file.parent / target).resolve()
                up = Path(name).parent
                for part in Path(target).parts:
                    up = up.parent if part == ".." else up / part
                self._add(up.as_posix(), there)
            else:
                self._add(*self._package_file(target))

    def _package_file(self, target: str) -> tuple[str, Path]:
        parts = target.split("/")
        package = "/".join(parts[: 2 if target.startswith("@") else 1])
        folder = self._root / "node_modules" / package
        if package not in self._packages:
            try:
                version = json.loads((folder / "package.json").read_text())["version"]
            except (OSError, ValueError, KeyError) as error:
                raise CompileError(
                    f"import {target!r}: package {package} is not installed; run `npm ci`"
                ) from error
            self._packages[package] = f"npm/{package}@{version}"
        inside = target.removeprefix(package + "/")
        return f"{self._packages[package]}/{inside}", folder / inside


def _request(root: Path, files: list[Path], outputs: Callable[[str], dict[str, list[str]]]) -> dict[str, Any]:
    """solc's standard JSON for these files, with the outputs that are wanted of each source by its name."""
    if not files:
        raise CompileError(f"no Solidity files in {root / 'contracts'}")
    units, remappings = _Resolver(root).resolve([file.resolve() for file in files])
    return {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in sorted(units.items())},
        "settings": {
            **_config()["settings"],
            "outputSelection": {name: outputs(name) for name in units},
            "remappings": remappings,
        },
    }


def _contract_files(root: Path) -> list[Path]:
    contracts = root / "contracts"
    return sorted(
        file
        for file in contracts.rglob("*.sol")
        if not file.name.endswith(".t.sol") and contracts / "test" not in file.parents
    )


def _config() -> dict[str, Any]:
    return cast(dict[str, Any], json.loads(_SETTINGS_FILE.read_text()))


def _run(root: Path, request: dict[str, Any]) -> dict[str, Any]:
    version = _config()["version"]
    try:
        native = solcx.install.get_executable(version)
    except SolcNotInstalled:
        native = None
    with tempfile.TemporaryDirectory(prefix="milon-solc-") as scratch:
        try:
            output = solcx.compile_standard(request, solc_binary=native or _shim(root, Path(scratch)))
        except SolcError as error:
            raise CompileError(_first_error(error)) from error
    return cast(dict[str, Any], output)


def _shim(root: Path, scratch: Path) -> Path:
    """py-solc-x runs one executable without arguments of ours, so the shim's arguments go into a script."""
    if not (root / "node_modules" / "solc").is_dir():
        raise CompileError(f"the Solidity compiler is not installed in {root}; run `npm ci` there")
    script = scratch / "solc"
    script.write_text(f'#!/bin/sh\nexec "{find_node()}" "{_SHIM}" "{root}" "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return script


def _first_error(error: SolcError) -> str:
    """What solc found wrong, in one line."""
    try:
        findings = json.loads(error.stdout_data or "")["errors"]
        first = next(f for f in findings if f["severity"] == "error")["formattedMessage"]
    except (ValueError, KeyError, StopIteration, TypeError):
        first = str(error.stderr_data or error.message)
    return f"the contracts do not compile: {' '.join(first.split())[:500]}"


def _artifacts(output: dict[str, Any], settings: str) -> dict[str, Artifact]:
    version = _config()["version"]
    artifacts: dict[str, Artifact] = {}
    for source, contracts in sorted(output["contracts"].items()):
        for name, contract in sorted(contracts.items()):
            if name in artifacts:
                raise CompileError(
                    f"two contracts are called {name}: in {artifacts[name].source_name} and {source}"
                )
            evm = contract["evm"]
            artifacts[name] = Artifact(
                name=name,
                source_name=source.removeprefix("project/"),
                compiler=version,
                settings_hash=settings,
                abi=contract["abi"],
                bytecode=_code(name, evm["bytecode"]["object"]),
                deployed_bytecode=_code(name, evm["deployedBytecode"]["object"]),
            )
    return artifacts


def _code(name: str, code: str) -> bytes:
    try:
        return bytes.fromhex(code)
    except ValueError as error:
        raise CompileError(
            f"{name} needs a library linked in; make the library's functions internal"
        ) from error


if __name__ == "__main__":
    here = Path(__file__).resolve().parent.parent
    print("compiled" if ensure_artifacts(here) else "already current")
