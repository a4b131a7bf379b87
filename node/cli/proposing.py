"""Makes a proposal of actions: tries it, shows it, sends it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from chain.errors import MilonError
from node.cli.common import emit, progress
from node.cli.session import Session

if TYPE_CHECKING:
    from node.governance.actions import Action


def make_proposal(
    session: Session, actions: Sequence[Action], why: str, *, anyway: bool, dry_run: bool, as_json: bool
) -> None:
    """Shows what a proposal of these actions would do and, unless that is all, sends it with the session's key.

    Raises:
        MilonError: an action cannot be done, would fail as things stand (unless `anyway`), or the key is no member's.
    """
    from chain.contracts.governor import Proposal
    from node.chaintime import chain_time
    from node.cli.govtext import call_facts, motion_lines, when
    from node.governance.actions import build_calls
    from node.governance.explain import Explainer
    from node.governance.proposals import find_motion, marked, read_motions

    if not why.strip():
        raise click.UsageError("--why: give the members a reason")
    consortium = session.consortium
    proposer = session.wallet.address if session.has_key or not dry_run else None
    with progress("reading the chain", quiet=as_json):
        calls = build_calls(consortium, actions)
        explainer = Explainer(consortium)
        explained = [explainer.explain(call) for call in calls]
        failing = explainer.trials(calls)
        description = why.strip() if proposer is None else marked(why, proposer)
        proposal = Proposal(tuple(calls), description)
    facts: dict[str, Any] = {
        "proposer": proposer, "why": why.strip(), "actions": call_facts(explained, failing)
    }  # fmt: skip
    shown = "\n".join(motion_lines(explained, failing))
    if dry_run:
        emit(as_json, {**facts, "proposed": False}, f"{shown}\ndry run: nothing was proposed")
        return
    first = next(
        (f"{e.sentence}: {why_not}" for e, why_not in zip(explained, failing, strict=True) if why_not), None
    )
    if first is not None and not anyway:
        raise MilonError(f"as things stand this would fail: {first}; correct it, or repeat with --anyway")
    if proposer is not None and not consortium.registry.is_member(proposer):
        raise MilonError(
            f"{proposer} is no member of this consortium, and only members propose; use a member's key"
        )
    if any(motion.id == proposal.id for motion in read_motions(consortium)):
        raise MilonError(
            f"you have proposed just this before (0x{proposal.id:064x}); say something else in --why"
        )
    with session.sender() as sender, progress("proposing", quiet=as_json):
        receipt = sender.send(consortium.governor.propose(proposal))
    motion = find_motion(read_motions(consortium), f"{proposal.id:064x}")
    now = chain_time(consortium)
    emit(
        as_json,
        {
            **facts,
            "proposed": True,
            "id": str(motion.id),
            "short": motion.short,
            "vote_start": motion.vote_start,
            "vote_end": motion.vote_end,
            "transaction": receipt.tx_hash,
        },
        f"{shown}\nproposed as {motion.short}\n"
        f"voting   from {when(motion.vote_start, now)} until {when(motion.vote_end, now)}\n"
        f"next     milon gov vote {motion.short} for",
    )
