"""How a browser tool says that it cannot do what it was asked."""


class ToolFailed(Exception):
    """The message says why, and what to do; the caller gets it as a result with `isError`."""
