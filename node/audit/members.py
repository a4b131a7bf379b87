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
    """Free plus locked stake, and whether it reached the minimum when it last changed."""

    amount: int = 0
    bonded: bool = False


class Members:
    """The registry and the stakes, replayed from the events of registry and vault up to where it was fed."""

    def __init__(self) -> None:
        self._members: dict[str, _Member] = {}
        self._nodes: dict[str, _Node] = {}
        self._stakes: dict[str, _Stake] = {}
        self._minimum = 0

    def feed(self, event: ev.ChainEvent, at: int) -> None:
        """Take in the next event, of a block with chain time `at`; those of other contracts are passed over."""
        match event:
            case ev.OrganisationAdmitted():
                self._members[event.account] = _Member(event.seat, at)
            case ev.OrganisationRemoved():
                if event.account in self._members:
                    self._members[event.account].until = at
            case ev.NodeRegistered():
                self._nodes[event.node] = _Node(event.account, event.roles, event.capacity)
            case ev.NodeUpdated():
                if event.node in self._nodes:
                    node = self._nodes[event.node]
                    node.roles, node.capacity = event.roles, event.capacity
            case ev.NodeRetired():
                if event.node in self._nodes:
                    self._nodes[event.node].active = False
            case ev.VaultParametersSet():
                self._minimum = event.minimum_stake
            case ev.Staked():
                self._stake(event.account, event.amount)
            case ev.Unbonded() | ev.Slashed():
                self._stake(event.account, -event.amount)

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
            return Validator(NOBODY, 0, False)
        there = member.since <= opened_at and (member.until == 0 or member.until >= opened_at)
        may = known.active and Role.VALIDATOR in known.roles and there
        return Validator(known.account, member.seat, may)

    def count(self) -> int:
        """Members now."""
        return sum(1 for _ in self._present())

    def training_capacity(self) -> int:
        """Sum of the capacities of the active trainers of members, now."""
        return sum(n.capacity for n in self._nodes.values() if n.active and self._is_member(n.account))

    def voting_seats(self) -> tuple[int, int]:
        """Bitmaps of the seats that may vote now: those that must be there, and those that may be.

        They differ only after governance changed the minimum stake: whether somebody has since had an account looked
        at again (`refreshBond`) leaves no event.
        """
        certain = possible = 0
        for account, member in self._present():
            if not any(
                n.active and n.account == account and Role.VALIDATOR in n.roles for n in self._nodes.values()
            ):
                continue
            stake = self._stakes.get(account, _Stake())
            reached = stake.amount >= self._minimum
            certain |= (stake.bonded and reached) << member.seat
            possible |= (stake.bonded or reached) << member.seat
        return certain, possible

    def _present(self) -> Iterator[tuple[str, _Member]]:
        return ((account, m) for account, m in self._members.items() if m.until == 0)

    def _is_member(self, account: str) -> bool:
        member = self._members.get(account)
        return member is not None and member.until == 0

    def _stake(self, account: str, change: int) -> None:
        stake = self._stakes.setdefault(account, _Stake())
        stake.amount += change
        stake.bonded = stake.amount >= self._minimum
