"""``milon audit``: check a job from nothing but the chain, IPFS and the deployment file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli.common import console, emit, examples, json_option, print_table, progress
from node.cli.session import Session, session_options

if TYPE_CHECKING:
    from node.audit import AuditReport
    from node.names import Names

EXIT_AUDIT_FAILED = 4
_AMOUNTS = ("budget", "escrow left", "paid", "penalties", "outstanding", "refunded")


@click.group(epilog=examples("milon audit verify 1"))
def audit() -> None:
    """Check a job from nothing but the chain, IPFS and the deployment file."""


@audit.command(
    epilog=examples(
        "milon audit verify 1",
        "milon audit verify 1 --rpc http://127.0.0.1:8545 --ipfs http://127.0.0.1:5001 --json",
    )
)
@click.argument("job_id", metavar="JOB", type=click.IntRange(1))
@click.option(
    "--timeout", type=click.FloatRange(min=0.1, max=3600), default=60.0, show_default=True,
    help="Seconds for each fetch from IPFS.",
)  # fmt: skip
@click.option("--scores/--no-scores", default=True, show_default=True,
              help="Evaluate every round's model on shared held-out data.")  # fmt: skip
@click.option(
    "--work-dir", type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path),
    help="Folder for what is fetched, with room for a few rounds' updates; the system's when left out.",
)  # fmt: skip
@json_option
@session_options(ipfs=True)
def verify(
    session: Session, job_id: int, timeout: float, scores: bool, work_dir: Path | None, as_json: bool
) -> int:
    """Replay a job's events, fetch all it published, and recompute every model, verdict and payment.

    Exit codes: 0 everything is as it must be, 4 something is not (every finding says where), 1 the audit could not
    be made.
    """
    import tempfile

    from node.audit import verify_job
    from node.names import read_names

    folder = work_dir or Path(tempfile.gettempdir())
    with session.ipfs(timeout) as ipfs, progress(f"auditing job {job_id}", quiet=as_json) as tell:
        report = verify_job(
            session.consortium,
            ipfs,
            job_id,
            work_dir=folder,
            on_progress=lambda text: tell(f"auditing job {job_id}: {text}"),
            timeout=timeout,
            scores=scores,
        )
        names = read_names(session.consortium)
    emit(as_json, report, lambda: show_report(report, names))
    return 0 if report.ok else EXIT_AUDIT_FAILED


def show_report(report: AuditReport, names: Names) -> None:
    """Print a report for people on stdout."""
    from chain.contracts.token import format_units

    rows = [
        ["FAILED" if c.failures else "ok" if c.comparisons else "-", c.name, str(c.comparisons), c.title]
        for c in report.checks
    ]
    print_table(["", "check", "compared", "what"], rows, ["compared"])
    counts = [f"{name} {value}" for name, value in report.figures.items() if name not in _AMOUNTS]
    amounts_of = [
        f"{name} {format_units(report.figures[name])}" for name in _AMOUNTS if name in report.figures
    ]
    click.echo()
    console().print(f"counted  {', '.join(counts)}")
    console().print(f"tokens   {', '.join(amounts_of)}")
    if report.organisations:
        click.echo()
        amounts = [
            [names.of(account), format_units(of["rewards"]), format_units(of["penalties"])]
            for account, of in report.organisations.items()
        ]
        print_table(["organisation", "rewards", "penalties"], amounts, ["rewards", "penalties"])
    for item in report.outstanding:
        brings = f"+{format_units(item.reward)}" if not item.penalty else f"-{format_units(item.penalty)}"
        click.echo(f"to settle: {item.kind} of {names.of(item.account)}, round {item.round}: {brings}")
    for note in report.notes:
        click.echo(f"note: {note}")
    out = console(soft_wrap=True)
    for finding in report.findings:
        out.print(f"FAILED {finding}", style="bold red")
    click.echo()
    count = len(report.findings)
    verdict = "ok" if report.ok else f"FAILED with {count} finding{'' if count == 1 else 's'}"
    click.echo(f"audit of job {report.job_id} at block {report.block}: {verdict}")
