"""Handlers as users write them, with real agents in agentscope's own pipeline, through the engine's runner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import fakeredis
from agentscope.message import Msg
from agentscope.pipeline import fanout_pipeline, sequential_pipeline, stream_printing_messages
from agentscope.session import RedisSession
from agentscope.tool import Toolkit
from answering_browser import PIXEL, TOOLS, Browser
from scripted_chat import Prompt, Turn, friday, said_to
from strict_reader import Reading, read

from agentscope_runtime.adapters.agentscope.memory import AgentScopeSessionHistoryMemory
from agentscope_runtime.engine.runner import Runner
from agentscope_runtime.engine.schemas.agent_schemas import AgentRequest
from agentscope_runtime.engine.services.agent_state import InMemoryStateService
from agentscope_runtime.engine.services.session_history import InMemorySessionHistoryService

Handler = Callable[..., AsyncIterator[Any]]


async def ask(handler: Handler, said: str, **request: Any) -> Reading:
    """Return what a client reads of a handler's answer; the stream is read strictly."""
    runner = Runner()
    runner.framework_type = "agentscope"
    runner.query_handler = handler  # type: ignore[method-assign]
    asked = {"input": [{"role": "user", "content": [{"type": "text", "text": said}]}], **request}
    async with runner:
        return read([event.model_dump(mode="json") async for event in runner.stream_query(asked)])


def printed(agents: list[Any], talk: Any) -> Any:
    """Return agentscope's own pipeline; its types say that a pair may also be three."""
    return stream_printing_messages(agents=agents, coroutine_task=talk)


def remembers(prompt: Prompt) -> Turn:
    """Answer from the prompt alone."""
    if "What is my name" in said_to(prompt[-1:]):
        return Turn("Your name is Alice." if "My name is Alice" in said_to(prompt) else "I do not know.")
    return Turn("Nice to meet you.", thinking="A name.")


async def test_an_agent_is_streamed() -> None:
    """The handler of the documents: `stream_printing_messages` of one agent, called with all msgs."""

    async def query(msgs: list[Msg], request: AgentRequest | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        agent = friday(remembers)
        async for msg, last in printed([agent], agent(msgs)):
            yield msg, last

    reading = await ask(query, "My name is Alice.")
    assert reading.text == "Nice to meet you."
    assert [one["type"] for one in reading.messages] == ["reasoning", "message"]


async def test_sessions_are_kept_on_redis_as_agentscope_does_it() -> None:
    """`RedisSession` on a Redis within the process loads and saves the agent's state."""
    redis = fakeredis.FakeAsyncRedis(decode_responses=True)
    session: Any = RedisSession(connection_pool=redis.connection_pool)

    async def query(msgs: list[Msg], request: AgentRequest, **kwargs: Any) -> AsyncIterator[Any]:
        agent = friday(remembers)
        key = {"session_id": str(request.session_id), "user_id": str(request.user_id)}
        await session.load_session_state(**key, agent=agent)
        async for msg, last in printed([agent], agent(msgs)):
            yield msg, last
        await session.save_session_state(**key, agent=agent)

    await ask(query, "My name is Alice.", session_id="s")
    assert (await ask(query, "What is my name?", session_id="s")).text == "Your name is Alice."
    assert (await ask(query, "What is my name?", session_id="t")).text == "I do not know."
    await session.get_client().aclose()
    await redis.aclose()


async def test_state_and_history_are_kept_by_the_services() -> None:
    """Both at once, as version 1.0's documents have it; without a user, the session is its own."""
    async with InMemoryStateService() as states, InMemorySessionHistoryService() as history:

        async def query(msgs: list[Msg], request: AgentRequest, **kwargs: Any) -> AsyncIterator[Any]:
            session_id, user_id = str(request.session_id), str(request.user_id)
            state = await states.export_state(session_id=session_id, user_id=user_id)
            memory = AgentScopeSessionHistoryMemory(service=history, session_id=session_id, user_id=user_id)
            agent = friday(remembers, memory=memory)
            if state:
                agent.load_state_dict(state)
            async for msg, last in printed([agent], agent(msgs)):
                yield msg, last
            await states.save_state(user_id=user_id, session_id=session_id, state=agent.state_dict())

        said = ["My name is Alice.", "What is my name?"]
        first = await asyncio.gather(*(ask(query, said[0], session_id=f"s{number}") for number in range(4)))
        again = await asyncio.gather(*(ask(query, said[1], session_id=f"s{number}") for number in range(5)))
        assert {one.text for one in first} == {"Nice to meet you."}
        assert [one.text for one in again] == ["Your name is Alice."] * 4 + ["I do not know."]
        state = await states.export_state(session_id="s0", user_id="s0")
        assert "Alice" not in str(state)  # the messages are in the history, and only there


async def test_an_agent_browses() -> None:
    """The five tools of the documents, from the toolkit to the client: calls, results and the picture."""
    calls = [("1", "browser_navigate", {"url": "http://a"}), ("2", "browser_take_screenshot", {})]

    async def query(msgs: list[Msg], **kwargs: Any) -> AsyncIterator[Any]:
        box: Any = Browser()
        toolkit = Toolkit()
        for name in TOOLS:
            toolkit.register_tool_function(getattr(box, name))
        agent = friday([Turn("I look.", calls=calls), Turn("Nice page.")], toolkit=toolkit)
        async for msg, last in printed([agent], agent(msgs)):
            yield msg, last

    reading = await ask(query, "Look at http://a")
    outputs = [one for one in reading.messages if one["type"] == "plugin_call_output"]
    assert [one["content"][0]["data"]["call_id"] for one in outputs] == ["1", "2"]
    assert "http://a" in outputs[0]["content"][0]["data"]["output"]
    assert outputs[1]["content"][1]["image_url"] == f"data:image/jpeg;base64,{PIXEL}"
    assert reading.messages[-1]["text"] == "Nice page."


async def test_several_agents_speak_one_after_the_other() -> None:
    """Each with its name; the second hears the first."""

    def second(prompt: Prompt) -> Turn:
        return Turn("I heard it." if "One two three" in said_to(prompt) else "What?")

    async def query(msgs: list[Msg], **kwargs: Any) -> AsyncIterator[Any]:
        agents: list[Any] = [friday([Turn("One two three")], name="Alice"), friday(second, name="Bob")]
        talk = sequential_pipeline(agents, msgs[0])
        async for msg, last in printed(agents, talk):
            yield msg, last

    reading = await ask(query, "Count")
    said = [(one["metadata"]["original_name"], one["text"]) for one in reading.messages]
    assert said == [("Alice", "One two three"), ("Bob", "I heard it.")]


async def test_several_agents_speak_at_once() -> None:
    """Their words are interleaved in the stream, and whole in the end."""
    both = asyncio.Barrier(2)

    async def query(msgs: list[Msg], **kwargs: Any) -> AsyncIterator[Any]:
        agents: list[Any] = [
            friday([Turn("a b c", f"{name} thinks", pause=both.wait)], name=name) for name in ("Alice", "Bob")
        ]
        talk = fanout_pipeline(agents, msgs[0])
        async for msg, last in printed(agents, talk):
            yield msg, last

    reading = await asyncio.wait_for(ask(query, "Count"), 10)
    said = {(one["metadata"]["original_name"], one["type"], one["text"]) for one in reading.messages}
    assert said == {
        ("Alice", "reasoning", "Alice thinks"),
        ("Alice", "message", "a b c"),
        ("Bob", "reasoning", "Bob thinks"),
        ("Bob", "message", "a b c"),
    }


async def test_an_agent_that_was_interrupted_says_so() -> None:
    """`await agent.interrupt()` ends its message where it was, and it answers in another one."""
    reached = asyncio.Event()

    async def forever() -> None:
        reached.set()
        await asyncio.Event().wait()

    async def query(msgs: list[Msg], **kwargs: Any) -> AsyncIterator[Any]:
        agent = friday([Turn("a b c", pause=forever)])
        interrupting = asyncio.create_task(_interrupt(agent, reached))
        async for msg, last in printed([agent], agent(msgs)):
            yield msg, last
        await interrupting

    reading = await asyncio.wait_for(ask(query, "Count"), 10)
    assert sorted(one["text"] for one in reading.messages)[1] == "a b"
    assert "interrupted me" in reading.text


async def _interrupt(agent: Any, reached: asyncio.Event) -> None:
    await reached.wait()
    await agent.interrupt()
