"""Real agentscope agents behind AgentApp, with a scripted model: S37, S39, S48 to S52, S62 to S67, S79 to S84, S96,
S100, S102.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import fakeredis
import pytest
from agentscope.agent import AgentBase, ReActAgent
from agentscope.formatter import DashScopeChatFormatter, DashScopeMultiAgentFormatter, FormatterBase
from agentscope.memory import InMemoryMemory, MemoryBase
from agentscope.message import Msg
from agentscope.model import DashScopeChatModel
from agentscope.pipeline import sequential_pipeline, stream_printing_messages
from agentscope.session import RedisSession
from agentscope.tool import Toolkit, ToolResponse, execute_python_code
from asking import ask, started
from model_server import ModelServer
from real_agents import closed_dashscope

from agentscope_runtime.adapters.agentscope.memory import AgentScopeLongTermMemory, AgentScopeSessionHistoryMemory
from agentscope_runtime.engine import AgentApp
from agentscope_runtime.engine.schemas.agent_schemas import AgentRequest
from agentscope_runtime.engine.services.agent_state import InMemoryStateService
from agentscope_runtime.engine.services.memory import InMemoryMemoryService


@pytest.fixture
async def model() -> AsyncIterator[ModelServer]:
    """Serve the scripted model."""
    with ModelServer() as server:
        yield server
        await closed_dashscope()


def agent_on(
    model: ModelServer,
    memory: MemoryBase | None = None,
    name: str = "Friday",
    formatter: FormatterBase | None = None,
    **more: Any,
) -> ReActAgent:
    """Make the documents' agent."""
    toolkit = Toolkit()
    toolkit.register_tool_function(execute_python_code)
    agent = ReActAgent(
        name=name,
        sys_prompt=f"You are {name}.",
        model=DashScopeChatModel("scripted", api_key="none", stream=True, base_http_api_url=model.dashscope),
        formatter=formatter or DashScopeChatFormatter(),
        toolkit=toolkit,
        memory=memory or InMemoryMemory(),
        **more,
    )
    agent.set_console_output_enabled(enabled=False)
    return agent


async def test_S39_S48_S49_S52_the_documents_application_remembers(model: ModelServer) -> None:
    """RedisSession on fakeredis at app.state.session, loaded and saved in the handler around the stream."""
    app = AgentApp()
    redis = fakeredis.aioredis.FakeRedis(decode_responses=True)
    app.state.session = RedisSession(connection_pool=redis.connection_pool)

    @app.query(framework="agentscope")
    async def answer(self: Any, msgs: Any, request: AgentRequest, **kwargs: Any) -> AsyncIterator[Any]:
        agent = agent_on(model)
        ids = {"session_id": request.session_id, "user_id": request.user_id}
        await app.state.session.load_session_state(**ids, agent=agent)
        try:
            async for pair in stream_printing_messages(agents=[agent], coroutine_task=agent(msgs)):
                yield pair
        except asyncio.CancelledError:
            await agent.interrupt()
            raise
        finally:
            await app.state.session.save_session_state(**ids, agent=agent)

    async with started(app) as client:
        ids = {"session_id": "ss-123", "user_id": "uu-123"}
        assert "Alice" in (await ask(client, "My name is Alice.", **ids)).text
        assert (await ask(client, "What is my name?", **ids)).text == "Your name is Alice."
        other = {**ids, "user_id": "uu-124"}
        assert (await ask(client, "What is my name?", **other)).text == "You have not told me your name."
    await redis.aclose()


async def test_S37_S60_S62_S64_S65_S67_the_first_api_remembers_by_session_alone(model: ModelServer) -> None:
    """Services made once in @init, state per turn, no user_id; twenty sessions at once never mix."""
    app = AgentApp(app_name="Friday", app_description="A helpful assistant")
    with pytest.warns(DeprecationWarning):

        @app.init
        async def init_func(self: Any) -> None:
            self.state_service = InMemoryStateService()
            await self.state_service.start()

        @app.shutdown
        async def shutdown_func(self: Any) -> None:
            await self.state_service.stop()

    @app.query(framework="agentscope")
    async def query_func(self: Any, msgs: Any, request: AgentRequest, **kwargs: Any) -> AsyncIterator[Any]:
        ids = {"session_id": request.session_id or "", "user_id": request.user_id or ""}
        memory = AgentScopeSessionHistoryMemory(service=app.state.session_service, **ids)
        agent = agent_on(model, memory)
        if state := await self.state_service.export_state(**ids):
            agent.load_state_dict(state)
        async for pair in stream_printing_messages(agents=[agent], coroutine_task=agent(msgs)):
            yield pair
        await self.state_service.save_state(**ids, state=agent.state_dict())

    async with started(app) as client:
        names = [f"Name{number}" for number in range(20)]
        await asyncio.gather(*(ask(client, f"My name is {name}.", session_id=f"s-{name}") for name in names))
        answers = await asyncio.gather(*(ask(client, "What is my name?", session_id=f"s-{name}") for name in names))
        assert [answer.text for answer in answers] == [f"Your name is {name}." for name in names]


async def test_S50_S51_S66_services_are_there_without_being_asked_for() -> None:
    """app.state.state_service and app.state.session_service are started with the application, and stopped with it."""
    app = AgentApp()
    async with started(app):
        await app.state.state_service.save_state(user_id="u", session_id="s", state={"n": 1})
        assert await app.state.state_service.export_state(user_id="u", session_id="s") == {"n": 1}
        session = await app.state.session_service.create_session("u", "s")
        await app.state.session_service.append_message(session, {"role": "user", "content": "hello"})
        found = await app.state.session_service.get_session("u", "s")
        assert [message.get_text_content() for message in found.messages] == ["hello"]
        services = [app.state.state_service, app.state.session_service]
        assert all([await service.health() for service in services])
    assert not any([await service.health() for service in services])


async def test_S66_an_agent_remembers_its_user_beyond_a_session(model: ModelServer) -> None:
    """What was said in one session is known in another of the same user, and to nobody else."""
    app = AgentApp()

    @app.query(framework="agentscope")
    async def answer(self: Any, msgs: Any, request: AgentRequest, **kwargs: Any) -> AsyncIterator[Any]:
        known = AgentScopeLongTermMemory(memories, request.user_id, request.session_id or "")
        agent = agent_on(model, long_term_memory=known, long_term_memory_mode="static_control")
        async for pair in stream_printing_messages(agents=[agent], coroutine_task=agent(msgs)):
            yield pair

    async with InMemoryMemoryService() as memories, started(app) as client:
        await ask(client, "My name is Alice.", user_id="alice", session_id="s1")
        answers = [
            (await ask(client, "What is my name?", user_id=user, session_id=session)).text
            for user, session in [("alice", "s2"), ("bob", "s1")]
        ]
    assert answers == ["Your name is Alice.", "You have not told me your name."]


async def test_S52_S100_a_tool_call_is_seen_with_its_output(model: ModelServer) -> None:
    """The agent's tool is agentscope's own: the call, its output and the answer are messages of the stream."""
    app = AgentApp(agent=lambda: agent_on(model))
    async with started(app) as client:
        reading = await ask(client, "Run `print(6 * 7)`")
    kinds = [message["type"] for message in reading.messages]
    assert kinds == ["plugin_call", "plugin_call_output", "message"]
    call, output, _ = reading.messages
    assert call["content"][0]["data"]["name"] == "execute_python_code"
    assert call["content"][0]["data"]["call_id"] == output["content"][0]["data"]["call_id"]
    assert "42" in output["content"][0]["data"]["output"]
    assert "42" in reading.text


async def test_S96_S102_two_agents_work_in_one_handler(model: ModelServer) -> None:
    """A pipeline of two, as agentscope writes it: the messages of both are in the stream, each closed."""
    app = AgentApp()

    @app.query(framework="agentscope")
    async def answer(self: Any, msgs: list[Msg], **kwargs: Any) -> AsyncIterator[Any]:
        both = DashScopeMultiAgentFormatter()
        agents: list[AgentBase] = [agent_on(model, name=name, formatter=both) for name in ("Researcher", "Writer")]
        task = sequential_pipeline(agents, msgs[-1])
        async for pair in stream_printing_messages(agents=agents, coroutine_task=task):
            yield pair

    async with started(app) as client:
        reading = await ask(client, "What is the capital of France?")
    assert len(reading.messages) == 2
    assert all("Paris" in message["text"] for message in reading.messages)
    names = [message["metadata"]["original_name"] for message in reading.messages]
    assert names == ["Researcher", "Writer"]


def interruptible(model: ModelServer, waiting: asyncio.Event) -> AgentApp:
    """Make the documents' application, whose agent calls a tool that takes for ever."""
    app = AgentApp()

    async def execute_python_code(code: str) -> ToolResponse:
        """Run code.

        Args:
            code: Which.
        """
        waiting.set()
        await asyncio.Event().wait()
        return ToolResponse(content=[])

    @app.query(framework="agentscope")
    async def answer(self: Any, msgs: Any, request: AgentRequest, **kwargs: Any) -> AsyncIterator[Any]:
        agent = agent_on(model)
        agent.toolkit.remove_tool_function("execute_python_code")
        agent.toolkit.register_tool_function(execute_python_code)
        ids = {"session_id": request.session_id, "user_id": request.user_id}
        if state := await app.state.state_service.export_state(**ids):
            agent.load_state_dict(state)
        try:
            async for pair in stream_printing_messages(agents=[agent], coroutine_task=agent(msgs)):
                yield pair
        except asyncio.CancelledError:
            await agent.interrupt()
            raise
        finally:
            await app.state.state_service.save_state(**ids, state=agent.state_dict())

    @app.post("/stop")
    async def stop(request: AgentRequest) -> dict[str, str]:
        await app.stop_chat(user_id=request.user_id, session_id=request.session_id)
        return {"status": "ok"}

    return app


async def test_S79_S80_S81_S82_S84_a_session_that_was_stopped_in_a_tool_goes_on(model: ModelServer) -> None:
    """The state that the handler saves is one that models take: the call that was broken off has a result."""
    waiting = asyncio.Event()
    ids = {"session_id": "ss-123", "user_id": "uu-123"}
    async with started(interruptible(model, waiting)) as client:
        await ask(client, "My name is Alice.", **ids)
        running = asyncio.create_task(ask(client, "Run `6 * 7`", **ids))
        await waiting.wait()
        assert (await client.post("/stop", json={"input": [], **ids})).json() == {"status": "ok"}
        assert (await running).response["status"] == "canceled"
        assert (await ask(client, "What is my name?", **ids)).text == "Your name is Alice."
