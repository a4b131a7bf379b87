"""Arrows between the rooms of the house point down only (docs/architecture.md)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

# What the files of a folder must not import, by the beginning of the module's name.
FORBIDDEN = {
    "chain": ("node", "torch", "libp2p", "ipfshttpclient", "safetensors"),
    "node/tensors": (
        "chain.contracts",
        "node.storage",
        "node.data",
        "node.training",
        "node.aggregation",
        "node.agent",
    ),
    "node/aggregation": ("torch", "node.storage", "node.agent", "node.training", "node.cli", "web3"),
    "node/data": ("node.storage", "node.agent", "node.training", "node.cli", "web3"),
    "node/training": ("node.storage", "node.agent", "node.cli", "web3"),
    "node/storage": ("node.agent", "node.training", "node.aggregation", "torch", "web3"),
    "node/audit": ("node.agent", "node.cli"),
    "node/agent": ("node.cli", "node.audit", "node.localnet"),
    "node": ("tests", "scripts"),
}


def imports(file: Path) -> Iterator[str]:
    for statement in ast.walk(ast.parse(file.read_text())):
        if isinstance(statement, ast.Import):
            yield from (name.name for name in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module:
            yield statement.module


@pytest.mark.parametrize(("folder", "forbidden"), FORBIDDEN.items(), ids=list(FORBIDDEN))
def test_folder_when_read_then_imports_nothing_from_above(folder: str, forbidden: tuple[str, ...]) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    wrong = [
        f"{file.relative_to(ROOT)} imports {module}"
        for file in files
        for module in imports(file)
        if any(module == name or module.startswith(f"{name}.") for name in forbidden)
    ]
    assert not wrong, "\n".join(wrong)


def test_shared_files_of_node_when_read_then_do_not_import_the_command_line_or_the_agent() -> None:
    wrong = [
        f"{file.name} imports {module}"
        for file in sorted((ROOT / "node").glob("*.py"))
        for module in imports(file)
        if module.startswith(("node.cli", "node.agent"))
    ]
    assert not wrong, "\n".join(wrong)
