"""An agent's hands: sending, publishing, and saying things once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import structlog
from structlog.typing import FilteringBoundLogger
from web3.contract.contract import ContractFunction

from chain.consortium import Consortium
from chain.reverts import ContractError
from chain.sender import Sender
from node.agent.metrics import Metrics
from node.agent.tasks import WorkError
from node.config import NodeConfig
from node.errors import ContentError, StorageError
from node.storage.ipfs import IpfsClient


class Hands:
    """What all parts of one agent act through. `me`: the node's address; `sender` is None for a dry run."""

    def __init__(
        self,
        config: NodeConfig,
        chain: Consortium,
        me: str,
        sender: Sender | None,
        ipfs: IpfsClient,
        metrics: Metrics,
    ) -> None:
        self.config = config
        self.chain = chain
        self.me = me
        self.ipfs = ipfs
        self.metrics = metrics
        self.log: FilteringBoundLogger = structlog.get_logger("agent").bind(node=config.node.name or me[:10])
        self._sender = sender
        self._said: set[Hashable] = set()

    def send(self, name: str, fn: ContractFunction, *, deadline: int | None = None, **facts: Any) -> bool:
        """Send a transaction and log it; a dry run only logs. Returns whether the view is stale now."""
        if self._sender is None:
            self.once(("dry", name, *sorted(map(str, facts.items()))), f"{name}.would", **facts)
            return False
        with self.metrics.timed("chain"):
            try:
                receipt = self._sender.send(fn, deadline=deadline)
            except ContractError:
                self.metrics.transactions.labels(name, "refused").inc()
                raise
        self.metrics.transactions.labels(name, "mined").inc()
        self.metrics.gas.inc(receipt.gas_used)
        self.log.info(name, **facts, gas=receipt.gas_used, block=receipt.block_number)
        return True

    def publish(self, path: Path) -> str:
        """Add a file to IPFS; its CID. Raises StorageError."""
        with self.metrics.timed("ipfs"):
            return self.ipfs.add(path)

    def quietly(self, work: Callable[..., object], *arguments: object) -> object:
        """Do what may fail now and be tried again at a later cycle without anybody's loss; None if it failed."""
        try:
            return work(*arguments)
        except (ContractError, ContentError, StorageError, WorkError, OSError) as error:
            self.log.debug("later", reason=str(error))
            return None

    def once(self, key: Hashable, event: str, **facts: object) -> None:
        """Log an event, the first time that it happens under this key."""
        if key not in self._said:
            self._said.add(key)
            self.log.info(event, **facts)

    def forget(self, key: Hashable) -> None:
        """Let `once` say it again."""
        self._said.discard(key)
