"""Several agents in one handler, at work in one sandbox at the same time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from agentscope.agent import AgentBase
from agentscope.pipeline import fanout_pipeline, stream_printing_messages
from asking import body, started
from managers import Server
from model_server import ModelServer
from real_agents import workshop
from strict_reader import parse_sse, read

from agentscope_runtime.engine import AgentApp
from agentscope_runtime.engine.schemas.agent_schemas import AgentRequest
from agentscope_runtime.engine.services.sandbox import SandboxService

pytestmark = [pytest.mark.docker, pytest.mark.slow]

NAMES = ["Researcher", "Writer"]
QUESTION = "Run `count = globals().get('count', 0) + 1; print('run', count)`"


async def test_S96_two_agents_work_in_one_sandbox(make_server: Callable[..., Server]) -> None:
    """Each runs a cell and the second sees what the first did; their messages interleave, and each of them closes."""
    server = make_server(POOL_SIZE="base=1").wait_ready()
    app = AgentApp()
    async with SandboxService(base_url=server.url, bearer_token=server.key) as sandboxes:
        with ModelServer() as model:
            async with workshop(model) as shop, started(app) as client:

                @app.query(framework="agentscope")
                async def answer(self: Any, msgs: Any, request: AgentRequest) -> AsyncIterator[Any]:
                    assert request.session_id
                    (box,) = await sandboxes.connect_async(request.session_id, request.user_id)
                    agents: list[AgentBase] = [shop.make("agentscope-openai", [box.run_ipython_cell]) for _ in NAMES]
                    for agent, name in zip(agents, NAMES, strict=True):
                        agent.name = name
                    task = fanout_pipeline(agents, msgs)
                    async for pair in stream_printing_messages(agents=agents, coroutine_task=task):
                        yield pair

                events, done = parse_sse((await client.post("/process", json=body(QUESTION))).text)
    assert done
    reading = read(events)
    by_agent = {name: [one for one in reading.messages if name_of(one) == name] for name in NAMES}
    for name in NAMES:
        assert [one["type"] for one in by_agent[name] if one["role"] == "assistant"] == ["plugin_call", "message"]
    said = sorted(str(by_agent[name][-1]["text"]).strip() for name in NAMES)
    assert said == ["It printed: run 1", "It printed: run 2"]
    last_end = {name: max(order(events, one["id"]) for one in by_agent[name]) for name in NAMES}
    first_begin = {name: min(order(events, one["id"], "in_progress") for one in by_agent[name]) for name in NAMES}
    assert max(first_begin.values()) < min(last_end.values()), "one was through before the other began"


def name_of(message: dict[str, Any]) -> str:
    """Return the agent whose message it is."""
    return str((message["metadata"] or {}).get("original_name"))


def order(events: list[dict[str, Any]], message: str, status: str = "completed") -> int:
    """Return the number of the event at which a message began, or ended."""
    found = [one for one in events if one["object"] == "message" and one["id"] == message and one["status"] == status]
    return int(found[0]["sequence_number"])
