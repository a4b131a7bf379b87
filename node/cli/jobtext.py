"""How a job is shown before it is submitted, and afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from chain.contracts.token import format_units
from node.cli.common import console
from node.names import short

if TYPE_CHECKING:
    from chain.contracts.event_types import JobSubmitted
    from chain.contracts.types import Job, Phase, Round
    from node.cli.watch import JobWatch
    from node.client import JobPlan, Quote


def plan_facts(plan: JobPlan) -> dict[str, Any]:
    """A plan for machines."""
    return {
        "name": plan.job.name,
        "model": plan.job.model.kind,
        "parameters": plan.parameters,
        "input_shape": plan.prepared.input_shape,
        "classes": plan.prepared.classes,
        "shard_samples": [part.samples for part in plan.prepared.shards],
        "holdout_samples": plan.prepared.holdout.samples if plan.prepared.holdout else None,
        "model_digest": plan.model_digest,
        "upload_bytes": plan.upload_bytes,
        "terms": plan.terms,
    }


def print_plan(plan: JobPlan, offer: Quote) -> None:
    """A plan and its price for people."""
    job, terms, prepared = plan.job, plan.terms, plan.prepared
    shape = "x".join(map(str, prepared.input_shape))
    classes = f"{len(prepared.classes)} classes"
    click.echo(f"job      {job.name}")
    click.echo(f"model    {job.model.kind}, {plan.parameters:,} weights, digest {short(plan.model_digest)}")
    if prepared.holdout is None:
        click.echo(f"data     private to each node: samples of {shape}, {classes}")
    else:
        sizes = [part.samples for part in prepared.shards]
        click.echo(
            f"data     {sum(sizes):,} samples of {shape}, {classes}, in {len(sizes)} shards of "
            f"{min(sizes):,} to {max(sizes):,}; {prepared.holdout.samples:,} held out"
        )
    click.echo(
        f"rounds   {terms.rounds} of {terms.epochs_per_round} epochs, rule {job.aggregation.rule}, "
        f"{offer.validators} organisations validate now"
    )
    click.echo(
        f"price    {format_units(offer.cost)} tokens = {terms.rounds} x ({terms.epochs_per_round} epochs x "
        f"{format_units(terms.epoch_price)} + {offer.organisations} votes x {format_units(terms.vote_price)})"
    )
    if offer.balance is not None:
        click.echo(
            f"balance  {format_units(offer.balance)} tokens of {offer.client}; what is not spent returns"
        )


def print_job(
    job_id: int, job: Job, phase: Phase, round_: Round, submitted: JobSubmitted | None, watch: JobWatch
) -> None:
    """A submitted job for people, with the rounds that `watch` was fed."""
    terms, state = job.terms, job.status.name.lower()
    if state == "open":
        state += f", {phase.name.lower()} in round {round_.number} (attempt {round_.attempt})"
    click.echo(f"job {job_id}: {state}{', cancel asked for' if job.cancel_requested else ''}")
    click.echo(f"client    {job.client}")
    click.echo(f"spec      {submitted.spec_cid if submitted else 'unknown'}")
    click.echo(
        f"schedule  {terms.rounds} rounds of {terms.epochs_per_round} epochs, ruleset {terms.ruleset_name}"
    )
    click.echo(
        f"prices    {format_units(terms.epoch_price)} per epoch, {format_units(terms.vote_price)} per vote, "
        f"budget {format_units(job.budget)} tokens"
    )
    click.echo(
        f"bonds     {format_units(job.lease_bond)} per leased epoch, {format_units(job.vote_bond)} per vote"
    )
    if watch.summaries:
        click.echo()
        console().print(watch.table())
