"""The audit of one job, from nothing but the chain and IPFS."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from chain.consortium import Consortium
from chain.contracts import event_types as ev
from chain.contracts.types import JobStatus
from chain.errors import ChainError
from node.audit.contents import ContentOptions, check_contents
from node.audit.contracts import check_deployment
from node.audit.onchain import compare_state
from node.audit.reading import read_history
from node.audit.replay import Replayed, replay
from node.audit.report import AuditReport, Book
from node.audit.state import Facts
from node.joblog import JobLog
from node.storage.ipfs import IpfsClient


def verify_job(
    consortium: Consortium,
    ipfs: IpfsClient,
    job_id: int,
    *,
    work_dir: Path,
    on_progress: Callable[[str], None] | None = None,
    timeout: float = 60.0,
    scores: bool = True,
    device: str = "cpu",
) -> AuditReport:
    """Audit a job as it stands now: contracts, events, leases, votes, payments, and everything it published.

    Args:
        work_dir: an existing folder with room for two rounds' updates; what the audit puts there it takes away.
        on_progress: is called with a line about each step.
        timeout: seconds for one fetch.
        scores: whether models are evaluated on shared held-out data, on `device`.

    Raises:
        ChainError, StorageError: the audit could not be made: chain, IPFS daemon or disk cannot be used, or there is
            no such job.
    """
    tell = on_progress or (lambda _text: None)
    book = Book()
    tell("checking the contracts")
    check_deployment(consortium, book)
    tell("reading the events since the deployment")
    chain = read_history(consortium)
    job = consortium.scheduler.job(job_id, chain.block)
    if job.status == JobStatus.NONE:
        raise ChainError(f"there is no job {job_id}; `milon job list` shows the jobs of this deployment")
    tell(f"replaying {len(chain.events)} events")
    facts = Facts(job_id, job, consortium.deployment.chain_id, consortium.vote.address)
    replayed = replay(facts, chain.events, chain.times, book)
    compared = compare_state(consortium, replayed, chain.block, book)
    log = JobLog()
    log.add(chain.events)
    options = ContentOptions(work_dir, timeout, scores, device)
    published = check_contents(replayed.state, log.job(job_id), ipfs, options, book, tell)
    figures = {
        **_figures(replayed, chain.events),
        "accumulators compared": compared,
        "bytes published": published,
    }
    return AuditReport(
        ok=not book.findings,
        job_id=job_id,
        block=chain.block,
        findings=tuple(book.findings),
        checks=book.results(),
        notes=tuple(book.notes),
        outstanding=replayed.outstanding,
        figures=figures,
        organisations=_organisations(replayed),
    )


def _figures(replayed: Replayed, events: Iterable[ev.ChainEvent]) -> dict[str, int]:
    state, ledger = replayed.state, replayed.ledger
    ours = [event for event in events if getattr(event, "job_id", None) == state.facts.job_id]
    rounds = state.rounds.values()
    return {
        "events": len(ours),
        "rounds": sum(round_.closed is not None for round_ in rounds),
        "attempts": len(state.attempts),
        "leases": sum(isinstance(event, ev.EpochsLeased) for event in ours)
        + sum(event.carried.bit_count() for event in ours if isinstance(event, ev.RoundOpened)),
        "missed leases": sum(isinstance(event, ev.LeaseMissed) for event in ours),
        "updates": sum(len(round_.updates) for round_ in rounds),
        "votes": sum(isinstance(event, ev.VoteCast) for event in ours),
        "paid epochs": sum(round_.paid_epochs() for round_ in rounds),
        "budget": state.facts.job.budget,
        "escrow left": ledger.escrow,
        "paid": sum(ledger.rewards.values()),
        "penalties": sum(ledger.penalties.values()),
        "outstanding": ledger.owed,
        "refunded": ledger.refunded,
    }


def _organisations(replayed: Replayed) -> Mapping[str, Mapping[str, int]]:
    ledger = replayed.ledger
    return {
        account: {"rewards": ledger.rewards.get(account, 0), "penalties": ledger.penalties.get(account, 0)}
        for account in sorted({*ledger.rewards, *ledger.penalties})
    }
