"""How registered models are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from node.cli.common import chain_date
from node.names import read_names, short

if TYPE_CHECKING:
    from chain.consortium import Consortium
    from chain.contracts.types import Version
    from node.releases import Lineage

Table = tuple[list[str], list[list[str]], list[dict[str, Any]]]


def model_rows(consortium: Consortium) -> Table:
    """Columns, rows for people, and facts for machines about all models. Raises ChainError."""
    models, names = consortium.models, read_names(consortium)
    rows, facts = [], []
    for name in models.names():
        promoted, newest, owner = models.promoted(name), models.version_count(name), models.owner_of(name)
        meant = models.version(name, promoted or newest)
        rows.append(
            [name, str(newest), f"{name}@{promoted}" if promoted else "none", score_text(meant.score),
             names.of(owner)]
        )  # fmt: skip
        facts.append({"name": name, "versions": newest, "promoted": promoted, "owner": owner,
                      "score": meant.score / 1e6})  # fmt: skip
    return ["name", "versions", "promoted", "score", "owner"], rows, facts


def version_rows(consortium: Consortium, name: str) -> Table:
    """As `model_rows`, about the versions of one model, the newest first. Raises ChainError for an unknown one."""
    from chain.errors import ChainError

    promoted, names = consortium.models.promoted(name), read_names(consortium)
    versions = list(consortium.models.versions(name))
    if not versions:
        raise ChainError(f"there is no model {name!r}; see `milon model list`")
    rows = [
        [f"{name}@{v.number}", "promoted" if v.number == promoted else "", str(v.job_id), score_text(v.score),
         chain_date(v.registered_at), names.of(v.by), short(v.digest)]
        for v in reversed(versions)
    ]  # fmt: skip
    facts = [{**facts_of(name, v), "promoted": v.number == promoted} for v in reversed(versions)]
    return ["version", "", "job", "score", "registered", "by", "digest"], rows, facts


def facts_of(name: str, version: Version) -> dict[str, Any]:
    """A version for machines."""
    return {
        "name": name,
        "version": version.number,
        "job_id": version.job_id,
        "round": version.round,
        "score": version.score / 1e6,
        "digest": version.digest,
        "cid": version.cid,
        "spec_digest": version.spec_digest,
        "ruleset": _ruleset(version),
        "registered_at": version.registered_at,
        "by": version.by,
    }


def version_facts(lineage: Lineage) -> dict[str, Any]:
    """A version and where it comes from, for machines."""
    return {
        **facts_of(lineage.name, lineage.version),
        "owner": lineage.owner,
        "promoted": lineage.promoted,
        "client": lineage.job.client,
        "trained_from": lineage.start,
        "history": lineage.history,
    }


def version_lines(lineage: Lineage) -> list[str]:
    """A version and where it comes from, for people."""
    name, v, names = lineage.name, lineage.version, lineage.names
    promoted = "promoted now" if lineage.promoted == v.number else "not promoted"
    terms = lineage.job.terms
    lines = [
        f"{name}@{v.number}: {promoted}",
        f"score       {score_text(v.score)}, the median of what the validators measured",
        f"trained     by job {v.job_id} of {names.of(lineage.job.client)}: {terms.rounds} rounds of "
        f"{terms.epochs_per_round} epochs, ruleset {_ruleset(v)}",
        f"from        initial weights 0x{lineage.start.hex()}",
        f"digest      0x{v.digest.hex()}",
        f"spec        0x{v.spec_digest.hex()}",
        f"at          {v.cid}",
        f"registered  {chain_date(v.registered_at)} by {names.of(v.by)}; the name is {names.of(lineage.owner)}'s",
    ]
    for entry in lineage.history:
        what = f"{name}@{entry.version}" if entry.version else "none"
        lines.append(f"promoted    {chain_date(entry.since)} {what}, by {names.of(entry.by)}")
    return [*lines, f"next        milon model fetch {name}@{v.number} --out {name}-{v.number}.safetensors"]


def score_text(score: int) -> str:
    """Millionths as people compare accuracies."""
    return f"{score / 1e6:.4f}"


def _ruleset(version: Version) -> str:
    from chain.codec import printable

    return printable(version.ruleset.rstrip(b"\0").decode("ascii", errors="replace"))
