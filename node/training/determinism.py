"""The same inputs give the same bytes: seeds named by the work, PyTorch's switches set and restored."""

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from node.errors import TrainingError

# PyTorch's random state, threads and switches belong to the process: one computation owns them at a time.
_OWNER = threading.RLock()


def derive_seed(job: int, round: int, epoch: int) -> int:
    """63-bit seed of one epoch's training: the head of SHA-256 over the three numbers (each below 2**256)."""
    text = b"milon-seed-1" + b"".join(number.to_bytes(32, "big") for number in (job, round, epoch))
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1


def choose_device(name: str) -> torch.device:
    """The device for ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; ``auto`` is CUDA where there is any.

    Raises:
        TrainingError: no such device on this machine.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cpu":
        return torch.device("cpu")
    kind, _, index = name.partition(":")
    if kind != "cuda" or (index and not index.isdecimal()):
        raise TrainingError(f"device {name!r} is not allowed: auto, cpu, cuda or cuda:N")
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(index or 0) >= found:
        raise TrainingError(
            f"device {name!r} is not on this machine ({found} CUDA devices): set device to cpu or auto"
        )
    # cuBLAS sums in a fixed order only with a workspace of fixed size, set before its first handle is made.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return torch.device("cuda", int(index or 0))


@contextmanager
def deterministic(device: torch.device, threads: int | None = None) -> Iterator[None]:
    """Runs its body with deterministic algorithms and a random state of its own; restores everything after.

    Args:
        device: where the body computes.
        threads: CPU threads; None leaves them as they are.
    """
    with _OWNER, ExitStack() as after:
        after.enter_context(torch.random.fork_rng(devices=[device] if device.type == "cuda" else []))
        # Not use_deterministic_algorithms: that loads the compiler as well, seconds in every new process.
        after.callback(torch.set_deterministic_debug_mode, torch.get_deterministic_debug_mode())
        torch.set_deterministic_debug_mode("warn")
        # Filling new memory would only hide reads of it, at a cost in every allocation.
        memory: Any = torch.utils.deterministic
        fill = memory.fill_uninitialized_memory
        after.callback(setattr, memory, "fill_uninitialized_memory", fill)
        memory.fill_uninitialized_memory = False
        if device.type == "cuda":
            flags = torch.backends.cudnn.flags(
                enabled=True, benchmark=False, deterministic=True, allow_tf32=False
            )
            after.enter_context(flags)
        if threads is not None and threads != torch.get_num_threads():
            after.callback(torch.set_num_threads, torch.get_num_threads())
            torch.set_num_threads(threads)
        yield


def seed_device(device: torch.device, seed: int) -> None:
    """Seeds the random state of the CPU and, if it is another, of ``device``; of no other device."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
