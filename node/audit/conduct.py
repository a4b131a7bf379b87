"""How nodes have done in all jobs: the scheduler's records and reliabilities, kept by its own rule."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from node.audit.holdings import Settlement

FULL = 10_000
RECOVERY = 500


@dataclass
class Conduct:
    """A node's record; `deficit` is what it lacks of full reliability, ten-thousandths."""

    deficit: int = 0
    expired: int = 0
    accepted: int = 0
    outliers: int = 0
    invalid: int = 0

    @property
    def delivered(self) -> int:
        """Updates of rounds that became final."""
        return self.accepted + self.outliers + self.invalid


class Conducts:
    """By node, and for the worst of each organisation's nodes, which a new one starts with."""

    def __init__(self) -> None:
        self._nodes: dict[str, Conduct] = {}
        self._worst: defaultdict[str, int] = defaultdict(int)

    def of(self, node: str) -> Conduct:
        """The record of a node, empty if nothing was ever settled of it."""
        return self._nodes.get(node, Conduct())

    def reliability(self, node: str, account: str) -> int:
        """Ten-thousandths of its capacity that a node of this organisation is leased by."""
        known = self._nodes.get(node)
        return FULL - (known.deficit if known is not None else self._worst[account])

    def missed(self, node: str, account: str) -> None:
        """A lease was missed: half of the reliability is lost."""
        conduct = self._known(node, account)
        conduct.expired += 1
        self._fault(conduct, account, (FULL - conduct.deficit) // 2)

    def rejected(self, node: str, account: str) -> None:
        """An update was invalid: three quarters of the reliability are lost."""
        conduct = self._known(node, account)
        conduct.invalid += 1
        self._fault(conduct, account, (FULL - conduct.deficit) * 3 // 4)

    def settled(self, node: str, account: str, settlement: Settlement) -> None:
        """Updates of final rounds that were not invalid: each earns some reliability back."""
        good = settlement.accepted + settlement.outliers
        if not good:
            return
        conduct = self._known(node, account)
        conduct.accepted += settlement.accepted
        conduct.outliers += settlement.outliers
        conduct.deficit -= min(good * RECOVERY, conduct.deficit)
        self._worst[account] -= min(good * RECOVERY, self._worst[account])

    def _known(self, node: str, account: str) -> Conduct:
        if node not in self._nodes:
            self._nodes[node] = Conduct(self._worst[account])
        return self._nodes[node]

    def _fault(self, conduct: Conduct, account: str, loss: int) -> None:
        conduct.deficit += loss
        self._worst[account] = max(self._worst[account], conduct.deficit)


def trusted(capacity: int, reliability: int) -> int:
    """The capacity that a node is leased by; at least 1, so that it can earn its record back."""
    return max(capacity * reliability // FULL, 1)
