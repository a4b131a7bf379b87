"""The `milon` command on a test chain, in this process: what it prints, and its exit code."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from consortium_world import ACCOUNTS, World

from chain.devaccounts import DevAccount
from node.cli.main import run

TARGETS = (
    "MILON_RPC",
    "MILON_DEPLOYMENT",
    "MILON_IPFS",
    "MILON_KEYSTORE",
    "MILON_DEVNET_KEY",
    "MILON_PASSWORD",
    "MILON_PASSWORD_FILE",
    "MILON_CONFIG",
)


@dataclass(frozen=True)
class Said:
    """What one command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Shell:
    """Types commands for a world; `by` signs."""

    def __init__(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        self.world = world
        self._capsys = capsys

    def __call__(self, *words: str, by: DevAccount | None = None) -> Said:
        key = () if by is None else ("--devnet-key", str(ACCOUNTS.index(by)))
        self._capsys.readouterr()
        code = run([*words, *key])
        said = self._capsys.readouterr()
        return Said(code, said.out, said.err)

    def done(self, *words: str, by: DevAccount | None = None) -> str:
        """What a command that succeeds prints for people."""
        said = self(*words, by=by)
        assert said.code == 0, said.err
        return said.out

    def facts(self, *words: str, by: DevAccount | None = None) -> Any:
        """What a command that succeeds prints for machines."""
        said = self(*words, "--json", by=by)
        assert said.code == 0, said.err
        return said.json

    def refused(self, *words: str, by: DevAccount | None = None, code: int = 1) -> str:
        """The one line of a command that does not."""
        said = self(*words, by=by)
        assert (said.code, said.out) == (code, ""), said
        if code == 1:
            assert said.err.startswith("error: ") and said.err.count("\n") == 1, said.err
        return said.err


def open_shell(
    world: World, url: str, folder: Path, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    """A shell in an empty folder but for the deployment file, for the chain behind `url`."""
    for name in TARGETS:
        patch.delenv(name, raising=False)
    deployment = world.consortium.deployment
    (folder / "deployments").mkdir()
    (folder / "deployments" / f"{deployment.chain_id}.json").write_text(deployment.to_json())
    patch.chdir(folder)
    patch.setenv("MILON_HOME", str(folder / "home"))
    patch.setenv("MILON_RPC", url)
    return Shell(world, capsys)
