"""An application under test, started as a server would start it, and how clients ask its agents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI
from strict_reader import Reading, parse_sse, read

from agentscope_runtime.engine import AgentApp
from agentscope_runtime.engine.schemas.agent_schemas import AgentRequest

QUESTION = "What is the capital of France?"
WORDS = ["The capital ", "of France ", "is Paris."]


def friday(**options: Any) -> AgentApp:
    """Make the documents' Friday, with a handler that needs no model."""
    app = AgentApp(app_name="Friday", app_description="A helpful assistant", **options)

    @app.query(framework=None)
    async def answer(self: Any, request: AgentRequest, **kwargs: Any) -> AsyncIterator[str]:
        for word in WORDS:
            yield word

    return app


@asynccontextmanager
async def started(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Run an application's lifespan, and give a client that reaches it without a socket."""
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://agent") as one:
        yield one


def body(text: str = QUESTION, **fields: Any) -> dict[str, Any]:
    """Write a request as the documents write it: no types, no ids but those that are given."""
    return {"input": [{"role": "user", "content": [{"type": "text", "text": text}]}], **fields}


async def ask(client: httpx.AsyncClient, text: str = QUESTION, path: str = "/process", **fields: Any) -> Reading:
    """Ask an agent, and read its stream to the end as strictly as can be."""
    return heard(await client.post(path, json=body(text, **fields)))


def heard(answer: httpx.Response) -> Reading:
    """Read a stream that has ended as strictly as can be."""
    assert answer.status_code == 200, answer.text
    events, done = parse_sse(answer.text)
    assert done, "the stream does not end with [DONE]"
    return read(events)
