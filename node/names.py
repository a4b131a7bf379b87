"""What people call the addresses that they see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chain.consortium import Consortium

_PAGE = 1000


@dataclass(frozen=True)
class Names:
    """Names of organisations and nodes.

    Attributes:
        labels: name of an organisation by its account, and of its nodes by theirs.
        seats: seat of an organisation by its account.
        organisations: account of a node's organisation by the node's address.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    seats: Mapping[str, int] = field(default_factory=dict)
    organisations: Mapping[str, str] = field(default_factory=dict)

    def of(self, address: str) -> str:
        """The name that belongs to an address, else its first and last digits."""
        return self.labels.get(address) or short(address)

    def organisation_of(self, address: str) -> str:
        """The name of the organisation that an address is, or is a node of."""
        return self.of(self.organisations.get(address, address))

    def at(self, bitmap: int) -> list[str]:
        """The names of the organisations whose seats are set."""
        accounts = {seat: account for account, seat in self.seats.items()}
        seats = [bit for bit in range(64) if bitmap >> bit & 1]
        return [self.of(accounts[bit]) if bit in accounts else f"seat {bit}" for bit in seats]


def read_names(consortium: Consortium) -> Names:
    """Names of all members, of those that were members at deployment, and of all nodes. Raises ChainError.

    A node is called as its organisation is; where one runs several, a number follows.
    """
    registry = consortium.registry
    labels: dict[str, str] = dict(consortium.deployment.organisations)
    seats: dict[str, int] = {}
    for account in registry.organisations():
        organisation = registry.organisation(account)
        labels[account], seats[account] = organisation.name, organisation.seat
    nodes = [
        node for start in range(0, registry.node_count(), _PAGE) for node in registry.nodes(start, _PAGE)
    ]
    owners: dict[str, str] = {node: registry.account_of(node) for node in nodes}
    counted: dict[str, int] = {}
    for node, owner in owners.items():
        if node == owner:
            continue
        counted[owner] = counted.get(owner, 0) + 1
        several = sum(other == owner for other in owners.values()) > 1
        name = labels.get(owner, short(owner))
        labels[node] = f"{name}/{counted[owner]}" if several else name
    return Names(labels, seats, owners)


def short(digest: bytes | str) -> str:
    """The first and last bytes of a digest or an address, as much as a person compares."""
    text = digest.hex() if isinstance(digest, bytes) else str(digest).removeprefix("0x")
    return f"0x{text[:6]}…{text[-4:]}"
