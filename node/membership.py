"""What an organisation does with its nodes on the chain: register, stake, retire. Doing it twice changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from chain.consent import sign_consent
from chain.consortium import Consortium
from chain.contracts.token import format_units
from chain.contracts.types import Role
from chain.errors import ChainError
from chain.sender import Sender
from chain.transport import rpc
from chain.wallet import Wallet

_NOBODY = 0


@dataclass(frozen=True)
class Declaration:
    """What a node declares: roles, training capacity (0 for no trainer), multiaddress of its IPFS node."""

    roles: Role
    capacity: int
    peer: str


def register_node(consortium: Consortium, organisation: Sender, node: Wallet, declared: Declaration) -> str:
    """Brings the registry in line with what the node declares.

    The organisation's key sends; the node's key signs its consent to belong to it.

    Returns:
        "registered", "updated", or "unchanged".

    Raises:
        ChainError: the sender is no member, the node is another's or was retired; ContractError.
    """
    registry, account = consortium.registry, organisation.address
    if not registry.is_member(account):
        raise ChainError(
            f"{account} is no member of this consortium; its governance has to admit it, or use the member's key"
        )
    known = registry.node(node.address)
    if int(known.account, 16) == _NOBODY:
        consent = b""
        if node.address != account:
            chain_id = consortium.deployment.chain_id
            consent = sign_consent(node.account, account, registry.address, chain_id)
        organisation.send(
            registry.register_node(node.address, declared.roles, declared.capacity, declared.peer, consent)
        )
        return "registered"
    if known.account != account:
        raise ChainError(f"node {node.address} belongs to {known.account}; a node's key cannot be used again")
    if not known.active:
        raise ChainError(f"node {node.address} was retired, which is for ever; make a new key for it")
    if (known.roles, known.capacity, known.peer) == (declared.roles, declared.capacity, declared.peer):
        return "unchanged"
    organisation.send(registry.update_node(node.address, declared.roles, declared.capacity, declared.peer))
    return "updated"


def missing_stake(consortium: Consortium, account: str, target: int) -> int:
    """What an organisation has to add to reach ``target`` base units of free and locked stake; 0 if nothing.

    Raises:
        ChainError: it has fewer tokens than that.
    """
    held = consortium.vault.account(account)
    missing = target - held.free - held.locked
    if missing <= 0:
        return 0
    balance = consortium.token.balance_of(account)
    if balance < missing:
        raise ChainError(
            f"{account} would have to stake {format_units(missing)} more tokens and has {format_units(balance)}; "
            "stake less, or fund the account"
        )
    return missing


def missing_for_bonds(consortium: Consortium, account: str, roles: Role) -> int:
    """What an organisation's stake lacks to lease one epoch, where its node trains, and to vote, where it validates.

    By the bonds of jobs that are submitted now; base units, 0 if nothing is missing. Raises ChainError.
    """
    bonds, held = consortium.scheduler.parameters(), consortium.vault.account(account)
    least = bonds.lease_bond * (Role.TRAINER in roles) + bonds.vote_bond * (Role.VALIDATOR in roles)
    return max(least - held.free - held.locked, 0)


def stake_up_to(consortium: Consortium, organisation: Sender, target: int) -> int:
    """Stakes what is missing to ``target`` base units of free and locked stake; returns how much that was.

    Raises:
        ChainError: the organisation has fewer tokens than that; ContractError.
    """
    vault, token, account = consortium.vault, consortium.token, organisation.address
    missing = missing_stake(consortium, account, target)
    if not missing:
        return 0
    if token.allowance(account, vault.address) < missing:
        organisation.send(token.approve(vault.address, missing))
    organisation.send(vault.stake(account, missing))
    return missing


def lacks_gas(consortium: Consortium, address: str) -> bool:
    """Whether an account has none of the chain's coin although gas costs some here. Raises ChainError."""
    balance, price = (
        rpc(consortium.w3, "eth_getBalance", address, "latest"),
        rpc(consortium.w3, "eth_gasPrice"),
    )
    return int(balance, 16) == 0 and int(price, 16) > 0


def retire_node(consortium: Consortium, sender: Sender, node: str) -> bool:
    """Retires a node for ever; the sender is the node or its organisation. Returns False if it was retired before.

    Raises:
        ChainError: the node is not registered; ContractError: the sender may not.
    """
    known = consortium.registry.node(node)
    if int(known.account, 16) == _NOBODY:
        raise ChainError(f"node {node} is not registered at this consortium; check its address")
    if not known.active:
        return False
    sender.send(consortium.registry.retire_node(node))
    return True
