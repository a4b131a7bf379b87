"""AgentLens: all that an agent needs to decide, in one call."""

from __future__ import annotations

from dataclasses import replace

from eth_typing import ChecksumAddress

from chain.calls import BlockRef
from chain.contracts.binding import Contract
from chain.contracts.structs import to_struct
from chain.contracts.types import AgentView, JobView

NOBODY = ChecksumAddress("0x0000000000000000000000000000000000000000")  # type: ignore[arg-type]

# Jobs of one call: far below what nodes let a call cost.
PAGE = 50


class AgentLens(Contract):
    """See `contracts/interfaces/IAgentLens.sol`. It holds no state and has no power."""

    def view_for(self, node: str = NOBODY, block: BlockRef = "latest") -> AgentView:
        """The open jobs as `node` sees them; without a node, the jobs alone."""
        view = to_struct(AgentView, self._read("viewFor", node, 0, PAGE, block=block))
        jobs = page = view.jobs
        while len(page) == PAGE:
            rest = self._read("viewFor", node, len(jobs), PAGE, block=view.block_number)
            page = to_struct(AgentView, rest).jobs
            jobs += page
        return replace(view, jobs=jobs)

    def job_view(self, job_id: int, node: str = NOBODY, block: BlockRef = "latest") -> JobView:
        return to_struct(JobView, self._read("jobView", job_id, node, block=block))
