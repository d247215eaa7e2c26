"""What a query handler may ask for, and what it is given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from types import MethodType
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from asking import ask, body
from fastapi import Depends, Header
from pydantic import BaseModel
from query_app import QueryApp, client_of, echo

from agentscope_runtime.engine.errors import InvalidOption, UnknownFramework
from agentscope_runtime.engine.queries import Query, bound
from agentscope_runtime.engine.runner import Runner
from agentscope_runtime.engine.schemas.agent_schemas import AgentRequest

if TYPE_CHECKING:
    from nowhere import Unknown  # type: ignore[import-not-found]  # as handlers import what only annotations need


ME = Depends(lambda: "me")


class Connection:
    """Something that is opened for a request and closed after it."""

    def __init__(self) -> None:
        self.is_open = True


async def connection() -> AsyncIterator[Connection]:
    """Open one for a request."""
    one = Connection()
    yield one
    one.is_open = False


async def test_dependencies_are_provided() -> None:
    """FastAPI provides what defaults and annotations ask it for, and it is open while the handler streams."""

    async def handler(
        self: Runner,
        msgs: Any,
        request: AgentRequest,
        db: Connection = Depends(connection),  # noqa: B008 - the form that the documents use
        agent: Annotated[str, Header(alias="X-Agent")] = "nobody",
        **kwargs: Any,
    ) -> AsyncGenerator[str, None]:
        yield f"{agent} {db.is_open}"
        await asyncio.sleep(0.01)
        yield f" {db.is_open} {sorted(kwargs)}"

    app = await QueryApp().started(handler)
    async with client_of(app) as client:
        answer = await client.post("/process", json=body(), headers={"X-Agent": "Friday"})
        assert "Friday True True ['response']" in answer.text
        assert (await ask(client)).text == "nobody True True ['response']"
    assert "X-Agent" in str(app.openapi()["paths"]["/process"]["post"]["parameters"])


async def test_dependencies_that_fail_answer_for_themselves() -> None:
    """A header that is missing is FastAPI's 422; no run begins."""

    async def handler(http: Annotated[int, Header()], request: AgentRequest) -> str:
        return str(http)

    async with client_of(await QueryApp().started(handler)) as client:
        assert (await client.post("/process", json=body())).status_code == 422
        assert "5" in (await client.post("/process", json=body(), headers={"http": "5"})).text


async def test_annotations_may_be_unknown_at_run_time() -> None:
    """Types that are imported for type checkers only do no harm."""

    async def handler(msgs: Unknown, caller: Unknown = ME) -> Unknown:
        return caller

    async with client_of(await QueryApp().started(handler)) as client:
        assert (await ask(client)).text == "me"


async def test_requests_may_have_a_model_of_their_own() -> None:
    """What the application takes for a request, its handlers get, and OpenAPI describes."""

    class Question(AgentRequest):
        mood: str

    async def handler(request: Question) -> str:
        return f"{type(request).__name__} {request.mood}"

    app = await QueryApp(request_model=Question).started(handler)
    async with client_of(app) as client:
        assert (await ask(client, mood="good")).text == "Question good"
        assert (await client.post("/process", json=body())).status_code == 422
    assert "Question" in app.openapi()["components"]["schemas"]


async def test_requests_may_be_anything() -> None:
    """A model that is no `AgentRequest` at all gets ids all the same."""

    class Order(BaseModel):
        item: str

    async def handler(request: Any) -> str:
        return f"{request.item} {request.session_id == request.user_id}"

    async with client_of(await QueryApp(request_model=Order).started(handler)) as client:
        answer = await client.post("/process", json={"item": "tea"})
        assert "tea True" in answer.text


async def test_several_handlers_share_their_runner() -> None:
    """Each path has its handler, and all of them get the same `self`."""

    async def remember(self: Any) -> str:
        self.name = "Alice"
        return "noted"

    async def recall(self: Any) -> str:
        return str(self.name)

    app = await QueryApp().started(remember, "/remember")
    app.add(recall, "/recall")
    async with client_of(app) as client:
        assert (await ask(client, path="/remember")).text == "noted"
        assert (await ask(client, path="/recall")).text == "Alice"


@pytest.mark.parametrize(
    ("handler", "is_bound"),
    [
        (lambda self: None, True),
        (lambda self, msgs: None, True),
        (lambda this, msgs, request: None, True),
        (lambda self, **kwargs: None, True),
        (lambda msgs, request: None, False),
        (lambda request: None, False),
        (lambda **kwargs: None, False),
        (lambda: None, False),
        (lambda caller=ME: None, False),
        (lambda history=(): None, False),
    ],
)
def test_self_is_the_runner(handler: Callable[..., Any], is_bound: bool) -> None:
    """The first parameter is the runner where it is meant so, whatever its name."""
    assert isinstance(bound(handler, Runner()), MethodType) is is_bound


def test_methods_have_their_self_already() -> None:
    """A method of an object of the application's own stays its."""

    class Agent:
        def answer(msgs: Any) -> None:
            """Answer."""

    method = Agent().answer
    assert bound(method, Runner()) is method


@pytest.mark.parametrize("handler", [lambda question: None, lambda self, msgs, history: None])
def test_what_nobody_can_provide_is_refused(handler: Callable[..., Any]) -> None:
    """A handler that asks for something unknown is refused when it is registered, with what it may ask for."""
    with pytest.raises(InvalidOption, match=r"'(question|history)': it may ask for self, msgs, request, response"):
        Query(handler, path="/process", framework=None, runner=Runner())


def test_an_unknown_framework_is_refused() -> None:
    """A name that no adapter has fails at once."""
    with pytest.raises(UnknownFramework, match="framework must be one of"):
        Query(echo, path="/process", framework="crew", runner=Runner())
