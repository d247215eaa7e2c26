"""Errors that handlers raise for clients."""

from __future__ import annotations

import pytest

from agentscope_runtime.engine.schemas import exception
from agentscope_runtime.engine.schemas.exception import (
    AppBaseException,
    InvalidParameterException,
    UnknownAgentException,
)


def test_what_is_said_by_hand() -> None:
    """Status, code, message and details are the caller's."""
    error = AppBaseException(418, "TEAPOT", "short and stout", {"spout": 1})
    assert (error.status, error.code, error.message, error.details) == (418, "TEAPOT", "short and stout", {"spout": 1})
    assert str(error) == "short and stout"


def test_what_is_said_by_the_class() -> None:
    """A subclass needs a message at most."""
    error = InvalidParameterException("top_p must be below 1")
    assert (error.status, error.code, error.message) == (400, "INVALID_PARAMETER", "top_p must be below 1")
    assert InvalidParameterException().message == "invalid parameter"


def test_an_unknown_error_tells_its_type_only() -> None:
    """The text of a foreign exception may hold what no client should see (W13)."""
    error = UnknownAgentException(ValueError("the password is 1234"))
    assert (error.code, error.message) == ("AGENT_UNKNOWN_ERROR", "Unknown agent error: ValueError")
    assert isinstance(error.original_exception, ValueError)


@pytest.mark.parametrize("name", [name for name in dir(exception) if name.endswith("Exception")])
def test_the_tree_is_drawn(name: str) -> None:
    """The module's docstring shows every class with its status and code."""
    cls = getattr(exception, name)
    assert issubclass(cls, AppBaseException)
    line = next(line for line in (exception.__doc__ or "").splitlines() if f" {name} " in line)
    if cls is not AppBaseException:
        assert line.split()[-2:] == [str(cls.STATUS), cls.CODE]
