"""Deploying once, again, half, and on a chain that was reset."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from consortium_world import ACCOUNTS, CONFIG, DEPLOYER, ORGANISATIONS, TOKEN
from eth_account import Account
from web3 import Web3

from chain.artifacts import Artifact
from chain.consortium import Consortium
from chain.contracts.types import Parameters
from chain.deployment import deploy
from chain.deployment_file import (
    CONTRACTS,
    DeploymentError,
    load_deployment,
    read_deployment,
    write_atomically,
)
from chain.devnet import Devnet, start_devnet
from chain.errors import ChainError
from chain.provider import ChainResetError
from chain.sender import ContractError, Sender
from chain.transport import rpc
from chain.wallet import Wallet

Artifacts = dict[str, Artifact]


def test_deployment_wires_contracts_admits_organisations_and_mints(
    deployer: Sender, artifacts: Artifacts, node: Devnet, tmp_path: Path
) -> None:
    lines: list[str] = []
    result = deploy(deployer, artifacts, CONFIG, tmp_path, report=lines.append)
    assert result.created and result.path == tmp_path / "31337.json"
    assert not list(tmp_path.glob("*.partial.json"))
    assert sum(line.split(" at ")[0] in CONTRACTS for line in lines) == len(CONTRACTS)

    consortium = Consortium.connect(node.url, result.path)
    assert consortium.deployment == result.deployment == read_deployment(result.path)
    assert consortium.registry.organisations() == tuple(member.address for member in ORGANISATIONS)
    assert consortium.registry.organisation(ORGANISATIONS[1].address).name == "East"
    assert consortium.token.balance_of(ORGANISATIONS[0].address) == 1_000 * TOKEN
    assert consortium.vault.token() == consortium.token.address
    assert consortium.registry.governance() == consortium.timelock.address
    assert result.deployment.parameters.governance == consortium.timelock.address
    assert consortium.vault.treasury() == CONFIG.treasury
    assert (consortium.vault.minimum_stake(), consortium.vault.unbonding_period()) == (100 * TOKEN, 1_000)
    assert consortium.scheduler.parameters() == Parameters(2 * TOKEN, 3 * TOKEN, max_share=5_000)
    governor = consortium.governor
    assert (governor.voting_delay(), governor.voting_period(), governor.quorum_percent()) == (2, 20, 50)
    assert (governor.timelock(), consortium.timelock.min_delay()) == (consortium.timelock.address, 5)
    first = result.deployment.contracts["ConsortiumRegistry"]
    assert result.deployment.block == first.block
    assert consortium.events().read().events


def test_second_run_reports_and_changes_nothing(
    deployer: Sender, artifacts: Artifacts, tmp_path: Path
) -> None:
    first = deploy(deployer, artifacts, CONFIG, tmp_path)
    text, block = first.path.read_text(), deployer.w3.eth.block_number
    lines: list[str] = []
    second = deploy(deployer, artifacts, CONFIG, tmp_path, report=lines.append)
    assert not second.created and second.deployment == first.deployment
    assert (first.path.read_text(), deployer.w3.eth.block_number) == (text, block)
    assert "already deployed" in lines[0]


def test_second_run_with_other_parameters_says_that_they_do_not_count(
    deployer: Sender, artifacts: Artifacts, tmp_path: Path
) -> None:
    deploy(deployer, artifacts, CONFIG, tmp_path)
    lines: list[str] = []
    deploy(deployer, artifacts, CONFIG.model_copy(update={"vote_bond": 9}), tmp_path, report=lines.append)
    assert "differs" in lines[-1]


def test_interrupted_run_is_refused_with_what_is_missing_until_fresh(
    w3: Web3, artifacts: Artifacts, tmp_path: Path
) -> None:
    wallet = Wallet(Account.from_key(DEPLOYER.key), devnet_only=True)

    def stop_after_vault(line: str) -> None:
        if line.startswith("StakeVault"):
            raise KeyboardInterrupt

    with Sender(w3, wallet, state_dir=tmp_path) as sender:
        with pytest.raises(KeyboardInterrupt):
            deploy(sender, artifacts, CONFIG, tmp_path, report=stop_after_vault)
        assert not (tmp_path / "31337.json").exists()
        with pytest.raises(DeploymentError) as refused:
            deploy(sender, artifacts, CONFIG, tmp_path)
        message = str(refused.value)
        assert "StakeVault deployed, EpochBooks, EpochScheduler, AggregationVote, ModelRegistry" in message
        assert "ConsortiumGovernor missing" in message
        assert "--fresh" in message
        assert deploy(sender, artifacts, CONFIG, tmp_path, fresh=True).created
        assert not deploy(sender, artifacts, CONFIG, tmp_path).created


def test_run_interrupted_between_contracts_and_members_is_refused(
    deployer: Sender, artifacts: Artifacts, tmp_path: Path
) -> None:
    def stop_at_first_member(line: str) -> None:
        if line.startswith("admitted"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        deploy(deployer, artifacts, CONFIG, tmp_path, report=stop_at_first_member)
    with pytest.raises(DeploymentError, match="not every organisation admitted"):
        deploy(deployer, artifacts, CONFIG, tmp_path)


def test_run_interrupted_before_the_founding_ended_is_refused_and_the_next_one_ends_it(
    deployer: Sender, artifacts: Artifacts, tmp_path: Path
) -> None:
    def stop_at_the_last_step(line: str) -> None:
        if line.startswith("minted 10000 "):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        deploy(deployer, artifacts, CONFIG, tmp_path, report=stop_at_the_last_step)
    assert not (tmp_path / "31337.json").exists()
    with pytest.raises(DeploymentError, match="and the founding ended"):
        deploy(deployer, artifacts, CONFIG, tmp_path)
    deployment = deploy(deployer, artifacts, CONFIG, tmp_path, fresh=True).deployment
    assert Consortium.of(deployer.w3, deployment).registry.founder() == f"0x{0:040x}"


def test_run_interrupted_after_its_record_was_written_counts_as_complete(
    deployer: Sender, artifacts: Artifacts, tmp_path: Path
) -> None:
    result = deploy(deployer, artifacts, CONFIG, tmp_path)
    addresses = {name: contract.address for name, contract in result.deployment.contracts.items()}
    note = {"chain_id": 31337, "genesis_hash": result.deployment.genesis_hash, "contracts": addresses}
    write_atomically(tmp_path / "31337.partial.json", json.dumps(note))
    assert not deploy(deployer, artifacts, CONFIG, tmp_path).created
    assert not (tmp_path / "31337.partial.json").exists()


def test_contract_missing_at_its_address_is_named(
    deployer: Sender, artifacts: Artifacts, tmp_path: Path
) -> None:
    result = deploy(deployer, artifacts, CONFIG, tmp_path)
    vault = result.deployment.address("StakeVault")
    rpc(deployer.w3, "hardhat_setCode", vault, "0x")
    for attempt in (
        lambda: deploy(deployer, artifacts, CONFIG, tmp_path),
        lambda: load_deployment(result.path, deployer.w3),
    ):
        with pytest.raises(DeploymentError, match=f"StakeVault at {vault} has no code"):
            attempt()
    rpc(deployer.w3, "hardhat_setCode", vault, "0x00")
    with pytest.raises(DeploymentError, match="has other code"):
        load_deployment(result.path, deployer.w3)
    assert deploy(deployer, artifacts, CONFIG, tmp_path, fresh=True).created
    assert len(list(tmp_path.glob("31337.*.old1.json"))) == 1


def test_changed_contracts_are_refused_until_fresh(
    deployer: Sender, artifacts: Artifacts, tmp_path: Path
) -> None:
    deploy(deployer, artifacts, CONFIG, tmp_path)
    lens = replace(artifacts["AgentLens"], bytecode=artifacts["AgentLens"].bytecode + b"\0")
    newer = {**artifacts, "AgentLens": lens}
    with pytest.raises(DeploymentError, match="older version of AgentLens"):
        deploy(deployer, newer, CONFIG, tmp_path)


def test_chain_that_was_reset_is_said_so_and_deployed_to_anew(
    deployer: Sender, artifacts: Artifacts, node: Devnet, tmp_path: Path
) -> None:
    old = deploy(deployer, artifacts, CONFIG, tmp_path)
    kept = tmp_path / "kept.json"
    kept.write_text(old.path.read_text())
    with start_devnet(0, project=Path(__file__).resolve().parents[2]) as reset:
        with pytest.raises(ChainResetError, match="was reset"):
            Consortium.connect(reset.url, kept)
        wallet = Wallet(Account.from_key(DEPLOYER.key), devnet_only=True)
        with Sender(reset.connect(), wallet, state_dir=tmp_path) as sender:
            lines: list[str] = []
            new = deploy(sender, artifacts, CONFIG, tmp_path, report=lines.append)
        assert new.created and "was reset" in lines[0]
        assert new.deployment.genesis_hash != old.deployment.genesis_hash
        assert Consortium.connect(reset.url, new.path).registry.organisation_count() == 4


def test_treasury_that_is_not_named_is_the_members_timelock(
    deployer: Sender, artifacts: Artifacts, tmp_path: Path
) -> None:
    config = CONFIG.model_copy(update={"treasury": None})
    deployment = deploy(deployer, artifacts, config, tmp_path).deployment
    consortium = Consortium.of(deployer.w3, deployment)
    assert deployment.parameters.treasury == consortium.vault.treasury() == consortium.timelock.address


def test_deployer_without_coin_is_told_to_get_some(w3: Web3, artifacts: Artifacts, tmp_path: Path) -> None:
    rpc(w3, "hardhat_setBalance", ACCOUNTS[12].address, "0x0")
    wallet = Wallet(Account.from_key(ACCOUNTS[12].key), devnet_only=True)
    with Sender(w3, wallet, state_dir=tmp_path) as sender, pytest.raises(ChainError) as refused:
        deploy(sender, artifacts, CONFIG, tmp_path)
    assert not isinstance(refused.value, ContractError)
    assert "fund" in str(refused.value).lower() or "coin" in str(refused.value)


def test_consortium_of_another_interface_is_refused(
    deployer: Sender, artifacts: Artifacts, tmp_path: Path
) -> None:
    deployment = deploy(deployer, artifacts, CONFIG, tmp_path).deployment
    other = {**artifacts, "AgentLens": replace(artifacts["AgentLens"], abi=artifacts["AgentLens"].abi[:1])}
    with pytest.raises(DeploymentError, match="AgentLens has another interface"):
        Consortium.of(deployer.w3, deployment, other)
    Consortium.of(deployer.w3, deployment, artifacts).check()
