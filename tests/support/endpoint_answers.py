"""One custom endpoint served, and what it streams read."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient

from agentscope_runtime.engine.endpoints import endpoint


def serve(function: Callable[..., Any], path: str = "/it", methods: tuple[str, ...] = ("POST",)) -> TestClient:
    """Return a client of an application with this one endpoint."""
    app = FastAPI()
    app.add_api_route(path, endpoint(function), methods=list(methods), response_model=None)
    return TestClient(app, raise_server_exceptions=False)


def chunks(answer: Any) -> list[Any]:
    """Return what was streamed, and check the form of the stream."""
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["X-Accel-Buffering"] == "no"
    events = answer.text.split("\n\n")
    assert events.pop() == ""
    assert all(event.startswith("data: ") and "\n" not in event for event in events)
    return [json.loads(event.removeprefix("data: ")) for event in events]
