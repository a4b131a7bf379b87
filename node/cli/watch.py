"""Shows a job as it goes on: one line per happening, one row per round, a table at the end; or JSON lines."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from chain.contracts import event_types as ev
from chain.contracts.token import format_units
from chain.contracts.types import JobStatus
from node.cli.common import plain, to_json
from node.names import Names, short
from node.roundlog import RoundSummary, RoundTracker, in_telling_order

_STYLES = {
    "opened": "bold cyan",
    "leased": "blue",
    "delivered": "green",
    "voted": "magenta",
    "quorum": "magenta",
    "final": "bold green",
    "missed": "bold red",
    "penalty": "bold red",
    "failed": "bold red",
    "waits": "yellow",
    "cancel": "yellow",
    "undone": "yellow",
    "ended": "bold",
}
_NAME_MIN, _NAME_MAX = 14, 32  # columns; longer names push their line to the right
_WHERE = {"contract", "block_number", "transaction_hash", "log_index"}


class JobWatch:
    """Prints what happens to one job. Feed it the chain's events in order; other jobs' are passed over.

    `status` is OPEN until the job ended; `summaries` holds the closed rounds.
    """

    def __init__(
        self,
        job_id: int,
        epoch_price: int,
        rounds: int,
        names: Names,
        console: Console,
        *,
        as_json: bool = False,
        happenings: bool = True,
    ) -> None:
        """
        Args:
            epoch_price: of the job's terms, base units of the token.
            rounds: of the job's terms.
            names: what participants are called.
            console: where it prints; colours and widths are the console's matter.
            as_json: one JSON object per line instead of text.
            happenings: False prints the rounds' rows alone.
        """
        self.job_id = job_id
        self._rounds, self._names, self._console = rounds, names, console
        self._as_json, self._happenings = as_json, happenings
        self._epoch_price = epoch_price
        self._who = max(
            [_NAME_MIN, *(len(label) for label in names.labels.values() if len(label) <= _NAME_MAX)]
        )
        self._tracker = RoundTracker(epoch_price, names.seats)
        self._fed: list[tuple[ev.ChainEvent, float | None]] = []

    @property
    def status(self) -> JobStatus:
        """What became of the job as far as the events tell."""
        return self._tracker.status

    @property
    def summaries(self) -> list[RoundSummary]:
        """The closed rounds, in order."""
        return self._tracker.summaries

    def feed(self, events: Iterable[ev.ChainEvent], at: float | Mapping[int, float] | None = None) -> None:
        """Takes events and prints what they tell.

        Args:
            events: in the order of the chain, following those fed before.
            at: when they happened, in seconds of any one clock; or that by number of block.
        """
        ours = [event for event in events if getattr(event, "job_id", None) == self.job_id]
        for event in in_telling_order(ours):
            when = at.get(event.block_number) if isinstance(at, Mapping) else at
            self._fed.append((event, when))
            self._take(event, when)

    def undo_from(self, block: int) -> None:
        """Forgets what happened in this block and later: the chain was reorganised."""
        kept = [(event, when) for event, when in self._fed if event.block_number < block]
        if len(kept) == len(self._fed):
            return
        self._fed = kept
        self._tracker = RoundTracker(self._epoch_price, self._names.seats)
        for event, when in kept:
            self._tracker.feed(event, when)
        if self._as_json:
            click.echo(to_json({"event": "Reorganised", "job_id": self.job_id, "undone_from": block}))
        else:
            self._print_line(None, "undone", f"the chain took back block {block} and what followed")

    def _take(self, event: ev.ChainEvent, at: float | None) -> None:
        summary = self._tracker.feed(event, at)
        if self._as_json:
            self._print_json(event, summary)
            return
        told = self._tell(event) if self._happenings or isinstance(event, ev.JobEnded) else None
        if told is not None:
            self._print_line(getattr(event, "round", None), *told)
        if summary is not None:
            self._print_row(summary)

    def table(self) -> Table:
        """The rounds so far."""
        return rounds_table(self.summaries)

    def _tell(self, event: ev.ChainEvent) -> tuple[str, str] | None:
        """The verb and the rest of the line of an event; None when it is not worth one."""
        name, track = self._names.of, self._tracker
        match event:
            case ev.RoundOpened():
                again = f"attempt {event.attempt}, " if event.attempt > 1 else ""
                members = event.eligible.bit_count()
                return (
                    "opened",
                    f"{again}from model {short(event.model_digest)}, quorum {event.quorum} of {members}"
                    f"{_carried(event.carried)}",
                )
            case ev.EpochsLeased():
                return "leased", f"{name(event.node):<{self._who}} {_epochs(event.first, event.count)}"
            case ev.LeaseMissed():
                lost = f", loses {format_units(event.penalty)}" if event.penalty else ""
                return "missed", f"{name(event.node):<{self._who}} {_epochs(event.first, event.count)}{lost}"
            case ev.UpdateSubmitted():
                kept = ", keeps its epochs" if event.kept else ""
                what = f"{_epochs(event.first, event.count)}, {_count(event.samples, 'sample')}{kept}"
                return "delivered", f"{name(event.node):<{self._who}} {what}"
            case ev.VoteCast():
                tally = ""
                if track.knows(event.round):
                    cast, quorum, eligible = track.votes(event.round)
                    tally = f"  ({cast} of {eligible} voted, quorum {quorum})"
                return "voted", f"{name(event.account):<{self._who}} accuracy {event.score / 1e6:.4f}{tally}"
            case ev.QuorumReached():
                return "quorum", f"for candidate {short(event.candidate)}"
            case ev.ResultRevealed():
                return (
                    "final",
                    f"model {short(event.model_digest)} at {event.cid}{self._penalised(event.penalised)}",
                )
            case ev.VoteFailed():
                return "failed", f"the vote of attempt {event.attempt}{self._penalised(event.penalised)}"
            case ev.AttemptFailed():
                what = "no quorum; the updates are kept" if event.voting else "too little was delivered"
                return "failed", f"attempt {event.attempt}: {what}"
            case ev.UpdateRejected():
                lost = f" loses {format_units(event.penalty)}" if event.penalty else " was rejected"
                what = f"update of {_epochs(event.first, event.count)}{lost}"
                return "penalty", f"{name(event.node):<{self._who}} {what}"
            case ev.VotePenalised() if event.penalty:
                lost = format_units(event.penalty)
                return "penalty", f"{name(event.account):<{self._who}} vote loses {lost}"
            case ev.TrainerWaits():
                return "waits", f"{name(event.node):<{self._who}} for a share of the next round"
            case ev.JobCancelRequested():
                return "cancel", "asked for by the client; the job ends after this round"
            case ev.JobEnded():
                refund = f", {format_units(event.refund)} refunded" if event.refund else ""
                return "ended", f"job {self.job_id} {event.status.name.lower()}{refund}"
            case _:
                return None

    def _penalised(self, seats: int) -> str:
        return f"; {', '.join(self._names.at(seats))} lost the bond" if seats else ""

    def _print_line(self, round_number: int | None, verb: str, rest: str) -> None:
        width = len(str(self._rounds))
        where = f"round {round_number:>{width}}" if round_number is not None else " " * (6 + width)
        line = Text(f"{where}  ", style="dim")
        line.append(f"{verb:<10}", style=_STYLES[verb])
        line.append(rest, style="not dim")
        self._console.print(line, soft_wrap=True)

    def _print_row(self, summary: RoundSummary) -> None:
        parts = [f"round {summary.round} of {self._rounds}", f"accuracy {summary.accuracy:.4f}"]
        if summary.seconds is not None:
            parts.append(f"{summary.seconds:.1f} s")
        missed = f", {summary.expired} missed" if summary.expired else ""
        parts.append(f"{_count(summary.leases, 'lease')}{missed}")
        parts.append(f"{summary.accepted} of {_count(summary.updates, 'update')} accepted")
        parts.append(f"{summary.matching} of {summary.eligible} votes match, quorum {summary.quorum}")
        parts.append(f"pays {format_units(sum(summary.paid.values()))}")
        self._console.print(Text("  ".join(parts), style="bold reverse"), soft_wrap=True)
        self._console.print(Text(f"  {self._shares(summary)}", style="dim"), soft_wrap=True)

    def _shares(self, summary: RoundSummary) -> str:
        by_name: dict[str, int] = {}
        for address, amount in summary.paid.items():
            label = self._names.organisation_of(address)
            by_name[label] = by_name.get(label, 0) + amount
        return "rewards: " + (
            ", ".join(f"{who} {format_units(by_name[who])}" for who in sorted(by_name)) or "none"
        )

    def _print_json(self, event: ev.ChainEvent, summary: RoundSummary | None) -> None:
        told = {k: v for k, v in dataclasses.asdict(event).items() if k not in _WHERE}
        address = told.get("node") or told.get("account")
        who = {"name": self._names.of(address)} if address else {}
        where = {"block": event.block_number, "transaction": event.transaction_hash}
        click.echo(to_json({"event": type(event).__name__, **told, **who, **where}))
        if summary is not None:
            click.echo(to_json({"event": "RoundSummary", "job_id": self.job_id, **plain(summary)}))


def rounds_table(summaries: Iterable[RoundSummary]) -> Table:
    """One row per closed round."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("round", "accuracy", "seconds", "leases", "updates", "votes", "pays"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("model", no_wrap=True)
    for s in summaries:
        table.add_row(
            str(s.round),
            f"{s.accuracy:.4f}",
            "" if s.seconds is None else f"{s.seconds:.1f}",
            f"{s.leases} ({s.expired} missed)" if s.expired else str(s.leases),
            f"{s.accepted}/{s.updates}",
            f"{s.matching} of {s.eligible}, {s.quorum} needed",
            format_units(sum(s.paid.values())),
            short(s.digest),
        )
    return table


def _epochs(first: int, count: int) -> str:
    return f"epoch {first}" if count == 1 else f"epochs {first} to {first + count - 1}"


def _carried(leases: int) -> str:
    return f", {_count(leases.bit_count(), 'lease')} carried over" if leases else ""


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
