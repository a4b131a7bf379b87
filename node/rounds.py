"""What follows from a round's updates, for validators and auditors alike: which are valid, and the next model."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from node.aggregation import RuleSpec, Update, aggregate, min_updates
from node.content import JobContent
from node.errors import ContentError, ContentMissing
from node.joblog import UpdateRecord
from node.tensors import StateFile


def check_update(
    content: JobContent, record: UpdateRecord, *, give_up: bool, timeout: float | None = None
) -> StateFile | str:
    """The update, or why it is invalid. `timeout`: seconds for each fetch, by default the content's own.

    Raises:
        ContentMissing: nobody serves it, and `give_up` is false: it may still come.
        StorageError: this node's own daemon is in trouble, which says nothing about the update.
    """
    expected = content.expected_samples(record)
    if expected is not None and record.samples != expected:
        return f"claims {record.samples} samples, its shards hold {expected}"
    try:
        return content.update(record, timeout)
    except ContentMissing as error:
        if not give_up:
            raise
        return str(error)
    except ContentError as error:
        return str(error)


def next_model(
    content: JobContent,
    valid: Sequence[tuple[UpdateRecord, StateFile]],
    previous: StateFile,
    before: StateFile | None,
    work_dir: Path,
) -> tuple[bytes, int]:
    """Digest of the next model, which goes to the cache, and the bitmap of accepted updates.

    With too few valid updates for the job's rule the model stays as it was and nothing is accepted. `before` is
    the final model before `previous`, None in round 1.
    """
    rule = RuleSpec(content.spec.aggregation.rule, content.spec.aggregation.params)
    if len(valid) < min_updates(rule):
        return previous.digest(), 0
    updates = [Update(record.first, record.samples, state) for record, state in valid]
    with tempfile.TemporaryDirectory(dir=work_dir) as folder:
        path = Path(folder) / "aggregate.safetensors"
        result = aggregate(rule, updates, previous, before, out=path)
        model = StateFile(path, content.schema)
        if not model.is_finite():
            # Finite updates near the largest float can average to infinity under server momentum.
            return previous.digest(), 0
        model_digest = model.digest()
        content.store(path, model_digest)
    return model_digest, result.accepted
