"""What the commands share: types of options, output for people and for machines, progress, examples."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import Enum, Flag
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click

P = ParamSpec("P")
R = TypeVar("R")

EXIT_ERROR = 1
EXIT_USAGE = 2
EXIT_JOB_FAILED = 3
EXIT_INTERRUPTED = 130


def examples(*lines: str) -> str:
    """An epilog that shows how a command is typed, one example per line."""
    title = "Example:" if len(lines) == 1 else "Examples:"
    return "\b\n" + "\n".join([title, *(f"  {line}" for line in lines)])


def json_option(command: Callable[P, R]) -> Callable[P, R]:
    """Adds ``--json``, given to the command as ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")(command)


def emit(as_json: bool, data: Any, people: Callable[[], None] | str) -> None:
    """Prints ``data`` as JSON, or what ``people`` prints (or is) when no JSON was asked for."""
    if as_json:
        click.echo(to_json(data, indent=2))
    elif isinstance(people, str):
        click.echo(people)
    else:
        people()


def to_json(data: Any, indent: int | None = None) -> str:
    """JSON of dataclasses, enums, paths and bytes too. Amounts stay integers, in base units of the token."""
    return json.dumps(plain(data), indent=indent, ensure_ascii=False)


def plain(value: Any) -> Any:
    """``value`` in terms of JSON: enum members by lower-case name, bytes as 0x hexadecimal."""
    if isinstance(value, Flag):
        return [str(member.name).lower() for member in value]
    if isinstance(value, Enum):
        return str(value.name).lower()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value


def chain_date(seconds: int) -> str:
    """Chain time for people, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


class Tokens(click.ParamType[int]):
    """A decimal number of tokens at the command line, in base units to the command."""

    name = "tokens"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from node.spec.fields import tokens

        try:
            return value if isinstance(value, int) else tokens(value)
        except ValueError:
            self.fail(f"{value!r} is not a number of tokens >= 0 with at most 18 decimals", param, ctx)


class Address(click.ParamType[str]):
    """An address at the command line, checksummed to the command."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from eth_utils.address import is_address, is_checksum_address, to_checksum_address

        text = str(value)
        if not is_address(text):
            self.fail(f"{text!r} is not an address: 0x and 40 hexadecimal digits", param, ctx)
        mixed = text[2:] not in (text[2:].lower(), text[2:].upper())
        if mixed and not is_checksum_address(text):
            self.fail(f"{text!r} has a wrong checksum: a digit is mistyped", param, ctx)
        return str(to_checksum_address(text))


class JobId(click.ParamType[int]):
    """The number of a job."""

    name = "job"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value)
        if not text.isdecimal() or not text.isascii() or not 0 < int(text) < 1 << 64:
            self.fail(f"{text!r} is not a job's number, such as 1; see `milon job list`", param, ctx)
        return int(text)


class KeyValue(click.ParamType[tuple[str, str]]):
    """``key=value``."""

    name = "key=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        key, equals, text = str(value).partition("=")
        if not equals or not key.strip():
            self.fail(f"{value!r} is not key=value", param, ctx)
        return key.strip(), text.strip()


def set_option(example: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Adds ``--set key=value``, given to the command as the tuple ``overrides`` of pairs."""
    return click.option(
        "--set",
        "overrides",
        type=KeyValue(),
        multiple=True,
        help=f"Lay a value over the file's, such as {example}. May be repeated.",
    )


@contextmanager
def progress(text: str, *, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """A spinner on a terminal's stderr while work goes on; yields a function that changes its text.

    Elsewhere nothing is printed, so that logs hold no control characters.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda _text: None
        return
    from rich.console import Console

    with Console(stderr=True).status(text) as status:
        yield lambda newer: status.update(newer)


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = (), *, wrap: bool = True
) -> None:
    """A table on stdout; columns named in ``right`` are aligned to the right.

    With ``wrap`` false no cell is broken, so that what is to be copied stays whole, however narrow the terminal.
    """
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console(wide=not wrap).print(table)


def console(*, wide: bool = False, **options: Any) -> Any:
    """A rich console on stdout that neither highlights nor reads markup, and wide enough for a pipe.

    With ``wide`` it breaks no line on a terminal either.
    """
    from rich.console import Console

    class Quiet(Console):
        def on_broken_pipe(self) -> None:
            # Rich would exit with 1; that the reader went away is for `main` to judge.
            raise BrokenPipeError

    width = 1000 if wide else None if sys.stdout.isatty() else 200
    return Quiet(file=sys.stdout, highlight=False, markup=False, width=width, **options)
