"""How fast each aggregation rule reads its updates, beside a plain NumPy add over the same bytes.

    python benchmarks/aggregation.py                                     # 32 updates of 25 million float32
    python benchmarks/aggregation.py --updates 4 --parameters 1000000 --rules fedavg median

Updates are safetensors files in a temporary folder (3.2 GB at full size, removed at the end), read through
memory maps as an agent reads them; results are written to a file. A speed is the bytes of all updates, read
once, per second: the best of the repeats. The plain add accumulates the same mapped tensors in float32 on one
thread. The last line is JSON.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from node.aggregation import RULES, RuleSpec, Update, aggregate
from node.tensors import StateFile, save

_LAYERS = 4


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--updates", type=int, default=32, help="number of updates (default 32)")
    parser.add_argument(
        "--parameters", type=int, default=25_000_000, help="float32 each (default 25 million)"
    )
    parser.add_argument("--rules", nargs="+", choices=list(RULES), default=list(RULES))
    parser.add_argument("--threads", type=int, default=None, help="default: one per core, at most four")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=None, help="where the temporary folder is made")
    args = parser.parse_args()

    faults = max(0, min((args.updates - 3) // 2, args.updates // 4))
    params = {
        "trimmed_mean": {"trim": args.updates // 8},
        "krum": {"f": faults},
        "multi_krum": {"f": faults, "m": max(1, args.updates - faults - 2)},
    }
    with tempfile.TemporaryDirectory(prefix="milon-aggregation-", dir=args.folder) as name:
        folder = Path(name)
        paths = [folder / f"{i}.safetensors" for i in range(args.updates + 2)]
        for seed, path in enumerate(paths):
            save(_state(args.parameters, seed), path)
        size = args.updates * StateFile(paths[0]).schema.nbytes
        print(f"{args.updates} updates of {args.parameters:,} float32: {size / 1e9:.2f} GB", file=sys.stderr)
        plain = size / _best(lambda: _plain_add(paths[: args.updates]), args.repeats) / 1e9
        print(f"{'plain add':14}{plain:8.2f} GB/s", file=sys.stderr)

        rules: dict[str, dict[str, float]] = {}
        for rule in (RuleSpec(name, params.get(name, {})) for name in args.rules):
            seconds = _best(partial(_aggregate, rule, paths, folder / "out", args.threads), args.repeats)
            speed = size / seconds / 1e9
            rules[rule.name] = {
                "seconds": round(seconds, 3),
                "gb_per_s": round(speed, 3),
                "of_plain_add": round(speed / plain, 3),
            }
            print(f"{rule.name:14}{speed:8.2f} GB/s{seconds:9.2f} s", file=sys.stderr)
    result = {
        "updates": args.updates,
        "parameters": args.parameters,
        "bytes": size,
        "plain_add_gb_per_s": round(plain, 3),
        "rules": rules,
    }
    print(json.dumps(result))


def _state(parameters: int, seed: int) -> dict[str, np.ndarray]:
    """A model of about so many parameters, with small steps from a common one, as updates have."""
    rng = np.random.default_rng(seed)
    cuts = np.linspace(0, parameters, _LAYERS + 1).astype(int)
    return {
        f"layers.{i}.weight": rng.standard_normal(cuts[i + 1] - cuts[i], np.float32) * np.float32(0.01)
        for i in range(_LAYERS)
    }


def _plain_add(paths: list[Path]) -> None:
    files = [StateFile(path) for path in paths]
    for name, spec in files[0].schema.items():
        total = np.zeros(spec.shape, np.float32)
        for file in files:
            np.add(total, file.tensor(name), out=total)


def _aggregate(rule: RuleSpec, paths: list[Path], out: Path, threads: int | None) -> None:
    files = [StateFile(path) for path in paths]
    updates = [Update(i, 100 + i, file) for i, file in enumerate(files[:-2])]
    aggregate(rule, updates, files[-2], files[-1], out=out, threads=threads)


def _best(work: Callable[[], None], repeats: int) -> float:
    def once() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return min(once() for _ in range(repeats))


if __name__ == "__main__":
    main()
