"""A node's own data: read from its own path, held out on the spot, never sent anywhere."""

from dataclasses import dataclass

from node.data.dataset import Dataset
from node.data.scaling import scaled
from node.data.sources import load_source
from node.data.split import holdout_split
from node.errors import DataError
from node.spec import JobSpec


@dataclass(frozen=True)
class PrivateData:
    """A node's own samples, on the job's scale and with the job's labels.

    Attributes:
        train: what the node trains on, whatever the epoch's index.
        holdout: what it scores models on.
    """

    train: Dataset
    holdout: Dataset


def load_private(source: str, spec: JobSpec) -> PrivateData:
    """Reads a node's data for one job.

    Args:
        source: name or path, as the node's configuration has it.
        spec: the job, whose data section says how to read it and what share to hold out.

    Raises:
        DataError: malformed, of another shape than the job's, or with a class that the job does not have.
    """
    train, holdout = holdout_split(load_for_job(source, spec), spec.data.holdout, spec.data.seed)
    return PrivateData(scaled(train, spec.standardisation), scaled(holdout, spec.standardisation))


def load_for_job(source: str, spec: JobSpec) -> Dataset:
    """A data set of a job's shape and labels, not yet on its scale.

    Raises:
        DataError: missing, malformed, of another shape, or with a class that the job does not have.
    """
    options = spec.data
    read = load_source(
        source,
        label=options.label,
        image_size=options.image_size,
        grayscale=options.grayscale,
        classes=spec.classes,
    )
    if read.input_shape != spec.input_shape:
        raise DataError(
            f"{source}: samples have shape {list(read.input_shape)}; give data of the job's shape, "
            f"{list(spec.input_shape)}"
        )
    return read.with_classes(spec.classes)
