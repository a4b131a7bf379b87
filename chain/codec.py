"""From ABI-encoded bytes to Python values, the same for return values, events and errors."""

from collections.abc import Mapping, Sequence
from typing import Any

from eth_abi.codec import ABICodec
from eth_abi.decoding import StringDecoder
from eth_abi.registry import BaseEquals, registry
from eth_utils.abi import collapse_if_tuple
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

Abi = Sequence[Mapping[str, Any]]


class _Text(StringDecoder):
    """Contracts accept any bytes as a string: one that is not UTF-8 must not keep its readers from everything else."""

    @staticmethod
    def decoder_fn(data: bytes, handle_string_errors: str = "replace") -> str:
        return printable(data.decode("utf-8", errors="replace"))


_lenient = registry.copy()  # type: ignore[no-untyped-call]
_lenient.unregister_decoder("string")
_lenient.register_decoder(BaseEquals("string"), _Text, label="string")  # type: ignore[no-untyped-call]
_decode = ABICodec(_lenient).decode


def signature(entry: Mapping[str, Any]) -> str:
    """The canonical signature of a function, event or error, for example ``transfer(address,uint256)``."""
    types = ",".join(collapse_if_tuple(dict(p)) for p in entry.get("inputs", ()))
    return f"{entry['name']}({types})"


def selector(entry: Mapping[str, Any]) -> bytes:
    """The first four bytes of the signature's Keccak-256."""
    return bytes(keccak(text=signature(entry))[:4])


def topic(entry: Mapping[str, Any]) -> bytes:
    """The 32-byte topic 0 of an event."""
    return bytes(keccak(text=signature(entry)))


def printable(text: str) -> str:
    """``text`` with U+FFFD for whatever could move a terminal's cursor, end a line of a log, or hide what follows."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)


def decode_values(parameters: Sequence[Mapping[str, Any]], data: bytes) -> list[Any]:
    """Decode ``data`` as the parameters of an ABI: addresses with checksum, bytes as bytes, arrays as lists,
    structs as tuples, strings as `printable` text. Raises eth_abi's DecodingError where the bytes do not fit."""
    values = _decode([collapse_if_tuple(dict(p)) for p in parameters], data)
    return [_tidy(p["type"], p.get("components", ()), v) for p, v in zip(parameters, values, strict=True)]


def _tidy(kind: str, components: Sequence[Mapping[str, Any]], value: Any) -> Any:
    if kind.endswith("]"):
        return [_tidy(kind[: kind.rindex("[")], components, element) for element in value]
    if kind == "tuple":
        return tuple(
            _tidy(c["type"], c.get("components", ()), v) for c, v in zip(components, value, strict=True)
        )
    return to_checksum_address(value) if kind == "address" else value
