"""Who was a member, which nodes were active, and who was bonded, at any point of the chain's history."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from chain.contracts import event_types as ev
from chain.contracts.types import Role, Trainer, Validator

NOBODY: Final = to_checksum_address("0x" + "00" * 20)


@dataclass
class _Member:
    seat: int
    since: int
    until: int = 0


@dataclass
class _Node:
    account: ChecksumAddress
    roles: Role
    capacity: int
    active: bool = True


@dataclass
class _Stake:
    """Free plus locked stake, and whether the vault has told the registry that it reaches the minimum."""

    amount: int = 0
    bonded: bool = False


class Members:
    """The registry and the stakes, replayed from the events of registry and vault up to where it was fed."""

    def __init__(self) -> None:
        self._members: dict[str, _Member] = {}
        self._nodes: dict[str, _Node] = {}
        self._stakes: dict[str, _Stake] = {}
        self._minimum = 0
        # Grows whenever a node of a member may have ceased to train or to validate.
        self.departures = 0

    def feed(self, event: ev.ChainEvent, at: int) -> None:
        """Take in the next event, of a block with chain time `at`; those of other contracts are passed over."""
        match event:
            case ev.OrganisationAdmitted():
                self._members[event.account] = _Member(event.seat, at)
            case ev.OrganisationRemoved() | ev.OrganisationLeft():
                self.departures += 1
                if event.account in self._members:
                    self._members[event.account].until = at
            case ev.NodeRegistered():
                self._nodes[event.node] = _Node(event.account, event.roles, event.capacity)
            case ev.NodeUpdated():
                if event.node in self._nodes:
                    node = self._nodes[event.node]
                    works = Role.TRAINER | Role.VALIDATOR
                    given_up = bool(node.roles & ~event.roles & works)
                    self.departures += given_up and self._is_member(node.account)
                    node.roles, node.capacity = event.roles, event.capacity
            case ev.NodeRetired() | ev.NodeRotated():
                self.departures += self._is_member(event.account)
                if event.node in self._nodes:
                    self._nodes[event.node].active = False
            case ev.VaultParametersSet():
                self._minimum = event.minimum_stake
            case ev.Staked():
                self._stake(event.account).amount += event.amount
            case ev.Unbonded() | ev.Slashed():
                self._stake(event.account).amount -= event.amount
            case ev.BondChanged():
                self._stake(event.account).bonded = event.bonded

    def reaches_minimum(self, account: str) -> bool:
        """Whether an organisation's stake is the least that lets it vote, now."""
        return self._stake(account).amount >= self._minimum

    def account_of(self, node: str) -> ChecksumAddress | None:
        """The organisation of a node, retired or not; None for an unknown node."""
        known = self._nodes.get(node)
        return known.account if known is not None else None

    def trainer(self, node: str) -> Trainer:
        """As `ConsortiumRegistry.trainer`, now."""
        known = self._nodes.get(node)
        if known is None:
            return Trainer(NOBODY, 0, False)
        may = known.active and Role.TRAINER in known.roles and self._is_member(known.account)
        return Trainer(known.account, known.capacity, may)

    def validator(self, node: str, opened_at: int) -> Validator:
        """As `ConsortiumRegistry.validator`, now."""
        known = self._nodes.get(node)
        member = self._members.get(known.account) if known is not None else None
        if known is None or member is None:
            return Validator(NOBODY, 0, 0, False)
        there = member.since <= opened_at and (member.until == 0 or member.until >= opened_at)
        may = known.active and Role.VALIDATOR in known.roles and there
        return Validator(known.account, member.seat, member.since, may)

    def seat_of(self, account: str) -> int | None:
        """The seat that an organisation has, or had last."""
        member = self._members.get(account)
        return member.seat if member is not None else None

    def count(self) -> int:
        """Members now."""
        return sum(1 for _ in self._present())

    def training_capacity(self) -> int:
        """Sum of the capacities of the active trainers of members, now."""
        return sum(n.capacity for n in self._nodes.values() if n.active and self._is_member(n.account))

    def voting_seats(self) -> int:
        """Bitmap of the seats that may vote: of bonded members with an active validator, now."""
        validating = {n.account for n in self._nodes.values() if n.active and Role.VALIDATOR in n.roles}
        return sum(
            1 << member.seat
            for account, member in self._present()
            if account in validating and self._stake(account).bonded
        )

    def _present(self) -> Iterator[tuple[str, _Member]]:
        return ((account, m) for account, m in self._members.items() if m.until == 0)

    def _is_member(self, account: str) -> bool:
        member = self._members.get(account)
        return member is not None and member.until == 0

    def _stake(self, account: str) -> _Stake:
        return self._stakes.setdefault(account, _Stake())
