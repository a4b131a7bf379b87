"""A consortium of four organisations on a test chain, with the keys of everybody in it at hand."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from eth_account import Account
from web3 import Web3
from web3.contract.contract import ContractFunction

from chain.consent import sign_consent
from chain.consortium import Consortium
from chain.contracts.governor import Action, Proposal, Support
from chain.contracts.seals import hash_result
from chain.contracts.token import to_units
from chain.contracts.types import Content, Role, Terms
from chain.deployment_config import DeploymentConfig, Governance, Member, Mint
from chain.deployment_file import Deployment
from chain.devaccounts import DevAccount, dev_accounts
from chain.devtime import increase_time
from chain.sender import ContractError, Receipt, Sender
from chain.wallet import Wallet

ACCOUNTS = dev_accounts()
DEPLOYER = ACCOUNTS[0]
ORGANISATIONS, NODES = ACCOUNTS[1:5], ACCOUNTS[6:10]
CLIENT, TREASURY, STRANGER = ACCOUNTS[5], ACCOUNTS[10], ACCOUNTS[11]
CAPACITIES = (1, 1, 2, 4)
BOTH = Role.TRAINER | Role.VALIDATOR
TOKEN = to_units(1)
LEASE_BOND, VOTE_BOND, STAKE = 2 * TOKEN, 3 * TOKEN, 100 * TOKEN

CONFIG = DeploymentConfig(
    organisations=tuple(
        Member(name=name, account=member.address, tokens=1_000)
        for name, member in zip(("North", "East", "South", "West"), ORGANISATIONS, strict=True)
    ),
    mints=(Mint(account=CLIENT.address, tokens=10_000),),
    treasury=TREASURY.address,
    minimum_stake=100,
    lease_bond=2,
    vote_bond=3,
    unbonding_period=1_000,
    governance=Governance(voting_delay=2, voting_period=20, timelock=5),
)

TERMS = Terms(
    rounds=2,
    epochs_per_round=8,
    min_updates=1,
    min_validators=3,
    max_attempts=2,
    claim_window=100,
    lease_time=300,
    min_lease_time=50,
    training_window=1_000,
    vote_window=500,
    reveal_window=500,
    grace=50,
    epoch_price=TOKEN,
    vote_price=2 * TOKEN,
    max_update_bytes=1_000_000,
    ruleset=b"milon-1".ljust(32, b"\0"),
)


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


SPEC = Content(digest("spec"), "bafyspec")
MODEL = Content(digest("initial model"), "bafymodel")


@dataclass(frozen=True)
class Verdict:
    """A result that validators agree on."""

    model: bytes
    accepted: int
    invalid: int = 0

    @property
    def hash(self) -> bytes:
        return hash_result(self.model, self.accepted, self.invalid)


class World:
    """One deployed consortium; every actor has one sender, closed at the end of the test."""

    def __init__(self, w3: Web3, deployment: Deployment, state_dir: Path) -> None:
        self.w3 = w3
        self.consortium = Consortium.of(w3, deployment)
        self.registry, self.token = self.consortium.registry, self.consortium.token
        self.vault, self.scheduler = self.consortium.vault, self.consortium.scheduler
        self.vote, self.lens = self.consortium.vote, self.consortium.lens
        self.models, self.governor = self.consortium.models, self.consortium.governor
        self._state_dir = state_dir
        self._senders: dict[str, Sender] = {}

    def send(self, actor: DevAccount, fn: ContractFunction) -> Receipt:
        if actor.address not in self._senders:
            wallet = Wallet(Account.from_key(actor.key), devnet_only=True)
            self._senders[actor.address] = self.consortium.sender(wallet, state_dir=self._state_dir)
        return self._senders[actor.address].send(fn)

    def refused(self, name: str, actor: DevAccount, fn: ContractFunction) -> dict[str, object]:
        """The values of the custom error `name` that the call is refused with."""
        with pytest.raises(ContractError) as caught:
            self.send(actor, fn)
        assert caught.value.name == name
        return caught.value.values

    def stake(self, organisation: DevAccount, amount: int = STAKE) -> None:
        self.send(organisation, self.token.approve(self.vault.address, amount))
        self.send(organisation, self.vault.stake(organisation.address, amount))

    def register(
        self, organisation: DevAccount, node: DevAccount, capacity: int = 1, roles: Role = BOTH
    ) -> Receipt:
        consent = self.consent(node, organisation)
        peer = "/ip4/127.0.0.1/tcp/4001"
        return self.send(
            organisation, self.registry.register_node(node.address, roles, capacity, peer, consent)
        )

    def consent(self, node: DevAccount, organisation: DevAccount) -> bytes:
        """The node's signature that it belongs to the organisation."""
        key, chain_id = Account.from_key(node.key), self.consortium.deployment.chain_id
        return sign_consent(key, organisation.address, self.registry.address, chain_id)

    def populate(self) -> None:
        """Every organisation stakes and registers one node that trains and validates."""
        for organisation, node, capacity in zip(ORGANISATIONS, NODES, CAPACITIES, strict=True):
            self.stake(organisation)
            self.register(organisation, node, capacity)

    def submit_job(self, terms: Terms = TERMS) -> int:
        """A job of the client's, paid for; its number."""
        self.send(CLIENT, self.token.approve(self.vault.address, terms.budget(64)))
        self.send(CLIENT, self.scheduler.submit_job(terms, SPEC, MODEL))
        return self.scheduler.job_count()

    def claim(self, job_id: int, node: DevAccount) -> int:
        """The first epoch of the lease that the node gets."""
        self.send(node, self.scheduler.claim(job_id))
        held = self.scheduler.lease_of(job_id, node.address)
        assert held.held
        return held.lease.first

    def deliver(self, job_id: int, node: DevAccount, *, keep: bool = False) -> Receipt:
        text = f"{job_id} {self.scheduler.round(job_id).number} {node.address}"
        fn = self.scheduler.submit_update(job_id, digest(text), 10, "bafyupdate", keep=keep)
        return self.send(node, fn)

    def train(self, job_id: int, *, keep: bool = False) -> int:
        """All nodes claim and deliver, which covers all epochs of `TERMS`; the set of updates."""
        for node in NODES:
            self.claim(job_id, node)
        for node in NODES:
            self.deliver(job_id, node, keep=keep)
        return self.scheduler.round(job_id).update_set

    def cast(self, job_id: int, index: int, verdict: Verdict, score: int = 900_000) -> Receipt:
        """The vote of organisation `index`, by its node, for what it knows the result to be."""
        now = self.scheduler.round(job_id)
        ballots = self.consortium.ballots(job_id, now.number, now.attempt)
        seal = ballots.seal(verdict.hash, ORGANISATIONS[index].address)
        candidate = ballots.candidate(verdict.hash)
        fn = self.vote.cast_vote(job_id, now.number, now.attempt, candidate, seal, score)
        return self.send(NODES[index], fn)

    def finalize(self, job_id: int, verdict: Verdict, by: DevAccount = STRANGER) -> Receipt:
        fn = self.vote.finalize(job_id, verdict.model, verdict.accepted, verdict.invalid, "bafyresult")
        return self.send(by, fn)

    def agree(self, job_id: int, name: str = "model") -> Verdict:
        """All vote alike that every update is good, and the result is final."""
        verdict = Verdict(digest(name), self.scheduler.round(job_id).update_set)
        for index in range(4):
            self.cast(job_id, index, verdict)
        self.finalize(job_id, verdict)
        return verdict

    def play_round(self, job_id: int, name: str = "model") -> Verdict:
        """One round in which everybody trains, votes alike, and the result is final."""
        self.train(job_id)
        return self.agree(job_id, name)

    def settle_all(self, job_id: int, by: DevAccount = STRANGER) -> tuple[Receipt, Receipt]:
        """What all nodes and all seats have earned or lost."""
        nodes = self.send(by, self.scheduler.settle(job_id, [node.address for node in NODES]))
        return nodes, self.send(by, self.vote.settle(job_id, 2**64 - 1))

    def propose(self, *fns: ContractFunction, why: str = "", by: DevAccount = ORGANISATIONS[0]) -> Proposal:
        """A proposal of a member's; the chain stands where votes are taken."""
        proposal = Proposal(tuple(Action.of(fn) for fn in fns), why)
        self.send(by, self.governor.propose(proposal))
        self.wait_until(self.governor.snapshot(proposal.id) + 1)
        return proposal

    def approve(self, proposal: Proposal) -> None:
        """All members but the first vote for it; it is queued."""
        for member in ORGANISATIONS[1:]:
            if self.registry.is_member(member.address):
                self.send(member, self.governor.cast_vote(proposal.id, Support.FOR))
        self.wait_until(self.governor.deadline(proposal.id) + 1)
        self.send(STRANGER, self.governor.queue(proposal))

    def execute(self, proposal: Proposal) -> Receipt:
        """When the timelock's delay is over."""
        self.wait_until(self.governor.eta(proposal.id))
        return self.send(STRANGER, self.governor.execute(proposal))

    def decide(self, *fns: ContractFunction, why: str = "") -> Receipt:
        """The members propose, approve and execute these calls; takes half a minute of chain time."""
        proposal = self.propose(*fns, why=why)
        self.approve(proposal)
        return self.execute(proposal)

    def wait(self, seconds: int) -> None:
        increase_time(self.w3, seconds)

    def wait_until(self, timestamp: int) -> None:
        increase_time(self.w3, max(0, timestamp - self.w3.eth.get_block("latest")["timestamp"]))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sender in self._senders.values():
            sender.close()


def terms(**changes: int) -> Terms:
    return replace(TERMS, **changes)
