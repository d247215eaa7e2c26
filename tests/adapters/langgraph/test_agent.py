"""Real graphs of langgraph behind AgentApp, with a scripted model."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any, TypedDict

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from model_server import ModelServer
from recorded_box import PIXEL, RecordedBox, RecordedBoxAsync
from turns import Conversations

from agentscope_runtime.adapters.langgraph import ADAPTER
from agentscope_runtime.adapters.langgraph.agent import STOPPED
from agentscope_runtime.adapters.langgraph.tool import sandbox_tool_adapter
from agentscope_runtime.adapters.states import conversation_of
from agentscope_runtime.engine.errors import InvalidOption


@pytest.fixture
def model() -> Iterator[ModelServer]:
    """Serve the scripted model."""
    with ModelServer() as server:
        yield server


def agent_on(model: ModelServer, *tools: BaseTool, saver: InMemorySaver | None = None) -> Any:
    """Make a graph of a model that uses tools until it answers."""
    llm = ChatOpenAI(model="scripted", base_url=model.openai, api_key="none", stream_usage=True)
    bound = llm.bind_tools(tools) if tools else llm

    async def think(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await bound.ainvoke([SystemMessage("You are Friday."), *state["messages"]])]}

    graph = StateGraph(MessagesState).add_node("think", think).add_edge(START, "think")
    if tools:
        graph.add_node("tools", ToolNode(tools)).add_conditional_edges("think", tools_condition)
        graph.add_edge("tools", "think")
    return graph.compile(checkpointer=saver)


@pytest.mark.parametrize("keeps", ["checkpointer", "state service"])
async def test_sessions_remember_their_own(model: ModelServer, keeps: str) -> None:
    """Two users with a session of the same name are two conversations."""
    graph = agent_on(model, saver=InMemorySaver() if keeps == "checkpointer" else None)
    agent = Conversations(ADAPTER, graph)
    await asyncio.gather(agent.say("My name is Alice.", "s1"), agent.say("My name is Bob.", "s2"))
    assert (await agent.say("What is my name?", "s1")).text == "Your name is Alice."
    assert (await agent.say("What is my name?", "s2")).text == "Your name is Bob."
    assert (await agent.say("What is my name?", "s1", user="u2")).text == "You have not told me your name."
    assert bool(agent.states.kept) == (keeps == "state service")


async def test_a_function_makes_a_graph_for_each_run(model: ModelServer) -> None:
    """Sessions remember all the same."""
    agent = Conversations(ADAPTER, lambda: agent_on(model))
    await agent.say("My name is Alice.")
    assert (await agent.say("What is my name?")).text == "Your name is Alice."


@pytest.mark.parametrize("kind", [RecordedBox, RecordedBoxAsync])
async def test_tools_act_in_a_sandbox(model: ModelServer, kind: type[RecordedBox] | type[RecordedBoxAsync]) -> None:
    """Three rounds of calls: each call and result is a message, pictures with them, and the costs are told."""
    box = kind()
    methods = (box.browser_navigate, box.browser_snapshot, box.browser_take_screenshot)
    agent = Conversations(ADAPTER, agent_on(model, *map(sandbox_tool_adapter, methods)))
    reading = await agent.say("What does https://example.com say?")
    assert reading.text == "Let me look.The page says: Hello"
    kinds = [message["type"] for message in reading.messages]
    assert kinds == ["message", *["plugin_call", "plugin_call_output"] * 3, "message"]
    data = [part["data"] for message in reading.messages for part in message["content"] if part["type"] == "data"]
    assert data[0] == {"call_id": data[1]["call_id"], "name": "browser_navigate", "arguments": data[0]["arguments"]}
    assert data[1]["output"] == 'browser_navigate: heading "Hello" [ref=e1]'
    pictures = [part for message in reading.messages for part in message["content"] if part["type"] == "image"]
    assert [picture["image_url"] for picture in pictures] == [f"data:image/png;base64,{PIXEL}"]
    assert reading.response["usage"]["total_tokens"] == sum(
        message["usage"]["total_tokens"] for message in reading.messages if message["usage"]
    )
    again = await agent.say("What is my name?")
    assert again.text == "You have not told me your name.", "and the conversation goes on after it"


async def test_a_picture_reaches_the_model(model: ModelServer) -> None:
    """Sent by the user, in the form that the model's API takes."""
    agent = Conversations(ADAPTER, agent_on(model))
    url = f"data:image/png;base64,{PIXEL}"
    assert (await agent.say([{"type": "text", "text": "Look"}, {"type": "image", "image_url": url}])).text == (
        "You said: Look"
    )
    sent = model.asked[0].messages[-1]["content"]
    assert sent == [{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {"url": url}}]


@pytest.mark.parametrize("saver", [InMemorySaver(), None])
async def test_a_session_goes_on_after_a_run_that_was_stopped_in_a_tool(
    model: ModelServer, saver: InMemorySaver | None
) -> None:
    """The call that was never answered is answered so, for no model takes a conversation that lacks it."""
    entered = asyncio.Event()

    @tool
    async def browser_navigate(url: str) -> str:
        """Navigate."""
        entered.set()
        await asyncio.Event().wait()
        return "never"

    agent = Conversations(ADAPTER, agent_on(model, browser_navigate, saver=saver))
    run = asyncio.create_task(agent.say("Look at https://example.com"))
    await entered.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert (await agent.say("My name is Alice.")).text == "Nice to meet you, Alice."
    roles = [message["role"] for message in model.asked[-1].messages]
    if saver is None:
        assert roles == ["system", "user"], "a turn that was stopped never was"
    else:
        assert roles == ["system", "user", "assistant", "tool", "user"]
        assert model.asked[-1].messages[3]["content"] == STOPPED


async def test_a_reader_that_leaves_ends_the_graph(model: ModelServer) -> None:
    """Nothing goes on in the background, and nothing was kept."""
    agent = Conversations(ADAPTER, agent_on(model))
    async with aclosing(agent.outputs("Hello there")) as outputs:
        await anext(outputs)
    assert agent.states.kept == {}


async def test_nodes_that_speak_at_the_same_time_are_heard_both() -> None:
    """Each has a message of its own, whichever way their words alternate; fakes of langchain stream, too."""

    def speaker(words: str) -> Any:
        model = GenericFakeChatModel(messages=iter([AIMessage(words)]))

        async def speak(state: MessagesState) -> dict[str, Any]:
            return {"messages": [await model.ainvoke(state["messages"])]}

        return speak

    graph: Any = StateGraph(MessagesState)
    for name, words in {"anna": "one two three", "bob": "eins zwei drei"}.items():
        graph.add_node(name, speaker(words)).add_edge(START, name)
    reading = await Conversations(ADAPTER, graph.compile()).say("count")
    assert sorted(message["text"] for message in reading.messages) == ["eins zwei drei", "one two three"]


async def test_nodes_find_the_session_in_their_config() -> None:
    """User, session and thread, for tools that need to know for whom they act."""
    seen: list[Any] = []

    async def look(state: MessagesState, config: RunnableConfig) -> dict[str, Any]:
        seen.append({name: config["configurable"][name] for name in ("user_id", "session_id", "thread_id")})
        return {"messages": [AIMessage("ok")]}

    graph: Any = StateGraph(MessagesState)
    agent = Conversations(ADAPTER, graph.add_node("look", look).add_edge(START, "look").compile())
    assert (await agent.say("hi", session="s", user="u")).text == "ok"
    assert seen == [{"user_id": "u", "session_id": "s", "thread_id": conversation_of("u", "s")}]


class Other(TypedDict):
    """A state without messages."""

    question: str


def test_a_graph_without_messages_is_refused() -> None:
    """The error says what to do instead."""
    graph: Any = StateGraph(Other)
    with pytest.raises(InvalidOption, match=r"no channel 'messages' \(but question\): write a handler"):
        ADAPTER.serve(graph.add_node("a", lambda state: state).add_edge(START, "a").compile())


@pytest.mark.parametrize("agent", [object(), lambda: "no agent", HumanMessage, str])
def test_other_things_are_not_served(agent: Any) -> None:
    """Another adapter may know them."""
    assert ADAPTER.serve(agent) is None
