"""The node's branches of Milon's exceptions; the root is ``chain.errors.MilonError``."""

from chain.errors import MilonError


class ContentError(MilonError):
    """Content from another participant is missing, oversized, malformed, or not what its digest says."""


class ContentMissing(ContentError):  # noqa: N818 (an absence, which may end, rather than an error)
    """Nobody serves the content now; it may come later, so nothing is said against its publisher."""


class StorageError(MilonError):
    """The IPFS daemon or the local store cannot be used."""


class DataError(MilonError):
    """A data set is missing, malformed, or unfit for the job."""


class SpecError(MilonError):
    """A job file or a node's configuration is wrong; the message lists every mistake."""


class TrainingError(MilonError):
    """Local training cannot go on, for example because the loss is not finite."""


class StakeError(MilonError):
    """The organisation's free stake does not cover what is to be done."""
