"""Jobs as their clients write them (`JobFile`) and as nodes read them from IPFS (`JobSpec`)."""

from node.aggregation.rules import RULESET
from node.spec.architecture import Architecture
from node.spec.fields import AggregationSpec, DataSection, ModelSpec, TrainingSpec
from node.spec.jobfile import BUILT_IN_SOURCES, JobFile, check_job, load_job
from node.spec.jobspec import DataSpec, HoldoutEntry, JobSpec, ShardEntry, Standardisation

__all__ = [
    "AggregationSpec",
    "Architecture",
    "BUILT_IN_SOURCES",
    "DataSection",
    "DataSpec",
    "HoldoutEntry",
    "JobFile",
    "JobSpec",
    "ModelSpec",
    "RULESET",
    "ShardEntry",
    "Standardisation",
    "TrainingSpec",
    "check_job",
    "load_job",
]
