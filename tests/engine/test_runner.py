"""The Runner: from a request to the events of its answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any

import pytest
from asked_runner import HELLO, answering, ask
from pydantic import ValidationError

from agentscope_runtime.engine.errors import MissingFramework, NotStarted, UnknownFramework
from agentscope_runtime.engine.frameworks import FRAMEWORKS, Framework
from agentscope_runtime.engine.runner import Runner, with_ids
from agentscope_runtime.engine.schemas.agent_schemas import AgentRequest, AgentResponse, Message, TextContent


class Parrot(Runner):
    """A runner as users write them."""

    framework_type = "text"

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    async def init_handler(self, *args: Any, **kwargs: Any) -> None:
        """Prepare what the handler needs."""
        self.calls.append("init")
        self.greeting = "you said "

    async def shutdown_handler(self, *args: Any, **kwargs: Any) -> None:
        """Note the end."""
        self.calls.append("shutdown")

    async def query_handler(
        self, msgs: list[Message], request: AgentRequest, **kwargs: Any
    ) -> AsyncGenerator[str, None]:
        """Say what was said."""
        yield self.greeting
        yield msgs[-1].get_text_content() or ""


async def test_a_subclass_is_a_runner() -> None:
    """A subclass says how to answer, and finds as `self` what its init hook prepared."""
    assert (await ask(Parrot())).text == "you said hello"


async def test_hooks_are_called_once() -> None:
    """A start prepares once, a stop cleans up once, however often both are asked for."""
    runner = Parrot()
    healths = [runner.health]
    for act in (runner.stop, runner.start, runner.start, runner.stop, runner.stop):
        await act()
        healths.append(runner.health)
    assert healths == [False, False, True, True, False, False]
    assert runner.calls == ["init", "shutdown"]


async def test_a_runner_whose_preparation_fails_is_not_started() -> None:
    """What the init hook raises fails the start, and nothing is cleaned up that was never prepared."""

    class Broken(Parrot):
        def init_handler(self, *args: Any, **kwargs: Any) -> Any:
            """Fail."""
            raise LookupError("no key")

    runner = Broken()
    with pytest.raises(LookupError):
        await runner.start()
    assert not runner.health
    await runner.stop()
    assert runner.calls == []


async def test_a_runner_has_to_be_started() -> None:
    """A query before the start says that the runner has not been started."""
    with pytest.raises(NotStarted, match="Runner has not been started"):
        await anext(Parrot().stream_query(HELLO))


async def test_a_request_that_is_none_is_refused() -> None:
    """A document that is no request raises what pydantic says about it, before anything is streamed."""
    async with Parrot() as runner:
        with pytest.raises(ValidationError, match="input"):
            await anext(runner.stream_query({"question": "hello"}))


async def one(msgs: list[Message]) -> str:
    """Answer at once."""
    return "hello there"


def plain(msgs: list[Message]) -> str:
    """Answer at once, blocking."""
    return "hello there"


def plain_many(request: AgentRequest) -> Iterator[str]:
    """Answer word by word, blocking."""
    yield "hello "
    yield "there"


async def many(request: AgentRequest, **kwargs: Any) -> AsyncGenerator[str, None]:
    """Answer word by word."""
    yield "hello "
    yield "there"


@pytest.mark.parametrize("handler", [one, plain, plain_many, many])
async def test_handlers_of_all_kinds_answer(handler: Callable[..., Any]) -> None:
    """Plain or async, one answer or many pieces: the client reads the same."""
    reading = await ask(answering(handler))
    assert reading.text == "hello there"
    assert reading.response["status"] == "completed"


async def test_a_handler_gets_what_belongs_to_the_query() -> None:
    """A handler gets the messages, the request with its ids, the response so far and what the caller adds."""
    seen: dict[str, Any] = {}

    async def handler(msgs: Any, request: AgentRequest, response: AgentResponse, **kwargs: Any) -> str:
        seen.update(msgs=msgs, request=request, response=response, kwargs=kwargs)
        return "done"

    reading = await ask(answering(handler), {**HELLO, "session_id": "s", "mood": "good"}, extra=5)
    assert [message.get_text_content() for message in seen["msgs"]] == ["hello"]
    assert (seen["request"].session_id, seen["request"].user_id) == ("s", "s")
    assert seen["request"].model_extra == {"mood": "good"}
    assert seen["response"].id == reading.response["id"]
    assert seen["kwargs"] == {"extra": 5}
    assert reading.response["session_id"] == "s"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"session_id": "s", "user_id": "u"}, ("s", "u")),
        ({"session_id": "s"}, ("s", "s")),
        ({"session_id": "s", "user_id": ""}, ("s", "s")),
    ],
)
def test_a_session_says_whose_it_is(given: dict[str, str], expected: tuple[str, str]) -> None:
    """A request without a user is the session's, so that the next one of the session is the same user's."""
    request = AgentRequest.model_validate({**HELLO, **given})
    named = with_ids(request)
    assert (named.session_id, named.user_id) == expected
    assert request.user_id == given.get("user_id")  # the caller's own is left as it was


@pytest.mark.parametrize("given", [{}, {"session_id": ""}, {"session_id": None, "user_id": "u"}])
def test_requests_without_a_session_are_of_different_ones(given: dict[str, Any]) -> None:
    """Who names no session gets a new one each time."""
    request = AgentRequest.model_validate({**HELLO, **given})
    one, other = with_ids(request), with_ids(request)
    assert one.session_id
    assert one.session_id != other.session_id
    assert one.user_id == (given.get("user_id") or one.session_id)


async def test_converters_go_before_the_adapter() -> None:
    """Messages and outputs with a converter of their type are made by it."""

    async def handler(msgs: list[Any]) -> Any:
        return {"heard": msgs[0]}

    runner = answering(handler)
    runner.in_type_converters["message"] = lambda message: message.get_text_content().upper()
    runner.out_type_converters["dict"] = lambda heard: TextContent(text=f"I heard {heard['heard']}")
    assert (await ask(runner)).text == "I heard HELLO"


@pytest.mark.parametrize("handler_kind", ["async", "plain"])
async def test_leaving_the_stream_ends_the_handler(handler_kind: str) -> None:
    """Whoever stops reading closes the handler, whose `finally` has run then."""
    ended: list[str] = []

    async def endless() -> AsyncGenerator[str, None]:
        try:
            while True:
                yield "more"
        finally:
            ended.append("async")

    def endless_plain() -> Iterator[str]:
        try:
            while True:
                yield "more"
        finally:
            ended.append("plain")

    async with answering(endless if handler_kind == "async" else endless_plain) as runner:
        stream = runner.stream_query(HELLO)
        for _ in range(10):
            await anext(stream)
        await stream.aclose()
        assert ended == [handler_kind]


async def test_a_cancelled_query_cancels_the_handler() -> None:
    """A cancellation of the one who reads is raised in the handler, and goes on from there."""
    heard = asyncio.Event()

    async def handler() -> AsyncGenerator[str, None]:
        yield "wait"
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            heard.set()
            raise

    async def reading() -> None:
        async for _ in runner.stream_query(HELLO):
            said.set()

    said = asyncio.Event()
    async with answering(handler) as runner:
        task = asyncio.create_task(reading())
        await said.wait()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert heard.is_set()


async def test_a_framework_is_there_before_the_first_query(monkeypatch: pytest.MonkeyPatch) -> None:
    """A runner of an unknown or missing framework does not start."""
    runner = Parrot()
    runner.framework_type = "crew"
    with pytest.raises(UnknownFramework):
        await runner.start()
    monkeypatch.setitem(FRAMEWORKS, "book", Framework(name="book", imports="tests_no_such_package", package="book"))
    runner.framework_type = "book"
    with pytest.raises(MissingFramework):
        await runner.start()
    assert not runner.health
