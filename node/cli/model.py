"""``milon model``: fetch, score and use what jobs have trained; register it under a name, promote it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli.common import JobId, emit, examples, json_option, print_table, progress
from node.cli.release import list_, promote, register, rollback, show
from node.cli.session import Session, session_options

if TYPE_CHECKING:
    from node.data import Dataset
    from node.models import Model

_ROUND = click.option(
    "--round", "round_number", type=click.IntRange(0, 65535), metavar="R",
    help="Of which round; 0 for the initial weights, the last closed one when left out.",
)  # fmt: skip
_TIMEOUT = click.option(
    "--timeout", type=click.FloatRange(min=0.1, max=3600), default=60.0, show_default=True,
    help="Seconds for each attempt to fetch it.",
)  # fmt: skip
_DEVICE = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
_WHICH = click.argument("which", metavar="JOB|NAME[@VERSION]|FILE")


@click.group(
    epilog=examples(
        "milon model list",
        "milon model fetch digits --out model.safetensors",
        "milon model predict digits@3 --input scan.png",
        "milon model register digits 7 --keystore client",
    )
)
def model() -> None:
    """Models that jobs have trained: fetch, score and use them, register and promote them under a name.

    NAME means the promoted version of a model, or its newest where none is promoted; NAME@VERSION a certain one.
    """


for _command in (list_, show, register, promote, rollback):
    model.add_command(_command)


@model.command(
    epilog=examples(
        "milon model fetch digits --out model.safetensors",
        "milon model fetch digits@3 --out digits-3.safetensors",
        "milon model fetch 1 --round 3 --out r3.safetensors",
    )
)
@click.argument("which", metavar="JOB|NAME[@VERSION]")
@_ROUND
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("model.safetensors"),
    show_default=True,
)
@_TIMEOUT
@json_option
@session_options(ipfs=True)
def fetch(
    session: Session, which: str, round_number: int | None, out: Path, timeout: float, as_json: bool
) -> None:
    """Fetch a model, of a JOB or of a NAME, from any address announced for it, and check it against the chain's digest.

    Writes the weights (safetensors) and, beside them, the job's spec.
    """
    from node.models import save_model

    with progress("fetching the model", quiet=as_json):
        job_id, version, found = _published(session, which, round_number, timeout)
        beside = save_model(found, out)
    digest = found.state.digest()
    facts = {
        "job_id": job_id,
        "version": version,
        "round": found.round,
        "digest": digest,
        "score": found.score,
        "out": out,
        "spec": beside,
    }
    score = "" if found.score is None else f", accuracy {found.score:.4f} as the consortium voted"
    what = f"{version}: model" if version else "model"
    emit(
        as_json,
        facts,
        f"{what} of round {found.round} of job {job_id}{score}\ndigest  {digest.hex()} (as on the chain)\n"
        f"wrote   {out} and {beside}\nnext    milon model evaluate {out} --data FILE",
    )


@model.command(
    epilog=examples("milon model evaluate 1", "milon model evaluate 1 --data digits",
                    "milon model evaluate model.safetensors --data test.csv")
)  # fmt: skip
@_WHICH
@click.option(
    "--data", metavar="DATA", help="A data set's name or path; the job's held-out data when left out."
)
@_ROUND
@_DEVICE
@_TIMEOUT
@json_option
@session_options(ipfs=True)
def evaluate(
    session: Session,
    which: str,
    data: str | None,
    round_number: int | None,
    device: str,
    timeout: float,
    as_json: bool,
) -> None:
    """Score a model, of a JOB or a NAME or in a FILE, on labelled data."""
    from node.models import labelled
    from node.training.evaluate import evaluate as score_of

    with progress("fetching the model", quiet=as_json) as tell:
        found = _either(session, which, round_number, timeout)
        tell("scoring")
        samples = _holdout(session, which, timeout) if data is None else labelled(data, found.spec)
        score = score_of(found.spec.architecture, found.state.state_dict(), samples, device=device)

    def people() -> None:
        click.echo(
            f"accuracy  {score.accuracy:.4f} on {score.samples:,} samples of {data or 'the held-out data'}"
        )
        click.echo(f"loss      {score.loss:.4f}")
        rows = [
            [name, "no samples" if part is None else f"{part:.4f}"]
            for name, part in zip(found.spec.classes, score.per_class, strict=True)
        ]
        click.echo()
        print_table(["class", "accuracy"], rows, ["accuracy"])

    emit(
        as_json,
        {"model": which, "round": found.round, "data": data, "classes": found.spec.classes, **_fields(score)},
        people,
    )


@model.command(
    epilog=examples(
        "milon model predict 1 --input scan.png", "milon model predict model.safetensors --input rows.csv"
    )
)
@_WHICH
@click.option(
    "--input",
    "source",
    required=True,
    metavar="PATH",
    help="An image, a folder of them, a .npz or a .csv file, or a built-in data set's name.",
)
@_ROUND
@_DEVICE
@_TIMEOUT
@json_option
@session_options(ipfs=True)
def predict(
    session: Session,
    which: str,
    source: str,
    round_number: int | None,
    device: str,
    timeout: float,
    as_json: bool,
) -> None:
    """Ask a model, of a JOB or a NAME or in a FILE, what samples are: prints the most probable class of each."""
    from node.data.inputs import load_inputs
    from node.training.evaluate import predict as probabilities_of

    with progress("fetching the model", quiet=as_json) as tell:
        found = _either(session, which, round_number, timeout)
        inputs = load_inputs(source, found.spec)
        tell("predicting")
        table = probabilities_of(found.spec.architecture, found.state.state_dict(), inputs.x, device=device)
    classes = found.spec.classes
    best = table.argmax(axis=1)
    facts = [
        {
            "sample": name,
            "class": classes[index],
            "probability": float(row[index]),
            "probabilities": {label: float(p) for label, p in zip(classes, row, strict=True)},
        }
        for name, index, row in zip(inputs.names, best, table, strict=True)
    ]
    rows = [[str(fact["sample"]), str(fact["class"]), f"{fact['probability']:.4f}"] for fact in facts]
    emit(as_json, facts, lambda: print_table(["sample", "class", "probability"], rows, ["probability"]))


def _either(session: Session, which: str, round_number: int | None, timeout: float) -> Model:
    """The model that JOB|NAME[@VERSION]|FILE means."""
    from node.models import read_model

    path = Path(which)
    if not path.is_file():
        return _published(session, which, round_number, timeout)[2]
    if round_number is not None:
        raise click.UsageError("--round belongs to a JOB; a FILE holds one model")
    return read_model(path)


def _published(
    session: Session, which: str, round_number: int | None, timeout: float
) -> tuple[int, str | None, Model]:
    """Job, NAME@VERSION if it was named so, and model that JOB|NAME[@VERSION] means."""
    from chain.paths import home
    from node.follow import read_history
    from node.models import fetch_model

    job_id, version = _job_of(session, which)
    if version is not None and round_number is not None:
        raise click.UsageError("--round belongs to a JOB; a version is the model of its job's last round")
    history = read_history(session.consortium, job_id)
    with session.ipfs(timeout) as ipfs:
        found = fetch_model(session.consortium, history, ipfs, home() / "models", round_number, timeout)
    return job_id, version, found


def _job_of(session: Session, which: str) -> tuple[int, str | None]:
    """The job that trained a model, and NAME@VERSION where it was named so."""
    from node.releases import NAME, find_version, parse_reference

    if which.isdecimal() and which.isascii():
        return JobId().convert(which, None, None), None
    if not NAME.fullmatch(which.partition("@")[0]):
        raise click.BadParameter(
            f"{which!r} is neither a job's number, nor a model's NAME or NAME@VERSION, nor a file"
        )
    reference = parse_reference(which)
    version = find_version(session.consortium, reference)
    return version.job_id, f"{reference.name}@{version.number}"


def _holdout(session: Session, which: str, timeout: float) -> Dataset:
    from chain.paths import home
    from node.follow import read_history
    from node.models import job_content

    if Path(which).is_file():
        raise click.UsageError("give --data; only a JOB, and a NAME by its job, has held-out data of its own")
    job_id, _ = _job_of(session, which)
    history = read_history(session.consortium, job_id)
    with session.ipfs(timeout) as ipfs:
        content = job_content(session.consortium, history, ipfs, home() / "models", timeout)
        if content.spec.holdout is None:
            raise click.UsageError(
                f"job {job_id} trains on private data and has no held-out data; give --data"
            )
        return content.holdout()


def _fields(score: Any) -> dict[str, Any]:
    return {
        "accuracy": score.accuracy,
        "loss": score.loss,
        "samples": score.samples,
        "per_class": score.per_class,
    }
