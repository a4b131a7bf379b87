"""``milon vote``: votes that validators sign and anyone carries, many in one transaction."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import click

from node.cli.common import JobId, emit, examples, json_option, progress, set_option, to_json
from node.cli.session import Session, session_options

_CONFIG = click.option(
    "--config",
    envvar="MILON_CONFIG",
    show_envvar=True,
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("node.toml"),
    show_default=True,
    help="The node's configuration.",
)


@click.group(
    epilog=examples(
        "milon vote sign 1 --out north.vote.json", "milon vote carry 1 *.vote.json --keystore carrier"
    )
)
def vote() -> None:
    """Votes on a round's result that validators sign, and anyone carries to the chain.

    An agent votes by itself; this is for nodes that send no transactions, and for carrying the votes of many in one.
    """


@vote.command(
    epilog=examples(
        "milon vote sign 1 --config a/node.toml --out north.vote.json", "milon vote sign 1 > my.vote.json"
    )
)
@click.argument("job_id", metavar="JOB", type=JobId())
@_CONFIG
@set_option("--set node.device=cpu")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for the vote; standard output when left out.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON for machines, with the result that is voted for."
)
def sign(
    job_id: int, config: Path, overrides: tuple[tuple[str, str], ...], out: Path | None, as_json: bool
) -> None:
    """Recompute the open round's result with the node of a configuration, and sign its vote; send nothing.

    The vote tells nobody what the result is. It is good for this round and attempt alone.
    """
    from chain.consortium import Consortium
    from node.agent.logs import configure_logging
    from node.agent.signing import sign_result
    from node.cli.common import chain_date
    from node.config import load_config
    from node.errors import StorageError
    from node.keys import Key, open_wallet
    from node.storage.ipfs import IpfsClient

    loaded = load_config(config, dict(overrides))
    configure_logging("warning", loaded.log.format)
    with progress("recomputing the result", quiet=as_json or out is None):
        consortium = Consortium.connect(loaded.chain.rpc, loaded.chain.deployment)
        wallet = open_wallet(Key.of(loaded.identity), consortium)
        with IpfsClient(loaded.ipfs.api, timeout=loaded.ipfs.timeout) as ipfs:
            signed = sign_result(loaded, consortium, ipfs, wallet, job_id)
    facts = signed.vote.facts()
    if out is not None:
        try:
            out.write_text(to_json(facts) + "\n", encoding="utf-8")
        except OSError as error:
            raise StorageError(f"cannot write {out}: {error.strerror}; choose another place") from error
    if as_json:
        result = signed.result
        emit(True, {
            "vote": facts, "model_digest": result.model_digest, "accepted": result.accepted,
            "invalid": result.invalid, "reasons": result.reasons, "deadline": signed.deadline,
        }, "")  # fmt: skip
    elif out is None:
        click.echo(to_json(facts))
    else:
        score = signed.result.score / 1e6
        click.echo(
            f"signed   round {facts['round']} of job {job_id}, attempt {facts['attempt']}, accuracy {score:.4f}\n"
            f"wrote    {out}\n"
            f"next     milon vote carry {job_id} {out}, before {chain_date(signed.deadline)}"
        )


@vote.command(epilog=examples("milon vote carry 1 north.vote.json east.vote.json --keystore carrier"))
@click.argument("job_id", metavar="JOB", type=JobId())
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.File("r", encoding="utf-8"))
@json_option
@session_options(key=True)
def carry(session: Session, job_id: int, files: tuple[IO[str], ...], as_json: bool) -> None:
    """Cast signed votes in one transaction, with any key; - reads them from standard input.

    Those that may not be cast are passed over, and said why. Exit code 1 if none can be.
    """
    from chain.errors import MilonError
    from node.ballots import MAX_FILE_BYTES, read_votes
    from node.ballots import carry as carry_votes
    from node.names import read_names

    votes = []
    for file in files:
        try:
            text = file.read(MAX_FILE_BYTES)
        except (OSError, UnicodeDecodeError) as error:
            raise MilonError(f"{file.name} cannot be read: {error}; give the file of a vote") from error
        votes += read_votes(text, file.name)
    consortium = session.consortium
    with session.sender() as sender, progress("carrying", quiet=as_json):
        done = carry_votes(consortium, sender, job_id, votes)
    names = read_names(consortium)
    lines = [f"cast     {len(done.cast)}: {', '.join(names.of(account) for account in done.cast)}"]
    lines += [f"passed over {names.of(node)}: {why}" for node, why in done.passed_over]
    emit(as_json, done, "\n".join(lines))
