"""How the engine's errors look over HTTP."""

from __future__ import annotations

import logging

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from agentscope_runtime.engine.errors import EngineError, NotAuthorized, NotStarted, SessionBusy
from agentscope_runtime.engine.problems import ANSWERS
from agentscope_runtime.sandbox import errors as sandbox


def ask(error: Exception, caplog: pytest.LogCaptureFixture) -> tuple[int, dict[str, object], list[str]]:
    """Raise an error in a route; return status, body and what was logged of the engine."""
    app = FastAPI(exception_handlers=ANSWERS)

    @app.get("/")
    async def route() -> None:
        raise error

    with caplog.at_level(logging.ERROR), TestClient(app) as client:
        told = client.get("/")
    assert told.headers["Content-Type"] == "application/problem+json"
    assert told.headers.get("WWW-Authenticate") == ("Bearer" if isinstance(error, NotAuthorized) else None)
    return told.status_code, told.json(), [record.message for record in caplog.records]


@pytest.mark.parametrize("error", [SessionBusy("busy"), NotAuthorized("no key")])
def test_a_fault_of_the_caller_is_told_and_not_logged(error: EngineError, caplog: pytest.LogCaptureFixture) -> None:
    """The caller gets the problem document; the log stays quiet."""
    assert ask(error, caplog) == (error.status, error.to_problem(), [])


def test_a_fault_of_ours_is_logged_too(caplog: pytest.LogCaptureFixture) -> None:
    """Who runs the server sees the trace, which the caller does not."""
    status, body, logged = ask(NotStarted("Runner has not been started"), caplog)
    assert (status, body["code"], logged) == (503, "not_started", ["GET / failed"])
    assert caplog.records[0].exc_info is not None


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (sandbox.PoolExhausted("all 8 are leased"), 503, "Every sandbox that the limit allows is taken."),
        (sandbox.ManagerUnreachable("http://10.0.0.7 is silent"), 503, "The sandbox manager does not answer."),
        (sandbox.SandboxNotFound("no sandbox x"), 404, "No such sandbox, or no longer: it was released, or idle for"),
        (sandbox.NotAuthorized("set MANAGER_KEY"), 502, "The key is missing or wrong."),
    ],
)
def test_an_error_of_a_sandbox_keeps_code_and_status(
    error: sandbox.SandboxError, status: int, detail: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller hears what it means, the log has the rest; whom the manager refused is not the caller."""
    told, body, logged = ask(error, caplog)
    assert (told, body["status"], body["code"], logged) == (status, status, error.code, ["GET / failed"])
    assert str(body["detail"]).startswith(detail)
    assert str(error) in caplog.text


def test_who_may_come_again_is_told_when() -> None:
    """As the manager said."""
    app = FastAPI(exception_handlers=ANSWERS)

    @app.get("/")
    async def route() -> None:
        raise sandbox.PoolExhausted("all 8 are leased", retry_after=3)

    with TestClient(app) as client:
        assert client.get("/").headers["Retry-After"] == "3"
