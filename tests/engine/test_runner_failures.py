"""Handlers that fail: what the client is told, and what the log has."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from asked_runner import answering, ask

from agentscope_runtime.engine.runner import Runner
from agentscope_runtime.engine.schemas.exception import RateLimitException


@pytest.mark.parametrize("after", ["", "some words"])
async def test_a_failure_is_the_end_of_the_stream(after: str, caplog: pytest.LogCaptureFixture) -> None:
    """What a handler raises, before its first word or in the middle, fails the response and goes to the log only."""

    async def handler() -> AsyncGenerator[str, None]:
        if after:
            yield after
        raise LookupError("the password is swordfish")

    with caplog.at_level(logging.ERROR):
        reading = await ask(answering(handler))
    assert reading.response["status"] == "failed"
    assert reading.response["error"] == {
        "code": "AGENT_UNKNOWN_ERROR",
        "message": "Unknown agent error: LookupError",
    }
    assert reading.text == after
    assert [message["status"] for message in reading.messages] == (["incomplete"] if after else [])
    assert "swordfish" not in str(reading.response)
    assert "the password is swordfish" in caplog.text
    assert "Traceback" in caplog.text


async def test_what_a_handler_says_about_its_failure_is_told() -> None:
    """Errors that are made for clients keep their code and their words."""

    def handler() -> None:
        raise RateLimitException("three questions a day")

    reading = await ask(answering(handler))
    assert reading.response["error"] == {"code": "RATE_LIMITED", "message": "three questions a day"}


async def test_an_output_that_nobody_understands_is_a_failure() -> None:
    """An output that the adapter does not know is told with what it may be."""

    async def handler() -> AsyncGenerator[Any, None]:
        yield "so far "
        yield object()

    reading = await ask(answering(handler))
    assert reading.response["error"]["code"] == "unusable_output"
    assert "object" in reading.response["error"]["message"]
    assert reading.text == "so far "


async def test_a_handler_cannot_end_the_server() -> None:
    """`sys.exit()` in a handler is a failure of this handler."""

    async def handler() -> None:
        raise SystemExit(1)

    assert (await ask(answering(handler))).response["error"]["message"] == "Unknown agent error: SystemExit"


async def test_a_runner_without_a_handler_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody overrode `query_handler`: the log says what to do."""
    assert (await ask(Runner())).response["status"] == "failed"
    assert "override it, or use @app.query" in caplog.text
