"""The audit of a job: replayed from the chain, recomputed from IPFS, compared to the base unit."""

from node.audit.report import AuditReport, Book, Check, CheckResult, Finding, Outstanding, Where
from node.audit.verify import verify_job

__all__ = [
    "AuditReport",
    "Book",
    "Check",
    "CheckResult",
    "Finding",
    "Outstanding",
    "Where",
    "verify_job",
]
