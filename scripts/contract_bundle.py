"""Write `dist/milon-contracts-VERSION.tar.gz`: what a program in any language needs of the contracts.

Equal contents give equal bytes. The contracts are those that are committed compiled, in `chain/abi`; the example of a
deployment is what `scripts/deploy.py` wrote for `examples/consortium.toml` on a fresh devnet.
"""

import gzip
import hashlib
import io
import json
import sys
import tarfile
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that it runs from a checkout that is not installed

from pydantic import TypeAdapter  # noqa: E402

from chain.artifacts import load_artifact, written_hash  # noqa: E402
from chain.codec import signature  # noqa: E402
from chain.compiler import sources_hash  # noqa: E402
from chain.deployment_file import CONTRACTS, FORMAT, INTERFACES, Deployment, read_deployment  # noqa: E402
from chain.errors import MilonError  # noqa: E402

README = Path(__file__).with_name("contract_bundle.readme.md")
EXAMPLE = ROOT / "examples" / "deployment.json"


def main() -> int:
    """Write the archive and print its path; exit code 1 if the compiled contracts are not current."""
    try:
        print(write(ROOT / "dist"))
    except MilonError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def write(folder: Path) -> Path:
    """Write the archive into `folder`; its path. Raises MilonError."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    name = f"milon-contracts-{version}"
    files = contents()
    sums = "".join(f"{hashlib.sha256(files[path]).hexdigest()}  {path}\n" for path in sorted(files))
    files["SHA256SUMS"] = sums.encode()
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(files):
            entry = tarfile.TarInfo(f"{name}/{path}")
            entry.size, entry.mode = len(files[path]), 0o644
            archive.addfile(entry, io.BytesIO(files[path]))
    target = folder / f"{name}.tar.gz"
    folder.mkdir(parents=True, exist_ok=True)
    target.write_bytes(gzip.compress(raw.getvalue(), mtime=0))
    return target


def contents() -> dict[str, bytes]:
    """What the archive holds, by path. Raises MilonError if what is compiled is not of these sources."""
    if written_hash() != sources_hash(ROOT):
        raise MilonError("chain/abi is not of the present contracts; run `make abi`")
    read_deployment(EXAMPLE)
    files = {
        "README.md": README.read_bytes(),
        "LICENSE": (ROOT / "LICENSE").read_bytes(),
        "solc.json": (ROOT / "chain" / "solc-settings.json").read_bytes(),
        "deployment.example.json": EXAMPLE.read_bytes(),
        "deployment.schema.json": _json(deployment_schema()),
    }
    for name in CONTRACTS:
        artifact = load_artifact(name)
        files[f"abi/{name}.json"] = _json(callable_abi(name))
        files[f"bytecode/{name}.hex"] = f"{artifact.bytecode.hex()}\n".encode()
        files[f"bytecode/{name}.runtime.hex"] = f"{artifact.deployed_bytecode.hex()}\n".encode()
    sources = (p for p in (ROOT / "contracts").rglob("*.sol") if not p.name.endswith(".t.sol"))
    for file in (*sources, *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").glob("*.toml")):
        files[file.relative_to(ROOT).as_posix()] = file.read_bytes()
    return files


def callable_abi(name: str) -> list[dict[str, Any]]:
    """The ABI to call a contract by: its own, and what it passes on to another contract's code."""
    abi = load_artifact(name).abi
    wide = load_artifact(INTERFACES[name]).abi if name in INTERFACES else []
    # The interface names what the code of a view may leave without a name.
    known = {(entry["type"], signature(entry)) for entry in wide}
    own = (e for e in abi if "name" not in e or (e["type"], signature(e)) not in known)
    return [*own, *wide]


def deployment_schema() -> dict[str, Any]:
    """JSON Schema of the deployment file, from the type that reads it."""
    schema = TypeAdapter(Deployment).json_schema()
    schema["properties"] = {"format": {"const": FORMAT}, **schema["properties"]}
    schema["required"] = ["format", *schema["required"]]
    schema["properties"]["contracts"]["required"] = list(CONTRACTS)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Deployment of Milon's contracts on one chain",
        **{key: value for key, value in schema.items() if key != "title"},
    }


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()


if __name__ == "__main__":
    sys.exit(main())
