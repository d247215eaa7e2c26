"""Real agents and teams of autogen behind AgentApp, with a scripted model."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import FunctionCall
from autogen_core.models import CreateResult, ModelFamily, ModelInfo, RequestUsage
from autogen_ext.models.openai import OpenAIChatCompletionClient
from autogen_ext.models.replay import ReplayChatCompletionClient
from model_server import ModelServer
from recorded_box import PIXEL, RecordedBox, RecordedBoxAsync
from turns import Conversations
from virtual_time import virtual

from agentscope_runtime.adapters.autogen import ADAPTER
from agentscope_runtime.adapters.autogen.tool import create_autogen_tools

INFO = ModelInfo(
    vision=True, function_calling=True, json_output=True, family=ModelFamily.UNKNOWN, structured_output=False
)


@pytest.fixture
async def client() -> AsyncIterator[OpenAIChatCompletionClient]:
    """Give a real client of a scripted model."""
    with ModelServer() as server:
        client = OpenAIChatCompletionClient(model="scripted", base_url=server.openai, api_key="none", model_info=INFO)
        yield client
        await client.close()


def friday(client: Any, **more: Any) -> AssistantAgent:
    """Make an agent."""
    return AssistantAgent("friday", client, model_client_stream=True, **more)


async def test_sessions_remember_their_own(client: OpenAIChatCompletionClient) -> None:
    """One agent, many sessions at once: each knows what was said in it, and nothing else."""
    agent = Conversations(ADAPTER, friday(client))
    await asyncio.gather(agent.say("My name is Alice.", "s1"), agent.say("My name is Bob.", "s2"))
    assert (await agent.say("What is my name?", "s1")).text == "Your name is Alice."
    assert (await agent.say("What is my name?", "s2")).text == "Your name is Bob."
    assert (await agent.say("What is my name?", "s3")).text == "You have not told me your name."
    assert (await agent.say("What is my name?", "s1", user="u2")).text == "You have not told me your name."


async def test_a_function_makes_an_agent_for_each_run(client: OpenAIChatCompletionClient) -> None:
    """Runs go side by side, and sessions remember all the same."""
    agent = Conversations(ADAPTER, lambda: friday(client))
    await asyncio.gather(agent.say("My name is Alice.", "s1"), agent.say("My name is Bob.", "s2"))
    assert (await agent.say("What is my name?", "s2")).text == "Your name is Bob."


@pytest.mark.parametrize("kind", [RecordedBox, RecordedBoxAsync])
async def test_tools_act_in_a_sandbox(
    client: OpenAIChatCompletionClient, kind: type[RecordedBox] | type[RecordedBoxAsync]
) -> None:
    """Calls and results are told, pictures with them, and the answer says what the page said."""
    box = kind()
    tools = create_autogen_tools([box.browser_navigate, box.browser_snapshot, box.browser_take_screenshot])
    agent = Conversations(ADAPTER, friday(client, tools=tools, max_tool_iterations=5))
    reading = await agent.say("What does https://example.com say?")
    assert reading.text == "Let me look.The page says: Hello"
    kinds = [message["type"] for message in reading.messages]
    assert kinds == ["message", *["plugin_call", "plugin_call_output"] * 3, "message"]
    pictures = [part for message in reading.messages for part in message["content"] if part["type"] == "image"]
    assert [picture["image_url"] for picture in pictures] == [f"data:image/png;base64,{PIXEL}"]
    assert [name for name, _ in box.calls] == ["browser_navigate", "browser_snapshot", "browser_take_screenshot"]


async def test_a_picture_reaches_the_model(client: OpenAIChatCompletionClient) -> None:
    """Sent by the user, in the form that the model's API takes."""
    agent = Conversations(ADAPTER, friday(client))
    parts = [{"type": "text", "text": "Look"}, {"type": "image", "image_url": f"data:image/png;base64,{PIXEL}"}]
    assert (await agent.say(parts)).text == "You said: Look"


async def test_a_team_remembers_too(client: OpenAIChatCompletionClient) -> None:
    """Several agents answer in turn, each with a message of its own."""
    members = [AssistantAgent(name, client, model_client_stream=True) for name in ("anna", "bob")]
    team = RoundRobinGroupChat(members, termination_condition=MaxMessageTermination(3))  # type: ignore[arg-type]
    agent = Conversations(ADAPTER, team)
    first = await agent.say("My name is Alice.")
    assert [message["metadata"]["original_name"] for message in first.messages] == ["anna", "bob"]
    assert "Your name is Alice." in (await agent.say("What is my name?")).text
    assert "You have not told me your name." in (await agent.say("What is my name?", "s2")).text


class Endless(ReplayChatCompletionClient):
    """A model that begins to answer and never ends."""

    def __init__(self) -> None:
        super().__init__(["never"])
        self.left = asyncio.Event()

    async def create_stream(self, *args: Any, **kwargs: Any) -> Any:
        """Say one word, and wait to be stopped, as autogen's clients wait: by their token."""
        yield "Well"
        answer = asyncio.ensure_future(asyncio.Event().wait())
        kwargs["cancellation_token"].link_future(answer)
        try:
            await answer
        finally:
            self.left.set()


@pytest.mark.parametrize("in_a_team", [False, True])
async def test_a_stopped_run_ends_and_never_was(in_a_team: bool) -> None:
    """The model is left, the agent is free for the next run, and nothing was kept of it."""
    model = Endless()
    agent: Any = friday(model)
    if in_a_team:
        agent = RoundRobinGroupChat([agent], termination_condition=MaxMessageTermination(2))
    served = Conversations(ADAPTER, agent)
    for _ in range(2):
        model.left.clear()
        outputs = served.outputs("hello")
        assert (await anext(outputs)).content == "Well"
        await outputs.aclose()
        assert model.left.is_set()
    assert served.states.kept == {}


async def test_a_run_that_is_stopped_in_a_tool_ends(client: OpenAIChatCompletionClient) -> None:
    """Autogen itself would wait for the tool for ever."""
    entered = asyncio.Event()

    async def browser_navigate(url: str) -> str:
        """Navigate."""
        entered.set()
        await asyncio.Event().wait()
        return "never"

    agent = friday(client, tools=create_autogen_tools([browser_navigate]))
    served = Conversations(ADAPTER, agent)
    run = asyncio.create_task(served.say("Look at https://example.com"))
    await entered.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert (await served.say("My name is Alice.")).text == "Nice to meet you, Alice."


@virtual
async def test_a_team_is_free_when_its_stopped_run_has_ended() -> None:
    """A tool that must not be broken off takes longer than anybody waits for it; the next user waits for the team."""

    async def pay() -> str:
        """Pay."""
        end = asyncio.get_running_loop().time() + 8
        while (left := end - asyncio.get_running_loop().time()) > 0:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(left)
        return "Alice paid"

    asked = CreateResult(
        finish_reason="function_calls",
        content=[FunctionCall(id="1", name="pay", arguments="{}")],
        usage=RequestUsage(0, 0),
        cached=False,
    )
    model = ReplayChatCompletionClient([asked, "Hello Bob", "Hello again"], model_info=INFO)
    served = Conversations(ADAPTER, RoundRobinGroupChat([friday(model, tools=[pay])], max_turns=1))
    run = asyncio.create_task(served.say("pay", user="alice"))
    await asyncio.sleep(1)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert asyncio.get_running_loop().time() < 8
    for answer in ("Hello Bob", "Hello again"):
        assert (await served.say("hello", user="bob")).text == answer
    assert asyncio.get_running_loop().time() >= 8


async def test_a_model_that_fails_fails_the_run() -> None:
    """The error reaches the engine, and the session can go on."""
    model = ReplayChatCompletionClient(["Hello"])
    served = Conversations(ADAPTER, friday(model))
    await served.say("hi")
    with pytest.raises(ValueError, match="No more mock responses"):
        await served.say("hi")
    model.reset()
    assert (await served.say("hi")).text == "Hello"


async def test_a_state_of_another_agent_is_left_aside(caplog: pytest.LogCaptureFixture) -> None:
    """After a new release the session begins anew, which is said in the log."""
    served = Conversations(ADAPTER, friday(ReplayChatCompletionClient(["Hello"])))
    await served.states.save_state("u1", {"llm_context": 42}, "s1")
    with caplog.at_level(logging.WARNING):
        assert (await served.say("hi")).text == "Hello"
    assert "session s1 begins anew" in caplog.text


@pytest.mark.parametrize("agent", [object(), lambda: "no agent", friday, str])
def test_other_things_are_not_served(agent: Any) -> None:
    """Another adapter may know them."""
    assert ADAPTER.serve(agent) is None
