"""The job's money: what every transaction has to move, against what the vault says it moved."""

from __future__ import annotations

from collections import Counter, defaultdict

from chain.contracts import event_types as ev
from node.audit.report import Book, Check, Where

# What moved, whose it is (empty for the job's own), and how much.
_Move = tuple[str, str, int]


class Ledger:
    """Escrow, debts and earnings of one job in base units, by the audit's own reckoning.

    `escrow` is what is left of the budget, `owed` what final rounds have set aside and settlements have not yet paid.
    """

    def __init__(self, job_id: int, book: Book) -> None:
        self._job_id, self._book = job_id, book
        self.escrow = self.owed = self.refunded = 0
        self.rewards: defaultdict[str, int] = defaultdict(int)
        self.penalties: defaultdict[str, int] = defaultdict(int)
        self._expected: Counter[_Move] = Counter()
        self._found: Counter[_Move] = Counter()

    def expect_escrow(self, client: str, budget: int) -> None:
        """The budget has to come in, in this transaction."""
        self.escrow += budget
        self._expect("escrowed", client, budget)

    def expect_owed(self, amount: int) -> None:
        """A final round has to set this aside, in this transaction."""
        self._book.expect(
            Check.PAYMENTS, amount <= self.escrow, f"a round costs {amount}, only {self.escrow} are in escrow"
        )
        self.escrow -= amount
        self.owed += amount
        self._expect("owed", "", amount)

    def expect_refund(self, client: str) -> int:
        """The rest of the escrow has to go back, in this transaction; returns how much that is."""
        amount, self.escrow = self.escrow, 0
        self.refunded += amount
        self._expected["refunded", client, amount] += 1
        return amount

    def expect_settlement(self, account: str, reward: int, penalty: int) -> None:
        """Leases or votes have to be settled so, in this transaction."""
        self.owed -= reward
        if reward:
            self.rewards[account] += reward
        if penalty:
            self.penalties[account] += penalty
        self._expect("paid", account, reward)
        self._expect("slashed", account, penalty)

    def feed(self, event: ev.ChainEvent) -> None:
        """Take in what the vault did for the job."""
        match event:
            case ev.Escrowed(job_id=self._job_id):
                self._found["escrowed", event.client, event.amount] += 1
            case ev.Owed(job_id=self._job_id):
                self._found["owed", "", event.amount] += 1
            case ev.Paid(job_id=self._job_id):
                self._found["paid", event.account, event.amount] += 1
            case ev.Refunded(job_id=self._job_id):
                self._found["refunded", event.client, event.amount] += 1
            case ev.Slashed(job_id=self._job_id):
                self._found["slashed", event.account, event.amount] += 1

    def end_transaction(self, where: Where) -> None:
        """Hold what was found in a transaction that is about the job against what was expected."""
        for move in self._expected.keys() | self._found.keys():
            expected, found = self._expected[move], self._found[move]
            what, account, amount = move
            whose = f" for {account}" if account else ""
            self._book.expect(
                Check.PAYMENTS,
                expected == found,
                f"the vault has {what} {amount} base units{whose} {found} times, it must be {expected} times",
                where,
            )
        self._expected.clear()
        self._found.clear()

    def _expect(self, what: str, account: str, amount: int) -> None:
        if amount:
            self._expected[what, account, amount] += 1
