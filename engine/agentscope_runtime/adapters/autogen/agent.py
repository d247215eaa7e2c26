"""A ready agent or team behind `AgentApp(agent=…)`: each session finds it as it left it.

    AgentApp(agent=agent)           # one agent: one run at a time, the others wait
    AgentApp(agent=make_agent)      # a function without arguments that makes one for each run: they run side by side

What is kept is what `save_state()` returns, after each turn that came to its end. A turn that failed or was stopped
never was: models do not take conversations that break off between a call and its result.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from functools import partial
from typing import Annotated, Any

from autogen_agentchat.base import ChatAgent, Team
from autogen_core import CancellationToken
from fastapi import Depends

from agentscope_runtime.adapters.lending import MOST_UNREAD, Keeping, Lend, Loan, a_new_one
from agentscope_runtime.adapters.makers import made_by, maker_of
from agentscope_runtime.adapters.states import OwnStates, states_of_app

Agent = ChatAgent | Team
KINDS = (ChatAgent, Team)


def serve(agent: Any) -> Callable[..., AsyncIterator[Any]] | None:
    """Return a query handler that runs an agent or a team, or what a function makes; None if that is none of autogen.

    A function is known by what it says it returns, else by what it makes when it is called here.
    """
    if isinstance(agent, KINDS):
        return _handler(_KEEPING.the_one(agent))
    if (make := maker_of(agent, *KINDS)) is not None:
        return _handler(a_new_one(partial(made_by, make, *KINDS)))
    return None


def _handler(lend: Lend[Agent]) -> Callable[..., AsyncIterator[Any]]:
    own = OwnStates()

    async def serve_agent(
        self: Any, msgs: list[Any], request: Any, states: Annotated[Any, Depends(states_of_app)] = None
    ) -> AsyncIterator[Any]:
        """Run the agent with the session's state."""
        service, key = await own.unless(states), {"user_id": request.user_id, "session_id": request.session_id}
        async with lend() as loan:
            agent = loan.agent
            await _KEEPING.restore(agent, await service.export_state(**key), request.session_id)
            async with aclosing(said_by(loan, msgs)) as outputs:
                async for output in outputs:
                    yield output
            await service.save_state(state=await _save(agent), **key)

    return serve_agent


async def _forget(agent: Agent) -> None:
    """Have an agent forget what its state does not say, such as how far a team had come."""
    if isinstance(agent, Team):
        await agent.reset()
    else:
        await agent.on_reset(CancellationToken())


async def _save(agent: Agent) -> dict[str, Any]:
    return dict(await agent.save_state())


async def _load(agent: Agent, state: dict[str, Any]) -> None:
    await agent.load_state(state)


_KEEPING = Keeping(_save, _load, _forget)


async def said_by(loan: Loan[Agent], msgs: list[Any]) -> AsyncGenerator[Any, None]:
    """Run an agent, and yield what it says.

    In a task of its own, because autogen ends in order only when its token is cancelled first: else a team waits for
    its members, and an agent leaves its tools running.
    """
    agent, token, queue = loan.agent, CancellationToken(), asyncio.Queue[Any](MOST_UNREAD)
    running = asyncio.create_task(_run(agent, msgs, token, queue), name=f"run of {agent.name}")
    try:
        while (output := await queue.get()) is not _END:
            yield output
        await running
    finally:
        if not running.done():
            token.cancel()
            running.cancel()
            await loan.end(running)


_END = object()


async def _run(agent: Agent, msgs: list[Any], token: CancellationToken, queue: asyncio.Queue[Any]) -> None:
    try:
        async for output in agent.run_stream(task=msgs or None, cancellation_token=token, output_task_messages=False):
            await queue.put(output)
    finally:
        if not token.is_cancelled():  # somebody reads it
            await queue.put(_END)
