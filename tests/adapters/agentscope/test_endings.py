"""Agents that a handler runs by itself, and that are stopped: their replies end, and their memories are in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from agentscope.agent import AgentBase, ReActAgent
from agentscope.message import Msg
from agentscope.pipeline import stream_printing_messages
from agentscope.tool import Toolkit, ToolResponse
from scripted_chat import ScriptedChat, Turn, friday
from served_agent import Echo
from virtual_time import virtual

from agentscope_runtime.adapters.agentscope.endings import end_with_their_run
from agentscope_runtime.adapters.lending import PATIENCE_S
from agentscope_runtime.engine.services.keepalive import handling


def with_a_tool() -> tuple[ReActAgent, asyncio.Event]:
    """Make an agent that calls a tool which never answers, and what is set when it waits for it."""
    reached = asyncio.Event()

    async def look() -> ToolResponse:
        """Look."""
        reached.set()
        await asyncio.Event().wait()
        return ToolResponse(content=[])

    toolkit = Toolkit()
    toolkit.register_tool_function(look)
    return friday([Turn(calls=[("1", "look", {})]), Turn("too late")], toolkit=toolkit), reached


async def read(stream: AsyncIterator[Any]) -> None:
    """Read a stream to its end."""
    async for _ in stream:
        pass


def streamed(agent: AgentBase) -> AsyncIterator[Any]:
    """Run an agent as handlers do."""
    return aiter(stream_printing_messages([agent], agent(Msg("user", "x", "user"))))


async def kinds(agent: ReActAgent) -> list[str]:
    """Return what stands in an agent's memory, in order."""
    msgs = await agent.memory.get_memory()
    return [block["type"] for msg in msgs for block in msg.get_content_blocks()]


async def test_an_interruption_is_over_when_interrupt_returns() -> None:
    """The call that was broken off has a result by then: a state that is saved now can be loaded again."""
    agent, reached = with_a_tool()
    reading = asyncio.create_task(read(streamed(agent)))
    await reached.wait()
    reading.cancel()
    with suppress(asyncio.CancelledError):
        await reading
    assert await kinds(agent) == ["text", "tool_use"]
    await agent.interrupt()
    assert await kinds(agent) == ["text", "tool_use", "tool_result", "text"]


async def test_an_agent_may_interrupt_itself() -> None:
    """From within its reply nobody waits for the reply."""

    class Hasty(Echo):
        async def reply(self, msg: Any) -> Msg:
            await self.interrupt()
            return await super().reply(msg)

        async def handle_interrupt(self, *args: Any, **kwargs: Any) -> Msg:
            return Msg("Hasty", "interrupted", "assistant")

    agent = Hasty()
    agent.holds = asyncio.Event()
    assert (await agent(Msg("user", "x", "user"))).get_text_content() == "interrupted"


@virtual
async def test_an_agent_that_does_not_end_is_not_waited_for_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    """It goes on, and the log says so."""

    class Stubborn(Echo):
        async def handle_interrupt(self, *args: Any, **kwargs: Any) -> Msg:
            await asyncio.sleep(60)
            return Msg("Stubborn", "what?", "assistant")

    agent = Stubborn()
    agent.holds = asyncio.Event()
    reply = asyncio.create_task(agent(Msg("user", "x", "user")))
    await agent.reached.wait()
    await agent.interrupt()
    assert asyncio.get_running_loop().time() == PATIENCE_S
    assert "Stubborn goes on" in caplog.text
    assert (await reply).get_text_content() == "what?"


async def test_an_agent_ends_with_its_run() -> None:
    """A handler that only leaves the stream, as most do, leaves no agent behind that goes on."""
    agent, reached = with_a_tool()

    async def run() -> None:
        async with handling("u", "s"):
            await read(streamed(agent))

    running = asyncio.create_task(run())
    await reached.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await kinds(agent) == ["text", "tool_use", "tool_result", "text"]
    assert isinstance(agent.model, ScriptedChat)
    assert len(agent.model.prompts) == 1, "it asked the model again"


async def test_without_a_run_agents_do_what_they_did() -> None:
    """They answer, and nobody has to be told of their task."""
    agent = Echo()
    assert (await agent(Msg("user", "x", "user"))).get_text_content() == "x"


def test_it_is_done_once() -> None:
    """However often it is called."""
    before = AgentBase.interrupt, AgentBase.__call__
    end_with_their_run()
    assert (AgentBase.interrupt, AgentBase.__call__) == before
