"""A compiled graph behind `AgentApp(agent=…)`: each session has its own conversation with it.

    AgentApp(agent=graph)           # a graph has no state of its own: its runs go side by side
    AgentApp(agent=make_graph)      # a function without arguments that makes one for each run

A graph with a checkpointer keeps its state there, in the thread that `conversation_of` names. Of one without, the state
service of the application keeps the messages, after each turn that came to its end; other channels start anew.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Annotated, Any, cast

from fastapi import Depends
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage, messages_from_dict, messages_to_dict
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.pregel import Pregel

from agentscope_runtime.adapters.makers import made_by, maker_of
from agentscope_runtime.adapters.states import OwnStates, States, conversation_of, states_of_app
from agentscope_runtime.engine.errors import InvalidOption

Graph = Pregel[Any, Any, Any, Any]

STOPPED = "The run was stopped before this tool answered."
"""What the model is told of a call whose result never came: no model takes a conversation without it."""


def serve(agent: Any) -> Callable[..., AsyncIterator[Any]] | None:
    """Return a query handler that runs a graph, or what a function makes; None if that is no graph of langgraph.

    A function is known by what it says it returns, else by what it makes when it is called here.

    Raises:
        InvalidOption: the graph does not talk in messages.
    """
    if isinstance(agent, Pregel):
        _check(agent)
    elif maker_of(agent, Pregel) is None:
        return None
    own = OwnStates()

    async def serve_graph(
        self: Any, msgs: list[Any], request: Any, states: Annotated[Any, Depends(states_of_app)] = None
    ) -> AsyncIterator[Any]:
        """Run the graph in the session's thread."""
        graph = agent if isinstance(agent, Pregel) else _check(await made_by(agent, Pregel))
        if isinstance(graph.checkpointer, BaseCheckpointSaver):
            replies = _in_thread(graph, msgs, request)
        else:
            replies = _with_history(graph, msgs, request, await own.unless(states))
        async with aclosing(replies):
            async for reply in replies:
                yield reply

    return serve_graph


async def _in_thread(graph: Graph, msgs: list[Any], request: Any) -> AsyncGenerator[Any, None]:
    """Continue the conversation that the checkpointer has."""
    config = _config(request)
    before = (await graph.aget_state(config)).values.get("messages", [])
    given = {"messages": [*_results_of_stopped(before), *msgs]}
    async with aclosing(_streamed(graph, given, config, "messages")) as replies:
        async for reply in replies:
            yield reply


async def _with_history(graph: Graph, msgs: list[Any], request: Any, service: States) -> AsyncGenerator[Any, None]:
    """Continue the conversation that the state service has."""
    key = {"user_id": request.user_id, "session_id": request.session_id}
    kept = await service.export_state(**key) or {}
    history = messages_from_dict(kept.get("messages", []))
    given = {"messages": [*history, *msgs]}
    state: dict[str, Any] = given
    async with aclosing(_streamed(graph, given, _config(request), ["messages", "values"])) as replies:
        async for mode, reply in replies:
            if mode == "messages":
                yield reply
            else:
                state = reply
    await service.save_state(state={"messages": messages_to_dict(state["messages"])}, **key)


def _streamed(graph: Graph, given: Any, config: RunnableConfig, mode: Any) -> AsyncGenerator[Any, None]:
    return cast(AsyncGenerator[Any, None], graph.astream(given, config, stream_mode=mode))


def _config(request: Any) -> RunnableConfig:
    """Return what nodes find of the session in their config."""
    ids = {"user_id": request.user_id, "session_id": request.session_id}
    return {"configurable": {"thread_id": conversation_of(**ids), **ids}}


def _results_of_stopped(messages: Sequence[BaseMessage]) -> list[ToolMessage]:
    """Return results for calls at the end of a conversation that have none, because their run was stopped."""
    answered = {message.tool_call_id for message in messages if isinstance(message, ToolMessage)}
    last = next((message for message in reversed(messages) if not isinstance(message, ToolMessage)), None)
    calls = last.tool_calls if isinstance(last, AIMessage) else []
    return [
        ToolMessage(STOPPED, tool_call_id=call["id"], name=call["name"], status="error")
        for call in calls
        if call["id"] and call["id"] not in answered
    ]


def _check(graph: Graph) -> Graph:
    if "messages" not in graph.channels:
        known = ", ".join(sorted(name for name in graph.channels if not name.startswith(("__", "branch:"))))
        raise InvalidOption(
            f"the graph has no channel 'messages' (but {known}): write a handler for it with @app.query"
        )
    return graph
