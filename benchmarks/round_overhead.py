"""What a round costs beside a plain loop: the same job through Milon's processes and in one process without any.

    python benchmarks/round_overhead.py                      # digits CNN with 4 and 8 nodes, 20 rounds
    python benchmarks/round_overhead.py --model large        # 25 million weights, 4 nodes, 3 rounds, shared daemon
    python benchmarks/round_overhead.py --model large --daemons each
    python benchmarks/round_overhead.py --nodes 4 --rounds 5

Milon's side is real: a Hardhat chain, one agent process per node (every one trains and validates), IPFS daemons,
votes of all organisations, settlement. The plain loop trains the same shards from the same weights one after the
other and averages them by samples. A round's time is from its opening to its end; the first round, in which every
process imports and compiles, is reported apart from the rest. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from chain.contracts.types import JobStatus
from node.cli.watch import JobWatch
from node.client import JobPlan, prepare_job, submit_job
from node.data.shards import decode_shard
from node.follow import follow
from node.localnet import CLIENT, LocalNetwork, MemberSpec
from node.names import read_names
from node.spec import load_job
from node.training.evaluate import evaluate
from node.training.local import train

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
ACTIVITIES = ("chain", "ipfs", "train", "digest", "aggregate", "evaluate")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=("cnn", "large"), default="cnn")
    parser.add_argument("--nodes", type=int, nargs="+", help="default: 4 and 8; 4 for the large model")
    parser.add_argument("--rounds", type=int, help="default: 20; 3 for the large model")
    parser.add_argument(
        "--daemons",
        choices=("shared", "each"),
        help="IPFS daemons (default: each; shared for the large model)",
    )
    args = parser.parse_args()
    large = args.model == "large"
    nodes = args.nodes or ([4] if large else [4, 8])
    shared = (args.daemons or ("shared" if large else "each")) == "shared"
    results = []
    for count in nodes:
        overrides = {"schedule.epochs_per_round": str(count)}
        if args.rounds:
            overrides["schedule.rounds"] = str(args.rounds)
        example = "mlp25m.toml" if large else "digits-cnn-bench.toml"
        plan = prepare_job(load_job(EXAMPLES / example, overrides))
        plain = plain_loop(plan)
        milon = through_milon(plan, count, shared)
        result = {
            "nodes": count,
            "daemons": "shared" if shared else "each",
            "rounds": plan.terms.rounds,
            "weights": plan.parameters,
            "plain": plain,
            "milon": milon,
            "difference_per_round": round(milon["seconds_per_round"] - plain["seconds_per_round"], 3),
            "ratio": round(milon["seconds_per_round"] / plain["seconds_per_round"], 2),
        }
        print(
            f"N={count}: Milon {milon['seconds_per_round']:.2f} s per round, plain loop "
            f"{plain['seconds_per_round']:.2f} s",
            file=sys.stderr,
        )
        results.append(result)
    print(json.dumps({"benchmark": "round_overhead", "model": args.model, "results": results}))


def plain_loop(plan: JobPlan) -> dict[str, Any]:
    """The same FedAvg in this process alone."""
    prepared = plan.prepared
    shape, classes = prepared.input_shape, prepared.classes

    def decoded(content: bytes, samples: int) -> Any:
        return decode_shard(content, input_shape=shape, classes=classes, max_samples=samples)

    shards = [decoded(part.content, part.samples) for part in prepared.shards]
    if prepared.holdout is None:
        raise SystemExit("the job holds nothing out")
    holdout = decoded(prepared.holdout.content, prepared.holdout.samples)
    state, seconds = dict(plan.state), []
    accuracy = 0.0
    for number in range(1, plan.terms.rounds + 1):
        began = time.perf_counter()
        updates = [
            train(
                prepared.architecture,
                state,
                [(epoch, shard)],
                plan.job.training,
                job=1,
                round=number,
                device="cpu",
            )
            for epoch, shard in enumerate(shards)
        ]
        total = sum(update.samples for update in updates)
        state = {
            name: sum(
                (update.state[name].to(torch.float64) * (update.samples / total) for update in updates),
                torch.zeros_like(state[name], dtype=torch.float64),
            ).to(state[name].dtype)
            for name in state
        }
        accuracy = evaluate(prepared.architecture, state, holdout, device="cpu").accuracy
        seconds.append(time.perf_counter() - began)
    return {"seconds_per_round": round(statistics.median(seconds), 3), "accuracy": accuracy}


def through_milon(plan: JobPlan, count: int, shared: bool) -> dict[str, Any]:
    """The job through real processes; where an agent's time went, per round, averaged over agents."""
    members = [MemberSpec(f"org{i}") for i in range(count)]
    with (
        tempfile.TemporaryDirectory(prefix="milon-bench-") as folder,
        LocalNetwork(Path(folder), members, shared_ipfs=shared) as network,
    ):
        chain = network.consortium
        with network.sender(CLIENT) as sender, network.ipfs() as ipfs:
            job = submit_job(plan, chain, sender, ipfs)
        console = Console(file=sys.stderr)
        watch = JobWatch(
            job.job_id,
            plan.terms.epoch_price,
            plan.terms.rounds,
            read_names(chain),
            console,
            happenings=False,
        )
        status = follow(chain, network.devnet.url, watch, lambda line: console.print(line))
        if status != JobStatus.COMPLETED:
            raise SystemExit(f"the job ended {status.name.lower()}")
        metrics = [network.metrics(i) for i in range(count)]
    seconds = [s.seconds for s in watch.summaries if s.seconds is not None]
    rounds = len(seconds)
    steady = seconds[1:] or seconds
    where = {
        name: _mean(metrics, f'milon_activity_seconds_total{{activity="{name}"}}') / rounds
        for name in ACTIVITIES
    }
    mean = statistics.mean(seconds)
    return {
        "seconds_per_round": round(statistics.median(steady), 3),
        "first_round": round(seconds[0], 3),
        "mean_with_first": round(mean, 3),
        "accuracy": watch.summaries[-1].accuracy,
        "where": {
            **{k: round(v, 3) for k, v in where.items()},
            "waiting": round(max(mean - sum(where.values()), 0), 3),
        },
        "agent_cpu_per_round": round(_mean(metrics, "milon_cpu_seconds") / rounds, 3),
        "transactions_per_round": round(
            sum(v for m in metrics for k, v in m.items() if k.startswith("milon_transactions_total"))
            / rounds,
            1,
        ),
    }


def _mean(metrics: Sequence[dict[str, float]], name: str) -> float:
    return statistics.mean(m.get(name, 0.0) for m in metrics)


if __name__ == "__main__":
    main()
