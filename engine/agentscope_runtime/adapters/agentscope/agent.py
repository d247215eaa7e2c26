"""A ready agent behind `AgentApp(agent=…)`: each session finds it as it left it, and no other session's words in it.

    AgentApp(agent=agent)           # one agent: one run at a time, the others wait
    AgentApp(agent=make_agent)      # a function without arguments that makes one for each run: they run side by side

What is kept is the agent's `state_dict()`, after each turn that did not fail; so its memory has to be in that. What an
agent prints to the console is turned off: it is its users'.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Annotated, Any

from agentscope.agent import AgentBase
from agentscope.memory import MemoryBase
from agentscope.message import Msg
from fastapi import Depends

from agentscope_runtime.adapters.agentscope.blocks import blocks_in
from agentscope_runtime.adapters.agentscope.counting import CountingModel
from agentscope_runtime.adapters.agentscope.message import refuse_linked_pictures
from agentscope_runtime.adapters.lending import MOST_UNREAD, Keeping, Lend, Loan, a_new_one
from agentscope_runtime.adapters.makers import made_by, maker_of
from agentscope_runtime.adapters.states import OwnStates, states_of_app
from agentscope_runtime.engine.errors import InvalidOption
from agentscope_runtime.engine.steps import Used


def serve(agent: Any) -> Callable[..., AsyncIterator[Any]] | None:
    """Return a query handler that runs an agent, or what a function makes; None if that is no agent of agentscope.

    A function is known by what it says it returns, else by what it makes when it is called here.

    Raises:
        InvalidOption: the agent's memory is that of one session.
    """
    if isinstance(agent, AgentBase):
        return _handler(_KEEPING.the_one(_checked(agent)))
    if (make := maker_of(agent, AgentBase)) is not None:

        async def made() -> AgentBase:
            return _checked(await made_by(make, AgentBase))

        return _handler(a_new_one(made))
    return None


def _handler(lend: Lend[AgentBase]) -> Callable[..., AsyncIterator[Any]]:
    own = OwnStates()

    async def serve_agent(
        self: Any, msgs: list[Msg], request: Any, states: Annotated[Any, Depends(states_of_app)] = None
    ) -> AsyncIterator[Any]:
        """Run the agent with the session's state."""
        service, key = await own.unless(states), {"user_id": request.user_id, "session_id": request.session_id}
        async with lend() as loan:
            agent = loan.agent
            refuse_linked_pictures(msgs, getattr(agent, "formatter", None))
            await _KEEPING.restore(agent, await service.export_state(**key), request.session_id)
            failed = False
            try:
                async with aclosing(spoken(loan, msgs)) as outputs:
                    async for output in outputs:
                        yield output
            except Exception:
                failed = True  # this turn never was: with what broke it in its memory, each of the next would fail
                raise
            finally:
                if not failed and not await _has_open_calls(agent):
                    await service.save_state(state=agent.state_dict(), **key)

    return serve_agent


def _checked(agent: AgentBase) -> AgentBase:
    """Refuse an agent whose memory is kept elsewhere under one session's name: every session would read it."""
    memory = getattr(agent, "memory", None)
    for name in ("session_id", "_session_id"):
        if session := getattr(memory, name, None):
            raise InvalidOption(
                f"the agent's {type(memory).__name__} is that of session {session!r}, and all would share it: "
                "give the agent an InMemoryMemory, which is kept for each session, or write a handler with @app.query"
            )
    return agent


async def _save(agent: AgentBase) -> dict[str, Any]:
    return agent.state_dict()


async def _load(agent: AgentBase, state: dict[str, Any]) -> None:
    agent.load_state_dict(state)


_KEEPING = Keeping(_save, _load)


async def _has_open_calls(agent: AgentBase) -> bool:
    """Say whether the agent was stopped between a call and its result: no model takes such a conversation again."""
    memory = getattr(agent, "memory", None)
    if not isinstance(memory, MemoryBase):
        return False
    blocks = [block for msg in await memory.get_memory() for block in blocks_in(msg.content)]
    answered = {block.get("id") for block in blocks if block["type"] == "tool_result"}
    return any(block["type"] == "tool_use" and block.get("id") not in answered for block in blocks)


async def spoken(loan: Loan[AgentBase], msgs: list[Msg]) -> AsyncGenerator[Any, None]:
    """Run an agent, and yield what it prints as it is printed, and at the end what it cost.

    When this is closed or cancelled the agent is interrupted, and has a while to put its memory in order.
    """
    agent, queue = loan.agent, asyncio.Queue[Any](MOST_UNREAD)
    agent.set_console_output_enabled(False)
    agent.set_msg_queue_enabled(True, queue)
    with _counted(agent) as model:
        replying = asyncio.create_task(_reply(agent, msgs, queue), name=f"reply of {type(agent).__name__}")
        try:
            silent = True
            while (printed := await queue.get()) is not _END:
                silent = False
                yield _with_servers(printed, agent)
            reply = await replying
            if silent and isinstance(reply, Msg):
                yield reply, True
            if model is not None and model.usage is not None:
                yield Used(model.usage)
        finally:
            agent.set_msg_queue_enabled(False)
            if not replying.done():
                replying.cancel()  # agents answer it by `handle_interrupt`, most by an error
            await loan.end(replying)


_END = object()


async def _reply(agent: AgentBase, msgs: list[Msg], queue: asyncio.Queue[Any]) -> Any:
    try:
        # One is what every agent takes; several only those that say so.
        return await agent(msgs[0] if len(msgs) == 1 else msgs)
    finally:
        if getattr(agent, "msg_queue", None) is queue:  # somebody reads it
            await queue.put(_END)


@contextmanager
def _counted(agent: AgentBase) -> Iterator[CountingModel | None]:
    if (model := vars(agent).get("model")) is None:
        yield None
        return
    agent.model = counting = CountingModel(model)
    try:
        yield counting
    finally:
        agent.model = model


def _with_servers(printed: Any, agent: AgentBase) -> Any:
    """Mark the calls of MCP tools in a printed Msg, which is a copy, with their servers: only the toolkit knows."""
    tools = getattr(getattr(agent, "toolkit", None), "tools", {})
    for block in printed[0].content if isinstance(printed[0].content, list) else ():
        if block.get("type") == "tool_use" and (tool := tools.get(block.get("name"))) and tool.mcp_name:
            block.update(tool_type="mcp", server_label=tool.mcp_name)
    return printed
