"""Deploys Milon's contracts, once: what is complete is left alone, what is half-made is refused.

The contracts name each other in immutable constructor arguments. Addresses that do not exist yet are
predicted from the deployer's nonce, and every prediction is checked as its contract appears.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from eth_typing import ABI, HexAddress, HexStr
from web3.types import Nonce
from web3.utils.address import get_create_address

from chain.artifacts import Artifact, load_artifact
from chain.contracts.registry import ConsortiumRegistry
from chain.contracts.token import ConsortiumToken, to_units
from chain.deployment_config import DeploymentConfig
from chain.deployment_file import (
    ARTIFACTS,
    CONTRACTS,
    INTERFACES,
    DeployedContract,
    Deployment,
    DeploymentError,
    Parameters,
    abi_sha256,
    bytecode_sha256,
    code_hashes,
    deployment_path,
    read_deployment,
    write_atomically,
    wrong_code,
)
from chain.provider import ChainIdentity, identity
from chain.reverts import ErrorDecoder
from chain.sender import Sender
from chain.transport import rpc

_DEVNETS = (1337, 31337)


@dataclass(frozen=True)
class DeployResult:
    """`created` is False when a complete deployment was there and nothing was done."""

    deployment: Deployment
    path: Path
    created: bool


def packaged_artifacts() -> dict[str, Artifact]:
    """What `deploy` needs of the contracts that come with Milon. Raises CompileError."""
    return {name: load_artifact(name) for name in ARTIFACTS}


def deploy(
    sender: Sender,
    artifacts: Mapping[str, Artifact],
    config: DeploymentConfig,
    directory: Path,
    *,
    fresh: bool = False,
    report: Callable[[str], None] = lambda line: None,
) -> DeployResult:
    """Deploy all contracts, admit the organisations, mint the first tokens, and give governance to the members'
    timelock, after which the deployer has no power; record it all in `directory`. `artifacts` hold `ARTIFACTS`.

    Safe to run again: a complete deployment of the same bytecode is reported and left as it is. The record
    of a chain that was reset is replaced (outside devnets the old one is kept beside it). `fresh` sets an
    unfinished or unsuitable record aside and deploys anew. `report` is told what happens, line by line.

    Raises DeploymentError for a half-made deployment, ContractError or ChainError when the chain refuses.
    """
    chain = identity(sender.w3)
    path = deployment_path(directory, chain.chain_id)
    partial = path.with_suffix(".partial.json")
    existing = _existing(sender, artifacts, config, path, partial, chain, fresh, report)
    if existing is not None:
        return DeployResult(existing, path, created=False)
    deployment = _Deployer(sender, artifacts, config, chain, partial, report).run()
    write_atomically(path, deployment.to_json())
    partial.unlink()
    report(f"deployed to chain {chain.chain_id} in block {deployment.block}; recorded in {path}")
    return DeployResult(deployment, path, created=True)


def _existing(
    sender: Sender,
    artifacts: Mapping[str, Artifact],
    config: DeploymentConfig,
    path: Path,
    partial: Path,
    chain: ChainIdentity,
    fresh: bool,
    report: Callable[[str], None],
) -> Deployment | None:
    """A complete deployment that is good as it is; None when the way is free for a new one."""
    if partial.exists():
        left = _read_partial(partial)
        if left.get("genesis_hash") != chain.genesis_hash:
            report(f"{partial} is of a chain that was reset since; it is dropped")
        elif not fresh and not _is_recorded(left, path):
            raise DeploymentError(_unfinished(sender, left, partial))
        _set_aside(partial, chain, keep=fresh and chain.chain_id not in _DEVNETS)
    if not path.exists():
        return None
    try:
        deployment = read_deployment(path)
    except DeploymentError:
        if not fresh:
            raise
        _set_aside(path, chain, keep=True)
        return None
    if deployment.identity != chain:
        report(f"chain {chain.chain_id} was reset (its genesis block is another); {path} is replaced")
        _set_aside(path, deployment.identity, keep=chain.chain_id not in _DEVNETS)
        return None
    if fresh:
        _set_aside(path, chain, keep=True)
        return None
    wrong = wrong_code(sender.w3, deployment)
    if wrong:
        raise DeploymentError(
            f"{path} names contracts that are not there: {'; '.join(wrong)}; deploy anew with --fresh"
        )
    recorded = deployment.contracts
    changed = [n for n in CONTRACTS if bytecode_sha256(artifacts[n]) != recorded[n].bytecode_sha256]
    if changed:
        raise DeploymentError(
            f"{path} records an older version of {', '.join(changed)}; keep using it with the Milon that "
            "deployed it, or deploy the new one with --fresh (a new consortium: nothing is carried over)"
        )
    report(f"already deployed to chain {chain.chain_id} in block {deployment.block}; nothing was changed")
    if deployment.parameters != _parameters(config, deployment.address("ConsortiumTimelock")):
        report(
            "note: the configuration differs from what was deployed; the members can change it by a proposal"
        )
    return deployment


def _is_recorded(left: dict[str, Any], path: Path) -> bool:
    """Whether an earlier run was interrupted only after it had recorded its complete deployment."""
    if not path.exists():
        return False
    recorded = read_deployment(path).contracts
    return bool({name: contract.address for name, contract in recorded.items()} == left["contracts"])


def _read_partial(partial: Path) -> dict[str, Any]:
    try:
        left = json.loads(partial.read_text(encoding="utf-8"))
        return cast(dict[str, Any], left) if isinstance(left.get("contracts"), dict) else {}
    except (OSError, ValueError, AttributeError) as error:
        raise DeploymentError(f"{partial} cannot be read ({error}); remove it and run again") from error


def _unfinished(sender: Sender, left: dict[str, Any], partial: Path) -> str:
    contracts: dict[str, str] = left["contracts"]
    codes = code_hashes(sender.w3, list(contracts.values()))
    there = [name for name, code in zip(contracts, codes, strict=True) if code is not None]
    missing = [name for name in contracts if name not in there]
    if missing:
        state = f"{', '.join(there) or 'no contract'} deployed, {', '.join(missing)} missing"
    else:
        state = "all contracts deployed, but not every organisation admitted, token minted, and the founding ended"
    return (
        f"an earlier deployment to chain {left.get('chain_id')} was interrupted ({partial}): {state}; "
        "deploy anew with --fresh (what stands is left unused), or wait if it is still running"
    )


def _set_aside(path: Path, chain: ChainIdentity, *, keep: bool) -> None:
    if not keep:
        path.unlink()
        return
    number = 1
    while (old := path.with_name(f"{path.stem}.{chain.genesis_hash[2:10]}.old{number}.json")).exists():
        number += 1
    path.rename(old)


def _parameters(config: DeploymentConfig, timelock: str) -> Parameters:
    rules = config.governance
    return Parameters(
        governance=timelock,
        treasury=config.treasury or timelock,
        minimum_stake=str(to_units(config.minimum_stake)),
        unbonding_period=config.unbonding_period,
        lease_bond=str(to_units(config.lease_bond)),
        vote_bond=str(to_units(config.vote_bond)),
        max_share=int(config.max_share * 10_000),
        voting_delay=rules.voting_delay,
        voting_period=rules.voting_period,
        timelock_delay=rules.timelock,
        quorum_percent=int(rules.quorum * 100),
    )


class _Deployer:
    """One deployment from an empty record to a complete one."""

    def __init__(
        self,
        sender: Sender,
        artifacts: Mapping[str, Artifact],
        config: DeploymentConfig,
        chain: ChainIdentity,
        partial: Path,
        report: Callable[[str], None],
    ) -> None:
        self._sender, self._artifacts, self._config = sender, artifacts, config
        self._chain, self._partial, self._report = chain, partial, report
        nonce = int(rpc(sender.w3, "eth_getTransactionCount", sender.address, "latest"), 16)
        self._addresses = {
            name: str(get_create_address(HexAddress(HexStr(sender.address)), Nonce(nonce + i)))
            for i, name in enumerate(CONTRACTS)
        }
        self._parameters = _parameters(config, self._addresses["ConsortiumTimelock"])

    def run(self) -> Deployment:
        note = {
            "chain_id": self._chain.chain_id,
            "genesis_hash": self._chain.genesis_hash,
            "deployer": self._sender.address,
            "contracts": self._addresses,
        }
        write_atomically(self._partial, json.dumps(note, indent=2) + "\n")
        arguments = self._arguments()
        contracts = {name: self._create(name, arguments[name]) for name in CONTRACTS}
        self._populate()
        return Deployment(
            chain_id=self._chain.chain_id,
            genesis_hash=self._chain.genesis_hash,
            block=contracts[CONTRACTS[0]].block,
            deployer=self._sender.address,
            parameters=self._parameters,
            organisations={member.account: member.name for member in self._config.organisations},
            contracts=contracts,
        )

    def _arguments(self) -> dict[str, tuple[Any, ...]]:
        at, given = self._addresses, self._parameters
        registry, vault, scheduler, vote = (
            at[name] for name in ("ConsortiumRegistry", "StakeVault", "EpochScheduler", "AggregationVote")
        )
        stake, period = int(given.minimum_stake), given.unbonding_period
        bonds = int(given.lease_bond), int(given.vote_bond), given.max_share
        timelock, delays = at["ConsortiumTimelock"], (given.voting_delay, given.voting_period)
        return {
            "ConsortiumRegistry": (timelock, self._sender.address, vault),
            "ConsortiumToken": (registry,),
            "StakeVault": (at["ConsortiumToken"], registry, scheduler, vote, given.treasury, stake, period),
            "EpochBooks": (registry, vault),
            "EpochScheduler": (registry, vault, vote, at["EpochBooks"], bonds),
            "AggregationVote": (registry, vault, scheduler),
            "ModelRegistry": (registry, scheduler),
            "AgentLens": (registry, vault, scheduler, vote),
            "ConsortiumTimelock": (given.timelock_delay, at["ConsortiumGovernor"]),
            "ConsortiumGovernor": (registry, timelock, *delays, given.quorum_percent),
        }

    def _create(self, name: str, arguments: tuple[Any, ...]) -> DeployedContract:
        artifact, expected = self._artifacts[name], self._addresses[name]
        factory = self._sender.w3.eth.contract(abi=cast(ABI, artifact.abi), bytecode=artifact.bytecode)
        receipt = self._sender.send(factory.constructor(*arguments))
        if receipt.contract_address != expected:
            raise DeploymentError(
                f"{name} came to stand at {receipt.contract_address}, not {expected}: something else sends "
                "transactions with the deployer's key; stop it and deploy anew with --fresh"
            )
        code = code_hashes(self._sender.w3, [expected])[0]
        if code is None:
            raise DeploymentError(f"{name} has no code at {expected} although its transaction succeeded")
        self._report(f"{name} at {expected}")
        return DeployedContract(
            address=expected,
            block=receipt.block_number,
            transaction=receipt.tx_hash,
            abi_sha256=abi_sha256(self._artifacts[INTERFACES.get(name, name)]),
            bytecode_sha256=bytecode_sha256(artifact),
            code_hash=code,
        )

    def _populate(self) -> None:
        """Admit the organisations, mint the tokens, hand governance to the members."""
        w3, artifacts = self._sender.w3, self._artifacts
        decoder = ErrorDecoder(artifact.abi for artifact in artifacts.values())
        registry_artifact, token_artifact = artifacts["ConsortiumRegistry"], artifacts["ConsortiumToken"]
        registry = ConsortiumRegistry(
            w3, self._addresses["ConsortiumRegistry"], registry_artifact.abi, decoder
        )
        token = ConsortiumToken(w3, self._addresses["ConsortiumToken"], token_artifact.abi, decoder)
        for member in self._config.organisations:
            self._sender.send(registry.admit(member.account, member.name))
            self._report(f"admitted {member.name} ({member.account})")
        mints = [(part.account, part.tokens) for part in self._config.organisations]
        for account, tokens in mints + [(part.account, part.tokens) for part in self._config.mints]:
            if tokens:
                self._sender.send(token.mint(account, to_units(tokens)))
                self._report(f"minted {tokens} tokens to {account}")
        self._sender.send(registry.end_founding())
        self._report("the founding has ended: the members govern, and the deployer has no power")
