"""``milon model list``, ``show``, ``register``, ``promote``, ``rollback``: models under their names."""

from __future__ import annotations

import click

from node.cli.common import JobId, emit, examples, json_option, print_table, progress
from node.cli.session import Session, session_options


@click.command("list", epilog=examples("milon model list", "milon model list digits"))
@click.argument("name", required=False)
@json_option
@session_options()
def list_(session: Session, name: str | None, as_json: bool) -> None:
    """List the models that are registered, or the versions of one of them."""
    from node.cli.modeltext import model_rows, version_rows
    from node.releases import check_name

    consortium = session.consortium
    if name is None:
        columns, rows, facts = model_rows(consortium)
        empty = "no model is registered; see `milon model register --help`"
    else:
        columns, rows, facts = version_rows(consortium, check_name(name))
        empty = ""
    right = ["versions", "version", "job", "score"]
    emit(as_json, facts, (lambda: print_table(columns, rows, right, wrap=False)) if rows else empty)


@click.command(epilog=examples("milon model show digits", "milon model show digits@2 --json"))
@click.argument("reference", metavar="NAME[@VERSION]")
@json_option
@session_options()
def show(session: Session, reference: str, as_json: bool) -> None:
    """Show where a version of a model comes from: job, data and rules, score, digest; and what was promoted when."""
    from node.cli.modeltext import version_facts, version_lines
    from node.releases import parse_reference, read_lineage

    lineage = read_lineage(session.consortium, parse_reference(reference))
    emit(as_json, version_facts(lineage), "\n".join(version_lines(lineage)))


@click.command(epilog=examples("milon model register digits 7 --keystore client"))
@click.argument("name")
@click.argument("job_id", metavar="JOB", type=JobId())
@click.option("--cid", help="Where IPFS finds it; the address that the job's reveal named when left out.")
@json_option
@session_options(key=True)
def register(session: Session, name: str, job_id: int, cid: str | None, as_json: bool) -> None:
    """Register the model of a completed job as the next version of a NAME.

    A new name belongs to who registers its first version: the job's client, or who holds the release role.
    """
    from node.cli.modeltext import facts_of
    from node.releases import check_name, register_model

    check_name(name)
    with session.sender() as sender, progress("registering", quiet=as_json):
        version = register_model(session.consortium, sender, name, job_id, cid)
    emit(
        as_json,
        facts_of(name, version),
        f"{name}@{version.number}: the model of job {job_id}, score {version.score / 1e6:.4f}\n"
        f"digest  {version.digest.hex()}\n"
        f"next    milon model promote {name}@{version.number}",
    )


@click.command(
    epilog=examples("milon model promote digits@3 --keystore releases", "milon model promote digits@0")
)
@click.argument("reference", metavar="NAME@VERSION")
@json_option
@session_options(key=True)
def promote(session: Session, reference: str, as_json: bool) -> None:
    """Promote a version, so that it is what NAME means; NAME@0 promotes none.

    With a key that holds the release role. Others propose it to the members: milon gov propose promote.
    """
    from node.releases import parse_reference
    from node.releases import promote as promote_version

    found = parse_reference(reference)
    if found.version is None:
        raise click.UsageError(f"{reference!r}: say which version, such as {found.name}@1")
    with session.sender() as sender, progress("promoting", quiet=as_json):
        promote_version(session.consortium, sender, found.name, found.version)
    told = f"{found} is promoted" if found.version else f"no version of {found.name} is promoted any more"
    emit(as_json, {"name": found.name, "promoted": found.version}, told)


@click.command(epilog=examples("milon model rollback digits --keystore releases"))
@click.argument("name")
@json_option
@session_options(key=True)
def rollback(session: Session, name: str, as_json: bool) -> None:
    """Undo the last promotion of a model, and return to what was promoted before it.

    With a key that holds the release role. Others propose it to the members: milon gov propose rollback.
    """
    from node.releases import check_name, roll_back

    check_name(name)
    with session.sender() as sender, progress("rolling back", quiet=as_json):
        now = roll_back(session.consortium, sender, name)
    told = f"{name}@{now} is promoted again" if now else f"no version of {name} is promoted any more"
    emit(as_json, {"name": name, "promoted": now}, told)
