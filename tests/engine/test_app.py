"""AgentApp as a whole: what it takes, what it registers, who may call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from asking import ask, body, started
from fastapi import Depends, FastAPI, Header, Request
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware

from agentscope_runtime.engine import AgentApp, Runner
from agentscope_runtime.engine.errors import InvalidOption, MissingFramework, SessionBusy, UnknownFramework
from agentscope_runtime.engine.frameworks import FRAMEWORKS, Framework
from agentscope_runtime.engine.interrupts import LocalInterruptBackend, TaskState
from agentscope_runtime.engine.schemas.agent_schemas import AgentRequest


def echo(app: AgentApp, **where: Any) -> AgentApp:
    """Add a handler that says what it was told."""

    @app.query(framework="text", **where)
    async def answer(self: Any, request: AgentRequest) -> AsyncIterator[str]:
        yield f"{where.get('path', 'echo')}: {request.input[-1].get_text_content()}"

    return app


def unstarted(app: FastAPI) -> httpx.AsyncClient:
    """Return a client of an application whose lifespan did not run."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://agent")


async def test_name_and_description_are_the_documents_too() -> None:
    """FastAPI's own title wins where somebody gives one."""
    app = AgentApp(app_name="Friday", app_description="Helps", version="2", docs_url=None)
    assert (app.app_name, app.app_description, app.title, app.description) == ("Friday", "Helps", "Friday", "Helps")
    assert (app.version, app.docs_url) == ("2", None)
    assert AgentApp(app_name="Friday", title="The Friday API").title == "The Friday API"


async def test_several_agents_share_an_application() -> None:
    """Each has its path; the welcome page names them all."""
    app = echo(echo(AgentApp(endpoint_path="/ask"), path="/writer"))
    echo(app)
    async with started(app) as client:
        assert (await ask(client, "hi", "/writer")).text == "/writer: hi"
        assert (await ask(client, "hi", "/ask")).text == "echo: hi"
        assert (await client.post("/process", json=body())).status_code == 404
        endpoints = (await client.get("/")).json()["endpoints"]
        assert (endpoints["process"], endpoints["writer"]) == ("/ask", "/writer")


async def test_a_second_handler_on_a_path_takes_the_place_of_the_first() -> None:
    """As in the notebook in which somebody runs a cell again."""
    app = echo(AgentApp())

    @app.query(framework=None)
    async def second(self: Any) -> str:
        return "second"

    async with started(app) as client:
        assert (await ask(client)).text == "second"
        assert list((await client.get("/openapi.json")).json()["paths"]["/process"]) == ["post"]


def test_an_unknown_framework_fails_where_it_is_named() -> None:
    """The line with the typing error is in the trace, not the one below it."""
    with pytest.raises(UnknownFramework, match="framework must be one of agentscope, langgraph, agno, autogen, text"):
        AgentApp().query(framework="agentscop")


def test_a_missing_framework_says_which_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, too, and not at the first request."""
    gone = Framework(name="agno", imports="no_such_package", package="agno")
    monkeypatch.setitem(FRAMEWORKS, "agno", gone)
    with pytest.raises(MissingFramework, match=r"needs the package agno: pip install '.*\[agno\]'"):
        AgentApp().query(framework="agno")


def test_options_that_do_nothing_are_refused() -> None:
    """Both those that do not exist yet and those that make no sense, when the application is made."""
    with pytest.raises(InvalidOption, match="broker_url= asks for tasks on a Celery broker"):
        AgentApp(broker_url="redis://localhost:6379/0")
    with pytest.raises(InvalidOption, match="request_model"):
        AgentApp(request_model=dict)  # type: ignore[arg-type]
    with pytest.raises(InvalidOption, match="agent=<int> is no agent"):
        AgentApp(agent=5)
    with pytest.raises(InvalidOption, match="no option bearer_tokken=: is bearer_token= meant"):
        AgentApp(bearer_tokken="typing error")


async def test_a_request_model_of_ones_own_says_what_a_body_is() -> None:
    """What it asks for must be there, and the handler gets it."""

    class Letter(AgentRequest):
        to: str

    app = AgentApp(request_model=Letter)

    @app.query(framework=None)
    async def answer(self: Any, request: Letter) -> str:
        return f"to {request.to}"

    async with started(app) as client:
        assert (await ask(client, to="Alice")).text == "to Alice"
        refused = await client.post("/process", json=body())
        assert (refused.status_code, refused.json()["detail"][0]["loc"]) == (422, ["body", "to"])


async def test_without_streams_each_query_is_one_document() -> None:
    """`response_type="json"` is the same as `stream=False`."""
    async with started(echo(AgentApp(response_type="json"))) as client:
        answer = await client.post("/process", json=body("hi"))
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.json()["output"][0]["text"] == "echo: hi"


async def test_a_runner_with_a_handler_needs_no_decorator() -> None:
    """Subclasses of Runner are served as they are; without a handler there is no route."""

    class Greeter(Runner):
        framework_type = "text"

        async def init_handler(self, *args: Any, **kwargs: Any) -> None:
            self.greeting = "Hello"

        async def query_handler(self, msgs: Any, request: AgentRequest, **kwargs: Any) -> AsyncIterator[str]:
            yield f"{self.greeting}, {request.user_id}"

    async with started(AgentApp(runner=Greeter())) as client:
        assert (await ask(client, user_id="Alice")).text == "Hello, Alice"
    async with started(AgentApp(runner=Runner())) as client:
        assert (await client.post("/process", json=body())).status_code == 404


async def test_custom_endpoints_can_be_moved_to_another_application() -> None:
    """What one application has registered, another takes."""
    app = AgentApp()

    @app.endpoint("/add/{n}", methods=["get", "post"])
    def add(n: int) -> int:
        return n + 1

    assert [(one["path"], one["methods"], one["function_name"]) for one in app.custom_endpoints] == [
        ("/add/{n}", ["GET", "POST"], "add")
    ]
    assert add(1) == 2
    async with started(AgentApp(custom_endpoints=app.custom_endpoints)) as client:
        assert (await client.get("/add/1")).json() == (await client.post("/add/1")).json() == 2


async def test_what_is_fastapis_stays_as_it_was() -> None:
    """Dependencies, middleware of both ways, the lifespan's state, and errors of native routes."""

    class Marks(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: Any) -> Any:
            response = await call_next(request)
            response.headers["X-Mark"] = "marked"
            return response

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, int]]:
        yield {"answer": 42}

    def tenant(x_tenant: str = Header("nobody")) -> Iterator[str]:
        yield x_tenant.upper()

    seen: list[Any] = []

    async def note(request: Request) -> None:
        seen.append(request.url.path)

    app = AgentApp(lifespan=lifespan, middleware=[Middleware(Marks)], dependencies=[Depends(note)])
    assert isinstance(app, FastAPI)

    @app.query(framework=None)
    async def answer(self: Any, tenant: str = Depends(tenant)) -> str:
        return tenant

    @app.get("/broken")
    async def broken() -> None:
        raise KeyError("secret")

    async with started(app) as client:
        response = await client.post("/process", json=body(), headers={"X-Tenant": "acme"})
        assert '"text":"ACME"' in response.text
        assert response.headers["X-Mark"] == "marked"
        with pytest.raises(KeyError):
            await client.get("/broken")
    assert seen == ["/process", "/broken"]


async def test_a_session_has_one_run_which_can_be_stopped() -> None:
    """A second request is 409; `stop_chat` finds the run, also when no user was named; the handler hears of it."""
    backend = LocalInterruptBackend()
    app = AgentApp(interrupt_backend=backend)
    begun = asyncio.Event()
    told: list[str] = []

    @app.query(framework=None)
    async def wait(self: Any, request: AgentRequest) -> AsyncIterator[str]:
        try:
            yield "waiting"
            begun.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            told.append(f"Task {request.session_id} was manually interrupted.")
            raise

    async with started(app) as client:
        first = asyncio.create_task(ask(client, session_id="ss-123"))
        await asyncio.wait_for(begun.wait(), 20)
        busy = await client.post("/process", json=body(session_id="ss-123"))
        assert (busy.status_code, busy.json()["code"]) == (409, "session_busy")
        assert "Task ss-123:ss-123 is already in RUNNING state." in busy.json()["detail"]
        assert not await app.stop_chat(user_id="somebody else", session_id="ss-123")
        assert await app.stop_chat(session_id="ss-123")
        assert (await first).response["status"] == "canceled"
        assert not await app.stop_chat(session_id="ss-123")
    assert told == ["Task ss-123 was manually interrupted."]
    assert TaskState.STOPPED in {state for state, _ in backend._states.values()}


async def test_any_generator_can_be_the_run_of_a_session() -> None:
    """`run_and_stream` holds the session as a query does."""
    app = echo(AgentApp())

    async def count(upto: int) -> AsyncIterator[int]:
        for number in range(upto):
            yield number

    async with started(app) as client:
        numbers = app.run_and_stream("u", "s", count, 3)
        assert await anext(numbers) == 0
        assert (await client.post("/process", json=body(session_id="s", user_id="u"))).status_code == 409
        with pytest.raises(SessionBusy):
            await anext(app.run_and_stream("u", "s", count, 1))
        assert [number async for number in numbers] == [1, 2]
        assert (await client.post("/process", json=body(session_id="s", user_id="u"))).status_code == 200


async def test_it_can_be_part_of_another_application() -> None:
    """Mounted, it lives when the outer one has it live; else it says that it was not started."""
    app = echo(AgentApp())

    @asynccontextmanager
    async def lifespan(outer: FastAPI) -> AsyncIterator[None]:
        async with app.router.lifespan_context(app):
            yield

    outer = FastAPI(lifespan=lifespan)
    outer.mount("/friday", app)
    async with started(outer) as client:
        assert (await ask(client, "hi", "/friday/process")).text == "echo: hi"
        assert (await client.get("/friday/readiness")).status_code == 200
    async with unstarted(outer) as client:
        refused = await client.post("/friday/process", json=body())
        assert (refused.status_code, refused.json()["code"]) == (503, "not_started")
        assert (await client.get("/friday/readiness")).status_code == 503
        assert (await client.get("/friday/health")).json()["status"] == "stopped"
