"""The wheel holds all that an installed agent needs: no compiler, no Node.js, no source checkout."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
LOAD_ALL = """
from chain.artifacts import ABI_DIRECTORY, load_artifact
from chain.deployment_file import CONTRACTS
assert "installed" in str(ABI_DIRECTORY), ABI_DIRECTORY
print(sum(len(load_artifact(name).bytecode) > 0 for name in CONTRACTS), len(CONTRACTS))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built here and unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
        timeout=110,
    )
    (wheel,) = folder.glob("*.whl")
    target = folder / "installed"
    zipfile.ZipFile(wheel).extractall(target)
    return target


def run(installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=installed,
        env={"PYTHONPATH": str(installed), "PATH": "/nonexistent", "HOME": str(installed)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_wheel_when_unpacked_without_nodejs_then_has_every_contract(installed: Path) -> None:
    done = run(installed, "-c", LOAD_ALL)
    assert done.returncode == 0, done.stderr
    found, wanted = done.stdout.split()
    assert found == wanted != "0"


def test_wheel_when_unpacked_then_the_command_line_works(installed: Path) -> None:
    done = run(installed, "-m", "node.cli.main", "--version")
    assert done.returncode == 0, done.stderr
    assert "0.1.0" in done.stdout


def test_wheel_when_unpacked_then_holds_no_tests_and_names_its_console_script(installed: Path) -> None:
    assert not (installed / "tests").exists()
    (entry_points,) = installed.glob("*.dist-info/entry_points.txt")
    assert "milon = node.cli.main:main" in entry_points.read_text()
