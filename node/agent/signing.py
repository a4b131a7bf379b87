"""A validator's vote without its transaction: computed as the agent does, signed, and left for anyone to carry."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from chain.consortium import Consortium
from chain.contracts.seals import hash_result
from chain.contracts.types import AgentView, JobView, Phase, Role
from chain.errors import MilonError
from chain.signed_votes import sign_vote
from chain.wallet import Wallet
from node.agent.jobs import JobDesk
from node.agent.metrics import Metrics
from node.agent.validator import RoundResult, compute_result
from node.ballots import PortableVote
from node.config import NodeConfig
from node.storage.ipfs import IpfsClient


@dataclass(frozen=True)
class SignedResult:
    """A vote, the result that it seals, and by when it has to be carried (chain time, seconds)."""

    vote: PortableVote
    result: RoundResult
    deadline: int


def sign_result(
    config: NodeConfig, consortium: Consortium, ipfs: IpfsClient, node: Wallet, job_id: int
) -> SignedResult:
    """Recomputes the result of a job's open round from all recorded updates, scores it, and signs the vote for it.

    Raises:
        MilonError: the node may not vote on the job now, or takes no part in it.
        ContentMissing: an update is not served by anybody, and there is still time to wait for it.
        ContentError, StorageError, ChainError.
    """
    view = consortium.lens.view_for(node.address)
    job = _votable(view, job_id, node.address)
    work_dir = config.node.data_dir / "signing"
    work_dir.mkdir(parents=True, exist_ok=True)
    desk = JobDesk(config, consortium, ipfs, work_dir, structlog.get_logger("sign"))
    desk.refresh(view)
    if not desk.takes_part(job_id):
        raise MilonError(
            f"node {node.address} takes no part in job {job_id}: its configuration or the job forbids it"
        )
    left = job.round.vote_deadline - view.timestamp
    late = left <= job.job.terms.vote_window // 3
    result = compute_result(
        desk.round_inputs(job),
        desk.content(job_id),
        Metrics(node.address),
        holdout=desk.holdout(job_id),
        device=config.node.device,
        work_dir=work_dir,
        patience=left / 2 if late else None,
    )
    ballots = consortium.ballots(job_id, job.round.number, job.round.attempt)
    hashed = hash_result(result.model_digest, result.accepted, result.invalid)
    vote = sign_vote(node.account, ballots, hashed, view.organisation.account, result.score)
    return SignedResult(PortableVote(ballots, node.address, vote), result, job.round.vote_deadline)


def _votable(view: AgentView, job_id: int, node: str) -> JobView:
    job = next((job for job in view.jobs if job.job_id == job_id), None)
    if job is None:
        raise MilonError(f"job {job_id} is not open; see `milon job list`")
    if job.phase != Phase.VOTING:
        raise MilonError(
            f"job {job_id} is in phase {job.phase.name.lower()}; votes are signed while it is voting"
        )
    seat = view.organisation.seat
    eligible = job.round.eligible >> seat & 1 and view.organisation.since <= job.round.opened_at
    if Role.VALIDATOR not in view.node.roles or not eligible:
        raise MilonError(f"node {node} may not vote on round {job.round.number} of job {job_id}")
    if job.voted:
        raise MilonError(f"the organisation of {node} has voted on round {job.round.number} of job {job_id}")
    return job
