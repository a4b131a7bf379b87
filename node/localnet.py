"""A whole consortium on this machine: a local chain, a deployment, and one agent process per organisation.

For demonstrations, end-to-end tests and benchmarks. Everything is real: a chain process, an IPFS daemon per agent
(or one shared), sockets between them. All of it ends with the `with` block, and with this process.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Self

from eth_utils.address import to_checksum_address
from web3.contract.contract import ContractFunction

from chain.backends import supervised
from chain.consent import sign_consent
from chain.consortium import Consortium
from chain.contracts.governor import Action, Proposal, Support
from chain.contracts.token import to_units
from chain.contracts.types import Role
from chain.deployment import deploy, packaged_artifacts
from chain.deployment_config import DeploymentConfig, Governance, Member, Mint
from chain.devaccounts import dev_accounts
from chain.devnet import Devnet, start_devnet
from chain.errors import MilonError
from chain.heads import HeadWatcher
from chain.sender import Receipt, Sender
from chain.transport import rpc
from chain.wallet import Wallet, from_plain_key
from node.storage.ipfs import IpfsClient
from node.storage.process import DaemonProcess, first_line, start_daemon

DEPLOYER, CLIENT, FIRST_ORGANISATION = 0, 1, 2
_START_S, _STOP_S = 60.0, 10.0
_STAKE = Decimal(1_000)
_CLIENT_TOKENS = Decimal(1_000_000)
# Seconds are enough where all members are one machine's processes.
_GOVERNANCE = Governance(voting_delay=0, voting_period=5, timelock=0)


@dataclass(frozen=True)
class MemberSpec:
    """One organisation and its node. `capacity` in the consortium's units; without `agent` none is started for it."""

    name: str
    capacity: int = 1
    roles: tuple[str, ...] = ("trainer", "validator")
    private_data: str | None = None
    agent: bool = True

    @property
    def role_mask(self) -> Role:
        """The roles as the registry has them."""
        return Role(sum(Role[role.upper()] for role in self.roles))


@dataclass
class AgentProcess:
    """A running `milon node run`. `health` is the URL of its endpoint, `pid` its own process, not its supervisor's."""

    member: MemberSpec
    address: str
    config: Path
    log: Path
    process: subprocess.Popen[str] | None = None
    health: str = ""
    pid: int = 0

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self.process is not None and self.process.poll() is None

    @property
    def exit_status(self) -> int | None:
        """What its process ended with; None while it lives, or if it was never started."""
        return None if self.process is None else self.process.poll()


@dataclass
class LocalNetwork:
    """See `start`. Organisation `i` has the devnet's key `2 + i`, its node `2 + len(members) + i`, the client 1.

    `report` is told what happens, a line each. With `shared_ipfs` all agents use one daemon, as people run Kubo.
    `config` is laid over the agents' configurations, keys as in `node.jobs`. `max_share`: the part of a round's
    epochs that one organisation may hold; all of them unless it is to matter, so that one alone can finish a job.

    The members govern from the start (see `decide`); the deployer has no power.
    """

    root: Path
    members: Sequence[MemberSpec]
    shared_ipfs: bool = False
    config: dict[str, object] = field(default_factory=dict)
    max_share: Decimal = Decimal(1)
    report: Callable[[str], None] = lambda line: None

    def __post_init__(self) -> None:
        self._stack = ExitStack()
        self._processes: list[subprocess.Popen[str]] = []
        self.agents: list[AgentProcess] = []
        self.daemons: list[DaemonProcess] = []

    def __enter__(self) -> Self:
        self.root.mkdir(parents=True, exist_ok=True)
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self) -> None:
        self.devnet: Devnet = self._stack.enter_context(start_devnet(0, log=self.root / "chain.log"))
        self.report(f"chain {self.devnet.backend} at {self.devnet.url}")
        self.deployment_path = self._deploy()
        self.consortium = Consortium.connect(self.devnet.url, self.deployment_path)
        count = 1 if self.shared_ipfs else len(self.members)
        for index in range(count):
            self._start_daemon(index)
        self.report(f"{count} IPFS daemon{'s' if count > 1 else ''}")
        for index in range(len(self.members)):
            self._register(index)
        self._stack.callback(self._end_agents)
        for index, member in enumerate(self.members):
            self.agents.append(self._configure(index))
            if member.agent:
                self.start_agent(index, wait=False)
        for index, member in enumerate(self.members):
            if member.agent:
                self.await_agent(index)
        self.report(f"{sum(member.agent for member in self.members)} agents")

    def wallet(self, index: int) -> Wallet:
        """The devnet's key of this index."""
        account = dev_accounts(2 * len(self.members) + FIRST_ORGANISATION)[index]
        return from_plain_key(account.key, 31337, self.devnet.url)

    def organisation(self, index: int) -> Wallet:
        """The key of an organisation's account."""
        return self.wallet(FIRST_ORGANISATION + index)

    def node_key_index(self, index: int) -> int:
        """The index of a node's key among the devnet's."""
        return FIRST_ORGANISATION + len(self.members) + index

    def sender(self, index: int) -> Sender:
        """The sender of a devnet key; close it after use."""
        return self.consortium.sender(self.wallet(index), state_dir=self.root / "locks")

    def ipfs(self, index: int = 0) -> IpfsClient:
        """A client of one member's daemon."""
        return IpfsClient(self.daemons[0 if self.shared_ipfs else index].api, timeout=60.0)

    def decide(self, *calls: ContractFunction, why: str = "") -> Receipt:
        """The members propose, approve and execute these calls; takes about so many seconds as a vote lasts."""
        governor = self.consortium.governor
        proposal = Proposal(tuple(Action.of(call) for call in calls), why)
        present = [i for i in range(len(self.members)) if self._is_member(i)]
        with self.sender(FIRST_ORGANISATION + present[0]) as proposer:
            proposer.send(governor.propose(proposal))
        self._await_time(governor.snapshot(proposal.id) + 1)
        for index in present:
            with self.sender(FIRST_ORGANISATION + index) as member:
                member.send(governor.cast_vote(proposal.id, Support.FOR))
        self._await_time(governor.deadline(proposal.id) + 1)
        with self.sender(DEPLOYER) as anyone:
            anyone.send(governor.queue(proposal))
            return anyone.send(governor.execute(proposal))

    def _is_member(self, index: int) -> bool:
        return self.consortium.registry.is_member(self.organisation(index).address)

    def _await_time(self, timestamp: int) -> None:
        """Wait until the chain's newest block is of this time or later."""
        with HeadWatcher(self.devnet.url) as heads:
            while (
                int(rpc(self.consortium.w3, "eth_getBlockByNumber", "latest", False)["timestamp"], 16)
                < timestamp
            ):
                heads.wait(heads.state.block, 1.0)

    def _deploy(self) -> Path:
        accounts = [self.organisation(i).address for i in range(len(self.members))]
        config = DeploymentConfig(
            organisations=tuple(
                Member(name=m.name, account=to_checksum_address(a), tokens=2 * _STAKE)
                for m, a in zip(self.members, accounts, strict=True)
            ),
            mints=(Mint(account=to_checksum_address(self.wallet(CLIENT).address), tokens=_CLIENT_TOKENS),),
            governance=_GOVERNANCE,
            max_share=self.max_share,
        )
        artifacts = packaged_artifacts()
        w3 = self.devnet.connect()
        with Sender(w3, self.wallet(DEPLOYER), state_dir=self.root / "locks") as sender:
            result = deploy(sender, artifacts, config, self.root / "deployments")
        self.report(f"contracts deployed, {len(self.members)} organisations admitted")
        return result.path

    def _start_daemon(self, index: int) -> None:
        bootstrap = self.daemons[0].addresses if self.daemons else ()
        daemon = start_daemon(
            self.root / f"ipfs{index}", bootstrap=bootstrap, log=self.root / f"ipfs{index}.log"
        )
        self._stack.callback(daemon.stop)
        self.daemons.append(daemon)

    def _register(self, index: int) -> None:
        member, chain = self.members[index], self.consortium
        node = self.wallet(self.node_key_index(index))
        with self.sender(FIRST_ORGANISATION + index) as sender:
            peer = self.daemons[0 if self.shared_ipfs else index].addresses[0]
            consent = sign_consent(
                node.account, sender.address, chain.registry.address, chain.deployment.chain_id
            )
            capacity = member.capacity if "trainer" in member.roles else 0
            sender.send(chain.registry.register_node(node.address, member.role_mask, capacity, peer, consent))
            stake = to_units(_STAKE)
            sender.send(chain.token.approve(chain.vault.address, stake))
            sender.send(chain.vault.stake(sender.address, stake))

    def _configure(self, index: int) -> AgentProcess:
        member = self.members[index]
        folder = self.root / member.name
        folder.mkdir(exist_ok=True)
        tables: dict[str, dict[str, object]] = {
            "chain": {"rpc": self.devnet.url, "deployment": str(self.deployment_path)},
            "identity": {"devnet_key": self.node_key_index(index)},
            "node": {
                "name": member.name,
                "roles": list(member.roles),
                "capacity": member.capacity,
                "data_dir": str(folder),
                "device": "cpu",
                # What they hold is not finished when all of it ends.
                "drain": 0,
            },
            "ipfs": {"api": self.daemons[0 if self.shared_ipfs else index].api},
            "log": {"format": "json"},
        }
        if member.private_data is not None:
            tables["node"]["private_data"] = member.private_data
        for key, value in self.config.items():
            section, _, name = key.partition(".")
            tables[section][name] = value
        text = "\n".join(
            f"[{section}]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in table.items())
            for section, table in tables.items()
        )
        config = folder / "node.toml"
        config.write_text(text)
        address = self.wallet(self.node_key_index(index)).address
        return AgentProcess(member, address, config, folder / "agent.log")

    def start_agent(self, index: int, *, wait: bool = True) -> None:
        """Start an agent's process, or start it again."""
        agent = self.agents[index]
        command = [
            sys.executable,
            "-m",
            "node.cli.main",
            "node",
            "run",
            "--json",
            "--config",
            str(agent.config),
        ]
        with agent.log.open("ab") as log:
            agent.process = subprocess.Popen(  # noqa: S603
                supervised(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                start_new_session=True,
                text=True,
            )
        agent.health = ""
        self._processes.append(agent.process)
        if wait:
            self.await_agent(index)

    def kill_agent(self, index: int) -> None:
        """End an agent as a crash would: SIGKILL to it and its supervisor."""
        process = self.agents[index].process
        if process is not None and process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(_STOP_S)

    def stop_agent(self, index: int) -> None:
        """Tell an agent to stop, as a service manager would: it delivers what it holds first (`node.drain`)."""
        agent = self.agents[index]
        if agent.running:
            os.kill(agent.pid, signal.SIGTERM)

    def signal_agent(self, index: int, number: signal.Signals) -> None:
        """Send a signal to an agent and its supervisor."""
        process = self.agents[index].process
        if process is not None and process.poll() is None:
            os.killpg(process.pid, number)

    def await_settlement(self, job_id: int, timeout: float = 30.0) -> bool:
        """Wait until an ended job owes nothing to anybody; whether that came in time (seconds)."""
        deadline = time.monotonic() + timeout
        with HeadWatcher(self.devnet.url) as heads:
            while self.consortium.vault.owed_by(job_id):
                if time.monotonic() > deadline:
                    return False
                heads.wait(heads.state.block, 1.0)
        return True

    def metrics(self, index: int) -> dict[str, float]:
        """An agent's metrics: sample name with labels, as Prometheus writes it, to value."""
        with urllib.request.urlopen(f"{self.agents[index].health}/metrics", timeout=10) as answer:  # noqa: S310
            lines = answer.read().decode().splitlines()
        samples = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}

    def await_agent(self, index: int) -> None:
        """Wait until an agent that was started has said where its health endpoint listens. Raises MilonError."""
        agent = self.agents[index]
        assert agent.process is not None  # noqa: S101 (it was started)
        line = first_line(agent.process, _START_S)
        if not line:
            raise MilonError(f"agent {agent.member.name} did not start; see {agent.log}")
        ready = json.loads(line)
        agent.health, agent.pid = str(ready["health"]), int(ready["pid"])

    def _end_agents(self) -> None:
        """Ask all to stop, then wait for each: they take their time side by side."""
        for process in self._processes:
            if process.poll() is None:
                process.terminate()
        for process in self._processes:
            self._end(process)

    @staticmethod
    def _end(process: subprocess.Popen[str]) -> None:
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_S)
        # What is left of the group: an agent whose supervisor was killed, or one that would not stop.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(_STOP_S)
