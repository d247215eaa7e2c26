"""What an agent knows of a user beyond a session: by itself, and by its tools."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from agentscope.message import Msg
from agentscope.tool import ToolResponse
from scripted_chat import ScriptedChat, Turn, friday, said_to

from agentscope_runtime.adapters.agentscope.memory import AgentScopeLongTermMemory
from agentscope_runtime.engine.services.memory import InMemoryMemoryService


@pytest.fixture
async def service() -> AsyncIterator[InMemoryMemoryService]:
    """Yield a service that keeps memories in this process."""
    async with InMemoryMemoryService() as service:
        yield service


def memory_of(service: Any, session: str = "s", user: str | None = "u") -> AgentScopeLongTermMemory:
    """Make a memory as handlers do: one for each request."""
    return AgentScopeLongTermMemory(service=service, session_id=session, user_id=user)


def said(response: ToolResponse) -> str:
    """Return what a tool says."""
    return "".join(str(block.get("text")) for block in response.content)


async def test_what_is_recorded_is_retrieved_in_another_session(service: Any) -> None:
    """It is about the user; another user's memory knows nothing of it."""
    await memory_of(service).record([Msg("alice", "my cat is black", "user"), None])
    assert (
        await memory_of(service, session="t").retrieve(Msg("alice", "what about the cat", "user")) == "my cat is black"
    )
    assert await memory_of(service, user="v").retrieve([Msg("bob", "the cat", "user")]) == ""
    assert await memory_of(service).retrieve(None) == ""


async def test_nothing_is_recorded_twice(service: Any) -> None:
    """Agents record all of their memory after each reply, with what they retrieved from here in it."""
    memory = memory_of(service)
    first = Msg("alice", "the cat is black", "user")
    await memory.record([first])
    again = memory_of(service)
    again.load_state_dict(memory.state_dict())
    await again.record(
        [first, Msg("long_term_memory", "useful: the cat is black", "user"), Msg("a", "the dog", "user")]
    )
    assert len(await service.list_memory("u")) == 2


async def test_thoughts_and_calls_are_no_memories(service: Any) -> None:
    """What was said is."""
    blocks: Any = [
        {"type": "thinking", "thinking": "cat?"},
        {"type": "tool_use", "id": "1", "name": "cat", "input": {}},
    ]
    await memory_of(service).record([Msg("Friday", [*blocks, {"type": "text", "text": "a cat"}], "assistant")])
    assert await memory_of(service).retrieve(Msg("a", "cat", "user")) == "a cat"


async def test_the_tools_record_and_retrieve(service: Any) -> None:
    """By keyword, each text once; models that give one string where a list is due are understood."""
    memory = memory_of(service)
    recorded = await memory.record_to_memory(thinking="useful", content=["the cat is black", "the dog is old", " "])
    assert said(recorded) == "Recorded 2 of 3."
    found = await memory.retrieve_from_memory(["cat", "black", "dog"])
    assert sorted(said(found).splitlines()) == ["the cat is black", "the dog is old"]
    assert said(await memory.retrieve_from_memory(cast(Any, "horse"))) == "Nothing is known about horse."
    assert said(await memory.record_to_memory("", cast(Any, "one fact"))) == "Recorded 1 of 1."


async def test_limits_are_kept(service: Any) -> None:
    """So many at most, as asked."""
    memory = memory_of(service)
    await memory.record_to_memory("", [f"cat {number}" for number in range(9)])
    assert len((await memory.retrieve(Msg("a", "cat", "user"), limit=3)).splitlines()) == 3
    assert len(said(await memory.retrieve_from_memory(["cat"], limit=2)).splitlines()) == 2


async def test_an_agent_knows_its_user_in_a_new_session(service: Any) -> None:
    """With agentscope's own ways: what is retrieved is put before the model, and both tools are offered to it."""
    turns = [
        Turn(calls=[("1", "record_to_memory", {"thinking": "useful", "content": ["Alice likes tea"]})]),
        Turn("Noted."),
        Turn("Have some tea."),
    ]
    await friday(turns, long_term_memory=memory_of(service))(Msg("alice", "I am Alice and drink tea", "user"))
    agent = friday(turns, long_term_memory=memory_of(service, session="t"))
    await agent(Msg("alice", "What does Alice drink?", "user"))
    (prompt,) = cast(ScriptedChat, agent.model).prompts
    assert "Alice likes tea" in said_to(prompt)
    tools = [schema["function"] for schema in agent.toolkit.get_json_schemas()]
    assert [tool["name"] for tool in tools] == ["record_to_memory", "retrieve_from_memory"]
    assert tools[0]["parameters"]["properties"]["content"]["items"] == {"type": "string"}
