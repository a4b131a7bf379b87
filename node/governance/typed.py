"""Calls as people type them: a target, a signature such as `transfer(address,uint256)`, and words for its arguments."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from eth_typing import ChecksumAddress
from eth_utils.address import is_address, is_checksum_address, to_checksum_address

from chain.errors import MilonError

if TYPE_CHECKING:
    from chain.consortium import Consortium

_SIGNATURE = re.compile(r"([A-Za-z_$][A-Za-z0-9_$]*)\(([A-Za-z0-9_,\[\]() ]*)\)")
_KIND = re.compile(r"(address|bool|string|bytes\d{0,2}|u?int\d{0,3})((?:\[\d*\])*)")


def address_of(consortium: Consortium, target: str) -> ChecksumAddress:
    """An address as typed, or that of a contract of the consortium by its name. Raises MilonError."""
    known = consortium.deployment.contracts
    if target in known:
        return to_checksum_address(known[target].address)
    if not is_address(target):
        raise MilonError(f"{target!r} is neither an address nor one of {', '.join(known)}")
    return parse_address(target)


def parse_address(text: str) -> ChecksumAddress:
    """An address, whose checksum has to be right where it has one. Raises MilonError."""
    digits = text[2:]
    if not text.startswith("0x") or not is_address(text):
        raise MilonError(f"{text!r} is not an address: 0x and 40 hexadecimal digits")
    if digits not in (digits.lower(), digits.upper()) and not is_checksum_address(text):
        raise MilonError(f"{text!r} has a wrong checksum: a digit is mistyped")
    return to_checksum_address(text)


def split_signature(signature: str) -> tuple[str, list[str]]:
    """The name and the argument types, in their canonical form. Raises MilonError; structs are not supported."""
    match = _SIGNATURE.fullmatch(signature.strip())
    if match is None:
        raise MilonError(f"{signature!r} is not a signature, such as transfer(address,uint256)")
    inside = match[2].strip()
    types = [_canonical(part.strip(), signature) for part in inside.split(",")] if inside else []
    return match[1], types


def typed(kind: str, text: str) -> Any:
    """The value of an argument: an address, `true`, a number, 0x hexadecimal, text; a list as JSON.

    Raises:
        MilonError: it does not fit the type.
    """
    if kind.endswith("]"):
        try:
            items = json.loads(text)
        except ValueError:
            items = None
        if not isinstance(items, list):
            raise MilonError(f"{text!r} is not {kind}: write a JSON list, such as [1, 2]")
        return [typed(kind[: kind.rindex("[")], i if isinstance(i, str) else json.dumps(i)) for i in items]
    try:
        if kind == "address":
            return parse_address(text)
        if kind == "bool":
            return {"true": True, "false": False}[text.lower()]
        if kind.startswith("bytes"):
            if not text.startswith("0x"):
                raise ValueError(text)
            return bytes.fromhex(text[2:])
        if "int" in kind:
            return int(text, 0)
    except (ValueError, KeyError):
        raise MilonError(f"{text!r} is not a value of type {kind}") from None
    return text


def _canonical(kind: str, signature: str) -> str:
    match = _KIND.fullmatch(kind)
    if match is None:
        raise MilonError(f"{signature!r}: {kind!r} is not a type that can be typed here")
    base = match[1]
    return (f"{base}256" if base in ("int", "uint") else base) + match[2]
