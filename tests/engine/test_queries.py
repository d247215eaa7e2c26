"""Queries over HTTP, without a socket: what handlers get, and what clients are answered."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import pytest
from asking import ask, body
from fastapi import Request
from query_app import QueryApp, client_of, echo

from agentscope_runtime.engine.errors import EngineError
from agentscope_runtime.engine.interrupts import TaskState
from agentscope_runtime.engine.schemas.agent_schemas import AgentRequest, AgentResponse


class TestStream:
    """The answer as a stream of events."""

    async def test_a_question_is_answered(self) -> None:
        """The answer is an event stream that a strict reader reads, and it ends with `[DONE]`."""
        async with client_of(await QueryApp().started(echo)) as client:
            answer = await client.post("/process", json=body("hello"))
            assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert (await ask(client, "hello")).text == "You said: hello"

    async def test_plain_text_is_content(self) -> None:
        """Content that is a string is one text part."""
        async with client_of(await QueryApp().started(echo)) as client:
            answer = await client.post("/process", json={"input": [{"role": "user", "content": "hello"}]})
            assert "You said: hello" in answer.text

    async def test_a_failure_is_part_of_the_stream(self) -> None:
        """A handler that fails is told in the stream, which began with status 200."""

        async def handler() -> AsyncGenerator[str, None]:
            yield "so far"
            raise LookupError("swordfish")

        async with client_of(await QueryApp().started(handler)) as client:
            reading = await ask(client)
        assert reading.response["status"] == "failed"
        assert reading.text == "so far"

    async def test_anonymous_requests_do_not_meet(self) -> None:
        """Requests without ids run at the same time, each in a session of its own."""
        together = asyncio.Barrier(20)

        async def handler(request: AgentRequest) -> str:
            await together.wait()
            return f"{request.session_id} {request.user_id}"

        async with client_of(await QueryApp().started(handler)) as client:
            readings = await asyncio.gather(*(ask(client) for _ in range(20)))
        assert len({reading.text for reading in readings}) == 20
        assert all(len(set(reading.text.split())) == 1 for reading in readings)
        assert all(reading.response["session_id"] == reading.text.split()[0] for reading in readings)

    async def test_a_busy_session_is_refused_before_any_stream(self) -> None:
        """The second request of a session gets 409 in the words that clients know, also without a user."""
        begun, gate = asyncio.Event(), asyncio.Event()

        async def handler() -> str:
            begun.set()
            await gate.wait()
            return "first"

        async with client_of(await QueryApp().started(handler)) as client:
            first = asyncio.create_task(ask(client, session_id="s"))
            await begun.wait()
            for fields in ({"session_id": "s"}, {"session_id": "s", "user_id": "s"}):
                refused = await client.post("/process", json=body(**fields))
                assert refused.status_code == 409
                assert refused.json()["code"] == "session_busy"
                assert "Task s:s is already in RUNNING state." in refused.json()["detail"]
            gate.set()
            assert (await first).text == "first"
            assert (await ask(client, session_id="s")).text == "first"

    async def test_a_stop_ends_the_stream(self) -> None:
        """A stopped handler is cancelled, the stream ends as canceled, and so does the run."""
        begun, cancelled = asyncio.Event(), asyncio.Event()

        async def handler(request: AgentRequest) -> AsyncGenerator[str, None]:
            yield "first"
            begun.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise

        app = await QueryApp().started(handler)
        async with client_of(app) as client:
            asking = asyncio.create_task(ask(client, session_id="s", user_id="u"))
            await begun.wait()
            assert await app.runs.stop(("u", "s"))
            reading = await asking
            assert (reading.response["status"], reading.text) == ("canceled", "first")
            assert cancelled.is_set()
            assert await app.backend.get_task_state('state:["u", "s"]') is TaskState.STOPPED

    @pytest.mark.parametrize("as_generator", [False, True])
    async def test_a_handler_that_blocks_holds_nobody_else(self, as_generator: bool) -> None:
        """While a plain handler works, other requests are answered."""
        gate, working = threading.Event(), threading.Event()

        def blocks() -> str:
            working.set()
            assert gate.wait(10)
            return "slow"

        def blocks_in_between() -> Iterator[str]:
            yield blocks()

        app = await QueryApp().started(blocks_in_between if as_generator else blocks, "/slow")
        app.add(echo, "/quick")
        async with client_of(app) as client:
            slow = asyncio.create_task(ask(client, path="/slow"))
            await asyncio.to_thread(working.wait, 10)
            assert (await ask(client, "hello", path="/quick")).text == "You said: hello"
            assert not slow.done()
            gate.set()
            assert (await slow).text == "slow"


class TestDocument:
    """The answer as one document."""

    @pytest.mark.parametrize(("streams", "asked"), [(False, {}), (False, {"stream": True}), (True, {"stream": False})])
    async def test_an_answer_may_be_one_document(self, streams: bool, asked: dict[str, bool]) -> None:
        """Where the application or the request wants no stream, the answer is the whole response."""
        async with client_of(await QueryApp(streams=streams).started(echo)) as client:
            answer = await client.post("/process", json=body("hello", session_id="s", **asked))
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        response = AgentResponse.model_validate_json(answer.content)
        assert (response.object, response.status, response.session_id) == ("response", "completed", "s")
        assert response.output is not None
        assert [message.text for message in response.output] == ["You said: hello"]

    async def test_a_long_answer_needs_no_reader(self) -> None:
        """However long the answer: nobody reads along, and nobody has to."""

        async def handler() -> AsyncGenerator[str, None]:
            for _ in range(5_000):
                yield "x"

        async with client_of(await QueryApp(streams=False).started(handler)) as client:
            answer = await client.post("/process", json=body())
        assert answer.json()["output"][0]["text"] == "x" * 5_000

    async def test_a_failure_is_an_error(self) -> None:
        """A handler that fails is answered with 500 and what there is of the response."""

        async def handler() -> AsyncGenerator[str, None]:
            yield "so far"
            raise LookupError("swordfish")

        async with client_of(await QueryApp(streams=False).started(handler)) as client:
            answer = await client.post("/process", json=body())
        assert answer.status_code == 500
        assert answer.json()["error"] == {"code": "AGENT_UNKNOWN_ERROR", "message": "Unknown agent error: LookupError"}
        assert answer.json()["output"][0]["text"] == "so far"

    async def test_what_is_refused_is_the_clients_mistake(self) -> None:
        """An adapter may refuse what a request holds; the document says why, and its status that it was refused."""

        class Refused(EngineError):
            code, status = "refused", 422

        async def handler() -> str:
            raise Refused("send it as a data: URL")

        async with client_of(await QueryApp(streams=False).started(handler)) as client:
            answer = await client.post("/process", json=body())
        assert answer.status_code == 422
        assert answer.json()["error"] == {"code": "refused", "message": "send it as a data: URL"}

    async def test_a_stopped_run_is_canceled(self) -> None:
        """Whoever waits for the document of a run that is stopped gets what there is."""
        begun = asyncio.Event()

        async def handler() -> AsyncGenerator[str, None]:
            yield "first"
            begun.set()
            await asyncio.Event().wait()

        app = await QueryApp(streams=False).started(handler)
        async with client_of(app) as client:
            asking = asyncio.create_task(client.post("/process", json=body(session_id="s")))
            await begun.wait()
            assert await app.runs.stop(("s", "s"))
            answer = await asking
        assert (answer.status_code, answer.json()["status"]) == (200, "canceled")


class TestBadRequests:
    """What is no query."""

    @pytest.mark.parametrize(
        "json", [{}, [], "hello", {"input": 5}, {"input": [{"content": 5}]}, {"input": [], "session_id": ["s"]}]
    )
    async def test_what_is_no_request_is_not_processable(self, json: Any) -> None:
        """A body that is no request gets 422 and FastAPI's description of why, and no run begins."""
        called: list[Any] = []
        async with client_of(await QueryApp().started(lambda: called.append(1))) as client:
            answer = await client.post("/process", json=json)
        assert answer.status_code == 422
        assert {"type", "loc", "msg"} <= set(answer.json()["detail"][0])
        assert not called

    async def test_before_the_start_nobody_is_served(self) -> None:
        """A runner that was not started answers 503, and says so."""
        app = QueryApp()
        app.add(echo, "/process")
        async with client_of(app) as client:
            answer = await client.post("/process", json=body())
        assert answer.status_code == 503
        assert "has not been started" in answer.json()["detail"]


async def test_a_query_is_documented() -> None:
    """OpenAPI shows the body of the request and the handler's own words, and nothing of the inside."""
    operation = (await QueryApp().started(echo)).openapi()["paths"]["/process"]["post"]
    assert operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/AgentRequest")
    assert operation["description"] == "Say what was said."
    assert "parameters" not in operation


async def test_handlers_see_the_context_of_their_request() -> None:
    """Middleware's context variables are there in the handler."""
    who: contextvars.ContextVar[str] = contextvars.ContextVar("who")

    async def handler() -> str:
        return who.get()

    app = await QueryApp().started(handler)

    @app.middleware("http")
    async def note(request: Request, call_next: Any) -> Any:
        who.set(request.headers["X-Who"])
        return await call_next(request)

    async with client_of(app) as client:
        assert "Alice" in (await client.post("/process", json=body(), headers={"X-Who": "Alice"})).text
