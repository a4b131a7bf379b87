"""The main job, whole: four organisations train one model on this machine, and the result is audited.

Starts a local chain, a deployment, four agents with an IPFS daemon each, submits a job as a client would, shows
the rounds as they go by, audits the finished job from the outside, and stops everything.

  make demo
  make demo ARGS=--kill-one
  make demo ARGS="--split dirichlet --name non-iid"
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from chain.contracts.event_types import ChainEvent, EpochsLeased, RoundOpened
from chain.contracts.types import JobStatus, LeaseState
from chain.errors import MilonError
from node.audit import AuditReport, verify_job
from node.cli.watch import JobWatch
from node.client import prepare_job, submit_job
from node.follow import follow, read_history
from node.localnet import CLIENT, LocalNetwork, MemberSpec
from node.models import fetch_model, save_model
from node.names import read_names
from node.spec import load_job
from node.summary import gas_by_round, summarise

ROOT = Path(__file__).resolve().parent.parent
MEMBERS = (
    MemberSpec("aurora", capacity=4),
    MemberSpec("borealis", capacity=3),
    MemberSpec("cygnus", capacity=2),
    MemberSpec("draco", capacity=1),
)
# None of them holds more than half of a round, whatever the others do.
MAX_SHARE = Decimal("0.5")


class Assassin:
    """Kills one agent with SIGKILL in the middle of a lease, once, from round 2 on."""

    def __init__(self, network: LocalNetwork, index: int, console: Console) -> None:
        self._network, self._index, self._console = network, index, console
        self.done = False

    def __call__(self, event: ChainEvent) -> None:
        """Called for each event as it is seen."""
        agent = self._network.agents[self._index]
        # Leases go on from round to round: from its opening on the agent holds one.
        begun = isinstance(event, RoundOpened) or (
            isinstance(event, EpochsLeased) and event.node == agent.address
        )
        if self.done or not isinstance(event, RoundOpened | EpochsLeased) or not begun or event.round < 2:
            return
        # Stopped first, so that it cannot deliver between the look at the chain and the kill.
        self._network.signal_agent(self._index, signal.SIGSTOP)
        held = self._network.consortium.scheduler.lease_of(event.job_id, agent.address)
        if held.held and held.lease.state == LeaseState.LIVE:
            self._network.kill_agent(self._index)
            self.done = True
            self._console.print(
                f"[bold red]killed {agent.member.name} with SIGKILL; "
                f"it holds a lease of {held.lease.count} epochs[/]"
            )
        else:
            self._network.signal_agent(self._index, signal.SIGCONT)


def settle_for_the_dead(network: LocalNetwork, job_id: int) -> None:
    """Settle every lease and ballot of an ended job, whosever they are."""
    chain = network.consortium
    with network.sender(CLIENT) as sender:
        sender.send(chain.scheduler.settle(job_id, [agent.address for agent in network.agents]))
        sender.send(chain.vote.settle(job_id, (1 << len(MEMBERS)) - 1))


def run(arguments: argparse.Namespace, console: Console) -> int:
    """The demonstration; its exit status: 0, or 3 when the job did not complete, or 4 when the audit failed."""
    started = time.monotonic()
    folder = ROOT / "runs" / arguments.name
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    example = "digits-dirichlet.toml" if arguments.split == "dirichlet" else "digits.toml"
    overrides = {"schedule.rounds": str(arguments.rounds)} if arguments.rounds else {}
    plan = prepare_job(load_job(ROOT / "examples" / example, overrides))
    console.print(f"[bold]Milon: {len(MEMBERS)} organisations train one model, with no server[/]")
    with LocalNetwork(
        folder / "network",
        MEMBERS,
        max_share=MAX_SHARE,
        report=lambda line: console.print(f"  {line}"),
    ) as network:
        chain = network.consortium
        with network.sender(CLIENT) as sender, network.ipfs() as ipfs:
            job = submit_job(plan, chain, sender, ipfs)
        names = read_names(chain)
        began = time.monotonic()
        console.print(
            f"  job {job.job_id} submitted: {plan.job.name}, {plan.parameters:,} weights, "
            f"{plan.terms.rounds} rounds of {plan.terms.epochs_per_round} epochs\n"
        )
        watch = JobWatch(
            job.job_id,
            plan.terms.epoch_price,
            plan.terms.rounds,
            names,
            console,
            happenings=not arguments.quiet,
        )
        assassin = Assassin(network, 1, console)
        hook = assassin if arguments.kill_one else (lambda event: None)
        status = follow(chain, network.devnet.url, watch, lambda line: console.print(line), on_event=hook)
        job_seconds = time.monotonic() - began
        if status != JobStatus.COMPLETED:
            console.print(
                f"[bold red]the job ended {status.name.lower()}; logs are in {folder / 'network'}[/]"
            )
            return 3
        if assassin.done:
            settle_for_the_dead(network, job.job_id)
            console.print("what the killed agent had earned was settled by the client, as anybody may")
        network.await_settlement(job.job_id)
        console.print()
        with network.ipfs() as ipfs:
            console.print("auditing the job from nothing but the chain and IPFS ...")
            report = verify_job(chain, ipfs, job.job_id, work_dir=folder)
            history = read_history(chain, job.job_id)
            save_model(fetch_model(chain, history, ipfs, folder / "fetched"), folder / "model.safetensors")
        summary = summarise(
            watch.summaries,
            gas_by_round(chain, history.events),
            names,
            bytes_published=report.figures["bytes published"],
            wall_seconds=time.monotonic() - started,
            audit=report.verdict,
        )
        (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
        show_end(console, watch, summary, report, folder, job_seconds)
    console.print("[dim]everything that was started has been stopped[/]")
    return 0 if report.ok else 4


def show_end(
    console: Console,
    watch: JobWatch,
    summary: dict[str, Any],
    report: AuditReport,
    folder: Path,
    job_seconds: float,
) -> None:
    """The table, where the model is, and what to type next."""
    shown = folder.relative_to(ROOT)
    console.print(watch.table())
    organisations = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("organisation", "rewards", "penalties"):
        organisations.add_column(column, justify="left" if column == "organisation" else "right")
    for row in summary["organisations"]:
        organisations.add_row(row["name"], row["rewards"], row["penalties"])
    console.print()
    console.print(organisations)
    console.print(
        f"\naccuracy {summary['accuracy']:.4f} on held-out data after {len(summary['rounds'])} rounds "
        f"in {job_seconds:.1f} s; {summary['gas_total']:,} gas, {summary['bytes_published']:,} bytes published"
    )
    console.print(f"audit    [bold {'green' if report.ok else 'red'}]{report.verdict}[/]")
    console.print(f"model    {shown}/model.safetensors (its spec is beside it)")
    console.print(f"summary  {shown}/summary.json")
    console.print(
        "\nnext     [bold]. .venv/bin/activate[/]"
        f"\n         [bold]milon model evaluate {shown}/model.safetensors --data digits[/]"
        "\n         [bold]milon devnet up --help[/] to build a network step by step (docs/quickstart.md)"
    )


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--kill-one", action="store_true", help="kill one agent with SIGKILL while it holds a lease"
    )
    parser.add_argument(
        "--split", choices=("even", "dirichlet"), default="even", help="how the data is divided"
    )
    parser.add_argument("--rounds", type=int, help="rounds to train (default: as in the job file)")
    parser.add_argument("--name", default="demo", help="the run's folder under runs/ (default: demo)")
    parser.add_argument("--quiet", action="store_true", help="one line per round only")
    return parser.parse_args(arguments)


def main() -> int:
    """Run it, and say in one line what went wrong."""
    arguments = parse()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    try:
        return run(arguments, console)
    except MilonError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
