"""Ready agents whose run is stopped, or whose reader leaves: a good end, and a session that goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from typing import Any, cast

import pytest
from agentscope.message import TextBlock
from agentscope.tool import Toolkit, ToolResponse
from scripted_chat import ScriptedChat, Turn, friday, said_to
from served_agent import Echo, Turns
from virtual_time import virtual

from agentscope_runtime.engine.services.agent_state import InMemoryStateService


@pytest.fixture
async def states() -> AsyncIterator[InMemoryStateService]:
    """Yield a service that keeps states in this process."""
    async with InMemoryStateService() as service:
        yield service


@pytest.mark.parametrize("how", ["cancelled", "closed"])
async def test_an_agent_that_is_stopped_puts_its_memory_in_order(how: str, states: Any) -> None:
    """It hears of it, and what was said so far is kept for the next turn."""
    forever = asyncio.Event()
    agent = friday([Turn("a b c", pause=forever.wait), Turn("again")])
    turns = Turns(agent, states)
    outputs = turns.outputs("x")
    said = [(await anext(outputs))[0].get_text_content() for _ in range(2)]
    assert said == ["a", "a b"]
    if how == "closed":
        await outputs.aclose()
    else:
        with pytest.raises(asyncio.CancelledError):
            await outputs.athrow(asyncio.CancelledError())
    await turns.ask("y")
    (prompt,) = cast(ScriptedChat, agent.model).prompts[1:]
    assert all(part in said_to(prompt) for part in ("x", "a b", "interrupted me", "y"))


@virtual
async def test_what_a_stopped_turn_still_does_is_in_no_others_conversation(states: Any) -> None:
    """A tool that must not be broken off takes longer than anybody waits for it; the next user waits for the agent."""
    paid = asyncio.Event()

    async def pay() -> ToolResponse:
        """Pay."""
        end = asyncio.get_running_loop().time() + 8
        while (left := end - asyncio.get_running_loop().time()) > 0:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(left)
        paid.set()
        return ToolResponse(content=[TextBlock(type="text", text="Alice paid")])

    toolkit = Toolkit()
    toolkit.register_tool_function(pay)
    agent = friday([Turn(calls=[("1", "pay", {})]), Turn("for Alice"), Turn("for Bob"), Turn("again")], toolkit=toolkit)
    turns = Turns(agent, states)
    running = asyncio.create_task(turns.ask("pay", user="alice"))
    await asyncio.sleep(1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not paid.is_set()
    bob = [await turns.ask("hello", user="bob"), await turns.ask("and now?", user="bob")]
    assert paid.is_set()
    assert not any("Alice" in str(one.response) for one in bob)
    assert not any("Alice" in said_to(prompt) for prompt in cast(ScriptedChat, agent.model).prompts[-2:])


async def test_a_run_that_waits_for_its_agent_is_cancelled(states: Any) -> None:
    """As stopping a run does it: in the middle of waiting, with an agent that knows no interruption."""
    agent = Echo()
    agent.holds = asyncio.Event()
    running = asyncio.create_task(Turns(agent, states).ask("x"))
    await asyncio.wait_for(agent.reached.wait(), 10)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    agent.holds = None
    assert (await Turns(agent, states).ask("y")).text.endswith("y")


async def test_a_reader_that_leaves_does_not_hold_the_agent(states: Any) -> None:
    """Neither when its queue is full, nor when it is about to say that it is through."""
    for words in (500, 1):
        agent = friday([Turn(" ".join("abc" for _ in range(words)))])
        async with aclosing(Turns(agent, states).outputs("x")) as outputs:
            await anext(outputs)
            await asyncio.sleep(0)


@pytest.mark.filterwarnings("ignore:coroutine 'ReActAgent._acting' was never awaited")  # agentscope drops the second
async def test_a_conversation_that_no_model_takes_is_not_kept(states: Any) -> None:
    """Stopped in the first of two calls, an agent has no result for the second; the turn is as if it never was."""
    reached, forever = asyncio.Event(), asyncio.Event()

    async def look() -> ToolResponse:
        """Look."""
        reached.set()
        await forever.wait()
        return ToolResponse(content=[])

    toolkit = Toolkit()
    toolkit.register_tool_function(look)
    scripted = [Turn("hello"), Turn(calls=[("1", "look", {}), ("2", "look", {})]), Turn("again")]
    agent = friday(scripted, toolkit=toolkit)
    turns = Turns(agent, states)
    await turns.ask("first")
    running = asyncio.create_task(turns.ask("x"))
    await asyncio.wait_for(reached.wait(), 10)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await turns.ask("y")
    prompt = cast(ScriptedChat, agent.model).prompts[-1]
    assert [one["role"] for one in prompt] == ["system", "user", "assistant", "user"]
