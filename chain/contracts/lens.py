"""AgentLens: all that an agent needs to decide, in one call."""

from __future__ import annotations

from dataclasses import replace

from eth_typing import ChecksumAddress

from chain.calls import BlockRef
from chain.contracts.binding import Contract
from chain.contracts.structs import to_struct
from chain.contracts.types import AgentView, JobView
from chain.reverts import ContractError
from chain.transport import RpcError

NOBODY = ChecksumAddress("0x0000000000000000000000000000000000000000")  # type: ignore[arg-type]

# Jobs of one call: far below what nodes let a call cost.
PAGE = 50


class AgentLens(Contract):
    """See `contracts/interfaces/IAgentLens.sol`. It holds no state and has no power."""

    def view_for(self, node: str = NOBODY, block: BlockRef = "latest") -> AgentView:
        """The open jobs as `node` sees them; without a node, the jobs alone."""
        view, page = self._page(node, 0, PAGE, block)
        jobs = last = view.jobs
        while len(last) == page:
            rest, page = self._page(node, len(jobs), page, view.block_number)
            last = rest.jobs
            jobs += last
        return replace(view, jobs=jobs)

    def _page(self, node: str, start: int, page: int, block: BlockRef) -> tuple[AgentView, int]:
        """The jobs from index `start` on, and how many were asked for: `page`, or as many as the RPC node lets
        through where that costs more gas than it gives to a call."""
        while True:
            try:
                return to_struct(AgentView, self._read("viewFor", node, start, page, block=block)), page
            except (RpcError, ContractError):
                if page == 1:
                    raise
                page = (page + 1) // 2

    def job_view(self, job_id: int, node: str = NOBODY, block: BlockRef = "latest") -> JobView:
        return to_struct(JobView, self._read("jobView", job_id, node, block=block))
