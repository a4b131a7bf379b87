"""Why a contract refused: custom errors by name and values, from the ABIs of all contracts involved."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from eth_abi.exceptions import DecodingError
from web3.exceptions import ContractLogicError

from chain.codec import Abi, decode_values, selector
from chain.errors import ChainError
from chain.transport import RpcError

_STANDARD: Abi = (
    {"type": "error", "name": "Error", "inputs": [{"name": "reason", "type": "string"}]},
    {"type": "error", "name": "Panic", "inputs": [{"name": "code", "type": "uint256"}]},
)
_PANICS = {
    0x01: "an assertion failed",
    0x11: "arithmetic overflow",
    0x12: "division by zero",
    0x21: "value outside the enum",
    0x31: "pop from an empty array",
    0x32: "index out of bounds",
    0x41: "too much memory",
}


class ContractError(ChainError):
    """A contract reverted.

    ``name`` is the Solidity error's name ("Error" for ``require`` with a reason, "Panic", "Unknown" for
    bytes that no ABI explains, "Reverted" for none at all), ``values`` its arguments by name, ``data`` the
    raw bytes.
    """

    def __init__(self, name: str, values: dict[str, Any], data: bytes = b"", *, note: str = "") -> None:
        self.name, self.values, self.data = name, values, data
        super().__init__(f"the contract refused: {note or _describe(name, values)}")


class ErrorDecoder:
    """Turns revert bytes into ContractError by the errors of the given ABIs.

    A proxying call may surface the error of any contract behind it: give the ABIs of all of them.
    """

    def __init__(self, abis: Iterable[Abi] = ()) -> None:
        self._errors = {
            selector(entry): entry
            for abi in (*abis, _STANDARD)
            for entry in abi
            if entry.get("type") == "error"
        }

    def decode(self, data: bytes, reason: str = "") -> ContractError:
        """The error that ``data`` encodes; ``reason`` (the node's words) stands in where there are no
        bytes."""
        if not data:
            return ContractError("Reverted", {}, note=reason or "no reason given")
        entry = self._errors.get(data[:4])
        if entry is None:
            return ContractError("Unknown", {}, data, note=f"unknown error 0x{data.hex()}")
        try:
            values = decode_values(entry["inputs"], data[4:])
        except DecodingError:
            return ContractError("Unknown", {}, data, note=f"malformed error 0x{data.hex()}")
        named = {p["name"] or str(i): v for i, (p, v) in enumerate(zip(entry["inputs"], values, strict=True))}
        return ContractError(entry["name"], named, data)

    def explain(self, error: RpcError) -> ChainError:
        """The ContractError behind an RPC error if a contract reverted, else the RPC error itself."""
        if error.data is not None and (error.data or "revert" in error.reason):
            return self.decode(error.data, error.reason)
        if "revert" in error.reason.lower():
            return ContractError("Reverted", {}, note=error.reason)
        return error

    @contextmanager
    def translating(self) -> Iterator[None]:
        """Within it, web3's and the transport's revert errors come out as ContractError."""
        try:
            yield
        except RpcError as error:
            raise self.explain(error) from error
        except ContractLogicError as error:
            nested = error.data if isinstance(error.data, str | dict) else None
            raise self.explain(
                RpcError("eth_call", {"message": str(error.message), "data": nested})
            ) from error


def _describe(name: str, values: dict[str, Any]) -> str:
    if name == "Error":
        return str(values["reason"])
    if name == "Panic":
        return _PANICS.get(values["code"], f"panic code {values['code']}")
    shown = (f"{k}={'0x' + v.hex() if isinstance(v, bytes) else v}" for k, v in values.items())
    return f"{name}({', '.join(shown)})"
