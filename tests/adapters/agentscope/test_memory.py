"""The memory of an agent that is the history of its session: alone, and inside a real ReActAgent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from agentscope.agent import ReActAgent
from agentscope.memory import InMemoryMemory
from agentscope.message import Msg
from agentscope.token import TokenCounterBase
from agentscope.tool import Toolkit, ToolResponse
from fakeredis.aioredis import FakeRedis
from pydantic import BaseModel
from scripted_chat import Prompt, ScriptedChat, Turn, friday, said_to

from agentscope_runtime.adapters.agentscope.memory import AgentScopeSessionHistoryMemory
from agentscope_runtime.engine.services.session_history import (
    InMemorySessionHistoryService,
    RedisSessionHistoryService,
    SessionHistoryService,
)


@pytest.fixture(params=["memory", "redis"])
async def history(request: pytest.FixtureRequest) -> AsyncIterator[SessionHistoryService]:
    """Yield a service that keeps histories in this process, and one that keeps them in (a fake) Redis."""
    if request.param == "memory":
        async with InMemorySessionHistoryService() as service:
            yield service
        return
    async with FakeRedis(decode_responses=True) as redis, RedisSessionHistoryService(redis_client=redis) as service:
        yield service


def memory_of(service: Any, session: str = "s", user: str | None = "u") -> AgentScopeSessionHistoryMemory:
    """Make a memory as handlers do: one for each request."""
    return AgentScopeSessionHistoryMemory(service=service, session_id=session, user_id=user)


def msg(text: str, id: str | None = None, role: Any = "user") -> Msg:
    """Make a Msg."""
    made = Msg("someone", text, role)
    made.id = id or made.id
    return made


async def texts(memory: AgentScopeSessionHistoryMemory, **asked: Any) -> list[str | None]:
    """Return what is in a memory."""
    return [one.get_text_content() for one in await memory.get_memory(**asked)]


async def test_the_next_request_finds_what_this_one_left(history: Any) -> None:
    """Two memories of one session are one; other sessions and users have their own."""
    first = msg("a")
    first.metadata = {"mood": "good"}
    await memory_of(history).add([first, msg("b")])
    (again, _) = await memory_of(history).get_memory()
    assert vars(again) == vars(first)
    assert await memory_of(history).size() == 2
    assert await memory_of(history, session="t").size() == await memory_of(history, user="v").size() == 0


async def test_without_a_user_the_session_is_its_own(history: Any) -> None:
    """As the engine does it: who has no name is named after the session."""
    await memory_of(history, user=None).add(msg("a"))
    assert await texts(memory_of(history, user="s")) == ["a"]


async def test_what_is_there_is_not_added_again(history: Any) -> None:
    """Clients send their whole conversation; `allow_duplicates` takes it all the same."""
    memory = memory_of(history)
    await memory.add(msg("a", "1"))
    await memory.add([msg("a", "1"), msg("b", "2")])
    assert await texts(memory) == ["a", "b"]
    await memory.add(msg("a", "3"), allow_duplicates=True)
    await memory.add(None)
    assert await memory.size() == 3


async def test_messages_are_found_by_their_marks(history: Any) -> None:
    """With a mark, without one, both; a mark must be a word."""
    memory = memory_of(history)
    await memory.add(msg("a"), marks="x")
    await memory.add(msg("b"), marks=["x", "y"])
    await memory.add(msg("c"))
    assert await texts(memory, mark="x") == ["a", "b"]
    assert await texts(memory, exclude_mark="y") == ["a", "c"]
    assert await texts(memory, mark="x", exclude_mark="y") == ["a"]
    for wrong in ({"mark": 7}, {"exclude_mark": ["x"]}):
        with pytest.raises(TypeError, match="a mark is"):
            await memory.get_memory(**cast(Any, wrong))
    with pytest.raises(TypeError, match="marks are"):
        await memory.add(msg("d"), marks=cast(Any, [7]))


async def test_marks_can_be_changed(history: Any) -> None:
    """Put on all or some, exchanged for another, taken away; the number of changed messages is returned."""
    memory = memory_of(history)
    await memory.add([msg("a", "1"), msg("b", "2"), msg("c", "3")])
    assert await memory.update_messages_mark("x", msg_ids=["1", "2"]) == 2
    assert await memory.update_messages_mark("x", msg_ids=["2", "3"]) == 1
    assert await memory.update_messages_mark("y", old_mark="x", msg_ids=["1"]) == 1
    assert (await texts(memory, mark="x"), await texts(memory, mark="y")) == (["b", "c"], ["a"])
    assert await memory.update_messages_mark(None, old_mark="x") == 2
    assert await texts(memory, mark="x") == []
    assert await memory.update_messages_mark("z") == 3


async def test_what_is_deleted_is_gone_from_the_history(history: Any) -> None:
    """By id or by mark; how many there were is returned."""
    memory = memory_of(history)
    await memory.add([msg("a", "1"), msg("b", "2")])
    await memory.add([msg("c", "3"), msg("d", "4")], marks="x")
    assert await memory.delete(["1", "9"]) == 1
    assert await memory.delete_by_mark(["x", "y"]) == 2
    assert await memory.delete_by_mark("x") == 0
    assert await texts(memory_of(history)) == ["b"]


async def test_clearing_forgets_everything(history: Any) -> None:
    """Also the summary; the session can be used again."""
    memory = memory_of(history)
    await memory.add(msg("a"), marks="x")
    await memory.add(msg("b"), marks="hint")
    await memory.update_compressed_summary("long ago")
    await memory.clear()
    assert await texts(memory) == [] and await memory.size() == 0
    await memory.add(msg("c"))
    assert await texts(memory_of(history)) == ["c"]


async def test_hints_stay_out_of_the_history(history: Any) -> None:
    """They are seen until the agent takes them back, and by no later request."""
    memory = memory_of(history)
    await memory.add(msg("a"))
    await memory.add(msg("go on", "h"), marks="hint")
    assert (await texts(memory), await memory.size()) == (["a", "go on"], 2)
    assert await texts(memory_of(history)) == ["a"]
    assert await memory.delete_by_mark("hint") == 1
    assert await texts(memory) == ["a"]


async def test_the_state_is_what_the_agent_makes_of_the_history(history: Any) -> None:
    """Summary and marks, and no message: those are kept once."""
    memory = memory_of(history)
    await memory.add(msg("a", "1"), marks="compressed")
    await memory.add(msg("b", "2"))
    await memory.update_compressed_summary("a was said")
    state = memory.state_dict()
    assert state == {"_compressed_summary": "a was said", "_marks": {"1": ["compressed"]}}
    again = memory_of(history)
    again.load_state_dict(state)
    assert await texts(again, exclude_mark="compressed") == ["a was said", "b"]
    assert await texts(again, exclude_mark="compressed", prepend_summary=False) == ["b"]


async def test_the_state_of_another_memory_is_none(history: Any) -> None:
    """An application that changes its memory starts with what the history has."""
    other = InMemoryMemory()
    await other.add(msg("x"))
    memory = memory_of(history)
    memory.load_state_dict(other.state_dict())
    assert await texts(memory) == []


async def test_a_result_without_its_call_is_not_shown(history: Any) -> None:
    """Services keep the newest messages only, and no model takes a result whose call is gone."""
    result = Msg("system", [{"type": "tool_result", "id": "1", "name": "look", "output": "sunny"}], "system")
    memory = memory_of(history)
    await memory.add([result, msg("and?")])
    assert await texts(memory) == ["and?"]


async def test_a_call_that_never_got_its_result_is_not_shown(history: Any) -> None:
    """A process died while the tool ran, and the conversation went on; what was said beside the call stays."""
    look: Any = {"type": "tool_use", "id": "look", "name": "look", "input": {}}
    listen: Any = {"type": "tool_use", "id": "listen", "name": "listen", "input": {}}
    result = Msg("system", [{"type": "tool_result", "id": "listen", "name": "listen", "output": "rain"}], "system")
    memory = memory_of(history)
    await memory.add([msg("a"), Msg("Friday", [{"type": "text", "text": "b"}, look], "assistant")])
    assert (await memory.get_memory())[-1].has_content_blocks("tool_use"), "it may still be answered"
    await memory.add([msg("c"), Msg("Friday", [look], "assistant"), msg("d")])
    await memory.add([Msg("Friday", [look, listen], "assistant"), result, msg("e")])
    found = await memory.get_memory()
    assert await texts(memory) == ["a", "b", "c", "d", None, None, "e"]
    assert [block["name"] for one in found for block in one.get_content_blocks("tool_use")] == ["listen"]


def remembers(prompt: Prompt) -> Turn:
    """Answer from the prompt alone, as a model does."""
    asked = said_to(prompt[-1:])
    if "What is my name" in asked:
        return Turn("Your name is Alice." if "My name is Alice" in said_to(prompt) else "I do not know.")
    return Turn("Nice to meet you.", thinking="A name.")


async def test_an_agent_remembers_across_requests(history: Any) -> None:
    """Each request makes its agent anew; only the session's history joins them."""
    for said in ("My name is Alice.", "What is my name?"):
        agent = friday(remembers, memory=memory_of(history, user=None))
        answer = await agent(msg(said))
    assert answer.get_text_content() == "Your name is Alice."
    stranger = friday(remembers, memory=memory_of(history, session="other"))
    assert (await stranger(msg("What is my name?"))).get_text_content() == "I do not know."


async def test_an_agent_uses_tools_and_remembers_their_results(history: Any) -> None:
    """Calls and results come back as they were, pictures included, and the model's API takes them."""

    def look(where: str) -> ToolResponse:
        """Look.

        Args:
            where: There.
        """
        source: Any = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
        return ToolResponse(
            content=[{"type": "text", "text": f"sunny in {where}"}, {"type": "image", "source": source}]
        )

    toolkit = Toolkit()
    toolkit.register_tool_function(look)
    turns = [Turn("I look.", calls=[("1", "look", {"where": "Paris"})]), Turn("It is sunny."), Turn("As I said.")]
    await friday(turns, memory=memory_of(history), toolkit=toolkit)(msg("How is it?"))
    agent = friday(turns, memory=memory_of(history), toolkit=toolkit)
    await agent(msg("Again?"))
    (prompt,) = cast(ScriptedChat, agent.model).prompts
    assert [one["role"] for one in prompt] == ["system", "user", "assistant", "tool", "assistant", "user"]
    assert prompt[2]["tool_calls"][0]["function"]["arguments"] == '{"where": "Paris"}'
    assert "sunny in Paris" in said_to(prompt)
    _, _, result, *_ = await memory_of(history).get_memory()
    assert [dict(block)["type"] for block in cast(Any, result.content[0])["output"]] == ["text", "image"]


class Answer(BaseModel):
    """What is asked for as structured output."""

    number: int


async def test_an_agent_with_structured_output_takes_its_hints_back(history: Any) -> None:
    """It marks what it tells the model by the way, and deletes it by that mark."""
    turns = [Turn("Hm."), Turn(calls=[("1", "generate_response", {"number": 4})]), Turn("It is 4.")]
    agent = friday(turns, memory=memory_of(history))
    answer = await agent(msg("2 + 2?"), structured_model=Answer)
    assert answer.metadata == {"number": 4}
    prompts = cast(ScriptedChat, agent.model).prompts
    assert "Structured output is required" in said_to(prompts[1]) and "system-hint" in said_to(prompts[2])
    assert "system-hint" not in str([one.content for one in await memory_of(history).get_memory()])


class Words(TokenCounterBase):
    """Counts what a prompt has."""

    async def count(self, messages: list[dict[str, Any]], **kwargs: Any) -> int:
        """Count messages as a hundred each."""
        return 100 * len(messages)


async def test_an_agent_compresses_what_is_old(history: Any) -> None:
    """The summary goes before the rest, this time and, with the agent's state, in the next request."""
    summary = {
        name: name
        for name in ReActAgent.CompressionConfig(
            enable=True, agent_token_counter=Words(), trigger_threshold=1
        ).summary_schema.model_fields
    }
    config = ReActAgent.CompressionConfig(
        enable=True, agent_token_counter=Words(), trigger_threshold=300, keep_recent=1
    )
    turns = [Turn("first"), Turn("second"), Turn(metadata=summary), Turn("third")]

    def agent() -> ReActAgent:
        return friday(turns, memory=memory_of(history), compression_config=config)

    state: dict[str, Any] = {}
    for said in ("one", "two", "three"):
        friend = agent()
        if state:
            friend.load_state_dict(state)
        await friend(msg(said))
        state = friend.state_dict()
    assert "one" in str(await memory_of(history).get_memory())
    friend = agent()
    friend.load_state_dict(state)
    summed_up, *rest = await friend.memory.get_memory(exclude_mark="compressed")
    assert "task_overview" in str(summed_up.content)
    assert [one.get_text_content() for one in rest] == ["three", "third"]
