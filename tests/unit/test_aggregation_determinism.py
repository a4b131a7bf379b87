"""Equal bytes for everyone: any thread count, order, process, vector width and BLAS; bounded memory."""

import hashlib
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from node.aggregation import RuleSpec, Update, aggregate
from node.aggregation.krum import squared_distances
from node.tensors import ArrayState, StateFile, digest, save

RULES = [
    RuleSpec("fedavg"),
    RuleSpec("fedavgm", {"beta": 0.9, "server_lr": 0.3}),
    RuleSpec("median"),
    RuleSpec("trimmed_mean", {"trim": 2}),
    RuleSpec("krum", {"f": 1}),
    RuleSpec("multi_krum", {"f": 1, "m": 4}),
]
COUNT = 7


def state(seed: int, size: int = 1_100_000) -> dict[str, np.ndarray]:
    """Values by integer arithmetic alone, so that no library's generator decides the pinned digests."""
    mixed = (np.arange(size, dtype=np.uint64) + np.uint64(seed * 7919 + 1)) * np.uint64(0x9E3779B97F4A7C15)
    signed = ((mixed >> np.uint64(40)).astype(np.int64) - (1 << 23)).astype(np.float64) * 2.0**-23
    big = np.ldexp(signed, np.arange(size) % 9 - 5).astype(np.float32)
    return {
        "layer.weight": big.reshape(-1, 100),
        "layer.bias": big[:37].astype(np.float16),
        "wide": signed[:5000],
        "count": np.array(seed * 3),
    }


def digests(threads: int | None = None, order: slice = slice(None)) -> dict[str, str]:
    """Hex digests of what each rule makes of the same updates, and of the distances Krum goes by."""
    updates = [Update(i, 10 + i, ArrayState(state(i))) for i in range(COUNT)][order]
    previous, before = ArrayState(state(100)), ArrayState(state(101))
    found = {
        rule.name: digest(aggregate(rule, updates, previous, before, threads=threads).state).hex()
        for rule in RULES
    }
    sources = [update.state for update in sorted(updates, key=lambda update: update.index)]
    distances = squared_distances(sources, previous, previous.schema, threads)
    return found | {"distances": hashlib.sha256(distances.astype("<f8").tobytes()).hexdigest()}


PINNED = {
    "fedavg": "0bad3ea6e0fc7b266baf4d1c334d7da8da57e72efdb335e26bf636ba9bdb1782",
    "fedavgm": "d4b0d47ebbbf2e70bce30587aeec92ea1e8d5a4f3b181c651e743b51bc27dfae",
    "median": "8abc39092c7fa1f1f4ac63046ca1c09d478d9beb7bca79c7179f93a43b5be262",
    "trimmed_mean": "b5a06db73eb47c1ac96b62f05d33c0d3141cec9c9f3014ed7821f38239c3d83e",
    "krum": "2668cd71ded58b3ba6ec0d8db43d9d5b85e68aee2134cd32b54bd264744c5784",
    "multi_krum": "6fe1352672c5b596bfb2745fec607c1057e3236259849e75202026aeadba2861",
    "distances": "b94e40eb0060bacfe6cd9717380a1e3c072f436fa57067f980c96ec12434b656",
}


@pytest.fixture(scope="module")
def reference() -> dict[str, str]:
    return digests(threads=1)


def test_aggregate_of_known_updates_then_the_pinned_digests(reference: dict[str, str]) -> None:
    assert reference == PINNED


@pytest.mark.parametrize("threads", [2, 5, None])
def test_aggregate_when_threads_differ_then_equal_bytes(
    reference: dict[str, str], threads: int | None
) -> None:
    assert digests(threads=threads) == reference


def test_aggregate_when_updates_arrive_in_reverse_then_equal_bytes(reference: dict[str, str]) -> None:
    assert digests(order=slice(None, None, -1)) == reference


@pytest.mark.parametrize(
    "environment",
    [
        {"OPENBLAS_NUM_THREADS": "1"},
        {
            "OPENBLAS_NUM_THREADS": "2",
            "OPENBLAS_CORETYPE": "Nehalem",
            "NPY_DISABLE_CPU_FEATURES": "AVX512_SPR AVX512_ICL X86_V4 X86_V3 AVX512_SKX AVX512F AVX2 FMA3",
        },
    ],
    ids=["fresh process", "narrow vectors and another BLAS kernel"],
)
def test_aggregate_when_computed_in_another_process_then_equal_bytes(
    reference: dict[str, str], environment: dict[str, str]
) -> None:
    script = "import test_aggregation_determinism as t; print(t.digests())"
    printed = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        env={**os.environ, **environment, "PYTHONPATH": f"{Path(__file__).parent}{os.pathsep}{Path.cwd()}"},
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    assert printed.stdout.strip() == str(reference)


@pytest.mark.parametrize("rule", RULES[:2], ids=lambda rule: rule.name)
def test_mean_rules_when_updates_multiply_then_peak_memory_does_not_grow(
    tmp_path: Path, rule: RuleSpec
) -> None:
    save(state(1), tmp_path / "update")

    def peak(count: int) -> int:
        updates = [Update(i, i + 1, StateFile(tmp_path / "update")) for i in range(count)]
        tracemalloc.start()
        try:
            aggregate(rule, updates, updates[0].state, updates[1].state, out=tmp_path / "out", threads=1)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(3)
    few, many = peak(3), peak(48)
    assert many < few + 100_000
    assert many < 4_400_000


@pytest.mark.parametrize("rule", RULES[2:], ids=lambda rule: rule.name)
def test_robust_rules_when_the_model_grows_then_peak_memory_does_not(tmp_path: Path, rule: RuleSpec) -> None:
    def peak(size: int) -> int:
        save(state(1, size), tmp_path / "update")
        updates = [Update(i, i + 1, StateFile(tmp_path / "update")) for i in range(COUNT)]
        tracemalloc.start()
        try:
            aggregate(rule, updates, updates[0].state, out=tmp_path / f"out{size}", threads=1)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(300_000)
    assert peak(1_500_000) < peak(300_000) + 100_000
