"""The family of errors, and its way over HTTP and back."""

from __future__ import annotations

import json

import pytest

from agentscope_runtime.sandbox import errors
from agentscope_runtime.sandbox.errors import (
    CallTimeout,
    InternalError,
    InvalidRequest,
    NotAuthorized,
    NotFound,
    SandboxError,
    Unavailable,
    from_problem,
)

FAMILY = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, SandboxError)]


@pytest.mark.parametrize("cls", FAMILY)
@pytest.mark.parametrize("extras", [{}, {"retry_after": 7, "sandbox_id": "sbx-1", "known": ["a", {"b": None}]}])
def test_an_error_survives_the_way(cls: type[SandboxError], extras: dict[str, object]) -> None:
    """Class, message and extras are the same after a journey as JSON."""
    error = cls("it is broken: mend it", **extras)
    again = from_problem(json.loads(json.dumps(error.to_problem())))
    assert (type(again), again.detail, again.extras) == (cls, error.detail, error.extras)
    assert str(again) == "it is broken: mend it"


def test_every_class_has_its_own_code() -> None:
    """A code names one class, each of which has a title, an error status and a place in the drawing of the family."""
    assert len({cls.code for cls in FAMILY}) == len(FAMILY) > 20
    for cls in FAMILY:
        assert cls.title
        assert 400 <= cls.status < 600
        assert cls.__name__ in (errors.__doc__ or "")


@pytest.mark.parametrize(
    ("status", "cls"),
    [
        (400, InvalidRequest),
        (401, NotAuthorized),
        (404, NotFound),
        (418, InvalidRequest),
        (429, InvalidRequest),
        (500, InternalError),
        (502, InternalError),
        (503, Unavailable),
        (504, CallTimeout),
    ],
)
def test_an_unknown_code_falls_back_by_status(status: int, cls: type[SandboxError]) -> None:
    """A newer manager's error is the nearest general class; the document's status counts before the answer's."""
    problem = {"code": "from_the_future", "detail": "5 of 5 used", "limit": 5}
    for error in (from_problem(problem, status), from_problem({**problem, "status": status}, 418)):
        assert (type(error), error.detail, error.extras) == (cls, "5 of 5 used", {"limit": 5})


def test_a_document_without_a_message_still_says_something() -> None:
    """The title stands in for the detail, and the status for both."""
    assert from_problem({"title": "Gone", "type": "about:blank"}, 500).detail == "Gone"
    assert from_problem({}, 502).detail == "HTTP 502"
