"""Run Slither on the shipped contracts and hold each finding against its answer in `contracts/slither.toml`.

Slither needs another web3 than Milon, so it has an environment of its own. It runs no compiler: it is given syntax
trees in the way in which Hardhat keeps them.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that it runs from a checkout that is not installed

from chain.compiler import analyse  # noqa: E402
from chain.errors import MilonError  # noqa: E402

ANSWERS = ROOT / "contracts" / "slither.toml"

# Slither goes on without a function that it fails on, which would then not have been looked at.
_SKIPPED = re.compile(r"Impossible to generate IR for (\S+)")


@dataclass(frozen=True)
class Finding:
    """What one detector says of one place: `Contract.function`, `Contract.variable` or `Contract.Event`."""

    detector: str
    impact: str
    place: str
    text: str


@dataclass(frozen=True)
class Answer:
    """Why findings of a detector at these places, which may hold `*`, are none."""

    detector: str
    places: tuple[str, ...]
    why: str

    def answers(self, finding: Finding) -> bool:
        """Whether it is about this finding."""
        return finding.detector == self.detector and any(fnmatchcase(finding.place, p) for p in self.places)


def main(argv: Sequence[str] | None = None) -> int:
    """Run with these arguments, by default the command line's. Exit code 1 if a finding has no answer, or an
    answer has no finding."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slither", type=Path, default=ROOT / ".venv-slither" / "bin" / "slither")
    slither = parser.parse_args(argv).slither
    try:
        report, log = _run(slither, analyse(ROOT))
    except MilonError as error:
        raise SystemExit(f"error: {error}") from error
    findings = [*read_findings(report), *skipped(log)]
    mistakes = list(shortcomings(findings, read_answers(ANSWERS.read_text())))
    for line in mistakes:
        print(f"error: {line}", file=sys.stderr)
    if not mistakes:
        print(f"{len(findings)} findings, each with its answer in {ANSWERS.relative_to(ROOT)}")
    return 1 if mistakes else 0


def read_findings(report: dict[str, Any]) -> Iterator[Finding]:
    """The findings of Slither's JSON report. Raises SystemExit with its own words where it failed."""
    if not report.get("success"):
        raise SystemExit(f"error: Slither failed: {report.get('error')}")
    for found in report["results"].get("detectors", []):
        text = " ".join(str(found["description"]).split())
        yield Finding(found["check"], found["impact"], _place(found["elements"]), text)


def read_answers(text: str) -> list[Answer]:
    """The answers of a TOML file: tables `answer` with `detector`, `places` and `why`. Raises SystemExit."""
    answers = []
    for entry in tomllib.loads(text).get("answer", []):
        if set(entry) != {"detector", "places", "why"} or not entry["places"] or not entry["why"].strip():
            raise SystemExit(f"error: an answer needs detector, places and why: {entry}")
        answers.append(Answer(entry["detector"], tuple(entry["places"]), entry["why"]))
    return answers


def shortcomings(findings: Sequence[Finding], answers: Sequence[Answer]) -> Iterator[str]:
    """Findings without an answer, the first of each place, and answers that nothing asks for any more, a line
    each."""
    open_ones = {
        (f.detector, f.place): f for f in reversed(findings) if not any(a.answers(f) for a in answers)
    }
    for finding in sorted(open_ones.values(), key=lambda f: (f.detector, f.place)):
        yield f"no answer: {finding.detector} ({finding.impact}) at {finding.place}: {finding.text}"
    for answer in answers:
        for place in answer.places:
            one = Answer(answer.detector, (place,), answer.why)
            if not any(one.answers(finding) for finding in findings):
                yield f"no finding for the answer: {answer.detector} at {place}"


def skipped(log: str) -> Iterator[Finding]:
    """Functions that Slither could not look at, by its log, as findings of a detector `not-read`."""
    for place in _SKIPPED.findall(log):
        why = "Slither cannot read it; often a sum does not begin with its widest operand"
        yield Finding("not-read", "High", place, why)


def _run(slither: Path, output: dict[str, Any]) -> tuple[dict[str, Any], str]:
    with tempfile.TemporaryDirectory(prefix="milon-slither-") as scratch:
        _write_build(Path(scratch) / "build-info", output)
        report = Path(scratch) / "report.json"
        options = [
            "--npx-disable",
            "--hardhat-artifacts-directory",
            scratch,
            "--filter-paths",
            "node_modules",
        ]
        done = subprocess.run(  # noqa: S603
            [slither, ".", "--ignore-compile", *options, "--json", str(report)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if not report.exists():
            raise SystemExit(f"error: Slither wrote no report:\n{done.stdout}")
        return json.loads(report.read_text()), done.stdout


def _write_build(folder: Path, output: dict[str, Any]) -> None:
    """The files that Hardhat 3 keeps of one compilation. No detector looks at bytecode, so there is none."""
    config = json.loads((ROOT / "chain" / "solc-settings.json").read_text())
    none = {"object": "", "sourceMap": ""}
    for contracts in output["contracts"].values():
        for contract in contracts.values():
            contract["evm"] = {"bytecode": none, "deployedBytecode": none}
    folder.mkdir()
    build = {
        "solcVersion": config["version"],
        "input": {"language": "Solidity", "settings": config["settings"]},
    }
    (folder / "milon.json").write_text(json.dumps(build))
    (folder / "milon.output.json").write_text(json.dumps({"output": output}))


def _place(elements: Sequence[dict[str, Any]]) -> str:
    names: list[str] = []
    element: dict[str, Any] | None = elements[0] if elements else None
    while element is not None:
        names.insert(0, str(element["name"]))
        element = element.get("type_specific_fields", {}).get("parent")
    return ".".join(names)


if __name__ == "__main__":
    sys.exit(main())
