"""Run a command for as long as a parent holds our standard input open: ``python supervise.py COMMAND...``.

The parent's death closes the pipe however it dies, so nothing that it started stays behind. A file by
itself, run without site packages, so that it starts at once.
"""

import os
import signal
import subprocess
import sys
import threading
from types import FrameType

_GRACE_S = 5.0


def main(command: list[str]) -> int:
    """Run ``command``; its exit status. Ends it when standard input closes, and on SIGTERM and SIGINT."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603

    def end() -> None:
        child.terminate()
        try:
            child.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            child.kill()

    def on_signal(number: int, frame: FrameType | None) -> None:
        threading.Thread(target=end, daemon=True).start()

    def on_close() -> None:
        # Not sys.stdin: a thread that waits in it makes the interpreter abort when the child ends first.
        while os.read(0, 1024):
            pass
        end()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    threading.Thread(target=on_close, daemon=True).start()
    return child.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
