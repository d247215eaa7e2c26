"""How the engine's errors look over HTTP."""

from __future__ import annotations

import logging

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from agentscope_runtime.engine.errors import EngineError, NotAuthorized, NotStarted, SessionBusy
from agentscope_runtime.engine.problems import answer


def ask(error: EngineError, caplog: pytest.LogCaptureFixture) -> tuple[int, dict[str, object], list[str]]:
    """Raise an error in a route; return status, body and what was logged of the engine."""
    app = FastAPI(exception_handlers={EngineError: answer})

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
