"""Handlers that fail: what the client is told, and what the log has."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from asked_runner import answering, ask

from agentscope_runtime.engine.runner import Runner
from agentscope_runtime.engine.schemas.agent_schemas import DataContent, Message, TextContent
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


async def test_an_output_that_nobody_understands_is_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    """The log says what it was, and what it may be; the client is not shown it."""

    async def handler() -> AsyncGenerator[Any, None]:
        yield "so far "
        yield object()

    reading = await ask(answering(handler))
    assert reading.response["error"]["code"] == "unusable_output"
    assert "object" not in reading.response["error"]["message"]
    assert "it may yield str" in caplog.text
    assert reading.text == "so far "


async def test_what_was_understood_of_an_output_is_said() -> None:
    """A message whose second part nobody can write: the first is said, and no number of the stream is missing."""

    class Odd:
        def to_dict(self) -> dict[str, Any]:
            raise LookupError("no")

    async def handler() -> AsyncGenerator[Any, None]:
        yield Message(
            content=[TextContent(text="so far"), DataContent.model_construct(type="data", data={"odd": Odd()})]
        )

    reading = await ask(answering(handler))
    assert reading.response["error"]["code"] == "unusable_output"
    assert reading.text == "so far"


class Panic(BaseException):
    """What libraries written in Rust raise."""


@pytest.mark.parametrize(
    "error", [SystemExit(1), Panic(), GeneratorExit(), BaseExceptionGroup("x", [Panic()])], ids=repr
)
async def test_a_handler_cannot_end_the_server(error: BaseException) -> None:
    """Neither `sys.exit()` in a handler nor any other error is more than a failure of this handler."""

    async def handler() -> None:
        raise error

    told = (await ask(answering(handler))).response["error"]["message"]
    assert told == f"Unknown agent error: {type(error).__name__}"


async def test_the_log_has_a_line_for_a_failure_whatever_the_session_is_called(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nobody begins a line of the log by the name of a session."""

    async def handler() -> None:
        raise LookupError

    runner = answering(handler)
    question = {"input": [], "session_id": "s\nroot logged in"}
    async with runner:
        assert [event async for event in runner.stream_query(question)]
    assert "\nroot logged in" not in caplog.text


async def test_a_runner_without_a_handler_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody overrode `query_handler`: the log says what to do."""
    assert (await ask(Runner())).response["status"] == "failed"
    assert "override it, or use @app.query" in caplog.text
