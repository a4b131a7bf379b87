"""Run the Solidity tests on instrumented contracts and hold their line and statement coverage to a minimum.

Hardhat compiles the shipped contracts with a probe at each statement; the tests deploy those artifacts, so
what is counted is what they ran. Tests that measure gas are left out, since probes cost gas, and with them the
invariants, which hold every call to a bound.
"""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MINIMUM = 98.0

_ROW = re.compile(r"^║ (\S+\.sol|Total) +│ +([\d.]+) +│ +([\d.]+) +│", re.MULTILINE)
_GAS = re.compile(r"\b(?:snapshotGas\w*|lastCallGas|function invariant_\w+)\b")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_BODY = re.compile(r"\b(?:function|constructor|modifier|receive|fallback)\b[^;{]*\{\s*[^\s}]")


@dataclass(frozen=True)
class Row:
    """Coverage of one file, or of all under the name `Total`, in percent, and the numbers of uncovered lines."""

    name: str
    lines: float
    statements: float
    uncovered: str = ""


def main(argv: Sequence[str] | None = None) -> int:
    """Run with these arguments, by default the command line's. Exit code 1 if coverage is below the minimum,
    a test fails, or a contract was not measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minimum", type=float, default=MINIMUM, help="percent, of lines and of statements")
    minimum = parser.parse_args(argv).minimum
    command = ["npx", "hardhat", "test", "solidity", "--coverage"]
    done = subprocess.run(  # noqa: S603
        [*command, *map(str, tests(ROOT))],
        cwd=ROOT,
        env=os.environ | {"NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        print(done.stdout)
        print("error: the tests fail on instrumented contracts", file=sys.stderr)
        return 1
    rows = read_table(done.stdout, uncovered((ROOT / "coverage" / "lcov.info").read_text()))
    print(table(rows))
    mistakes = list(shortcomings(rows, contracts(ROOT), minimum))
    for mistake in mistakes:
        print(f"error: {mistake}", file=sys.stderr)
    return 1 if mistakes else 0


def tests(root: Path) -> list[Path]:
    """The Solidity tests under `root`, relative to it, but for helpers and what measures gas."""
    found = sorted(file for folder in ("contracts", "tests") for file in (root / folder).rglob("*.t.sol"))
    return [
        file.relative_to(root)
        for file in found
        if file.parent.name != "test" and not _GAS.search(file.read_text())
    ]


def contracts(root: Path) -> list[str]:
    """The shipped files under `root` that hold executable statements, relative to it."""
    return [
        file.relative_to(root).as_posix()
        for file in sorted((root / "contracts").rglob("*.sol"))
        if not file.name.endswith(".t.sol") and _BODY.search(_COMMENT.sub("", file.read_text()))
    ]


def read_table(output: str, lines: Mapping[str, str]) -> list[Row]:
    """The rows of the table that Hardhat prints, the total last; empty if there is none. It cuts long lists of
    lines short, so those are given."""
    return [
        Row(name, float(by_line), float(by_statement), lines.get(name, ""))
        for name, by_line, by_statement in _ROW.findall(output)
    ]


def uncovered(lcov: str) -> dict[str, str]:
    """The uncovered lines of each file of an LCOV report, as `1, 3-5`."""
    found: dict[str, str] = {}
    for record in lcov.split("end_of_record\n"):
        name = re.search(r"^SF:(.+)$", record, re.MULTILINE)
        if name:
            numbers = sorted(int(number) for number in re.findall(r"^DA:(\d+),0$", record, re.MULTILINE))
            runs = groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
            ends = ([number for _, number in run] for _, run in runs)
            found[name[1]] = ", ".join(f"{r[0]}-{r[-1]}" if len(r) > 1 else str(r[0]) for r in ends)
    return found


def table(rows: Sequence[Row]) -> str:
    """The same as aligned text, by name, the total last."""
    width = max((len(row.name) for row in rows), default=0)
    lines = [f"{'contract':{width}}  lines %  statements %  uncovered lines"]
    for row in sorted(rows, key=lambda row: (row.name == "Total", row.name)):
        lines.append(
            f"{row.name:{width}}  {row.lines:7.2f}  {row.statements:12.2f}  {row.uncovered}".rstrip()
        )
    return "\n".join(lines)


def shortcomings(rows: Sequence[Row], expected: Sequence[str], minimum: float) -> Iterator[str]:
    """What is wrong with this measurement, a line each: too little covered, or not measured at all."""
    by_name = {row.name: row for row in rows}
    for name in expected:
        if name not in by_name:
            yield f"{name} was not measured"
    total = by_name.get("Total")
    if total is None:
        yield "the tests printed no table of coverage"
        return
    for what, value in (("lines", total.lines), ("statements", total.statements)):
        if value < minimum:
            yield f"{value:.2f} % of {what} are covered; at least {minimum:g} % are needed"


if __name__ == "__main__":
    sys.exit(main())
