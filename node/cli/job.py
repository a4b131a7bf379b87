"""``milon job``: submit jobs, and see what becomes of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chain.errors import MilonError
from node.cli.common import (
    EXIT_JOB_FAILED,
    JobId,
    console,
    emit,
    examples,
    json_option,
    print_table,
    progress,
    set_option,
)
from node.cli.session import Session, session_options

if TYPE_CHECKING:
    from chain.contracts.types import JobStatus
    from node.cli.watch import JobWatch

# Flags for what is changed most; --set reaches every key.
_SHORTHANDS = {
    "--name": ("name", "Name of the job."),
    "--model": ("model.kind", "Model: logistic, mlp, cnn, or an installed one."),
    "--data": ("data.source", "Data: digits, breast_cancer, wine, iris, or a path."),
    "--data-mode": ("data.mode", "shared (through IPFS) or private (each node's own)."),
    "--split": ("data.split", "even or dirichlet."),
    "--rule": ("aggregation.rule", "Aggregation rule."),
    "--optimizer": ("training.optimizer", "sgd, adam or adamw."),
    "--lr": ("training.lr", "Learning rate."),
    "--batch-size": ("training.batch_size", "Samples per step."),
    "--rounds": ("schedule.rounds", "Rounds."),
    "--epochs-per-round": ("schedule.epochs_per_round", "Epochs leased in one round."),
    "--training-window": ("schedule.training_window", "Seconds for training, at most."),
    "--vote-window": ("schedule.vote_window", "Seconds for voting, at most."),
    "--epoch-price": ("budget.epoch_price", "Tokens for an accepted epoch."),
    "--vote-price": ("budget.vote_price", "Tokens for a matching vote."),
    "--budget": ("budget.budget", "Refuse to escrow more tokens than this."),
}


@click.group(epilog=examples("milon job submit job.toml", "milon job watch 1"))
def job() -> None:
    """Submit jobs, and see what becomes of them."""


def _shorthands(command: Callable[..., Any]) -> Callable[..., Any]:
    for flag, (key, about) in reversed(_SHORTHANDS.items()):
        name = key.replace(".", "__")
        command = click.option(flag, name, metavar="VALUE", help=f"{about}  [{key}]")(command)
    return command


@job.command(
    epilog=examples(
        "milon job submit job.toml --dry-run",
        "milon job submit job.toml --rounds 20 --set training.momentum=0.9 --devnet-key 9",
        "milon job submit --name digits --model mlp --data digits --keystore client",
    )
)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@_shorthands
@set_option("--set training.momentum=0.9")
@click.option("--dry-run", is_flag=True, help="Check everything and show the price; spend nothing.")
@json_option
@session_options(key=True, ipfs=True)
def submit(
    session: Session,
    file: Path | None,
    overrides: tuple[tuple[str, str], ...],
    dry_run: bool,
    as_json: bool,
    **shorthands: str | None,
) -> None:
    """Check a job, show its price, publish its content, and submit it.

    FILE is a job file (TOML); flags and --set lay values over it, and without FILE they are the job.
    Nothing is published or spent before everything has been checked. With --dry-run a key is only needed
    to see whether its account could pay.
    """
    from node.spec import load_job

    flags = {key.replace("__", "."): value for key, value in shorthands.items() if value is not None}
    if file is None and not flags and not overrides:
        raise click.UsageError("give a job FILE, or the job as flags")
    checked = load_job(file, {**flags, **dict(overrides)})
    with progress("reading the data", quiet=as_json) as tell:
        from node import client
        from node.cli.jobtext import plan_facts, print_plan

        plan = client.prepare_job(checked)
        tell("asking the chain for the price")
        payer = session.wallet.address if session.has_key or not dry_run else None
        offer = client.quote(plan, session.consortium, payer)
        client.check_quote(plan, offer)
    if not as_json:
        print_plan(plan, offer)
    if dry_run:
        emit(as_json, {"job": plan_facts(plan), "price": offer}, "dry run: nothing was published or spent")
        return
    with session.sender() as sender, session.ipfs() as ipfs, progress("submitting", quiet=as_json) as tell:
        done = client.submit_job(plan, session.consortium, sender, ipfs, tell)
    emit(
        as_json,
        {**plain_fields(done), "price": offer},
        f"job {done.job_id} submitted\nwatch it: milon job watch {done.job_id}",
    )


@job.command("list", epilog=examples("milon job list --limit 5"))
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="The newest so many."
)
@json_option
@session_options()
def list_(session: Session, limit: int, as_json: bool) -> None:
    """List jobs, the newest first."""
    from chain.contracts.token import format_units
    from node.names import read_names

    scheduler = session.consortium.scheduler
    count = scheduler.job_count()
    names = read_names(session.consortium)
    rows, facts = [], []
    for job_id in range(count, max(0, count - limit), -1):
        found, phase = scheduler.job(job_id), scheduler.phase(job_id)
        number = scheduler.round(job_id).number
        status = found.status.name.lower()
        facts.append(
            {
                "job_id": job_id,
                "status": status,
                "phase": phase,
                "round": number,
                "rounds": found.terms.rounds,
                "client": found.client,
                "budget": found.budget,
            }
        )
        rows.append(
            [
                str(job_id),
                status if status != "open" else f"open, {phase.name.lower()}",
                f"{number} of {found.terms.rounds}",
                format_units(found.budget),
                names.of(found.client),
            ]
        )
    columns = ["job", "status", "round", "budget", "client"]
    emit(
        as_json,
        facts,
        (lambda: print_table(columns, rows, ["job", "budget"]))
        if rows
        else "no jobs yet; see `milon job submit --help`",
    )


@job.command(epilog=examples("milon job show 1"))
@click.argument("job_id", metavar="JOB", type=JobId())
@json_option
@session_options()
def show(session: Session, job_id: int, as_json: bool) -> None:
    """Show a job: its terms, where it is, and a row for each round."""
    from node.cli.jobtext import print_job
    from node.follow import read_history, round_times

    consortium = session.consortium
    history = read_history(consortium, job_id)
    found, phase, round_ = (
        consortium.scheduler.job(job_id),
        consortium.scheduler.phase(job_id),
        consortium.scheduler.round(job_id),
    )
    watch = _watch(session, job_id, as_json=False, quiet=True)
    watch.feed(history.events, round_times(consortium, history.events))
    submitted = history.submitted
    facts = {
        "job_id": job_id,
        "status": found.status,
        "phase": phase,
        "round": round_.number,
        "attempt": round_.attempt,
        "job": found,
        "spec_cid": submitted.spec_cid if submitted else "",
        "rounds": watch.summaries,
    }

    emit(as_json, facts, lambda: print_job(job_id, found, phase, round_, submitted, watch))


@job.command(epilog=examples("milon job watch 1", "milon job watch 1 --json | jq .event"))
@click.argument("job_id", metavar="JOB", type=JobId())
@click.option("--brief", is_flag=True, help="Only one row for each round.")
@json_option
@session_options()
@click.pass_context
def watch(ctx: click.Context, session: Session, job_id: int, brief: bool, as_json: bool) -> None:
    """Follow a job until it ends: leases, updates, votes against quorum, accuracy, rewards.

    Tells first what has happened already. Exit code 0 when the job completed, 3 when it failed or was
    cancelled.
    With --json, one object per line: every event of the job, and a RoundSummary for each round.
    """
    from chain.contracts.types import JobStatus
    from node.follow import follow, read_history

    read_history(session.consortium, job_id)
    shown = _watch(session, job_id, as_json=as_json, quiet=False, brief=brief)
    status = follow(
        session.consortium, session.rpc, shown, lambda line: click.echo(f"warning: {line}", err=True)
    )
    if not as_json:
        click.echo()
        console().print(shown.table())
        if status == JobStatus.COMPLETED:
            click.echo(f"\nthe model: milon model fetch {job_id}")
    ctx.exit(0 if status == JobStatus.COMPLETED else EXIT_JOB_FAILED)


@job.command(epilog=examples("milon job cancel 1 --keystore client"))
@click.argument("job_id", metavar="JOB", type=JobId())
@json_option
@session_options(key=True)
def cancel(session: Session, job_id: int, as_json: bool) -> None:
    """End a job after its current round, which is still paid; what is left of the budget returns."""
    from chain.contracts.types import JobStatus

    scheduler = session.consortium.scheduler
    found = scheduler.job(job_id)
    if found.status != JobStatus.OPEN:
        what = "does not exist" if found.status == JobStatus.NONE else f"has already {_ended(found.status)}"
        raise MilonError(f"job {job_id} {what}; there is nothing to cancel")
    if found.client != session.wallet.address:
        raise MilonError(
            f"job {job_id} belongs to {found.client}, not to {session.wallet.address}; use the client's key"
        )
    transaction = None
    if not found.cancel_requested:
        with session.sender() as sender:
            transaction = sender.send(scheduler.cancel_job(job_id)).tx_hash
    number = scheduler.round(job_id).number
    emit(
        as_json,
        {"job_id": job_id, "cancelled_after_round": number, "transaction": transaction},
        f"job {job_id} ends after round {number}",
    )


def plain_fields(value: Any) -> dict[str, Any]:
    """The fields of a dataclass, by name, as they are."""
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def _watch(session: Session, job_id: int, *, as_json: bool, quiet: bool, brief: bool = False) -> JobWatch:
    from rich.console import Console

    from node.cli.watch import JobWatch
    from node.names import read_names

    terms = session.consortium.scheduler.job(job_id).terms
    out = Console(quiet=True) if quiet else console()
    names = read_names(session.consortium)
    return JobWatch(
        job_id, terms.epoch_price, terms.rounds, names, out, as_json=as_json, happenings=not brief
    )


def _ended(status: JobStatus) -> str:
    return "been cancelled" if status.name == "CANCELLED" else status.name.lower()
