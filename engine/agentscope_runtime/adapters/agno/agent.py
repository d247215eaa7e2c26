"""A ready agent or team behind `AgentApp(agent=…)`: each session has its own conversation with it.

    AgentApp(agent=agent)           # agno's agents serve many sessions: runs go side by side
    AgentApp(agent=make_agent)      # a function without arguments that makes one for each run

An agent with a database keeps its sessions there, and is told what it said before if it is made so
(`add_history_to_context=True`). Of one without, the state service of the application keeps the messages, after each
turn that came to its end. A team takes one message at a time, so it needs a database to remember.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Annotated, Any

from agno.agent import Agent
from agno.models.message import Message
from agno.run.agent import RunOutput
from agno.run.team import TeamRunOutput
from fastapi import Depends

from agentscope_runtime.adapters.makers import made_by, maker_of
from agentscope_runtime.adapters.states import OwnStates, States, conversation_of, states_of_app
from agentscope_runtime.engine.errors import InvalidOption
from agentscope_runtime.engine.serialization import to_jsonable

INSTRUCTIONS = ("system", "developer")
"""Roles of what agno itself tells a model first, each time anew."""


def serve(agent: Any) -> Callable[..., AsyncIterator[Any]] | None:
    """Return a query handler that runs an agent or a team, or what a function makes; None if that is none of agno.

    A function is known by what it says it returns, else by what it makes when it is called here.

    Raises:
        InvalidOption: it is a team that cannot remember.
    """
    kinds = _kinds()
    if isinstance(agent, kinds):
        _check(agent)
    elif maker_of(agent, *kinds) is None:
        return None
    own = OwnStates()

    async def serve_agent(
        self: Any, msgs: list[Any], request: Any, states: Annotated[Any, Depends(states_of_app)] = None
    ) -> AsyncIterator[Any]:
        """Run the agent in the session."""
        one: Any = agent if isinstance(agent, kinds) else _check(await made_by(agent, *_kinds()))
        if one.db is not None:
            events = _events(one, msgs, request)
        else:
            events = _with_history(one, msgs, request, await own.unless(states))
        async with aclosing(events):
            async for event in events:
                yield event

    return serve_agent


async def _with_history(agent: Any, msgs: list[Any], request: Any, service: States) -> AsyncGenerator[Any, None]:
    """Continue the conversation that the state service has."""
    key = {"user_id": request.user_id, "session_id": request.session_id}
    kept = await service.export_state(**key) or {}
    history = [Message.from_dict(message) for message in kept.get("messages", [])]
    async with aclosing(_events(agent, [*history, *msgs], request)) as events:
        async for event in events:
            if isinstance(event, RunOutput | TeamRunOutput) and event.parent_run_id is None:
                said = [message for message in event.messages or () if message.role not in INSTRUCTIONS]
                state = {"messages": [to_jsonable(message.to_dict()) for message in said]}
                await service.save_state(state=state, **key)
            yield event


def _events(agent: Any, msgs: list[Any], request: Any) -> AsyncGenerator[Any, None]:
    session = conversation_of(request.user_id, request.session_id)
    given = msgs if isinstance(agent, Agent) else _one_of(msgs)
    events: AsyncGenerator[Any, None] = agent.arun(
        given, session_id=session, user_id=request.user_id, stream=True, stream_events=True, yield_run_output=True
    )
    return events


def _one_of(msgs: list[Any]) -> Message | None:
    """Return what a user said as one message, with the texts of all: a team would take a list for a text."""
    if not msgs:
        return None
    messages = [message if isinstance(message, Message) else Message.model_validate(message) for message in msgs]
    texts = [message.get_content_string() for message in messages]
    return messages[-1].model_copy(update={"content": "\n".join(filter(None, texts))})


def _check(agent: Any) -> Any:
    if not isinstance(agent, Agent) and agent.db is None:
        raise InvalidOption(
            f"the team {agent.name} has no database, so it would forget its sessions: "
            "give it db=InMemoryDb(), or another one, and add_history_to_context=True"
        )
    return agent


def _kinds() -> tuple[type, ...]:
    """Return the classes of agents; that of teams is loaded by those who have one."""
    team = sys.modules.get("agno.team.team")
    return (Agent, team.Team) if team is not None else (Agent,)
