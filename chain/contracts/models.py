"""ModelRegistry: the models that completed jobs have trained, by name and version, and which is promoted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from eth_typing import ChecksumAddress
from web3.contract.contract import ContractFunction

from chain.calls import BlockRef
from chain.contracts.binding import Contract
from chain.contracts.structs import to_struct
from chain.contracts.types import Promotion, Version

PAGE = 100


class ModelRegistry(Contract):
    """See `contracts/interfaces/IModelRegistry.sol`. Names are 1 to 64 of a-z, 0-9, '.', '_' and '-'; versions count
    from 1."""

    def register(self, name: str, job_id: int, cid: str) -> ContractFunction:
        """By the client of the completed job, a releaser or governance; the new version is in VersionRegistered."""
        return self._transaction("register", name, job_id, cid)

    def promote(self, name: str, version: int) -> ContractFunction:
        """By a releaser or governance; 0 for none."""
        return self._transaction("promote", name, version)

    def roll_back(self, name: str) -> ContractFunction:
        """By a releaser or governance: to what was promoted before."""
        return self._transaction("rollBack", name)

    def set_releaser(self, account: str, releases: bool) -> ContractFunction:
        """By governance."""
        return self._transaction("setReleaser", account, releases)

    def is_releaser(self, account: str, block: BlockRef = "latest") -> bool:
        return cast(bool, self._read("isReleaser", account, block=block))

    def releasers(self, block: BlockRef = "latest") -> tuple[ChecksumAddress, ...]:
        return tuple(self._read("releasers", block=block))

    def name_count(self, block: BlockRef = "latest") -> int:
        return cast(int, self._read("nameCount", block=block))

    def names(self, block: BlockRef = "latest") -> Iterator[str]:
        """All names, in the order of their registration, read page by page."""
        for start in range(0, self.name_count(block), PAGE):
            yield from self._read("names", start, PAGE, block=block)

    def owner_of(self, name: str, block: BlockRef = "latest") -> ChecksumAddress:
        """Who registered the first version; the zero address for an unknown name."""
        return cast(ChecksumAddress, self._read("ownerOf", name, block=block))

    def version_count(self, name: str, block: BlockRef = "latest") -> int:
        """The number of the newest version; 0 for an unknown name."""
        return cast(int, self._read("versionCount", name, block=block))

    def version(self, name: str, number: int, block: BlockRef = "latest") -> Version:
        """Raises ContractError (ModelsUnknownVersion) where there is none of this number."""
        return to_struct(Version, self._read("version", name, number, block=block))

    def versions(self, name: str, block: BlockRef = "latest") -> Iterator[Version]:
        """All versions, oldest first, read page by page."""
        for start in range(0, self.version_count(name, block), PAGE):
            for version in self._read("versions", name, start, PAGE, block=block):
                yield to_struct(Version, version)

    def version_of(self, name: str, job_id: int, block: BlockRef = "latest") -> int:
        """The version that is this job's model; 0 when it is not registered under the name."""
        return cast(int, self._read("versionOf", name, job_id, block=block))

    def promoted(self, name: str, block: BlockRef = "latest") -> int:
        """The promoted version; 0 for none."""
        return cast(int, self._read("promoted", name, block=block))

    def history(self, name: str, block: BlockRef = "latest") -> tuple[Promotion, ...]:
        """Everything that was ever promoted, oldest first."""
        return tuple(to_struct(Promotion, entry) for entry in self._read("history", name, block=block))
