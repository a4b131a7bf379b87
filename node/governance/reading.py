"""Calls as the consortium's contracts read them: which function, with which arguments, and whether that is all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from eth_abi.abi import encode
from eth_abi.exceptions import DecodingError
from eth_utils.abi import collapse_if_tuple
from eth_utils.address import is_address

from chain.codec import decode_values, selector
from chain.contracts.governor import Action as Call

if TYPE_CHECKING:
    from chain.consortium import Consortium

_MAX_TEXT = 200  # characters of a stranger's text in a sentence
_HIDDEN = (
    "its calldata is not what this would be written as: bytes are hidden in it, or its text is not printable"
)


@dataclass
class Reading:
    """A decoded call while its sentence is made."""

    contract: str
    function: str
    arguments: dict[str, Any]
    warnings: list[str] = field(default_factory=list)

    @property
    def values(self) -> list[Any]:
        return list(self.arguments.values())

    @property
    def generic(self) -> str:
        """The call as a programmer would write it."""
        shown = (f"{name}={_shown(value)}" for name, value in self.arguments.items())
        return f"call {self.contract}.{self.function}({', '.join(shown)})"


class CallReader:
    """Reads calls by the ABIs of the consortium's contracts."""

    def __init__(self, consortium: Consortium) -> None:
        c = consortium
        contracts = (
            ("ConsortiumRegistry", c.registry),
            ("ConsortiumToken", c.token),
            ("StakeVault", c.vault),
            ("EpochScheduler", c.scheduler),
            ("AggregationVote", c.vote),
            ("ModelRegistry", c.models),
            ("AgentLens", c.lens),
            ("ConsortiumGovernor", c.governor),
            ("ConsortiumTimelock", c.timelock),
        )
        self._contracts = {str(contract.address): (name, contract.abi) for name, contract in contracts}

    def name_of(self, address: str) -> str | None:
        """The name of the contract that stands there; None if it is none of the consortium's."""
        return self._contracts.get(address, (None, ()))[0]

    def read(self, call: Call) -> Reading | None:
        """What a call says; None where there is no such contract, or it has no such function."""
        name, abi = self._contracts.get(str(call.target), (None, ()))
        if name is None:
            return None
        for entry in abi:
            if entry.get("type") != "function" or selector(entry) != call.data[:4]:
                continue
            try:
                values = decode_values(entry["inputs"], call.data[4:])
            except DecodingError:
                return None
            names = [str(p["name"]).strip("_") or str(i) for i, p in enumerate(entry["inputs"])]
            reading = Reading(name, entry["name"], dict(zip(names, values, strict=True)))
            if not _is_canonical(entry["inputs"], values, call.data[4:]):
                reading.warnings.append(_HIDDEN)
            return reading
        return None


def quoted(text: str) -> str:
    """A stranger's text that cannot end its quotes and go on as if it were ours."""
    cut = text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"
    return "'" + cut.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return quoted(value) if isinstance(value, str) and not is_address(value) else str(value)


def _is_canonical(inputs: Sequence[Mapping[str, Any]], values: Sequence[Any], data: bytes) -> bool:
    return encode([collapse_if_tuple(dict(p)) for p in inputs], values) == data
