"""Where Milon keeps a user's own files: keys, locks, the local chain's state."""

import os
from pathlib import Path


def home() -> Path:
    """Milon's folder of this user: the environment's ``MILON_HOME``, or ``~/.milon``. It may not exist
    yet."""
    configured = os.environ.get("MILON_HOME")
    return Path(configured).expanduser() if configured else Path.home() / ".milon"


def private_directory(path: Path) -> Path:
    """Create ``path`` so that only its owner may enter it, and return it."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path
