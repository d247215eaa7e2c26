"""What clients are told of an error: a code for programs, and a sentence that gives nothing away."""

from __future__ import annotations

from agentscope_runtime.engine.errors import EngineError
from agentscope_runtime.engine.schemas.exception import AppBaseException, UnknownAgentException
from agentscope_runtime.sandbox.errors import SandboxError


def told(error: BaseException) -> tuple[str, str]:
    """Return the code and the words of an error for the client; of errors that were not made for it, only the type."""
    if isinstance(error, AppBaseException):
        return error.code, error.message
    if isinstance(error, EngineError):
        return error.code, error.for_clients()
    if isinstance(error, SandboxError):
        return error.code, sentence(error)
    unknown = UnknownAgentException(error)
    return unknown.code, unknown.message


def sentence(error: SandboxError) -> str:
    """Return what all errors of this code mean; the message of one names addresses and settings of who runs it."""
    words = next((cls.__doc__ for cls in type(error).__mro__ if cls.__doc__), error.title)
    return words.partition("\n")[0]
