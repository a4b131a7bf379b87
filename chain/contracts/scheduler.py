"""EpochScheduler: jobs, rounds, leases of epochs, and update records."""

from __future__ import annotations

from dataclasses import astuple
from typing import cast

from web3.contract.contract import ContractFunction

from chain.calls import BlockRef
from chain.contracts.binding import Contract
from chain.contracts.structs import to_struct
from chain.contracts.types import BallotBox, Content, HeldLease, Job, Lease, Outcome, Phase, Round, Terms


class EpochScheduler(Contract):
    """See `contracts/interfaces/IEpochScheduler.sol` for what each method guarantees."""

    def submit_job(self, terms: Terms, spec: Content, model: Content) -> ContractFunction:
        """Escrows `terms.budget(members)` out of the sender's tokens; the vault needs an allowance."""
        return self._transaction("submitJob", astuple(terms), astuple(spec), astuple(model))

    def cancel_job(self, job_id: int) -> ContractFunction:
        return self._transaction("cancelJob", job_id)

    def claim(self, job_id: int) -> ContractFunction:
        return self._transaction("claim", job_id)

    def expire(self, job_id: int, first: int) -> ContractFunction:
        return self._transaction("expire", job_id, first)

    def submit_update(self, job_id: int, digest: bytes, samples: int, cid: str) -> ContractFunction:
        return self._transaction("submitUpdate", job_id, digest, samples, cid)

    def reopen(self, job_id: int) -> ContractFunction:
        return self._transaction("reopen", job_id)

    def settle(self, job_id: int, leases: int) -> ContractFunction:
        """`leases` is a bitmap of first epochs."""
        return self._transaction("settle", job_id, leases)

    def set_parameters(self, lease_bond: int, vote_bond: int) -> ContractFunction:
        return self._transaction("setParameters", lease_bond, vote_bond)

    def job_count(self, block: BlockRef = "latest") -> int:
        return cast(int, self._read("jobCount", block=block))

    def open_jobs(self, block: BlockRef = "latest") -> tuple[int, ...]:
        return tuple(self._read("openJobs", block=block))

    def job(self, job_id: int, block: BlockRef = "latest") -> Job:
        return to_struct(Job, self._read("job", job_id, block=block))

    def round(self, job_id: int, block: BlockRef = "latest") -> Round:
        return to_struct(Round, self._read("round", job_id, block=block))

    def lease(self, job_id: int, first: int, block: BlockRef = "latest") -> Lease:
        return to_struct(Lease, self._read("lease", job_id, first, block=block))

    def lease_of(self, job_id: int, node: str, block: BlockRef = "latest") -> HeldLease | None:
        """The lease that a node claimed last in the open attempt."""
        held, first, lease = self._read("leaseOf", job_id, node, block=block)
        return HeldLease(first, to_struct(Lease, lease)) if held else None

    def outcome(self, job_id: int, round_number: int, block: BlockRef = "latest") -> Outcome:
        return to_struct(Outcome, self._read("outcome", job_id, round_number, block=block))

    def phase(self, job_id: int, block: BlockRef = "latest") -> Phase:
        return Phase(self._read("phase", job_id, block=block))

    def quota(self, job_id: int, capacity: int, block: BlockRef = "latest") -> int:
        """Epochs that a node of this capacity may claim at once."""
        return cast(int, self._read("quota", job_id, capacity, block=block))

    def ballot_box(self, job_id: int, block: BlockRef = "latest") -> BallotBox:
        return to_struct(BallotBox, self._read("ballotBox", job_id, block=block))

    def lease_bond(self, block: BlockRef = "latest") -> int:
        return cast(int, self._read("leaseBond", block=block))

    def vote_bond(self, block: BlockRef = "latest") -> int:
        return cast(int, self._read("voteBond", block=block))
