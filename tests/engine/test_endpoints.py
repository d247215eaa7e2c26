"""Custom endpoints: functions answered as JSON, generators streamed."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

import pytest
from endpoint_answers import chunks, serve
from fastapi import BackgroundTasks, Depends, Header, HTTPException, Request, Response
from fastapi.responses import PlainTextResponse
from fastapi.testclient import TestClient
from pydantic import BaseModel

from agentscope_runtime.engine.schemas.agent_schemas import AgentRequest


class Config(BaseModel):
    """A body."""

    name: str
    size: int = 1


class Place(BaseModel):
    """Another one."""

    town: str


@dataclass
class Found:
    """A result that is no JSON."""

    at: datetime

    def to_dict(self) -> dict[str, Any]:
        """Describe itself; the fields of a dataclass come first."""
        raise AssertionError


class Sdk:
    """A result that knows how to describe itself."""

    def to_dict(self) -> dict[str, Any]:
        """Describe itself."""
        return {"found": Found(datetime(2026, 11, 21, tzinfo=UTC)), "tags": {"a"}}


DESCRIBED = {"found": {"at": "2026-11-21T00:00:00Z"}, "tags": ["a"]}


def plain() -> dict[str, str]:
    """Return at once."""
    return {"msg": "Hello world"}


async def later() -> dict[str, str]:
    """Return after a turn of the loop."""
    await asyncio.sleep(0)
    return plain()


class Callable_:
    """An object that is called."""

    async def __call__(self) -> dict[str, str]:
        """Return at once."""
        return plain()


@pytest.mark.parametrize("function", [plain, later, Callable_(), partial(lambda msg: {"msg": msg}, "Hello world")])
def test_a_function_is_answered_as_json(function: Callable[..., Any]) -> None:
    """Whatever its kind, what it returns is the body."""
    answer = serve(function).post("/it")
    assert (answer.status_code, answer.json()) == (200, {"msg": "Hello world"})


def count(upto: int = 2) -> Iterator[str]:
    """Count, plainly."""
    for number in range(upto):
        yield f"number: {number}\n"


async def count_async(upto: int = 2) -> AsyncIterator[str]:
    """Count on the loop."""
    for text in count(upto):
        await asyncio.sleep(0)
        yield text


async def give_count(upto: int = 2) -> Iterator[str]:
    """Return a plain generator from a coroutine."""
    return count(upto)


async def give_count_async(upto: int = 2) -> AsyncIterator[str]:
    """Return an async generator from a coroutine."""
    return count_async(upto)


def give(upto: int = 2) -> AsyncIterator[str]:
    """Return an async generator from a plain function."""
    return count_async(upto)


@pytest.mark.parametrize("function", [count, count_async, give_count, give_count_async, give, partial(count)])
def test_a_generator_is_streamed(function: Callable[..., Any]) -> None:
    """Each chunk is an event of JSON; functions that return a generator stream as well as those that are one."""
    client = serve(function)
    assert chunks(client.post("/it")) == ["number: 0\n", "number: 1\n"]
    assert chunks(client.post("/it?upto=1")) == ["number: 0\n"]
    assert chunks(client.post("/it?upto=0")) == []
    assert client.post("/it?upto=many").status_code == 422


def in_both_modes(function: Callable[..., Any]) -> list[TestClient]:
    """Return clients of a function, and of a generator with the same parameters that yields its result."""

    def streaming(**values: Any) -> Iterator[Any]:
        yield function(**values)

    streaming.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    streaming.__annotations__ = function.__annotations__
    return [serve(function, "/it/{kind}"), serve(streaming, "/it/{kind}")]


def parse(  # noqa: D103 - what it does is its parameters
    kind: str,
    request: Request,
    config: Config,
    n: int,
    tags: Annotated[str, Header()] = "none",
    twice: int = Depends(lambda n: int(n) * 2),
) -> dict[str, Any]:
    return {"kind": kind, "ua": request.method, "name": config.name, "n": n, "tags": tags, "twice": twice}


def test_parameters_follow_fastapi_in_both_modes() -> None:
    """Path, query, header, body model, Request and Depends; what does not fit is 422 before anything runs."""
    for client in in_both_modes(parse):
        answer = client.post("/it/a?n=3", json={"name": "x"}, headers={"tags": "t"})
        body = chunks(answer)[0] if answer.headers["Content-Type"].startswith("text/event-stream") else answer.json()
        assert body == {"kind": "a", "ua": "POST", "name": "x", "n": 3, "tags": "t", "twice": 6}
        bad_ones: list[Any] = [{"json": {"size": 1}}, {"json": {"name": "x", "size": "big"}}, {"content": b"{"}, {}]
        for bad in bad_ones:
            refused = client.post("/it/a?n=3", **bad)
            assert refused.status_code == 422
            assert set(refused.json()["detail"][0]) >= {"type", "loc", "msg", "input"}


def test_two_models_stand_under_their_names() -> None:
    """That is how FastAPI embeds them."""

    async def both(config: Config, place: Place) -> str:
        return config.name + place.town

    assert serve(both).post("/it", json={"config": {"name": "a"}, "place": {"town": "b"}}).json() == "ab"


def test_a_dict_is_the_body_and_a_request_of_agents_is_one() -> None:
    """The two kinds of body that the documents show."""

    async def keep(data: dict[str, Any]) -> dict[str, Any]:
        return data

    async def whose(request: AgentRequest, **kwargs: Any) -> list[Any]:
        assert not kwargs
        return [request.session_id, request.user_id, request.input]

    assert serve(keep).post("/it", json={"a": [1]}).json() == {"a": [1]}
    body = {"input": [], "session_id": "ss-123", "user_id": "uu-123"}
    assert serve(whose).post("/it", json=body).json() == ["ss-123", "uu-123", []]


def test_only_its_methods_are_answered() -> None:
    """The default is POST; another one is 405."""
    assert serve(plain).get("/it").status_code == 405
    assert serve(plain, methods=("GET",)).get("/it").json() == plain()


def test_any_value_is_written_in_both_modes() -> None:
    """What describes itself is not `{}`, and a date is no error in a stream."""

    async def value() -> list[Any]:
        return [Sdk()]

    async def stream() -> AsyncIterator[Sdk]:
        yield Sdk()

    assert serve(value).post("/it").json() == [DESCRIBED]
    assert chunks(serve(stream).post("/it")) == [DESCRIBED]


def test_a_response_is_passed_on_as_it_is() -> None:
    """Whoever makes a response himself has the last word; so has he who asks for FastAPI's own."""
    done: list[str] = []

    async def own() -> Response:
        return PlainTextResponse("tea", 418)

    async def coloured(response: Response, tasks: BackgroundTasks) -> str:
        response.status_code, response.headers["X-Colour"] = 201, "red"
        tasks.add_task(done.append, "afterwards")
        return "made"

    answer = serve(own).post("/it")
    assert (answer.status_code, answer.text) == (418, "tea")
    answer = serve(coloured).post("/it")
    assert (answer.status_code, answer.json(), answer.headers["X-Colour"]) == (201, "made", "red")
    assert done == ["afterwards"]


def test_a_failure_of_a_function_is_fastapis() -> None:
    """An HTTPException has its status, anything else is a 500 without a word of what it was."""

    async def refuse() -> None:
        raise HTTPException(404, "no such thing")

    def fail() -> None:
        raise ValueError("a secret")

    answer = serve(refuse).post("/it")
    assert (answer.status_code, answer.json()) == (404, {"detail": "no such thing"})
    answer = serve(fail).post("/it")
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
