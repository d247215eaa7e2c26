"""Real agents and teams of agno behind AgentApp, with a scripted model."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import httpx
import pytest
from agno.agent import Agent
from agno.db.in_memory import InMemoryDb
from agno.models.openai import OpenAILike
from agno.team import Team
from model_server import ModelServer
from recorded_box import PIXEL, RecordedBox, RecordedBoxAsync
from turns import Conversations

from agentscope_runtime.adapters.agno import ADAPTER
from agentscope_runtime.adapters.agno.stream import AgnoRunFailed
from agentscope_runtime.adapters.agno.tool import sandbox_tool_adapter
from agentscope_runtime.engine.errors import InvalidOption

PICTURE = f"data:image/png;base64,{PIXEL}"


class Models:
    """A scripted model, and real clients of it."""

    def __init__(self, server: ModelServer) -> None:
        self.server = server
        self.http = httpx.AsyncClient()

    def client(self) -> OpenAILike:
        """Make a client."""
        return OpenAILike(id="scripted", base_url=self.server.openai, api_key="none", http_client=self.http)

    def friday(self, **more: Any) -> Agent:
        """Make an agent."""
        return Agent(name="friday", model=self.client(), telemetry=False, **more)


@pytest.fixture
async def models() -> AsyncIterator[Models]:
    """Serve the scripted model."""
    with ModelServer() as server:
        models = Models(server)
        async with models.http:
            yield models


def database() -> InMemoryDb:
    """Make a database of agno's."""
    return InMemoryDb()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("keeps", ["database", "state service"])
async def test_sessions_remember_their_own(models: Models, keeps: str) -> None:
    """One agent, many sessions at once; two users with a session of the same name are two conversations."""
    options = {"db": database(), "add_history_to_context": True} if keeps == "database" else {}
    agent = Conversations(ADAPTER, models.friday(**options))
    await asyncio.gather(agent.say("My name is Alice.", "s1"), agent.say("My name is Bob.", "s2"))
    assert (await agent.say("My name is Carol.", "s1", user="u2")).text == "Nice to meet you, Carol."
    assert (await agent.say("What is my name?", "s1")).text == "Your name is Alice."
    assert (await agent.say("What is my name?", "s2")).text == "Your name is Bob."
    assert (await agent.say("What is my name?", "s3")).text == "You have not told me your name."
    assert not any("Carol" in str(asked.messages) for asked in models.server.asked[3:]), "and see nothing of each other"
    assert bool(agent.states.kept) == (keeps == "state service")


async def test_a_function_makes_an_agent_for_each_run(models: Models) -> None:
    """Sessions remember all the same."""
    agent = Conversations(ADAPTER, models.friday)
    await agent.say("My name is Alice.")
    assert (await agent.say("What is my name?")).text == "Your name is Alice."


@pytest.mark.parametrize("kind", [RecordedBox, RecordedBoxAsync])
async def test_tools_act_in_a_sandbox(models: Models, kind: type[RecordedBox] | type[RecordedBoxAsync]) -> None:
    """Three rounds of calls: each call and result is a message, pictures with them, and the costs are told."""
    box = kind()
    methods = (box.browser_navigate, box.browser_snapshot, box.browser_take_screenshot)
    agent = Conversations(ADAPTER, models.friday(tools=[sandbox_tool_adapter(method) for method in methods]))
    reading = await agent.say("What does https://example.com say?")
    kinds = [message["type"] for message in reading.messages]
    assert kinds == ["message", *["plugin_call", "plugin_call_output"] * 3, "message"]
    assert [name for name, _ in box.calls] == ["browser_navigate", "browser_snapshot", "browser_take_screenshot"]
    data = [part["data"] for message in reading.messages for part in message["content"] if part["type"] == "data"]
    assert data[0]["arguments"] == '{"url": "https://example.com"}'
    assert data[1] == {**data[1], "call_id": data[0]["call_id"], "output": 'browser_navigate: heading "Hello" [ref=e1]'}
    pictures = [part for message in reading.messages for part in message["content"] if part["type"] == "image"]
    assert [picture["image_url"] for picture in pictures] == [PICTURE]
    shown = [part for message in models.server.asked[-1].messages if isinstance(part := message["content"], list)]
    assert PICTURE in str(shown), "the model sees it, too"
    costs = [message["usage"]["total_tokens"] for message in reading.messages if message["usage"]]
    assert (len(costs), reading.response["usage"]["total_tokens"]) == (4, sum(costs))
    assert (await agent.say("What is my name?")).text == "You have not told me your name.", "and the session goes on"


async def test_a_picture_reaches_the_model(models: Models) -> None:
    """Sent by the user, in the form that the model's API takes; also in the next turn, out of what was kept."""
    agent = Conversations(ADAPTER, models.friday())
    await agent.say([{"type": "text", "text": "Look"}, {"type": "image", "image_url": PICTURE}])
    await agent.say("And now?")
    for asked in models.server.asked:
        said = [message["content"] for message in asked.messages if message["role"] == "user"]
        assert said[0] == [{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {"url": PICTURE}}]


async def test_a_team_is_served(models: Models) -> None:
    """Its leader answers under the team's name, and remembers."""
    options: dict[str, Any] = {"db": database(), "add_history_to_context": True, "telemetry": False}
    team = Team(members=[models.friday()], name="crew", model=models.client(), **options)
    agent = Conversations(ADAPTER, team)
    assert (await agent.say("My name is Alice.")).messages[-1]["metadata"]["original_name"] == "crew"
    assert (await agent.say("What is my name?")).text == "Your name is Alice."
    assert (await agent.say("What is my name?", user="u2")).text == "You have not told me your name."


def test_a_team_that_cannot_remember_is_refused() -> None:
    """The error says what it needs."""
    with pytest.raises(InvalidOption, match=r"the team crew has no database, .*: give it db=InMemoryDb\(\)"):
        ADAPTER.serve(Team(members=[], name="crew", telemetry=False))


async def test_a_run_that_is_stopped_ends_and_never_was(models: Models) -> None:
    """In a tool, for instance; the session goes on."""
    entered = asyncio.Event()

    async def browser_navigate(url: str) -> str:
        """Navigate."""
        entered.set()
        await asyncio.Event().wait()
        return "never"

    agent = Conversations(ADAPTER, models.friday(tools=[sandbox_tool_adapter(browser_navigate)]))
    run = asyncio.create_task(agent.say("Look at https://example.com"))
    await entered.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert agent.states.kept == {}
    assert (await agent.say("My name is Alice.")).text == "Nice to meet you, Alice."


async def test_a_reader_that_leaves_ends_the_run(models: Models) -> None:
    """Nothing was kept."""
    agent = Conversations(ADAPTER, models.friday())
    async with aclosing(agent.outputs("Hello there")) as outputs:
        await anext(outputs)
    assert agent.states.kept == {}


async def test_a_model_that_fails_fails_the_run(models: Models) -> None:
    """Agno reports it as an event; for the engine it is an error."""

    def broken(conversation: Any) -> Any:
        raise RuntimeError("no model")

    models.server._script = broken
    with pytest.raises(AgnoRunFailed):
        await Conversations(ADAPTER, models.friday()).say("hi")


@pytest.mark.parametrize("agent", [object(), lambda: "no agent", lambda model: Agent(), str])
def test_other_things_are_not_served(agent: Any) -> None:
    """Another adapter may know them."""
    assert ADAPTER.serve(agent) is None


def test_agentscope_is_not_needed() -> None:
    """The adapter loads, converts and translates where agentscope cannot be imported."""
    program = """
import sys
sys.modules["agentscope"] = None
from agentscope_runtime.engine.frameworks import load
from agentscope_runtime.engine.schemas.agent_schemas import Message
from agno.run.agent import RunContentEvent
adapter = load("agno")
print(adapter.messages([Message(role="user", content="hi")], {}))
print(len(adapter.translator({}).take(RunContentEvent(content="hello", run_id="r"))))
import agentscope_runtime.adapters.agno.tool
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (ran.stdout, ran.stderr) == ("[{'role': 'user', 'content': 'hi'}]\n2\n", "")
