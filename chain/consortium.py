"""One consortium on one chain: connection, deployment and typed contracts, for agents and commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from web3 import Web3

from chain.artifacts import Artifact, load_artifact
from chain.contracts.governor import ConsortiumGovernor, ConsortiumTimelock
from chain.contracts.lens import AgentLens
from chain.contracts.models import ModelRegistry
from chain.contracts.registry import ConsortiumRegistry
from chain.contracts.scheduler import EpochScheduler
from chain.contracts.seals import Ballots
from chain.contracts.token import ConsortiumToken
from chain.contracts.vault import StakeVault
from chain.contracts.vote import AggregationVote
from chain.deployment_file import (
    ARTIFACTS,
    CONTRACTS,
    INTERFACES,
    Deployment,
    DeploymentError,
    abi_sha256,
    load_deployment,
    wrong_code,
)
from chain.events import EventReader
from chain.heads import HeadWatcher
from chain.provider import ChainResetError, check_identity, connect
from chain.reverts import ErrorDecoder
from chain.sender import Sender
from chain.wallet import Wallet


@dataclass(frozen=True)
class Consortium:
    """The contracts of one deployment, read through one client; `decoder` knows the errors of all."""

    w3: Web3
    deployment: Deployment
    registry: ConsortiumRegistry
    token: ConsortiumToken
    vault: StakeVault
    scheduler: EpochScheduler
    vote: AggregationVote
    lens: AgentLens
    models: ModelRegistry
    governor: ConsortiumGovernor
    timelock: ConsortiumTimelock
    decoder: ErrorDecoder

    @classmethod
    def connect(cls, url: str, deployment_path: Path, *, timeout: float = 10.0) -> Self:
        """Connect to `url` and check that the chain and the code there are what the deployment file says.

        Raises ChainUnreachableError, ChainResetError, DeploymentError. `timeout` is per request, seconds.
        """
        w3 = connect(url, timeout=timeout)
        return cls.of(w3, load_deployment(deployment_path, w3))

    @classmethod
    def of(cls, w3: Web3, deployment: Deployment, artifacts: Mapping[str, Artifact] | None = None) -> Self:
        """The contracts of a deployment that was checked already, by the ABIs of this Milon or those given.

        Raises DeploymentError when the deployed contracts have another interface than this Milon knows.
        """
        known = {name: artifacts[name] if artifacts else load_artifact(name) for name in ARTIFACTS}
        called_by = {name: known[INTERFACES.get(name, name)] for name in CONTRACTS}
        other = [n for n, a in called_by.items() if abi_sha256(a) != deployment.contracts[n].abi_sha256]
        if other:
            raise DeploymentError(
                f"the deployed {', '.join(other)} has another interface than this Milon; install the "
                "version that deployed it, or deploy anew"
            )
        decoder = ErrorDecoder(artifact.abi for artifact in known.values())

        def place(name: str) -> tuple[Web3, str, list[dict[str, object]], ErrorDecoder]:
            return w3, deployment.address(name), called_by[name].abi, decoder

        return cls(
            w3=w3,
            deployment=deployment,
            registry=ConsortiumRegistry(*place("ConsortiumRegistry")),
            token=ConsortiumToken(*place("ConsortiumToken")),
            vault=StakeVault(*place("StakeVault")),
            scheduler=EpochScheduler(*place("EpochScheduler")),
            vote=AggregationVote(*place("AggregationVote")),
            lens=AgentLens(*place("AgentLens")),
            models=ModelRegistry(*place("ModelRegistry")),
            governor=ConsortiumGovernor(*place("ConsortiumGovernor")),
            timelock=ConsortiumTimelock(*place("ConsortiumTimelock")),
            decoder=decoder,
        )

    def sender(
        self, wallet: Wallet, *, heads: HeadWatcher | None = None, state_dir: Path | None = None
    ) -> Sender:
        """The one sender of this wallet's key, with this consortium's errors; raises as `Sender` does."""
        return Sender(self.w3, wallet, decoder=self.decoder, heads=heads, state_dir=state_dir)

    def events(self, from_block: int | None = None) -> EventReader:
        """A reader of all events from the deployment on; `structs.to_event` makes them typed."""
        contracts = (
            self.registry,
            self.token,
            self.vault,
            self.scheduler,
            self.vote,
            self.models,
            self.governor,
            self.timelock,
        )
        start = self.deployment.block if from_block is None else from_block
        return EventReader(self.w3, {contract.address: contract.abi for contract in contracts}, start)

    def ballots(self, job_id: int, round_number: int, attempt: int) -> Ballots:
        """Forms candidates and seals for one attempt."""
        return Ballots(self.deployment.chain_id, self.vote.address, job_id, round_number, attempt)

    def check(self) -> None:
        """Raise ChainResetError when the chain behind the URL is not the deployment's any more, or ran back past it."""
        check_identity(self.w3, self.deployment.identity)
        if wrong_code(self.w3, self.deployment):
            raise ChainResetError(
                f"chain {self.deployment.chain_id} was reset to a block before the contracts were deployed; deploy "
                "them again and restart with the new deployment file"
            )
