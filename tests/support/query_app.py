"""An application of query handlers and nothing else: what the engine's `AgentApp` is made of, without it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import httpx
from fastapi import FastAPI

from agentscope_runtime.engine.errors import EngineError
from agentscope_runtime.engine.interrupts import LocalInterruptBackend, TaskState
from agentscope_runtime.engine.problems import answer
from agentscope_runtime.engine.queries import Answering, Query
from agentscope_runtime.engine.runner import Runner
from agentscope_runtime.engine.runs import Runs
from agentscope_runtime.engine.schemas.agent_schemas import AgentRequest


class NotingBackend(LocalInterruptBackend):
    """Keeps states in memory, and how runs ended in a queue."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: asyncio.Queue[TaskState] = asyncio.Queue()

    async def set_task_state(self, key: str, state: TaskState, ttl: int = 3600) -> None:
        """Set a state, and note an end."""
        await super().set_task_state(key, state, ttl)
        if state is not TaskState.RUNNING:
            self.ends.put_nowait(state)


class QueryApp(FastAPI):
    """Serves handlers that yield text."""

    def __init__(self, **answering: Any) -> None:
        """Serve none yet; `answering` are fields of `queries.Answering`."""
        super().__init__()
        self.add_exception_handler(EngineError, answer)
        self.answering = Answering(**answering)
        self.runner = Runner()
        self.backend = NotingBackend()
        self.runs = Runs(self.backend)

    async def started(self, handler: Callable[..., Any], path: str = "/process") -> QueryApp:
        """Serve one more handler."""
        self.add(handler, path)
        await self.runner.start()
        return self

    def add(self, handler: Callable[..., Any], path: str) -> None:
        """Serve one more handler, before or after the start."""
        query = Query(handler, path=path, framework="text", runner=self.runner)
        self.post(path, response_model=None)(query.endpoint(self.runs, self.answering))


def client_of(app: QueryApp) -> httpx.AsyncClient:
    """Return a client that reaches an application without a socket."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://agent")


async def echo(self: Runner, request: AgentRequest) -> AsyncGenerator[str, None]:
    """Say what was said."""
    yield f"You said: {request.input[-1].get_text_content()}"
