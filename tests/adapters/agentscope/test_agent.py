"""Ready agents behind `AgentApp(agent=…)`: state over turns, none between sessions, and a good end when stopped."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest
from agentscope.agent import AgentBase, ReActAgent
from agentscope.formatter import GeminiChatFormatter
from agentscope.memory import InMemoryMemory
from agentscope.message import ImageBlock, Msg, URLSource
from agentscope.tool import Toolkit, ToolResponse
from scripted_chat import Prompt, Turn, friday
from served_agent import Echo, Turns

from agentscope_runtime.adapters.agentscope import ADAPTER
from agentscope_runtime.adapters.agentscope.memory import AgentScopeSessionHistoryMemory
from agentscope_runtime.adapters.media import RemoteAddress
from agentscope_runtime.engine.errors import InvalidOption
from agentscope_runtime.engine.runner import Runner
from agentscope_runtime.engine.services.agent_state import InMemoryStateService


@pytest.fixture
async def states() -> AsyncIterator[InMemoryStateService]:
    """Yield a service that keeps states in this process."""
    async with InMemoryStateService() as service:
        yield service


def remembers(prompt: Prompt) -> Turn:
    """Say what the users said so far, from the prompt alone."""
    said = [part["text"] for one in prompt if one["role"] == "user" for part in one["content"]]
    return Turn(" and ".join(said))


Ready = Callable[[Callable[..., Any]], Any]


def the_one(make: Callable[..., Any]) -> Any:
    """Give the agent itself."""
    return make()


def a_maker(make: Callable[..., Any]) -> Any:
    """Give the function that makes it."""
    return make


@pytest.mark.parametrize("ready", [the_one, a_maker])
async def test_a_session_finds_the_agent_as_it_left_it(ready: Ready, states: Any) -> None:
    """Turns of one session follow each other; other sessions and other users begin anew."""
    turns = Turns(ready(lambda: friday(remembers)), states)
    assert (await turns.ask("a")).text == "a"
    assert (await turns.ask("b")).text == "a and b"
    assert (await turns.ask("c", session="t")).text == "c"
    assert (await turns.ask("d", user="v")).text == "d"
    assert (await turns.ask("e")).text == "a and b and e"


@pytest.mark.parametrize("ready", [the_one, a_maker])
async def test_sessions_at_the_same_time_share_nothing(ready: Ready, states: Any) -> None:
    """One agent takes them one by one, made ones work side by side; no word of one is heard in another."""
    turns = Turns(ready(lambda: friday(remembers)), states)
    names = [f"n{number}" for number in range(8)]
    for heard in ("{0}", "{0} and {0}", "{0} and {0} and {0}"):
        said = await asyncio.gather(*(turns.ask(name, session=name) for name in names))
        assert [one.text for one in said] == [heard.format(name) for name in names]


async def test_an_agent_whose_formatter_loads_pictures_is_given_no_links(states: Any) -> None:
    """It would load them on the event loop; nothing of such a turn is kept."""
    agent = friday(remembers)
    agent.formatter = GeminiChatFormatter()
    source = URLSource(type="url", url="https://example.com/a.png")
    with pytest.raises(RemoteAddress):
        await Turns(agent, states).ask([Msg("u", [ImageBlock(type="image", source=source)], "user")])


async def test_made_agents_work_side_by_side(states: Any) -> None:
    """None waits for another one."""
    both = asyncio.Barrier(2)
    turns = Turns(lambda: friday([Turn("a b", pause=both.wait)]), states)
    first, second = await asyncio.wait_for(asyncio.gather(turns.ask("x", "1"), turns.ask("y", "2")), 10)
    assert (first.text, second.text) == ("a b", "a b")


async def test_what_is_printed_comes_as_it_is_printed(states: Any) -> None:
    """Before the agent is through, and nothing of it goes to the console."""
    go = asyncio.Event()
    outputs = Turns(friday([Turn("a b c", pause=go.wait)]), states).outputs("x")
    (msg, last, _) = await anext(outputs)
    assert (msg.get_text_content(), last) == ("a", False)
    go.set()
    rest = [output async for output in outputs]
    assert rest[-2][1] is True


async def test_nothing_is_said_on_the_console(states: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """It is the users' business what an agent says to them."""
    agent = friday([Turn("secret")])
    agent.set_console_output_enabled(True)
    await Turns(agent, states).ask("x")
    assert "secret" not in capsys.readouterr().out


def looking() -> Toolkit:
    """Make a toolkit with a tool that looks."""

    def look(where: str) -> ToolResponse:
        """Look.

        Args:
            where: There.
        """
        return ToolResponse(content=[{"type": "text", "text": f"sunny in {where}"}])

    toolkit = Toolkit()
    toolkit.register_tool_function(look)
    return toolkit


async def test_a_whole_turn_with_thoughts_and_tools(states: Any) -> None:
    """What clients see of reasoning and acting, in order, and what it cost."""
    calls = [("1", "look", {"where": "Paris"}), ("2", "look", {"where": "Rome"})]
    agent = friday([Turn("I look.", "Where?", calls), Turn("Sunny.")], toolkit=looking())
    reading = await Turns(agent, states).ask("How is it?")
    assert [one["type"] for one in reading.response["output"]] == [
        "reasoning",
        "message",
        "plugin_call",
        "plugin_call",
        "plugin_call_output",
        "plugin_call_output",
        "message",
    ]
    assert reading.response["usage"] == {"input_tokens": 20, "output_tokens": 5, "total_tokens": 25}


async def test_tools_of_mcp_are_told_with_their_server(states: Any) -> None:
    """Only the toolkit knows which these are."""
    toolkit = looking()
    toolkit.tools["look"].mcp_name = "weather"
    agent = friday([Turn(calls=[("1", "look", {"where": "Paris"})]), Turn("Sunny.")], toolkit=toolkit)
    reading = await Turns(agent, states).ask("How is it?")
    assert [one["type"] for one in reading.response["output"]] == ["mcp_call", "mcp_call_output", "message"]
    assert reading.messages[0]["content"][0]["data"]["server_label"] == "weather"


async def test_tokens_are_counted_without_a_stream_too(states: Any) -> None:
    """The model is itself again afterwards."""
    agent = friday([Turn("Hi")])
    model = agent.model
    model.stream = False
    reading = await Turns(agent, states).ask("x")
    assert reading.response["usage"] == {"input_tokens": 10, "output_tokens": 1, "total_tokens": 11}
    assert agent.model is model


async def test_an_agent_that_only_returns_is_heard(states: Any) -> None:
    """One Msg is given as it is, several as a list."""
    turns = Turns(Echo(), states)
    assert (await turns.ask("a")).text == "a"
    assert (await turns.ask([Msg("u", "b", "user"), Msg("u", "c", "user")])).text == "a b c"


async def test_a_turn_that_failed_never_was(states: Any) -> None:
    """The error reaches the engine, and the session goes on where it was."""
    turns = Turns(Echo(), states)
    await turns.ask("a")
    with pytest.raises(RuntimeError, match="broken"):
        await turns.ask("fail")
    assert (await turns.ask("b")).text == "a b"


async def test_a_state_of_another_agent_begins_anew(states: Any, caplog: pytest.LogCaptureFixture) -> None:
    """An application that changed its agent serves its old sessions, and says what it did."""
    await states.save_state(user_id="u", session_id="s", state={"something": "else"})
    assert (await Turns(friday(remembers), states).ask("a")).text == "a"
    assert "session s begins anew" in caplog.text


def annotated() -> ReActAgent:
    """Make an agent."""
    return friday(remembers)


async def asynchronous() -> ReActAgent:
    """Make an agent, and wait meanwhile."""
    return friday(remembers)


@pytest.mark.parametrize(
    "agent", [Echo, annotated, asynchronous, lambda: friday(remembers), functools.partial(friday, remembers)]
)
async def test_what_makes_agents_is_known(agent: Any, states: Any) -> None:
    """A class, or a function without arguments: by what it says it returns, else by what it makes."""
    assert (await Turns(agent, states).ask("a")).text == "a"


def of_others() -> dict[str, int]:
    """Make something else."""
    raise AssertionError("nobody is to call this")


@pytest.mark.parametrize(
    "agent", [7, "agent", Msg("a", "b", "user"), InMemoryMemory, ReActAgent, of_others, lambda: 7, lambda a: 7, str]
)
def test_what_is_none_of_ours_is_left_to_others(agent: Any) -> None:
    """The next framework is asked."""
    assert ADAPTER.serve(agent) is None


@pytest.mark.parametrize("ready", [the_one, a_maker])
async def test_a_memory_of_one_session_is_refused(ready: Ready, states: Any) -> None:
    """Each session would read what the others said."""
    history: Any = None
    with pytest.raises(InvalidOption, match="is that of session 'mine', and all would share it"):
        await Turns(
            ready(lambda: friday(remembers, memory=AgentScopeSessionHistoryMemory(history, "u", "mine"))), states
        ).ask("a")


async def test_a_function_that_breaks_its_promise_is_named(states: Any) -> None:
    """It is only known when it is called."""

    def make() -> AgentBase:
        return cast(AgentBase, 7)

    with pytest.raises(InvalidOption, match="made int, not AgentBase"):
        await Turns(make, states).ask("a")


async def test_a_runner_without_an_application_keeps_states_itself() -> None:
    """There is no state service that it could ask for."""

    class Served(Runner):
        framework_type = "agentscope"
        query_handler = ADAPTER.serve(friday(remembers))  # type: ignore[assignment]

    said = []
    async with Served() as runner:
        for text in ("a", "b"):
            asked = {"input": [{"role": "user", "content": text}], "session_id": "s"}
            *_, last = [event async for event in runner.stream_query(asked)]
            said.append(cast(Any, last).output[0].text)
    assert said == ["a", "a and b"]
