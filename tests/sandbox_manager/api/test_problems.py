"""Every failure is a problem document, and tells what to do but nothing that is nobody's business."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from served_manager import Manager, served
from served_manager import manager as run_manager

from agentscope_runtime.sandbox import errors
from agentscope_runtime.sandbox_manager.api import problems


async def test_each_error_of_the_family_arrives_as_itself() -> None:
    """The client can raise what the manager raised: class, words and extras."""
    family = list(errors._family(errors.SandboxError))
    app = FastAPI()
    problems.install(app)

    @app.get("/{index}")
    async def fail(index: int) -> None:
        raise family[index]("what went wrong", retry_after=1.2)

    async with served(app) as url:
        manager = Manager(app, url, None, None)  # type: ignore[arg-type]
        async with manager.http(key=False) as http:
            for index, expected in enumerate(family):
                answer = await http.get(f"/{index}")
                error = errors.from_problem(answer.json(), answer.status_code)
                assert answer.headers["content-type"] == errors.PROBLEM_MEDIA_TYPE
                assert answer.headers["retry-after"] == "2", "whole seconds, rounded up"
                assert type(error) is expected
                assert answer.status_code == expected.status
                assert (error.detail, error.extras) == ("what went wrong", {"retry_after": 1.2})


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"session_id": ""}, "session_id: String should have at least 1 character"),
        ({}, "session_id: Field required"),
        ({"session_id": "s", "sandbox_types": []}, "sandbox_types: List should have at least 1 item"),
        ({"session_id": "s", "sandbox_types": ["../x"]}, "sandbox_types.0: String should match pattern"),
        ({"session_id": "s" * 257}, "session_id: String should have at most 256"),
        ([], "valid dictionary"),
    ],
)
async def test_a_wrong_body_is_named(manager: Manager, body: Any, told: str) -> None:
    """Validation errors have the same form as all others."""
    async with manager.http() as http:
        answer = await http.post("/v1/leases", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert told in answer.json()["detail"]


async def test_a_body_that_is_no_json_is_named(manager: Manager) -> None:
    """So is one that is not said to be JSON, as a form of another site would be."""
    async with manager.http() as http:
        for kind in ("application/json", "text/plain"):
            answer = await http.post("/v1/leases", content=b"{session", headers={"Content-Type": kind})
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 50_000, b"\xff\xfe"])
async def test_a_body_that_no_reader_takes_is_an_invalid_request_too(manager: Manager, body: bytes) -> None:
    """FastAPI has another status for it, which no caller of ours expects."""
    async with manager.http() as http:
        answer = await http.post("/v1/leases", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_unknown_paths_and_methods(manager: Manager) -> None:
    """They say what there is instead."""
    async with manager.http() as http:
        answer = await http.get("/v1/nothing")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert "/openapi.json" in answer.json()["detail"]
        answer = await http.delete("/v1/pool")
        assert (answer.status_code, answer.json()["code"]) == (405, "invalid_request")
        assert "GET" in answer.json()["detail"]


@pytest.mark.filterwarnings("ignore")
async def test_a_bug_is_logged_and_not_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The trace is in the log; the caller gets a problem document without it."""
    async with run_manager(tmp_path) as manager:

        @manager.app.get("/bug")
        async def bug() -> None:
            raise RuntimeError("the secret of the trace")

        async with manager.http() as http:
            with caplog.at_level(logging.ERROR):
                answer = await http.get("/bug")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "secret" not in answer.text
    assert any(record.exc_info and "secret of the trace" in str(record.exc_info[1]) for record in caplog.records)
