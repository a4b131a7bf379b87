"""Named models: the versions that completed jobs have become, and which of them is promoted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chain.contracts.types import JobStatus
from chain.errors import ChainError, MilonError
from node.follow import read_history
from node.names import Names, read_names

if TYPE_CHECKING:
    from chain.consortium import Consortium
    from chain.contracts.types import Job, Promotion, Version
    from chain.sender import Sender

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)


@dataclass(frozen=True)
class Reference:
    """A model as it is typed: NAME or NAME@VERSION."""

    name: str
    version: int | None

    def __str__(self) -> str:
        return self.name if self.version is None else f"{self.name}@{self.version}"


@dataclass(frozen=True)
class Lineage:
    """Where a version comes from.

    Attributes:
        promoted: the version promoted now, 0 for none. history: what was promoted when, oldest first.
        start: digest of the weights that its job began with.
    """

    name: str
    version: Version
    owner: str
    promoted: int
    history: tuple[Promotion, ...]
    job: Job
    start: bytes
    names: Names


def check_name(name: str) -> str:
    """The name of a model as it is. Raises MilonError where the registry would refuse it."""
    if not NAME.fullmatch(name):
        raise MilonError(
            f"{name!r} is not a model's name: 1 to 64 of a-z, 0-9, '.', '_' and '-', a letter or digit first"
        )
    return name


def parse_reference(text: str) -> Reference:
    """NAME or NAME@VERSION. Raises MilonError."""
    name, at, number = text.partition("@")
    if at and not (number.isdecimal() and number.isascii() and int(number) < 1 << 32):
        raise MilonError(f"{text!r} is not NAME@VERSION, such as digits@3")
    return Reference(check_name(name), int(number) if at else None)


def find_version(consortium: Consortium, reference: Reference) -> Version:
    """The version that is meant: of that number, else the promoted one, else the newest.

    Raises:
        MilonError: there is none. ChainError: the chain does not answer.
    """
    models = consortium.models
    newest = models.version_count(reference.name)
    if not newest:
        raise ChainError(f"there is no model {reference.name!r}; see `milon model list`")
    number = reference.version
    if number is None:
        number = models.promoted(reference.name) or newest
    if not 1 <= number <= newest:
        raise ChainError(f"model {reference.name!r} has versions 1 to {newest}, no version {number}")
    return models.version(reference.name, number)


def read_lineage(consortium: Consortium, reference: Reference) -> Lineage:
    """Where the version that is meant comes from. Raises MilonError as `find_version`."""
    version, models, name = find_version(consortium, reference), consortium.models, reference.name
    submitted = read_history(consortium, version.job_id).submitted
    start = bytes(32) if submitted is None else submitted.model_digest
    return Lineage(
        name,
        version,
        models.owner_of(name),
        models.promoted(name),
        models.history(name),
        consortium.scheduler.job(version.job_id),
        start,
        read_names(consortium),
    )


def register_model(
    consortium: Consortium, sender: Sender, name: str, job_id: int, cid: str | None = None
) -> Version:
    """Registers the model of a completed job as the next version of a name.

    Args:
        cid: where IPFS finds it; by default where the job's own reveal said.

    Raises:
        MilonError: the job has no final model, or the sender may not. ContractError, ChainError.
    """
    models = consortium.models
    history = read_history(consortium, job_id)
    job = consortium.scheduler.job(job_id)
    if job.status != JobStatus.COMPLETED:
        raise MilonError(
            f"job {job_id} is {job.status.name.lower()}; only a completed job's model can be registered"
        )
    known = models.version_of(name, job_id)
    if known:
        raise MilonError(f"the model of job {job_id} is registered already, as {name}@{known}")
    owner = models.owner_of(name)
    if not may_release(consortium, sender.address):
        if sender.address != job.client:
            raise MilonError(
                f"job {job_id} is of {job.client}; its client registers its model, or who holds the release role"
            )
        if int(owner, 16) and owner != sender.address:
            raise MilonError(f"the name {name!r} belongs to {owner}; choose another")
    if cid is None:
        digest = consortium.scheduler.outcome(job_id, job.terms.rounds).model_digest
        cids = history.model_cids(digest)
        if not cids:
            raise MilonError(f"nobody has said where the model of job {job_id} can be fetched; give --cid")
        cid = cids[0]
    sender.send(models.register(name, job_id, cid))
    return models.version(name, models.version_of(name, job_id))


def promote(consortium: Consortium, sender: Sender, name: str, version: int) -> None:
    """Promotes a version, or none for 0.

    Raises:
        MilonError: there is no such version, it is promoted already, or the sender may not. ContractError, ChainError.
    """
    find_version(consortium, Reference(name, version or None))
    if consortium.models.promoted(name) == version:
        raise MilonError(f"{f'{name}@{version}' if version else f'no version of {name}'} is promoted already")
    _require_release(consortium, sender.address, f"promote {name}@{version}")
    sender.send(consortium.models.promote(name, version))


def roll_back(consortium: Consortium, sender: Sender, name: str) -> int:
    """Undoes the last promotion; returns the version promoted now, 0 for none.

    Raises:
        MilonError: there is nothing before it, or the sender may not. ContractError, ChainError.
    """
    history = consortium.models.history(name)
    if not history or not history[-1].previous:
        raise MilonError(
            f"nothing was promoted before what is promoted of {name!r} now; see `milon model show {name}`"
        )
    _require_release(consortium, sender.address, f"rollback {name}")
    sender.send(consortium.models.roll_back(name))
    return consortium.models.promoted(name)


def may_release(consortium: Consortium, account: str) -> bool:
    """Whether an account may promote models and register them under every name. Raises ChainError."""
    return consortium.models.is_releaser(account) or consortium.registry.governance() == account


def _require_release(consortium: Consortium, account: str, words: str) -> None:
    if not may_release(consortium, account):
        raise MilonError(
            f"{account} does not hold the release role; propose it to the members: milon gov propose {words} --why TEXT"
        )
