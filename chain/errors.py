"""The root of Milon's exceptions and the chain's branch of them.

A message is one line: what was wrong, with what, and what to do. The command line prints it as it is.
"""


class MilonError(Exception):
    """Anything that Milon reports to a person without a traceback."""


class ChainError(MilonError):
    """The chain could not be reached, refused a call, or is not the chain that was expected."""
