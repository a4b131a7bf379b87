"""What is shown of nodes: their entry in the registry, their work, and what their own health endpoint says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

from chain.contracts.token import format_units
from chain.contracts.types import AgentView, JobView, LeaseState, Phase, Role
from chain.errors import ChainError, MilonError
from node.names import read_names

if TYPE_CHECKING:
    from chain.consortium import Consortium

_TIMEOUT_S = 5.0
_MAX_ANSWER = 1 << 16
COLUMNS = ["organisation", "state", "capacity", "stake", "roles", "node"]


@dataclass(frozen=True)
class Health:
    """What an agent said of itself."""

    well: bool
    document: dict[str, Any]

    @property
    def text(self) -> str:
        """One line."""
        facts = ", ".join(f"{key} {value}" for key, value in self.document.items() if value not in ({}, []))
        return f"{'well' if self.well else 'NOT WELL'}{': ' + facts if facts else ''}"


def node_rows(consortium: Consortium) -> tuple[list[str], list[list[str]], list[dict[str, Any]]]:
    """Columns, rows for people, and facts for machines about all nodes ever registered. Raises ChainError."""
    registry, vault = consortium.registry, consortium.vault
    names = read_names(consortium)
    accounts = {account: vault.account(account) for account in set(names.organisations.values())}
    least = vault.minimum_stake()
    rows, facts = [], []
    for address, account in names.organisations.items():
        node, active = registry.node(address), registry.is_active(address)
        held = accounts[account]
        stake = held.free + held.locked
        state = "active" if active else "retired" if not node.active else "organisation removed"
        if active and stake < least and Role.VALIDATOR in node.roles:
            state = "stake too low to vote"
        rows.append(
            [names.of(account), state, str(node.capacity), format_units(stake), _roles(node.roles), address]
        )
        facts.append(
            {"address": address, "organisation": names.of(account), **_node_facts(node, stake, active)}
        )
    return COLUMNS, rows, facts


def one_node(consortium: Consortium, address: str) -> tuple[dict[str, Any], list[str], bool]:
    """Facts for machines, lines for people, and whether the node is active. Raises ChainError."""
    view = consortium.lens.view_for(address)
    if int(view.node.account, 16) == 0:
        raise ChainError(f"node {address} is not registered at this consortium; see `milon node register`")
    stake = view.account.free + view.account.locked
    facts = {
        "address": address,
        "organisation": view.organisation.name,
        **_node_facts(view.node, stake, view.active),
        "block": view.block_number,
        "jobs": [_job_facts(job) for job in view.jobs],
    }
    return (
        facts,
        [*_node_lines(consortium, view, address), *(_job_line(job) for job in view.jobs)],
        view.active,
    )


def ask_health(url: str) -> Health:
    """What an agent's health endpoint answers.

    Raises:
        MilonError: nobody answers there, or it is no health endpoint.
    """
    where = url.rstrip("/")
    where = where if where.endswith("/healthz") else f"{where}/healthz"
    try:
        with requests.get(where, timeout=_TIMEOUT_S, stream=True) as answer:
            body = answer.raw.read(_MAX_ANSWER, decode_content=True)
            status = answer.status_code
    except (requests.RequestException, ValueError) as error:
        raise MilonError(f"no agent answers at {where}; is it running, with this [health] listen?") from error
    document = _document(body)
    if status not in (200, 503) or document is None:
        raise MilonError(f"{where} answers, but not as an agent's health endpoint; check the URL")
    return Health(status == 200, document)


def _document(body: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(body)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _node_facts(node: Any, stake: int, active: bool) -> dict[str, Any]:
    return {
        "account": node.account,
        "roles": node.roles,
        "capacity": node.capacity,
        "peer": node.peer,
        "active": active,
        "stake": stake,
    }


def _node_lines(consortium: Consortium, view: AgentView, address: str) -> list[str]:
    held = view.account
    least = consortium.vault.minimum_stake()
    short = (
        "" if held.free + held.locked >= least else f", less than the {format_units(least)} needed to vote"
    )
    state = "active" if view.active else "retired" if not view.node.active else "its organisation was removed"
    return [
        f"node     {address}",
        f"of       {view.organisation.name} ({view.node.account})",
        f"state    {state}, at block {view.block_number}",
        f"roles    {_roles(view.node.roles)}, capacity {view.node.capacity}",
        f"stake    {format_units(held.free)} free, {format_units(held.locked)} locked{short}",
        f"peer     {view.node.peer or 'none registered'}",
    ]


def _job_facts(job: JobView) -> dict[str, Any]:
    return {
        "job_id": job.job_id,
        "phase": job.phase,
        "round": job.round.number,
        "lease": job.lease if job.lease_held else None,
        "voted": job.voted,
    }


def _job_line(job: JobView) -> str:
    parts = [f"round {job.round.number} of {job.job.terms.rounds}", job.phase.name.lower()]
    if job.lease_held:
        last = job.lease.first + job.lease.count - 1
        did = "delivered" if job.lease.state == LeaseState.DELIVERED else "holds"
        parts.append(f"{did} epochs {job.lease.first} to {last}")
    if job.voted:
        parts.append("voted")
    elif job.phase == Phase.VOTING:
        parts.append("not voted yet")
    return f"job {job.job_id:<4} {', '.join(parts)}"


def _roles(roles: Role) -> str:
    return ", ".join(str(role.name).lower() for role in roles) or "none"
