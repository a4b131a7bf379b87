"""What an audit says: named checks, findings that say where, and figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum

from chain.contracts import event_types as ev


class Check(Enum):
    """The checks of an audit, in the order in which a reader wants them; values are their titles."""

    DEPLOYMENT = "the contracts are those of the deployment file, on the chain that it names"
    HISTORY = "the events are complete and agree with the contracts' state"
    JOB = "spec, initial model, terms and escrow are what the submission says"
    DATA = "shards and held-out data have the manifest's SHA-256 and counts"
    ROUNDS = "rounds and attempts open, close and end by the rules, in time"
    LEASES = "leases are by quota and share, disjoint, by active trainers, kept as told, delivered in time"
    ACCUMULATORS = "the updates of each round add up to the chain's accumulator"
    UPDATES = "every update is served, and is invalid exactly where the verdict says so"
    AGGREGATES = "every round's model is what the job's rule makes of its updates"
    MODELS = "every round's model is served under an announced CID"
    VOTES = "votes, seals, quorums, verdicts and median scores follow from the ballots"
    SCORES = "recorded scores are those of the models on the held-out data"
    PAYMENTS = "rewards, penalties and refund follow from terms, outcomes and verdicts, to the base unit"
    RECORDS = "the records and reliabilities of nodes and organisations follow from how they did in all jobs"
    VAULT = "the vault's balances, locked bonds included, are what was paid in, earned, lost and taken out"

    @property
    def label(self) -> str:
        """The check's name in reports."""
        return self.name.lower()


@dataclass(frozen=True)
class Where:
    """The place of a finding; what does not apply is None. `digest` and `transaction` are hexadecimal."""

    round: int | None = None
    attempt: int | None = None
    epoch: int | None = None
    node: str | None = None
    account: str | None = None
    digest: str | None = None
    cid: str | None = None
    block: int | None = None
    transaction: str | None = None

    @classmethod
    def of(cls, event: ev.ChainEvent) -> Where:
        """The place of an event, as far as its fields tell."""
        digest = getattr(event, "model_digest", None) or getattr(event, "digest", None)
        return cls(
            round=getattr(event, "round", None),
            attempt=getattr(event, "attempt", None),
            epoch=getattr(event, "first", None),
            node=getattr(event, "node", None),
            account=getattr(event, "account", None),
            digest=digest.hex() if digest else None,
            cid=getattr(event, "cid", None) or None,
            block=event.block_number,
            transaction=event.transaction_hash,
        )

    def __str__(self) -> str:
        named = ((field.name, getattr(self, field.name)) for field in fields(self))
        return ", ".join(f"{name} {value}" for name, value in named if value is not None)


@dataclass(frozen=True)
class Finding:
    """Something that is not as it must be."""

    check: str
    problem: str
    where: Where

    def __str__(self) -> str:
        place = str(self.where)
        return f"{self.check}: {self.problem}" + (f" ({place})" if place else "")


@dataclass(frozen=True)
class CheckResult:
    """One named check: how many comparisons it made, and how many of them failed."""

    name: str
    title: str
    comparisons: int
    failures: int


@dataclass(frozen=True)
class Outstanding:
    """A lease or a vote that is not settled yet, with what its settlement will bring; base units."""

    kind: str
    round: int
    account: str
    reward: int
    penalty: int


@dataclass(frozen=True)
class AuditReport:
    """The result of an audit.

    Attributes:
        ok: nothing was found. job_id: the job. block: the state that was audited is that at the end of this block.
        findings: all that is wrong, in the order in which it was found.
        checks: every named check. notes: what is worth knowing and is no failure.
        outstanding: what is not settled yet. figures: counts and amounts (base units) by name.
        organisations: rewards and penalties so far, base units, by the organisation's account.
    """

    ok: bool
    job_id: int
    block: int
    findings: tuple[Finding, ...]
    checks: tuple[CheckResult, ...]
    notes: tuple[str, ...]
    outstanding: tuple[Outstanding, ...]
    figures: Mapping[str, int]
    organisations: Mapping[str, Mapping[str, int]]

    @property
    def verdict(self) -> str:
        """ "ok", or the first finding and how many more there are."""
        if self.ok:
            return "ok"
        more = len(self.findings) - 1
        return str(self.findings[0]) + (f" (and {more} more)" if more else "")


class Book:
    """Where checks are entered while an audit goes on."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.notes: list[str] = []
        self._made = dict.fromkeys(Check, 0)
        self._failed = dict.fromkeys(Check, 0)

    def expect(self, check: Check, holds: bool, problem: str, where: Where | None = None) -> bool:
        """Enter one comparison; `problem` says what is wrong when it does not hold. Returns `holds`."""
        self._made[check] += 1
        if not holds:
            self._failed[check] += 1
            self.findings.append(Finding(check.label, problem, where or Where()))
        return holds

    def equal(
        self, check: Check, what: str, found: object, expected: object, where: Where | None = None
    ) -> bool:
        """Enter one comparison of two values, of which `expected` is the audit's own."""
        problem = f"{what} is {_shown(found)}, it must be {_shown(expected)}"
        return self.expect(check, found == expected, problem, where)

    def note(self, text: str) -> None:
        """Enter something that is worth knowing and is no failure; repetitions are dropped."""
        if text not in self.notes:
            self.notes.append(text)

    def results(self) -> tuple[CheckResult, ...]:
        """Every check with its counts."""
        return tuple(CheckResult(c.label, c.value, self._made[c], self._failed[c]) for c in Check)


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex()
    return value.name.lower() if isinstance(value, Enum) else str(value)
