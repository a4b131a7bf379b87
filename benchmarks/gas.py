"""What rounds cost in gas: every call in the first round and in steady state, whole rounds, and per trainer.

    python benchmarks/gas.py                                # (trainers, validators) of 4x4, 10x10, 50x10 and 200x10
    python benchmarks/gas.py --check --sizes 4x4 10x10      # fail where a call costs over 2 % more than gas.json says
    python benchmarks/gas.py --update                       # write what was measured to benchmarks/gas.json

Drives three jobs on a local chain, with as many epochs per round as trainers. In the one leases are kept by the
delivery, votes are signed and carried in one transaction; in the other every node claims, delivers and votes by
a transaction of its own. Rewards are settled every ten rounds in both, and counted: a whole round is a tenth
of all gas of the last ten rounds. Steady state means that slots are written over, not created: the median of
those ten rounds. The last line is JSON.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak
from web3 import Web3
from web3.contract.contract import ContractFunction

from chain.consent import sign_consent
from chain.consortium import Consortium
from chain.contracts.seals import hash_result
from chain.contracts.token import to_units
from chain.contracts.types import Content, Role, Terms
from chain.deployment import deploy, packaged_artifacts
from chain.deployment_config import DeploymentConfig, Member, Mint
from chain.devaccounts import dev_accounts
from chain.devnet import start_devnet
from chain.devtime import fund
from chain.sender import Sender
from chain.signed_votes import sign_vote
from chain.wallet import Wallet

COMMITTED = Path(__file__).with_name("gas.json")
SIZES = ("4x4", "10x10", "50x10", "200x10")
SETTLE_EVERY = 10
TOLERANCE = 0.02
WAYS = (
    ("kept leases, carried votes", True, True),
    ("claims and updates by each, carried votes", False, True),
    ("separate transactions", False, False),
)
CID = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"
TOKEN = to_units(1)
TERMS = Terms(
    rounds=100,
    epochs_per_round=1,
    min_updates=1,
    min_validators=1,
    max_attempts=3,
    claim_window=0,
    lease_time=1_000_000,
    min_lease_time=1,
    training_window=2_000_000,
    vote_window=1_000_000,
    reveal_window=1_000_000,
    grace=0,
    epoch_price=TOKEN,
    vote_price=TOKEN,
    max_update_bytes=1_000_000,
    ruleset=b"milon-1".ljust(32, b"\0"),
)


class Consumption:
    """Gas by kind of call and round."""

    def __init__(self) -> None:
        self.rounds: list[dict[str, list[int]]] = []

    def begin(self) -> None:
        self.rounds.append(defaultdict(list))

    def note(self, call: str, gas: int) -> None:
        self.rounds[-1][call].append(gas)

    def first(self, call: str) -> int:
        """The median in the first round that has such calls."""
        return round(statistics.median(next(r[call] for r in self.rounds if call in r)))

    def steady(self, call: str) -> int:
        """The median of the last ten rounds' calls, or of the last such call where they have none."""
        recent = [gas for r in self.rounds[-SETTLE_EVERY:] for gas in r.get(call, [])]
        return round(statistics.median(recent)) if recent else self.first(call)

    @property
    def calls(self) -> list[str]:
        return list(dict.fromkeys(call for r in self.rounds for call in r))

    @property
    def whole_round(self) -> int:
        return sum(sum(map(sum, r.values())) for r in self.rounds[-SETTLE_EVERY:]) // SETTLE_EVERY


class Field:
    """A consortium of `validators` organisations that share `trainers` nodes, each with a key of its own."""

    def __init__(self, w3: Web3, trainers: int, validators: int, directory: Path) -> None:
        self.w3 = w3
        self.organisations = [_key("organisation", trainers, i) for i in range(validators)]
        self.validators = [_key("validator", trainers, i) for i in range(validators)]
        self.trainers = [_key("trainer", trainers, i) for i in range(trainers)]
        self.client = _key("client", trainers, 0)
        self._nonces: dict[str, int] = defaultdict(int)
        self._chain_id = w3.eth.chain_id
        everybody = (*self.organisations, *self.validators, *self.trainers, self.client)
        fund(w3, [key.address for key in everybody], 1_000 * 10**18)
        self.chain = self._deploy(directory)
        self._populate()

    def send(self, key: LocalAccount, fn: ContractFunction) -> int:
        """The gas that the transaction used; raises RuntimeError where it was refused."""
        transaction = {
            "to": fn.address,
            "data": fn._encode_transaction_data(),
            "nonce": self._nonces[key.address],
            "gas": 16_000_000,
            "gasPrice": 10**10,
            "chainId": self._chain_id,
        }
        self._nonces[key.address] += 1
        sent = self.w3.eth.send_raw_transaction(key.sign_transaction(transaction).raw_transaction)
        receipt = self.w3.eth.wait_for_transaction_receipt(sent, timeout=60, poll_latency=0.005)
        if receipt["status"] != 1:
            raise RuntimeError(f"{fn.fn_name} was refused")
        return receipt["gasUsed"]

    def submit_job(self, terms: Terms) -> int:
        budget = terms.budget(len(self.organisations))
        self.send(self.client, self.chain.token.approve(self.chain.vault.address, budget))
        content = Content(keccak(text="content"), CID)
        self.send(self.client, self.chain.scheduler.submit_job(terms, content, content))
        return self.chain.scheduler.job_count()

    def _deploy(self, directory: Path) -> Consortium:
        config = DeploymentConfig(
            organisations=tuple(
                Member(name=f"organisation {i}", account=key.address, tokens=1_000_000)
                for i, key in enumerate(self.organisations)
            ),
            mints=(Mint(account=self.client.address, tokens=10_000_000),),
            max_share=1,
        )
        wallet = Wallet(Account.from_key(dev_accounts()[0].key), devnet_only=True)
        with Sender(self.w3, wallet, state_dir=directory) as sender:
            deployment = deploy(sender, packaged_artifacts(), config, directory, fresh=True).deployment
        return Consortium.of(self.w3, deployment)

    def _populate(self) -> None:
        chain, stake = self.chain, 100_000 * TOKEN
        for key in self.organisations:
            self.send(key, chain.token.approve(chain.vault.address, stake))
            self.send(key, chain.vault.stake(key.address, stake))
        for i, node in enumerate(self.validators):
            self._register(self.organisations[i], node, Role.VALIDATOR, 0)
        for i, node in enumerate(self.trainers):
            self._register(self.organisations[i % len(self.organisations)], node, Role.TRAINER, 1)

    def _register(self, owner: LocalAccount, node: LocalAccount, roles: Role, capacity: int) -> None:
        registry = self.chain.registry
        consent = sign_consent(node, owner.address, registry.address, self._chain_id)
        self.send(owner, registry.register_node(node.address, roles, capacity, "", consent))


class Rounds:
    """Plays rounds of one job: leases are kept or claimed anew, votes are carried or cast by each."""

    def __init__(self, field: Field, *, keep: bool, carry: bool) -> None:
        self._field = field
        self._keep, self._carries = keep, carry
        self.gas = Consumption()
        self._job = field.submit_job(replace(TERMS, epochs_per_round=len(field.trainers)))

    def play(self, *, single_first: bool = False) -> None:
        """One round. `single_first`: the first signed vote comes alone, so that what one more costs can be told."""
        chain, job = self._field.chain, self._job
        self.gas.begin()
        current = chain.scheduler.round(job)
        if not self._keep or current.number == 1:
            for node in self._field.trainers:
                self._note("claim", node, chain.scheduler.claim(job))
        call = "submitUpdate, keeping" if self._keep else "submitUpdate"
        for node in self._field.trainers:
            digest = keccak(text=f"{job} {current.number} {node.address}")
            self._note(call, node, chain.scheduler.submit_update(job, digest, 100, CID, keep=self._keep))

        model = keccak(text=f"model {job} {current.number}")
        accepted = chain.scheduler.round(job).update_set
        result = hash_result(model, accepted, 0)
        if self._carries:
            self._carry(current.number, result, single_first)
        else:
            self._vote(current.number, result)
        self._note("finalize", self._field.client, chain.vote.finalize(job, model, accepted, 0, CID))

    def settle(self) -> None:
        """Counted in the round played last."""
        chain, field = self._field.chain, self._field
        nodes = [node.address for node in field.trainers]
        self._note("settle leases of all", field.client, chain.scheduler.settle(self._job, nodes))
        self._note("settle votes of all", field.client, chain.vote.settle(self._job, 2**64 - 1))

    def _vote(self, number: int, result: bytes) -> None:
        ballots = self._field.chain.ballots(self._job, number, 1)
        for owner, node in zip(self._field.organisations, self._field.validators, strict=True):
            candidate, seal = ballots.candidate(result), ballots.seal(result, owner.address)
            vote = self._field.chain.vote.cast_vote(self._job, number, 1, candidate, seal, 900_000)
            self._note("castVote", node, vote)

    def _carry(self, number: int, result: bytes, single_first: bool) -> None:
        ballots = self._field.chain.ballots(self._job, number, 1)
        pairs = zip(self._field.organisations, self._field.validators, strict=True)
        votes = [sign_vote(node, ballots, result, owner.address, 900_000) for owner, node in pairs]
        batches = [votes[:1], votes[1:]] if single_first else [votes]
        for batch in batches:
            call = "castVotes of one" if single_first and batch is batches[0] else "castVotes of all"
            call = "castVotes of the others" if single_first and batch is not batches[0] else call
            self._note(
                call, self._field.client, self._field.chain.vote.cast_votes(self._job, number, 1, batch)
            )

    def _note(self, call: str, key: LocalAccount, fn: ContractFunction) -> None:
        self.gas.note(call, self._field.send(key, fn))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--sizes", nargs="+", default=list(SIZES), metavar="TxV", help="trainers x validators"
    )
    parser.add_argument("--check", action="store_true", help="compare with benchmarks/gas.json")
    parser.add_argument("--update", action="store_true", help="write benchmarks/gas.json")
    args = parser.parse_args()

    measured: dict[str, Any] = {}
    for size in args.sizes:
        trainers, validators = map(int, size.split("x"))
        with start_devnet(port=0) as devnet, tempfile.TemporaryDirectory(prefix="milon-gas-") as directory:
            measured[size] = measure(devnet.connect(), trainers, validators, Path(directory))
        _show(size, measured[size])
    if len(measured) > 1:
        print(f"calls differ by at most {_spread(measured.values()):.2%} between sizes", file=sys.stderr)

    wrong = grown(json.loads(COMMITTED.read_text()), measured) if args.check else []
    for line in wrong:
        print(f"error: {line}", file=sys.stderr)
    if wrong:
        print("if that is meant, run: python benchmarks/gas.py --update", file=sys.stderr)
    if args.update:
        COMMITTED.write_text(json.dumps(measured, indent=2) + "\n")
    print(json.dumps({"gas": measured, "spread": round(_spread(measured.values()), 4), "grown": wrong}))
    return 1 if wrong else 0


def measure(w3: Web3, trainers: int, validators: int, directory: Path) -> dict[str, Any]:
    """Gas of each call and of whole rounds at one size."""
    field = Field(w3, trainers, validators, directory)
    result: dict[str, Any] = {"calls": {}, "whole_round": {}, "per_trainer": {}}
    for name, keep, carry in WAYS:
        rounds = Rounds(field, keep=keep, carry=carry)
        # The first settlement creates what later ones write over, and frees the bonds.
        rounds.play()
        rounds.settle()
        rounds.play()
        rounds.play(single_first=keep)
        for _ in range(SETTLE_EVERY):
            rounds.play()
        rounds.settle()
        gas = rounds.gas
        result["whole_round"][name] = gas.whole_round
        result["per_trainer"][name] = gas.whole_round // trainers
        if keep:
            one, all_ = gas.steady("castVotes of one"), gas.steady("castVotes of all")
            result["signed_vote"] = (all_ - one) // max(1, validators - 1)
        calls = [call for call in gas.calls if call != "castVotes of the others"]
        # In steady state nobody claims who keeps its leases.
        for call in calls if not keep else [call for call in calls if call != "claim"]:
            if call in result["calls"] and call != "claim":
                continue
            result["calls"][call] = {"first": gas.first(call), "steady": gas.steady(call)}
    return result


def grown(committed: dict[str, Any], measured: dict[str, Any]) -> list[str]:
    """What costs more than the committed figures allow, a line each."""
    lines = []
    for size, now in measured.items():
        before = committed.get(size)
        if before is None:
            lines.append(f"{size} is not in {COMMITTED.name}")
            continue
        figures = [
            (f"{call}, {when}", gas, before["calls"].get(call, {}).get(when))
            for call, gases in now["calls"].items()
            for when, gas in gases.items()
        ]
        whole = before["whole_round"]
        figures += [(f"whole round, {way}", gas, whole.get(way)) for way, gas in now["whole_round"].items()]
        figures.append(("one more signed vote", now["signed_vote"], before.get("signed_vote")))
        for what, gas, allowed in figures:
            if allowed is None:
                lines.append(f"{size}: {what} is not in {COMMITTED.name}")
            elif gas > allowed * (1 + TOLERANCE):
                lines.append(
                    f"{size}: {what} costs {gas:,} gas, {gas / allowed - 1:.1%} more than {allowed:,}"
                )
    return lines


def _spread(measured: Iterable[dict[str, Any]]) -> float:
    """The most by which the median of a call differs between sizes, of calls that concern one participant."""
    flat = ("claim", "submitUpdate", "submitUpdate, keeping", "castVote", "castVotes of one")
    spread = 0.0
    for call in flat:
        medians = [size["calls"][call]["steady"] for size in measured if size["calls"][call]["steady"]]
        spread = max(spread, max(medians) / min(medians) - 1)
    return spread


def _show(size: str, result: dict[str, Any]) -> None:
    print(f"{size} (trainers x validators){'first':>24}{'steady':>12}", file=sys.stderr)
    for call, gas in result["calls"].items():
        print(f"  {call:42}{gas['first']:>12,}{gas['steady']:>12,}", file=sys.stderr)
    print(f"  {'one more signed vote':54}{result['signed_vote']:>12,}", file=sys.stderr)
    for way, gas in result["whole_round"].items():
        each = result["per_trainer"][way]
        print(f"  whole round, {way:41}{gas:>12,}  ({each:,} per trainer)", file=sys.stderr)


def _key(role: str, trainers: int, index: int) -> LocalAccount:
    """The same in every run: the zero bytes of an address have a price."""
    account: LocalAccount = Account.from_key(keccak(text=f"milon gas {role} {trainers} {index}"))
    return account


if __name__ == "__main__":
    sys.exit(main())
