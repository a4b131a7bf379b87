"""AgentLens: all that an agent needs to decide, in one call."""

from __future__ import annotations

from eth_typing import ChecksumAddress

from chain.calls import BlockRef
from chain.contracts.binding import Contract
from chain.contracts.structs import to_struct
from chain.contracts.types import AgentView, JobView

NOBODY = ChecksumAddress("0x0000000000000000000000000000000000000000")  # type: ignore[arg-type]


class AgentLens(Contract):
    """See `contracts/interfaces/IAgentLens.sol`. It holds no state and has no power."""

    def view_for(self, node: str = NOBODY, block: BlockRef = "latest") -> AgentView:
        """The open jobs as `node` sees them; without a node, the jobs alone."""
        return to_struct(AgentView, self._read("viewFor", node, block=block))

    def job_view(self, job_id: int, node: str = NOBODY, block: BlockRef = "latest") -> JobView:
        return to_struct(JobView, self._read("jobView", job_id, node, block=block))
