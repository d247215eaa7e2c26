"""Each framework's own agents, as they are: S17, S28, S45, S52, S65, S100."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asking import ask, started
from model_server import ModelServer
from real_agents import KINDS, Workshop, framework_of, turn, workshop

from agentscope_runtime.engine import AgentApp


@pytest.fixture
async def shop() -> AsyncIterator[Workshop]:
    """Make agents whose model is a scripted one."""
    with ModelServer() as model:
        async with workshop(model) as opened:
            yield opened


@pytest.mark.parametrize("kind", KINDS)
async def test_S17_S65_a_ready_agent_is_served_with_its_state_by_session(shop: Workshop, kind: str) -> None:
    """AgentApp(agent=…): three sessions at once, two turns each, no user_id, and neither knows of the other."""
    app = AgentApp(agent=shop.make(kind))
    async with started(app) as client:
        names = {"s1": "Alice", "s2": "Bob", "s3": "Carol"}
        await asyncio.gather(*(ask(client, f"My name is {name}.", session_id=s) for s, name in names.items()))
        answers = await asyncio.gather(*(ask(client, "What is my name?", session_id=s) for s in names))
        assert [answer.text for answer in answers] == [f"Your name is {name}." for name in names.values()]
        stranger = await ask(client, "What is my name?", session_id="s4")
        assert stranger.text == "You have not told me your name."
        assert stranger.response["usage"]["output_tokens"] == 7, "as the model counts: words"


@pytest.mark.parametrize("kind", KINDS)
async def test_S17_a_function_that_makes_agents_is_served_too(shop: Workshop, kind: str) -> None:
    """Each run has its own agent, and still finds what its session left."""
    app = AgentApp(agent=lambda: shop.make(kind))
    async with started(app) as client:
        await ask(client, "My name is Alice.", session_id="s1")
        assert (await ask(client, "What is my name?", session_id="s1")).text == "Your name is Alice."


@pytest.mark.parametrize("kind", KINDS)
async def test_S28_S45_S52_S100_a_handler_runs_an_agent_in_its_frameworks_words(shop: Workshop, kind: str) -> None:
    """The messages go in as they come, and what the agent yields goes out as it is."""
    app = AgentApp()

    @app.query(framework=framework_of(kind))
    async def answer(self: Any, msgs: Any, **kwargs: Any) -> AsyncIterator[Any]:
        async for item in turn(kind, shop.make(kind), msgs):
            yield item

    async with started(app) as client:
        reading = await ask(client, "What is the capital of France?")
    assert "Paris" in reading.text
    (message,) = [message for message in reading.messages if message["type"] == "message"]
    assert (message["role"], message["text"]) == ("assistant", "The capital of France is Paris.")


@pytest.mark.parametrize("kind", KINDS)
async def test_S77_S83_a_stop_reaches_the_tool_of_an_agent(shop: Workshop, kind: str) -> None:
    """What the agent waits for is cancelled, the stream ends, and nobody asks the model again."""
    app = AgentApp()
    waiting, told = asyncio.Event(), list[str]()

    async def execute_python_code(code: str) -> str:
        """Run code.

        Args:
            code: Which.
        """
        waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            told.append("cancelled")
        return ""

    @app.query(framework=framework_of(kind))
    async def answer(self: Any, msgs: Any, **kwargs: Any) -> AsyncIterator[Any]:
        async for item in turn(kind, shop.make(kind, [execute_python_code]), msgs):
            yield item

    async with started(app) as client:
        running = asyncio.create_task(ask(client, "Run `6 * 7`", session_id="s"))
        await waiting.wait()
        assert await app.stop_chat(session_id="s")
        assert (await running).response["status"] == "canceled"
        assert told == ["cancelled"]
        assert len(shop.model.asked) == 1
        assert (await ask(client, "What is the capital of France?", session_id="s")).text.endswith("Paris.")
