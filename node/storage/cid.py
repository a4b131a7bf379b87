"""Content identifiers: parsing, formatting and hashing of the two forms that IPFS daemons print.

Only SHA2-256 identifiers are accepted, as CIDv0 (base58, 46 characters) or CIDv1 (base32, 59 characters), of
the codecs ``raw`` and ``dag-pb``: a file never needs another, and a stranger's identifier is refused by its
form before anything is asked of a daemon (CID specification, multiformats, 2016).
"""

import base64
import hashlib
import re
from dataclasses import dataclass

from node.errors import ContentError

RAW = 0x55
DAG_PB = 0x70
_SHA2_256 = b"\x12\x20"
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_V0_FORM = re.compile(rf"Qm[{_BASE58}]{{44}}")
_V1_FORM = re.compile(r"b[a-z2-7]{58}")


@dataclass(frozen=True, slots=True)
class Cid:
    """One content identifier: version 0 or 1, codec ``RAW`` or ``DAG_PB``, and the 32-byte SHA2-256
    digest."""

    version: int
    codec: int
    digest: bytes

    @classmethod
    def of(cls, data: bytes | memoryview, codec: int = RAW) -> "Cid":
        """The CIDv1 of one block."""
        return cls(1, codec, hashlib.sha256(data).digest())

    @classmethod
    def parse(cls, text: str) -> "Cid":
        """Read the textual form, with or without a leading ``/ipfs/``.

        Raises:
            ContentError: the text is not a SHA2-256 CID of a file or a block.
        """
        bare = text.removeprefix("/ipfs/")
        if _V0_FORM.fullmatch(bare):
            number = 0
            for character in bare:
                number = number * 58 + _BASE58.index(character)
            return cls.from_bytes(number.to_bytes(34, "big"))
        if _V1_FORM.fullmatch(bare):
            return cls.from_bytes(base64.b32decode(bare[1:].upper() + "======"))
        raise ContentError(
            f"not a content identifier: {text[:80]!r}; expected CIDv1 in base32 (bafy..., bafk...) or "
            f"CIDv0 (Qm...)"
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "Cid":
        """Read the binary form that links and Bitswap messages carry.

        Raises:
            ContentError: another hash, codec or version than this module accepts.
        """
        if len(data) == 34 and data[:2] == _SHA2_256:
            return cls(0, DAG_PB, data[2:])
        if len(data) == 36 and data[0] == 1 and data[1] in (RAW, DAG_PB) and data[2:4] == _SHA2_256:
            return cls(1, data[1], data[4:])
        raise ContentError(
            f"unsupported content identifier {data[:40].hex()}; only SHA2-256 files and blocks are served"
        )

    @property
    def prefix(self) -> bytes:
        """Everything but the digest, as Bitswap 1.1 and later sends it beside a block."""
        return b"\x01" + bytes([self.codec]) + _SHA2_256 if self.version else b"\x00\x70" + _SHA2_256

    def to_bytes(self) -> bytes:
        """The binary form."""
        head = b"\x01" + bytes([self.codec]) if self.version else b""
        return head + _SHA2_256 + self.digest

    def __str__(self) -> str:
        if self.version:
            return "b" + base64.b32encode(self.to_bytes()).decode().rstrip("=").lower()
        number, text = int.from_bytes(self.to_bytes(), "big"), ""
        while number:
            number, digit = divmod(number, 58)
            text = _BASE58[digit] + text
        return text
