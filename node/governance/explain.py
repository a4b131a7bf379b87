"""What a proposal's calls do, in sentences, from their calldata alone: its own description proves nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from chain.contracts.governor import Action as Call
from chain.contracts.governor import TimelockRole
from chain.contracts.token import format_units
from chain.errors import ChainError
from chain.transport import RpcError, rpc
from node.governance.reading import CallReader, Reading, quoted
from node.governance.settings import Setting, Value, read_settings, set_together
from node.names import read_names

if TYPE_CHECKING:
    from chain.consortium import Consortium

_MAX_SHOWN = 64  # bytes of calldata in a sentence
_HOUR = 3_600


@dataclass(frozen=True)
class Explained:
    """One call, for people and for machines.

    Attributes:
        sentence: what it does. warnings: what speaks for looking twice.
        contract, function: their names, None where the consortium has no such contract, or it no such function.
        arguments: decoded, by name.
    """

    sentence: str
    warnings: tuple[str, ...]
    contract: str | None
    function: str | None
    arguments: Mapping[str, Any]
    call: Call


class Explainer:
    """Explains calls against the state of the chain now. `live` calls are yet to be made, so that values now are told
    beside those that they set."""

    def __init__(self, consortium: Consortium, *, live: bool = True) -> None:
        self._consortium, self._live = consortium, live
        self._reader = CallReader(consortium)
        self._sentences: Mapping[tuple[str, str], Callable[[Reading], str]] = {
            ("ConsortiumRegistry", "admit"): self._admit,
            ("ConsortiumRegistry", "remove"): lambda r: f"remove organisation {self._who(r.values[0])}",
            ("ConsortiumRegistry", "proposeGovernance"): self._hand_over,
            ("ConsortiumRegistry", "acceptGovernance"): lambda r: "take over the governance that was offered",
            ("ConsortiumToken", "mint"): lambda r: (
                f"mint {self._tokens(r.values[1])} to {self._who(r.values[0])}"
            ),
            ("ConsortiumToken", "transfer"): lambda r: (
                f"pay {self._tokens(r.values[1])} to {self._who(r.values[0])}"
            ),
            ("ConsortiumToken", "approve"): self._approve,
            ("StakeVault", "withdraw"): self._withdraw,
            ("StakeVault", "setParameters"): self._set,
            ("EpochScheduler", "setParameters"): self._set,
            ("EpochScheduler", "setPaused"): self._pause,
            ("ModelRegistry", "promote"): self._promote,
            ("ModelRegistry", "rollBack"): self._roll_back,
            ("ModelRegistry", "register"): lambda r: (
                f"register the model of job {r.values[1]} as {quoted(r.values[0])}, at {quoted(r.values[2])}"
            ),
            ("ModelRegistry", "setReleaser"): self._releaser,
            ("ConsortiumGovernor", "setVotingDelay"): self._set,
            ("ConsortiumGovernor", "setVotingPeriod"): self._set,
            ("ConsortiumGovernor", "updateQuorumNumerator"): self._set,
            ("ConsortiumGovernor", "relay"): self._relay,
            ("ConsortiumGovernor", "updateTimelock"): self._update_timelock,
            ("ConsortiumTimelock", "updateDelay"): self._set,
            ("ConsortiumTimelock", "grantRole"): self._role,
            ("ConsortiumTimelock", "revokeRole"): self._role,
        }

    def explain(self, call: Call) -> Explained:
        """What a call would do. Raises ChainError only if the chain does not answer."""
        reading = self._reader.read(call)
        if reading is None:
            return self._unknown(call)
        if call.value:
            reading.warnings.append(f"it also sends {call.value} wei to {reading.contract}")
        sentence_of = self._sentences.get((reading.contract, reading.function))
        sentence = reading.generic if sentence_of is None else sentence_of(reading)
        warnings = tuple(reading.warnings)
        return Explained(sentence, warnings, reading.contract, reading.function, reading.arguments, call)

    def trials(self, calls: Sequence[Call]) -> list[str | None]:
        """Why each call would be refused now; None where it would not be, or where that cannot be told.

        The governor takes its own settings from a proposal alone, and what an earlier call does to a contract, a later
        one on its own would not find.
        """
        touched = {str(self._consortium.governor.address)}
        found = []
        for call in calls:
            found.append(None if str(call.target) in touched else self._refusal(call))
            touched.add(str(call.target))
            if call.target == self._consortium.vault.address:
                touched.add(str(self._consortium.token.address))
        return found

    def _refusal(self, call: Call) -> str | None:
        request = {
            "from": self._consortium.timelock.address,
            "to": call.target,
            "data": "0x" + call.data.hex(),
            "value": hex(call.value),
        }
        try:
            rpc(self._consortium.w3, "eth_call", request, "latest")
        except RpcError as error:
            return str(self._consortium.decoder.explain(error))
        return None

    def _unknown(self, call: Call) -> Explained:
        name = self._reader.name_of(str(call.target))
        shown = "0x" + call.data[:_MAX_SHOWN].hex() + ("…" if len(call.data) > _MAX_SHOWN else "")
        value = f" with {call.value} wei" if call.value else ""
        if name is not None:
            why = f"{name} has no such function"
        elif not self._has_code(call.target):
            why = "no contract stands there, so that nothing but the coin would move"
        else:
            why = "it is no contract of this consortium"
        warning = f"this call cannot be read, since {why}; do not vote for what you cannot read"
        return Explained(
            f"call {name or call.target}{value} with {len(call.data)} bytes: {shown}",
            (warning,),
            name,
            None,
            {},
            call,
        )

    # Sentences

    def _admit(self, reading: Reading) -> str:
        account, name = reading.values
        alike = [known for known, label in self._names.labels.items() if label == name and known != account]
        if alike:
            reading.warnings.append(f"there is an organisation of this name already: {alike[0]}")
        return f"admit organisation {account} as {quoted(name)}"

    def _hand_over(self, reading: Reading) -> str:
        (account,) = reading.values
        reading.warnings.append("who governs decides about members, parameters, tokens and models")
        if not self._has_code(account):
            reading.warnings.append(f"{account} is a plain key: whoever holds it would govern alone")
        return f"hand the governance over to {self._who(account)}, once it accepts"

    def _approve(self, reading: Reading) -> str:
        spender, amount = reading.values
        reading.warnings.append("an allowance can be used at any time, without another vote")
        return f"let {self._who(spender)} take up to {self._tokens(amount)} of the timelock's"

    def _withdraw(self, reading: Reading) -> str:
        if not self._live:
            return "withdraw what the vault owed to the timelock"
        credit = self._consortium.vault.account(self._consortium.timelock.address).credit
        return f"withdraw what the vault owes to the timelock, {self._tokens(credit)} now"

    def _pause(self, reading: Reading) -> str:
        if reading.values[0]:
            return "pause: no new jobs, and no leases in attempts that open in the pause"
        return "end the pause"

    def _promote(self, reading: Reading) -> str:
        name, version = reading.values
        before = f", instead of {self._promoted(name)}" if self._live else ""
        if not version:
            return f"promote no version of model {quoted(name)}{before}"
        return f"promote version {version} of model {quoted(name)}{self._lineage(name, version)}{before}"

    def _roll_back(self, reading: Reading) -> str:
        (name,) = reading.values
        if not self._live:
            return f"undo the last promotion of model {quoted(name)}"
        history = self._consortium.models.history(name)
        previous = history[-1].previous if history else 0
        to = history[previous - 1].version if previous else 0
        then = f"version {to}" if to else "no version"
        return f"undo the last promotion of model {quoted(name)}: from {self._promoted(name)} to {then}"

    def _releaser(self, reading: Reading) -> str:
        account, releases = reading.values
        if releases:
            return f"let {self._who(account)} register, promote and roll back models of every name"
        return f"take the right to promote models from {self._who(account)}"

    def _relay(self, reading: Reading) -> str:
        target, value, data = reading.values
        inner = self.explain(Call(target, bytes(data), value))
        reading.warnings += inner.warnings
        return f"in the governor's own name: {inner.sentence}"

    def _update_timelock(self, reading: Reading) -> str:
        reading.warnings.append("the timelock that governs now would obey no later decision")
        return f"queue all later decisions at another timelock, {self._who(reading.values[0])}"

    def _role(self, reading: Reading) -> str:
        role, account = reading.values
        verb = "give to" if reading.function == "grantRole" else "take from"
        reading.warnings.append("who has a role at the timelock may do without a vote what the role allows")
        return f"{verb} {self._who(account)} the role {_role_name(bytes(role))} at the timelock"

    def _set(self, reading: Reading) -> str:
        settings = set_together(reading.contract, reading.function)
        after = dict(zip(settings, reading.values, strict=True))
        for setting, value in after.items():
            reading.warnings += self._doubts(setting, value)
        if not self._live:
            return "set " + _enumerated(f"{s.title} to {self._show(s, v)}" for s, v in after.items())
        changed = {s: v for s, v in after.items() if self._now[s.key] != v}
        if not changed:
            return "set " + _enumerated(
                f"{s.title} to {self._show(s, v)}, as it is now" for s, v in after.items()
            )
        kept = [s.title for s in after if s not in changed]
        parts = (
            f"{s.title} from {self._show(s, self._now[s.key])} to {self._show(s, v)}"
            for s, v in changed.items()
        )
        tail = f" ({_enumerated(kept)} as now)" if kept else ""
        return f"set {_enumerated(parts)}{tail}"

    def _doubts(self, setting: Setting, value: Value) -> list[str]:
        if setting.key == "quorum" and isinstance(value, int) and value < 50:
            return [f"with a quorum of {value} % less than half of the members could decide"]
        if setting.key in ("voting_period", "timelock_delay") and isinstance(value, int) and value < _HOUR:
            return [f"{setting.title} would be too short for members to act in time"]
        if setting.key == "treasury" and value != self._consortium.timelock.address:
            return [f"penalties would not go to the members' timelock but to {value}"]
        return []

    # Facts

    @cached_property
    def _names(self) -> Any:
        return read_names(self._consortium)

    @cached_property
    def _now(self) -> dict[str, Value]:
        return read_settings(self._consortium)

    @cached_property
    def _symbol(self) -> str:
        return self._consortium.token.symbol()

    def _tokens(self, units: int) -> str:
        return f"{format_units(units)} {self._symbol}"

    def _show(self, setting: Setting, value: Value) -> str:
        return self._who(value) if isinstance(value, str) else setting.show(value, self._symbol)

    def _who(self, address: str) -> str:
        """An address in full, with the name of whom it belongs to: names alone can be alike."""
        contract = self._reader.name_of(address)
        if contract:
            return f"{contract} ({address})"
        label = self._names.labels.get(address)
        return f"{quoted(label)} ({address})" if label else address

    def _promoted(self, name: str) -> str:
        number = self._consortium.models.promoted(name)
        return f"version {number}" if number else "none"

    def _lineage(self, name: str, number: int) -> str:
        try:
            version = self._consortium.models.version(name, number)
        except ChainError:
            return " (there is no such version yet)"
        return f" (job {version.job_id}, score {version.score / 1e6:.4f}, digest 0x{version.digest.hex()})"

    def _has_code(self, address: str) -> bool:
        return len(rpc(self._consortium.w3, "eth_getCode", address, "latest")) > 2


def _enumerated(parts: Any) -> str:
    *front, last = parts
    return f"{', '.join(front)} and {last}" if front else str(last)


def _role_name(role: bytes) -> str:
    return next((known.name for known in TimelockRole if known.id == role), f"0x{role.hex()}")
