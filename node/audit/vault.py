"""Replays the vault's accounts over all jobs: what everyone put in, earned, lost and took out."""

from __future__ import annotations

from collections import defaultdict

from chain.contracts import event_types as ev
from node.audit.members import Members
from node.audit.report import Book, Check, Where


class VaultReplay:
    """By account, base units: `stake` is free plus locked; `total` is that plus what is unbonding and credit.

    `members` have to be fed each event before.
    """

    def __init__(self, members: Members, book: Book) -> None:
        self._members, self._book = members, book
        self.stake: defaultdict[str, int] = defaultdict(int)
        self.total: defaultdict[str, int] = defaultdict(int)
        self._treasury = ""

    def feed(self, event: ev.ChainEvent) -> None:
        """Take in the next event; those of other contracts are passed over."""
        match event:
            case ev.VaultParametersSet():
                self._treasury = event.treasury
            case ev.Staked():
                self.stake[event.account] += event.amount
                self.total[event.account] += event.amount
            case ev.Unbonded():
                self.stake[event.account] -= event.amount
            case ev.Slashed():
                self.stake[event.account] -= event.amount
                self.total[event.account] -= event.amount
                self.total[self._treasury] += event.amount
            case ev.Paid():
                self.total[event.account] += event.amount
            case ev.Refunded():
                self.total[event.client] += event.amount
            case ev.Withdrawn():
                self.total[event.account] -= event.amount
            case ev.BondChanged():
                reached = self._members.reaches_minimum(event.account)
                where = Where.of(event)
                self._book.equal(
                    Check.VAULT, "whether a stake reaches the minimum", event.bonded, reached, where
                )
