"""Replays the vault's accounts over all jobs: what everyone put in, earned, lost and took out."""

from __future__ import annotations

from collections import defaultdict

from chain.contracts import event_types as ev


class VaultReplay:
    """By account, base units: `stake` is free plus locked; `total` is that plus what is unbonding and credit."""

    def __init__(self) -> None:
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
