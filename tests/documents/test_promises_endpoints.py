"""Custom endpoints: S55 to S59."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

from asking import started
from fastapi import Request
from pydantic import BaseModel

from agentscope_runtime.engine import AgentApp
from agentscope_runtime.engine.schemas.agent_schemas import AgentRequest


class Item(BaseModel):
    """What an endpoint takes as its body."""

    name: str


class Dated(BaseModel):
    """What JSON has no word for."""

    at: datetime


class Odd:
    """An object that says itself what it is."""

    def to_dict(self) -> dict[str, Any]:
        """Return it."""
        return {"odd": {1}, "at": Dated(at=datetime(2020, 1, 2, tzinfo=UTC))}


async def test_S55_functions_answer_json() -> None:
    """Plain or async; by POST where nothing else is said."""
    app = AgentApp()

    @app.endpoint("/hello")
    def hello() -> dict[str, str]:
        return {"msg": "Hello world"}

    @app.endpoint("/bye", methods=["GET"])
    async def bye() -> dict[str, str]:
        return {"msg": "Good bye"}

    async with started(app) as client:
        assert (await client.post("/hello")).json() == {"msg": "Hello world"}
        assert (await client.get("/hello")).status_code == 405
        assert (await client.get("/bye")).json() == {"msg": "Good bye"}


async def test_S56_generators_are_streamed() -> None:
    """Plain or async, or given back by a function; each value is one event."""
    app = AgentApp()

    @app.endpoint("/plain")
    def plain() -> Iterator[str]:
        for number in range(3):
            yield f"number: {number}\n"

    @app.endpoint("/async")
    async def streaming() -> AsyncIterator[str]:
        for number in range(3):
            yield f"number: {number}\n"

    @app.endpoint("/returned")
    def returned() -> Any:
        return plain()

    async with started(app) as client:
        for path in ("/plain", "/async", "/returned"):
            answer = await client.post(path)
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert answer.text == "".join(f'data: "number: {number}\\n"\n\n' for number in range(3))


async def test_S57_parameters_are_read_as_fastapi_reads_them() -> None:
    """From the query, from the body by a model, the request itself, and AgentRequest; also for what is streamed."""
    app = AgentApp()

    @app.endpoint("/item")
    async def item(item: Item, request: Request, n: int = 1) -> list[Any]:
        return [item.name * n, request.method]

    @app.endpoint("/items")
    async def items(item: Item, n: int = 1) -> AsyncIterator[str]:
        for _ in range(n):
            yield item.name

    @app.endpoint("/agent")
    async def agent(request: AgentRequest) -> list[Any]:
        return [request.session_id, request.user_id, request.input]

    async with started(app) as client:
        assert (await client.post("/item?n=2", json={"name": "ab"})).json() == ["abab", "POST"]
        assert (await client.post("/items?n=2", json={"name": "ab"})).text == 'data: "ab"\n\n' * 2
        for path in ("/item", "/items"):
            assert (await client.post(path, json={"nome": 1})).status_code == 422
        ids = {"session_id": "s", "user_id": "u"}
        assert (await client.post("/agent", json={"input": [], **ids})).json() == ["s", "u", []]


async def test_S58_an_error_in_a_stream_is_its_last_event() -> None:
    """The client learns what it was; what came before it is there."""
    app = AgentApp()

    @app.endpoint("/fails")
    async def fails() -> AsyncIterator[int]:
        yield 1
        raise ValueError("no more")

    async with started(app) as client:
        events = [json.loads(line[6:]) for line in (await client.post("/fails")).text.splitlines() if line]
    error = {"error": "no more", "error_type": "ValueError", "message": "Error in streaming generator"}
    assert events == [1, error]


async def test_S59_odd_objects_are_written_streamed_or_not() -> None:
    """An object with to_dict, a set, a date inside a model: in both modes the same JSON."""
    app = AgentApp()
    app.endpoint("/one")(lambda: Odd())

    @app.endpoint("/many")
    async def many() -> AsyncIterator[Odd]:
        yield Odd()

    expected = {"odd": [1], "at": {"at": "2020-01-02T00:00:00Z"}}
    async with started(app) as client:
        assert (await client.post("/one")).json() == expected
        assert json.loads((await client.post("/many")).text.removeprefix("data: ")) == expected
