"""A finished job as one JSON document for machines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from chain.consortium import Consortium
from chain.contracts import event_types as ev
from chain.contracts.token import format_units
from chain.transport import rpc_all
from node.names import Names
from node.roundlog import RoundSummary


def gas_by_round(consortium: Consortium, events: Iterable[ev.ChainEvent]) -> dict[int, int]:
    """Gas of all transactions of a job, by the round that each first speaks of; 0 for those of no round.

    A transaction that closes a round and opens the next counts for the one that it closes.

    Raises:
        ChainError: the chain does not answer.
    """
    round_of: dict[str, int] = {}
    for event in events:
        number = getattr(event, "round", 0)
        seen = round_of.setdefault(event.transaction_hash, number)
        if number and (not seen or number < seen):
            round_of[event.transaction_hash] = number
    gas: defaultdict[int, int] = defaultdict(int)
    receipts = rpc_all(consortium.w3, [("eth_getTransactionReceipt", [tx]) for tx in round_of])
    for tx, receipt in zip(round_of, receipts, strict=True):
        gas[round_of[tx]] += int(receipt["gasUsed"], 16)
    return dict(gas)


def summarise(
    rounds: Sequence[RoundSummary],
    gas: dict[int, int],
    names: Names,
    *,
    bytes_published: int,
    wall_seconds: float,
    audit: str,
) -> dict[str, Any]:
    """The document. Amounts are in tokens as decimal text, times in seconds, accuracies from 0 to 1.

    `audit` is "ok" or what the audit found.
    """
    return {
        "accuracy": rounds[-1].accuracy if rounds else None,
        "rounds": [
            {
                "round": r.round,
                "digest": r.digest.hex(),
                "cid": r.cid,
                "accuracy": r.accuracy,
                "seconds": r.seconds,
                "train_seconds": r.train_seconds,
                "gas": gas.get(r.round, 0),
                "leases": r.leases,
                "expired": r.expired,
                "votes": r.matching,
            }
            for r in rounds
        ],
        "organisations": _organisations(rounds, names),
        "gas_total": sum(gas.values()),
        "bytes_published": bytes_published,
        "wall_seconds": round(wall_seconds, 3),
        "audit": audit,
    }


def _organisations(rounds: Sequence[RoundSummary], names: Names) -> list[dict[str, Any]]:
    paid: defaultdict[str, int] = defaultdict(int)
    lost: defaultdict[str, int] = defaultdict(int)
    for summary in rounds:
        for address, amount in summary.paid.items():
            paid[names.organisations.get(address, address)] += amount
        for address, amount in summary.penalties.items():
            lost[names.organisations.get(address, address)] += amount
    return [
        {
            "name": names.of(account),
            "account": account,
            "rewards": format_units(paid[account]),
            "penalties": format_units(lost[account]),
        }
        for account, _ in sorted(names.seats.items(), key=lambda item: item[1])
    ]
