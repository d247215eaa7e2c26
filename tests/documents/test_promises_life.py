"""The life of an application, and what its handlers are given: S30 to S38, S45 to S47, S84."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asking import ask, body, friday, started
from fastapi import Depends, FastAPI, Request

from agentscope_runtime.engine import AgentApp
from agentscope_runtime.engine.schemas.agent_schemas import AgentRequest


async def test_S30_S31_S34_hooks_run_in_the_documented_order(capsys: pytest.CaptureFixture[str]) -> None:
    """before_start, then the lifespan; at the end its second half, then after_finish; sync or async."""

    async def before_start(app: FastAPI, **kwargs: Any) -> None:
        print("🚀 服务启动中，初始化资源...")

    def after_finish(app: FastAPI, **kwargs: Any) -> None:
        print("🛑 服务即将关闭，释放资源...")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        print("user start")
        yield
        print("user end")

    async with started(friday(before_start=before_start, after_finish=after_finish, lifespan=lifespan)) as client:
        assert (await client.get("/readiness")).status_code == 200
        print("serving")
    assert capsys.readouterr().out.splitlines() == [
        "🚀 服务启动中，初始化资源...",
        "user start",
        "serving",
        "user end",
        "🛑 服务即将关闭，释放资源...",
    ]


async def test_S32_S33_S35_S36_a_lifespan_of_ones_own_replaces_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """It gets the application; what it puts on app.state is seen by handlers; runner and services run all the same."""

    @asynccontextmanager
    async def lifespan(given: FastAPI) -> AsyncIterator[None]:
        assert given is app
        given.state.greeting = "hello"
        print("✅ 服务初始化完成")
        yield
        assert await given.state.state_service.health()  # the framework's own end comes after the user's
        print("✅ 资源已清理")
        print("AgentApp is shutting down...")

    app = AgentApp(lifespan=lifespan)

    @app.query(framework=None)
    async def answer(self: Any, request: AgentRequest) -> str:
        assert await app.state.state_service.health()
        return str(app.state.greeting)

    async with started(app) as client:
        assert (await ask(client)).text == "hello"
    expected = ["✅ 服务初始化完成", "✅ 资源已清理", "AgentApp is shutting down..."]
    assert capsys.readouterr().out.splitlines() == expected


async def test_S37_S38_init_and_shutdown_work_and_warn() -> None:
    """They are deprecated; self is the Runner; what init sets on it, the handler sees; shutdown runs once, last."""
    app = AgentApp()
    told: list[str] = []
    with pytest.warns(DeprecationWarning, match="lifespan"):

        @app.init
        async def init_func(self: Any) -> None:
            self.greeting = "hello"
            told.append("init")

    with pytest.warns(DeprecationWarning, match="lifespan"):

        @app.shutdown
        async def shutdown_func(self: Any) -> None:
            told.append(f"shutdown {self.greeting}")

    @app.query(framework=None)
    async def answer(self: Any, request: AgentRequest) -> str:
        told.append("query")
        return str(self.greeting)

    async with started(app) as client:
        assert (await ask(client)).text == "hello"
    assert told == ["init", "query", "shutdown hello"]


def test_S45_the_documented_frameworks_are_known() -> None:
    """agentscope, autogen, agno and langgraph register at once; anything else is refused there."""
    app = AgentApp()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for framework in ("agentscope", "autogen", "agno", "langgraph"):
            app.query(framework=framework, path=f"/{framework}")(lambda self, msgs: None)
    with pytest.raises(ValueError, match="framework must be one of"):
        app.query(framework="nonesuch")


async def test_S46_S47_a_handler_gets_runner_messages_request_and_more() -> None:
    """self is the application's Runner, request carries the ids, a missing user is the session's own; Depends works."""
    app = AgentApp()
    seen: dict[str, Any] = {}

    def tenant(request: Request) -> str:
        return request.headers.get("X-Tenant", "none")

    @app.query(framework="text")
    async def answer(
        self: Any,
        msgs: Any,
        request: AgentRequest | None = None,
        tenant: str = Depends(tenant),
        **kwargs: Any,
    ) -> str:
        assert request is not None
        seen.update(runner=self, tenant=tenant, ids=(request.session_id, request.user_id))
        return "ok"

    async with started(app) as client:
        answered = await client.post("/process", json=body(session_id="s1"), headers={"X-Tenant": "acme"})
        assert answered.status_code == 200
    assert seen == {"runner": app._runner, "tenant": "acme", "ids": ("s1", "s1")}


async def test_S84_a_stopped_session_goes_on_from_its_saved_state() -> None:
    """The handler's finally saves; the next request of the session runs, and finds what was saved."""
    app = AgentApp()
    begun = asyncio.Event()

    @app.query(framework=None)
    async def count(self: Any, request: AgentRequest, **kwargs: Any) -> AsyncIterator[str]:
        states, key = app.state.state_service, {"user_id": request.user_id, "session_id": request.session_id}
        state = await states.export_state(**key) or {"turns": 0}
        try:
            yield f"turn {state['turns']}"
            begun.set()
            if state["turns"] == 0:
                await asyncio.Event().wait()
        finally:
            await states.save_state(**key, state={"turns": state["turns"] + 1})

    async with started(app) as client:
        first = asyncio.create_task(ask(client, session_id="s", user_id="u"))
        await asyncio.wait_for(begun.wait(), 10)
        busy = await client.post("/process", json=body(session_id="s", user_id="u"))
        assert busy.status_code == 409
        assert "Task u:s is already in RUNNING state." in busy.text
        assert await app.stop_chat(user_id="u", session_id="s")
        assert (await first).response["status"] == "canceled"
        assert (await ask(client, session_id="s", user_id="u")).text == "turn 1"
