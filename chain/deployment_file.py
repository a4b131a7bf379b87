"""The record of a deployment: `deployments/<chain id>.json`, and what makes it trustworthy.

Every devnet has the same chain id, so the record holds the genesis hash too, and for each contract the hash
of the code that stands at its address (EIP-1052) and the SHA-256 of its ABI.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from eth_utils.address import is_checksum_address
from eth_utils.crypto import keccak
from web3 import Web3

from chain.artifacts import Artifact
from chain.errors import ChainError
from chain.provider import ChainIdentity, check_identity
from chain.transport import RpcError, rpc_batch

FORMAT = 2
CONTRACTS = (
    "ConsortiumRegistry",
    "ConsortiumToken",
    "StakeVault",
    "EpochBooks",
    "EpochScheduler",
    "AggregationVote",
    "ModelRegistry",
    "AgentLens",
    "ConsortiumTimelock",
    "ConsortiumGovernor",
)
# By whose ABI a contract is called, where that is not its own: the scheduler answers for the books behind it too.
INTERFACES = {"EpochScheduler": "IEpochScheduler"}
ARTIFACTS = (*CONTRACTS, *INTERFACES.values())


class DeploymentError(ChainError):
    """A deployment is missing, unfinished, or not the one that stands on the chain."""


@dataclass(frozen=True)
class DeployedContract:
    """One contract. `bytecode_sha256` is of the creation code without arguments; hashes are hexadecimal."""

    address: str
    block: int
    transaction: str
    abi_sha256: str
    bytecode_sha256: str
    code_hash: str


@dataclass(frozen=True)
class Parameters:
    """What the contracts were deployed with; amounts in base units as text, periods and delays in seconds.

    `governance` is the timelock, by which the members' decisions are carried out; `max_share` is in ten-thousandths.
    """

    governance: str
    treasury: str
    minimum_stake: str
    unbonding_period: int
    lease_bond: str
    vote_bond: str
    max_share: int
    voting_delay: int
    voting_period: int
    timelock_delay: int
    quorum_percent: int


@dataclass(frozen=True)
class Deployment:
    """A complete deployment; events are in `block` or later, `organisations` maps accounts to names."""

    chain_id: int
    genesis_hash: str
    block: int
    deployer: str
    parameters: Parameters
    organisations: dict[str, str]
    contracts: dict[str, DeployedContract]

    @property
    def identity(self) -> ChainIdentity:
        return ChainIdentity(self.chain_id, self.genesis_hash)

    def address(self, contract: str) -> str:
        """The address of a contract by its Solidity name."""
        return self.contracts[contract].address

    def to_json(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`. Raises ValueError, KeyError or TypeError for anything else."""
        fields: dict[str, Any] = json.loads(text)
        if fields.pop("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
        contracts = {name: DeployedContract(**fields["contracts"][name]) for name in CONTRACTS}
        if not all(is_checksum_address(contract.address) for contract in contracts.values()):
            raise ValueError("an address has a wrong checksum")
        return cls(**{**fields, "contracts": contracts, "parameters": Parameters(**fields["parameters"])})


def deployment_path(directory: Path, chain_id: int) -> Path:
    """Where the record of a chain lies."""
    return directory / f"{chain_id}.json"


def read_deployment(path: Path) -> Deployment:
    """The record as it stands in the file. Raises DeploymentError."""
    try:
        return Deployment.from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DeploymentError(
            f"no deployment file {path}; deploy with scripts/deploy.py, or correct the path"
        ) from None
    except OSError as error:
        raise DeploymentError(f"cannot read deployment file {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DeploymentError(f"{path} is not a deployment file of this version: {error}") from error


def load_deployment(path: Path, w3: Web3 | None = None) -> Deployment:
    """The record at `path`, checked against the chain where `w3` is given.

    Raises DeploymentError; ChainResetError when the chain is another than the record's.
    """
    deployment = read_deployment(path)
    if w3 is not None:
        check_identity(w3, deployment.identity)
        wrong = wrong_code(w3, deployment)
        if wrong:
            raise DeploymentError(
                f"{path} does not fit the chain: {'; '.join(wrong)}; correct the RPC URL, or deploy again "
                "with --fresh"
            )
    return deployment


def wrong_code(w3: Web3, deployment: Deployment) -> list[str]:
    """One line for each contract whose code on the chain is missing or not the recorded one."""
    contracts = deployment.contracts
    found = code_hashes(w3, [contract.address for contract in contracts.values()])
    return [
        f"{name} at {contract.address} has {'no code' if code is None else 'other code'}"
        for (name, contract), code in zip(contracts.items(), found, strict=True)
        if code != contract.code_hash
    ]


def code_hashes(w3: Web3, addresses: Sequence[str]) -> list[str | None]:
    """Keccak-256 of the code at each address, 0x hexadecimal; None where there is none."""
    hashes: list[str | None] = []
    for answer in rpc_batch(w3, [("eth_getCode", [address, "latest"]) for address in addresses]):
        if isinstance(answer, RpcError):
            raise answer
        code = bytes.fromhex(answer[2:])
        hashes.append(f"0x{keccak(code).hex()}" if code else None)
    return hashes


def abi_sha256(artifact: Artifact) -> str:
    """SHA-256 of the ABI as compact JSON with sorted keys."""
    text = json.dumps(artifact.abi, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def bytecode_sha256(artifact: Artifact) -> str:
    """SHA-256 of the creation code."""
    return hashlib.sha256(artifact.bytecode).hexdigest()


def write_atomically(path: Path, text: str) -> None:
    """Write the whole file durably or leave what was there. Raises DeploymentError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        finally:
            with suppress(FileNotFoundError):
                Path(temporary).unlink()
    except OSError as error:
        raise DeploymentError(f"cannot write {path}: {error.strerror}") from error
