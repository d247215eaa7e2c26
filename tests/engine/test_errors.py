"""The engine's family of errors."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agentscope_runtime.engine import errors
from agentscope_runtime.engine.errors import EngineError


def family(cls: type[EngineError] = EngineError) -> Iterator[type[EngineError]]:
    """Yield every class of it."""
    yield cls
    for child in cls.__subclasses__():
        yield from family(child)


def test_each_class_has_a_code_of_its_own() -> None:
    """Clients tell failures apart by the code."""
    codes = [cls.code for cls in family()]
    assert len(set(codes)) == len(codes)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    """Whoever reads the module's first lines knows all of it; what an adapter adds is its own."""
    assert errors.__doc__ is not None
    ours = [cls.__name__ for cls in family() if cls.__module__ == errors.__name__]
    assert [name for name in ours if name not in errors.__doc__] == []


@pytest.mark.parametrize(
    ("cls", "python"),
    [
        (errors.InvalidOption, ValueError),
        (errors.UnknownFramework, ValueError),
        (errors.MissingFramework, ImportError),
        (errors.NotStarted, RuntimeError),
        (errors.UnusableOutput, TypeError),
        (errors.NotStorable, ValueError),
    ],
)
def test_some_are_what_python_would_raise(cls: type[EngineError], python: type[Exception]) -> None:
    """Code that never heard of the engine's errors catches them under the usual name."""
    with pytest.raises(python, match="which, how many, and what to do"):
        raise cls("which, how many, and what to do")


def test_over_http_an_error_is_a_problem_document() -> None:
    """The detail is the message; the code is stable."""
    problem = errors.SessionBusy("Task u:s is already in RUNNING state.").to_problem()
    assert problem == {
        "title": "Session busy",
        "status": 409,
        "detail": "Task u:s is already in RUNNING state.",
        "code": "session_busy",
    }


def test_a_problem_document_tells_clients_nothing_about_the_application() -> None:
    """Where the store is, is in the log."""
    assert "redis" not in str(errors.StoreUnavailable("redis.internal:6379 refuses").to_problem())
