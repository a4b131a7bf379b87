"""The `milon` command: groups are imported when they are used, errors become one line and an exit code."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import NoReturn

import click

from chain.errors import MilonError
from node.cli.common import EXIT_ERROR, EXIT_INTERRUPTED, EXIT_USAGE, examples

GROUPS: Mapping[str, str] = {
    "devnet": "A local chain for trying things out.",
    "account": "Keys in encrypted keystores.",
    "org": "The member organisations, and a member's way out.",
    "node": "Set up and run an organisation's node.",
    "job": "Submit jobs and see what becomes of them.",
    "model": "Models: fetch, score and use them, register and promote them.",
    "vote": "Votes that validators sign and anyone carries.",
    "gov": "Propose, vote, and carry out what the members have decided.",
    "rewards": "What an account has earned and staked.",
    "audit": "Check a job from nothing but the chain and IPFS.",
    "ipfs": "The embedded IPFS daemon.",
}


class LazyGroup(click.Group):
    """A group whose subcommands live in ``node/cli/<name>.py``, each imported only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(GROUPS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in GROUPS:
            return None
        command = getattr(importlib.import_module(f"node.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)  # noqa: S101 (holds for our own modules)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(GROUPS.items()))


def installed_version() -> str:
    """Version of the installed package."""
    try:
        return version("milon")
    except PackageNotFoundError:
        return "unknown (not installed; use pip install)"


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples(
        "milon devnet up", "milon job submit job.toml", "milon job watch 1", "milon audit verify 1"
    ),
)
@click.version_option(installed_version(), prog_name="milon")
def cli() -> None:
    """Organisations that do not trust each other train one model together.

    Every command takes --help, and --json for machines. Exit codes: 0 done, 1 it could not be done,
    2 mistyped, 3 the job failed or was cancelled, 4 an audit found something wrong, 130 interrupted.
    MILON_DEBUG=1 shows tracebacks.
    """


def run(arguments: Sequence[str]) -> int:
    """Runs one command line and returns its exit code; errors are on stderr."""
    as_json, stdout = "--json" in arguments, sys.stdout
    try:
        result = cli.main(list(arguments), prog_name="milon", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except BrokenPipeError:
        return _reader_left()
    except SystemExit:
        # Click ends the process itself when it meets a broken pipe, and wraps stdout; so it is told apart.
        if sys.stdout is stdout:
            raise
        return _reader_left()
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return EXIT_USAGE
    except click.UsageError as error:
        return _usage(error, as_json)
    except click.ClickException as error:
        return _fail(error.format_message(), error.exit_code, as_json)
    except (click.Abort, KeyboardInterrupt):
        return _fail("interrupted", EXIT_INTERRUPTED, as_json)
    except MilonError as error:
        if os.environ.get("MILON_DEBUG") == "1":
            raise
        return _fail(str(error), EXIT_ERROR, as_json)
    except Exception as error:
        # A fault of Milon's own: a user still sees a line, and learns how to see more.
        if os.environ.get("MILON_DEBUG") == "1":
            raise
        text = f"{type(error).__name__}: {error}".splitlines()[0]
        return _fail(f"unexpected {text}; MILON_DEBUG=1 shows where, please report it", EXIT_ERROR, as_json)


def main() -> NoReturn:
    """Entry point of the console script."""
    sys.exit(run(sys.argv[1:]))


def _reader_left() -> int:
    """Whoever read our output has seen enough, as `head` does. Python would complain when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)
    return 0


def _usage(error: click.UsageError, as_json: bool) -> int:
    if as_json:
        return _fail(error.format_message(), EXIT_USAGE, as_json)
    if error.ctx is not None:
        click.echo(error.ctx.get_usage(), err=True)
        click.echo(f"Try '{error.ctx.command_path} --help' for help.", err=True)
    return _fail(error.format_message(), EXIT_USAGE, as_json)


def _fail(message: str, code: int, as_json: bool) -> int:
    click.echo(
        json.dumps({"error": message, "exit_code": code}) if as_json else f"error: {message}", err=True
    )
    return code


if __name__ == "__main__":
    main()
