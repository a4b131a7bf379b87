"""EpochScheduler: jobs, rounds, leases of epochs, and update records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from typing import cast

from web3.contract.contract import ContractFunction

from chain.calls import BlockRef
from chain.contracts.binding import Contract
from chain.contracts.structs import to_struct
from chain.contracts.types import (
    BallotBox,
    Content,
    Job,
    Lease,
    NodeLease,
    NodeRecord,
    Outcome,
    Parameters,
    Phase,
    Round,
    Terms,
    VoteTerms,
)


class EpochScheduler(Contract):
    """See `contracts/interfaces/IEpochScheduler.sol`, whose ABI it is bound with: the code is in two contracts."""

    def submit_job(self, terms: Terms, spec: Content, model: Content) -> ContractFunction:
        """Escrows `terms.budget(members)` out of the sender's tokens; the vault needs an allowance."""
        return self._transaction("submitJob", astuple(terms), astuple(spec), astuple(model))

    def cancel_job(self, job_id: int) -> ContractFunction:
        return self._transaction("cancelJob", job_id)

    def claim(self, job_id: int) -> ContractFunction:
        return self._transaction("claim", job_id)

    def enlist(self, job_id: int) -> ContractFunction:
        """By a trainer for whom all leases were carried over: the next round is leased anew."""
        return self._transaction("enlist", job_id)

    def expire(self, job_id: int, node: str) -> ContractFunction:
        return self._transaction("expire", job_id, node)

    def submit_update(
        self, job_id: int, digest: bytes, samples: int, cid: str, *, keep: bool = False
    ) -> ContractFunction:
        """`keep` makes the same epochs the node's lease of the next round as well, without a transaction then."""
        return self._transaction("submitUpdate", job_id, digest, samples, keep, cid)

    def reopen(self, job_id: int) -> ContractFunction:
        return self._transaction("reopen", job_id)

    def settle(self, job_id: int, nodes: Sequence[str]) -> ContractFunction:
        """Pays what these nodes have earned in any number of closed rounds, and takes what they lost."""
        return self._transaction("settle", job_id, list(nodes))

    def set_parameters(self, lease_bond: int, vote_bond: int, max_share: int) -> ContractFunction:
        """By governance; see `Parameters` for the units."""
        return self._transaction("setParameters", lease_bond, vote_bond, max_share)

    def set_paused(self, paused: bool) -> ContractFunction:
        """By governance."""
        return self._transaction("setPaused", paused)

    def job_count(self, block: BlockRef = "latest") -> int:
        return cast(int, self._read("jobCount", block=block))

    def open_jobs(self, block: BlockRef = "latest") -> tuple[int, ...]:
        return tuple(self._read("openJobs", block=block))

    def job(self, job_id: int, block: BlockRef = "latest") -> Job:
        return to_struct(Job, self._read("job", job_id, block=block))

    def round(self, job_id: int, block: BlockRef = "latest") -> Round:
        return to_struct(Round, self._read("round", job_id, block=block))

    def lease_of(self, job_id: int, node: str, block: BlockRef = "latest") -> NodeLease:
        """What a node holds in a job as it is now."""
        return to_struct(NodeLease, self._read("leaseOf", job_id, node, block=block))

    def stored_lease(self, job_id: int, node: str, slot: int = 0, block: BlockRef = "latest") -> Lease:
        """A node's record as it was last touched; `slot` above 0 is of a further lease in one round."""
        return to_struct(Lease, self._read("storedLease", job_id, node, slot, block=block))

    def node_record(self, node: str, block: BlockRef = "latest") -> NodeRecord:
        return to_struct(NodeRecord, self._read("nodeRecord", node, block=block))

    def reliability_of(self, account: str, block: BlockRef = "latest") -> int:
        """Ten-thousandths: what the next new node of an organisation starts with."""
        return cast(int, self._read("reliabilityOf", account, block=block))

    def outcome(self, job_id: int, round_number: int, block: BlockRef = "latest") -> Outcome:
        return to_struct(Outcome, self._read("outcome", job_id, round_number, block=block))

    def phase(self, job_id: int, block: BlockRef = "latest") -> Phase:
        return Phase(self._read("phase", job_id, block=block))

    def quota(self, job_id: int, node: str, block: BlockRef = "latest") -> int:
        """Epochs that a node may claim at once."""
        return cast(int, self._read("quota", job_id, node, block=block))

    def ballot_box(self, job_id: int, block: BlockRef = "latest") -> BallotBox:
        return to_struct(BallotBox, self._read("ballotBox", job_id, block=block))

    def vote_terms(self, job_id: int, block: BlockRef = "latest") -> VoteTerms:
        return to_struct(VoteTerms, self._read("voteTerms", job_id, block=block))

    def parameters(self, block: BlockRef = "latest") -> Parameters:
        return to_struct(Parameters, self._read("parameters", block=block))

    def paused(self, block: BlockRef = "latest") -> bool:
        return cast(bool, self._read("paused", block=block))
