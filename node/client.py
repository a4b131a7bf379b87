"""What a client does with a job: prepare it, price it, check that nothing stands against it, and submit it.

Until everything that can be checked has been checked, nothing is published and nothing is spent.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chain.consortium import Consortium
from chain.contracts.event_types import JobSubmitted
from chain.contracts.token import format_units
from chain.contracts.types import Content, Terms
from chain.errors import ChainError
from chain.sender import Sender
from node.data.prepare import Part, PreparedJob, prepare
from node.errors import SpecError
from node.spec import RULESET, JobFile
from node.storage.ipfs import IpfsClient
from node.tensors import Schema, digest, save, schema_of
from node.tensors.header import layout
from node.training.models import State, default_update_bytes, initial_state, parameter_count

Tell = Callable[[str], None]


@dataclass(frozen=True)
class JobPlan:
    """A job that is ready to be submitted, as far as the client's own machine can tell.

    Attributes:
        prepared: the job file and its data, divided.
        state: initial weights. model_digest: their canonical digest, 32 bytes.
        terms: what the chain will hold.
        parameters: number of weights.
    """

    prepared: PreparedJob
    state: State
    model_digest: bytes
    terms: Terms
    parameters: int

    @property
    def job(self) -> JobFile:
        """The job file."""
        return self.prepared.job

    @property
    def upload_bytes(self) -> int:
        """What goes to IPFS beside the spec: shards, held-out data and initial weights."""
        held = self.prepared.holdout
        parts = [*self.prepared.shards, *([] if held is None else [held])]
        return sum(len(part.content) for part in parts) + schema_of(self.state).nbytes


@dataclass(frozen=True)
class Quote:
    """What a job costs at this consortium, and what the client has; amounts in base units of the token.

    Attributes:
        client: who pays.
        organisations: members, each of which may vote once a round. validators: members that could vote now.
        capacity: sum of the capacities of all active trainers.
        cost: what submission takes from the client.
        balance: what the client has. allowance: what the vault may take of it already; None without a client.
    """

    client: str | None
    organisations: int
    validators: int
    capacity: int
    cost: int
    balance: int | None
    allowance: int | None


@dataclass(frozen=True)
class Submission:
    """A submitted job: its id, where its content is, what was escrowed, and the transaction."""

    job_id: int
    spec_cid: str
    spec_digest: bytes
    model_cid: str
    model_digest: bytes
    budget: int
    transaction: str
    block: int


def prepare_job(job: JobFile) -> JobPlan:
    """Reads the data, builds the model, and fixes the terms; touches neither chain nor IPFS.

    Raises:
        DataError: the data is missing, malformed, or too little.
        TrainingError: the model does not fit the data.
        SpecError: ``max_update_bytes`` is smaller than the model.
    """
    prepared = prepare(job)
    model = prepared.architecture
    state = initial_state(model)
    limit = job.max_update_bytes or default_update_bytes(model)
    _check_limit(limit, schema_of(state))
    return JobPlan(prepared, state, digest(state), terms_of(job, limit), parameter_count(model))


def terms_of(job: JobFile, max_update_bytes: int) -> Terms:
    """The chain's part of a job."""
    s, b = job.schedule, job.budget
    return Terms(
        rounds=s.rounds,
        epochs_per_round=s.epochs_per_round,
        min_updates=s.min_updates,
        min_validators=s.min_validators,
        max_attempts=s.max_attempts,
        claim_window=s.claim_window,
        lease_time=s.lease,
        min_lease_time=s.min_lease,
        training_window=s.training_window,
        vote_window=s.vote_window,
        reveal_window=s.reveal_window,
        grace=s.grace,
        epoch_price=b.epoch_price,
        vote_price=b.vote_price,
        max_update_bytes=max_update_bytes,
        ruleset=RULESET.encode("ascii").ljust(32, b"\0"),
    )


def quote(plan: JobPlan, consortium: Consortium, client: str | None) -> Quote:
    """Reads what the job would cost, and what the client has where one is named. Raises ChainError."""
    registry, token = consortium.registry, consortium.token
    organisations = registry.organisation_count()
    return Quote(
        client=client,
        organisations=organisations,
        validators=registry.voting_seats().bit_count(),
        capacity=registry.training_capacity(),
        cost=plan.terms.budget(organisations),
        balance=None if client is None else token.balance_of(client),
        allowance=None if client is None else token.allowance(client, consortium.vault.address),
    )


def check_quote(plan: JobPlan, offer: Quote) -> None:
    """Everything that would make the job fail or starve, at once.

    Raises:
        SpecError: lists it.
    """
    found = []
    try:
        plan.job.check_budget(offer.organisations)
    except SpecError as error:
        found.append(str(error))
    if offer.balance is not None and offer.cost > offer.balance:
        found.append(
            f"budget: the job costs {format_units(offer.cost)} tokens, {offer.client} has "
            f"{format_units(offer.balance)}; lower rounds or prices, or fund the account"
        )
    if offer.validators == 0:
        found.append("no organisation has stake and a validator; see `milon node register --help`")
    elif offer.validators < plan.terms.min_validators:
        can = f"{offer.validators} organisation{'' if offer.validators == 1 else 's'}"
        found.append(
            f"schedule.min_validators: {plan.terms.min_validators} wanted, {can} with stake and a validator; "
            "lower it, or let more register"
        )
    if offer.capacity == 0:
        found.append("no organisation has registered a trainer; see `milon node register --help`")
    if found:
        lines = "\n".join(f"  {line}" for line in found)
        raise SpecError(f"job {plan.job.name!r} cannot be submitted:\n{lines}")


def submit_job(
    plan: JobPlan, consortium: Consortium, sender: Sender, ipfs: IpfsClient, tell: Tell = lambda _text: None
) -> Submission:
    """Checks the price, publishes the content, approves the escrow, and submits.

    Args:
        tell: is called with a line about each step.

    Raises:
        SpecError: the job cannot be paid or would starve. StorageError: IPFS cannot be used.
        ContractError, ChainError: the chain refused, or does not answer.
    """
    offer = quote(plan, consortium, sender.address)
    check_quote(plan, offer)
    ipfs.identity()
    spec, model = _publish(plan, ipfs, tell)
    if offer.allowance is None or offer.allowance < offer.cost:
        tell("approving the escrow")
        sender.send(consortium.token.approve(consortium.vault.address, offer.cost))
    tell("submitting")
    receipt = sender.send(consortium.scheduler.submit_job(plan.terms, spec, model))
    events = consortium.scheduler.events_of(JobSubmitted, receipt)
    if len(events) != 1:
        raise ChainError(f"transaction {receipt.tx_hash} submitted no job; check the deployment file")
    event = events[0]
    return Submission(
        job_id=event.job_id,
        spec_cid=spec.cid,
        spec_digest=spec.digest,
        model_cid=model.cid,
        model_digest=model.digest,
        budget=event.budget,
        transaction=receipt.tx_hash,
        block=receipt.block_number,
    )


def _publish(plan: JobPlan, ipfs: IpfsClient, tell: Tell) -> tuple[Content, Content]:
    """Puts shards, held-out data, spec and initial weights on IPFS; returns the spec and the weights."""
    prepared = plan.prepared
    count = len(prepared.shards)
    cids = []
    for number, shard in enumerate(prepared.shards, 1):
        tell(f"publishing shard {number} of {count}")
        cids.append(_add(ipfs, shard))
    holdout = None if prepared.holdout is None else _add(ipfs, prepared.holdout)
    spec = prepared.spec(cids, holdout, plan.terms.max_update_bytes).to_bytes()
    tell("publishing the initial weights")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save(plan.state, path)
        model_cid = ipfs.add(path)
    return Content(hashlib.sha256(spec).digest(), ipfs.add(spec)), Content(plan.model_digest, model_cid)


def _add(ipfs: IpfsClient, part: Part) -> str:
    return ipfs.add(part.content)


def _check_limit(limit: int, schema: Schema) -> None:
    header, _ = layout(schema)
    size = len(header) + schema.nbytes
    if size > limit:
        raise SpecError(
            f"max_update_bytes: {limit} is less than the model's own {size} bytes; raise it, or leave it out"
        )
