"""What agents of agno yield, as clients read it."""

from __future__ import annotations

from typing import Any

import pytest
from agno.media import Audio, Image
from agno.metrics import RunMetrics
from agno.models.response import ToolExecution
from agno.reasoning.step import ReasoningStep
from agno.run.agent import (
    CustomEvent,
    IntermediateRunContentEvent,
    ModelRequestCompletedEvent,
    ReasoningCompletedEvent,
    ReasoningContentDeltaEvent,
    ReasoningStepEvent,
    RunCancelledEvent,
    RunCompletedEvent,
    RunContentCompletedEvent,
    RunContentEvent,
    RunErrorEvent,
    RunOutput,
    RunPausedEvent,
    RunStartedEvent,
    ToolCallCompletedEvent,
    ToolCallErrorEvent,
    ToolCallStartedEvent,
)
from agno.run.base import RunStatus
from agno.run.team import RunContentEvent as TeamRunContentEvent
from pydantic import BaseModel
from recorded_box import PIXEL
from streamed import Reading, events, streamed

from agentscope_runtime.adapters.agno import ADAPTER
from agentscope_runtime.adapters.agno.stream import AgnoRunFailed
from agentscope_runtime.engine.errors import UnusableOutput
from agentscope_runtime.engine.schemas.agent_schemas import Message

COST: dict[str, Any] = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
PICTURE = f"data:image/png;base64,{PIXEL}"


def read(*outputs: Any, **converters: Any) -> Reading:
    """Return what a client reads of a handler that yields this."""
    return streamed(ADAPTER.translator(converters), outputs)


def said(content: Any = None, run_id: str = "r1", **more: Any) -> RunContentEvent:
    """Make a piece of what the agent says."""
    return RunContentEvent(content=content, run_id=run_id, agent_name="friday", **more)


def tool(id: str = "c1", **more: Any) -> ToolExecution:
    """Make a call, or what came of it."""
    return ToolExecution(tool_call_id=id, tool_name="look", tool_args={"at": "Zürich"}, **more)


def told(reading: Reading) -> list[tuple[str, str | None]]:
    """Return types and texts of the messages."""
    return [(message["type"], message["text"]) for message in reading.messages]


def image() -> Image:
    """Make a picture."""
    return Image.from_base64(PIXEL, mime_type="image/png")


def test_pieces_are_deltas_of_one_message() -> None:
    """It is complete when agno says so, and told once, though the last event repeats all of it."""
    outputs = [
        RunStartedEvent(run_id="r1"),
        said("Hello "),
        said("there"),
        said(None),
        ModelRequestCompletedEvent(run_id="r1", **COST),
        RunContentCompletedEvent(run_id="r1"),
        RunCompletedEvent(content="Hello there", run_id="r1", metrics=RunMetrics(**COST)),
        RunOutput(content="Hello there", run_id="r1"),
    ]
    written = events(ADAPTER.translator({}), outputs)
    assert [event["text"] for event in written if event["object"] == "content" and event["delta"]] == [
        "Hello ",
        "there",
    ]
    (message,) = read(*outputs).messages
    assert (message["text"], message["usage"]) == ("Hello there", COST)
    assert message["metadata"] == {"original_id": "r1", "original_name": "friday"}
    assert read(*outputs).response["usage"] == COST


def test_text_before_a_call_is_completed_before_it() -> None:
    """Every message is closed, also that which agno never says the end of."""
    reading = read(
        said("Let me look."),
        ToolCallStartedEvent(tool=tool(), run_id="r1"),
        ToolCallCompletedEvent(tool=tool(result="a page"), content="look() completed in 0.1s.", run_id="r1"),
        said("Done."),
    )
    text, call, result, end = reading.messages
    assert [text["text"], end["text"]] == ["Let me look.", "Done."]
    assert (call["type"], call["role"], result["type"], result["role"]) == (
        *("plugin_call", "assistant"),
        *("plugin_call_output", "tool"),
    )
    assert call["content"][0]["data"] == {"call_id": "c1", "name": "look", "arguments": '{"at": "Zürich"}'}
    assert result["content"][0]["data"] == {"call_id": "c1", "name": "look", "output": "a page"}


def test_parallel_calls_are_told_apart() -> None:
    """Agno starts all of them before the first one ends."""
    reading = read(
        ToolCallStartedEvent(tool=tool("c1"), run_id="r1"),
        ToolCallStartedEvent(tool=tool("c2"), run_id="r1"),
        ToolCallCompletedEvent(tool=tool("c2", result="two"), run_id="r1"),
        ToolCallCompletedEvent(tool=tool("c1", result="one"), run_id="r1"),
    )
    assert [message["content"][0]["data"]["call_id"] for message in reading.messages] == ["c1", "c2", "c2", "c1"]


def test_a_failure_of_a_tool_is_marked_and_told_once() -> None:
    """Agno tells it twice."""
    failed = tool(result="no such page", tool_call_error=True)
    reading = read(
        ToolCallStartedEvent(tool=tool(), run_id="r1"),
        ToolCallCompletedEvent(tool=failed, run_id="r1"),
        ToolCallErrorEvent(tool=failed, error="no such page", run_id="r1"),
    )
    assert len(reading.messages) == 2
    assert reading.messages[1]["metadata"] == {"status": "error"}


def test_pictures_of_tools_stand_in_their_results() -> None:
    """And not again at the end, where agno repeats them."""
    shown = image()
    reading = read(
        ToolCallCompletedEvent(tool=tool(result="shot"), images=[shown], run_id="r1"),
        RunCompletedEvent(content="Done", images=[shown], run_id="r1"),
    )
    assert [message["type"] for message in reading.messages] == ["plugin_call", "plugin_call_output", "message"]
    parts = [part for message in reading.messages for part in message["content"] if part["type"] == "image"]
    assert [part["image_url"] for part in parts] == [PICTURE]


def test_pictures_and_sound_of_the_model_are_parts() -> None:
    """What is said in sound is told as text, too."""
    reading = read(
        said("See ", image=Image(url="https://example.com/a.png")),
        said(response_audio=Audio(content=b"abc", transcript="and hear")),
        RunCompletedEvent(response_audio=Audio(content=b"abcdef", mime_type="audio/mp3"), run_id="r1"),
    )
    (message,) = reading.messages
    assert message["text"] == "See and hear"
    assert [part["type"] for part in message["content"]] == ["text", "image", "audio"]
    assert (message["content"][2]["data"], message["content"][2]["format"]) == ("YWJjZGVm", "mp3")


def test_thoughts_are_reasoning() -> None:
    """Whichever way agno tells them: in pieces, in steps that repeat the earlier ones, or beside the text."""
    step = ReasoningStep(title="Second")
    reading = read(
        ReasoningContentDeltaEvent(reasoning_content="One. ", run_id="r1"),
        ReasoningStepEvent(content=step, reasoning_content="One. Two. ", run_id="r1"),
        said(reasoning_content="Three."),
        ReasoningCompletedEvent(run_id="r1"),
        said("Hello"),
        RunCompletedEvent(content="Hello", reasoning_content="One. Two. Three.", run_id="r1"),
    )
    assert told(reading) == [("reasoning", "One. Two. Three."), ("message", "Hello")]


def test_what_another_model_will_put_into_form_is_reasoning() -> None:
    """The answer is what that one says."""
    reading = read(IntermediateRunContentEvent(content="draft", run_id="r1"), said("final"))
    assert told(reading) == [("reasoning", "draft"), ("message", "final")]


class Weather(BaseModel):
    """Something an agent knows."""

    city: str


def test_a_structured_answer_is_data() -> None:
    """With an output schema the content is a model."""
    (message,) = read(said(Weather(city="Paris"), content_type="Weather")).messages
    assert message["content"][0]["data"] == {"city": "Paris"}


def test_an_output_alone_is_the_answer() -> None:
    """`return await agent.arun(msgs)`: calls, results and text of the whole run."""
    output = RunOutput(
        run_id="r1",
        agent_name="friday",
        content="Done.",
        reasoning_content="Well",
        tools=[tool(result="a page"), tool("c2")],
        metrics=RunMetrics(**COST),
    )
    reading = read(output)
    kinds = ["plugin_call", "plugin_call_output", "plugin_call", "reasoning", "message"]
    assert [kind for kind, _ in told(reading)] == kinds
    assert (reading.text, reading.messages[-1]["usage"], reading.response["usage"]) == ("Done.", COST, COST)


def test_the_last_event_alone_is_the_answer() -> None:
    """Whoever passes only that on, passes on what it says."""
    assert told(read(RunCompletedEvent(content="Done.", run_id="r1"))) == [("message", "Done.")]


def test_costs_stand_where_answers_end_and_add_up() -> None:
    """That of a request which brought calls only stands at the first call."""
    reading = read(
        ModelRequestCompletedEvent(run_id="r1", **COST),
        ToolCallStartedEvent(tool=tool(), run_id="r1"),
        ToolCallCompletedEvent(tool=tool(result="a page"), run_id="r1"),
        said("Done."),
        ModelRequestCompletedEvent(run_id="r1", **COST),
    )
    assert [message["usage"] for message in reading.messages] == [COST, None, COST]
    assert reading.response["usage"]["total_tokens"] == 10


def test_members_of_a_team_are_told_apart() -> None:
    """Each run has its own messages, under the name of who speaks."""
    reading = read(
        TeamRunContentEvent(content="I ask ", run_id="t", team_name="crew"),
        said("I am "),
        TeamRunContentEvent(content="Friday.", run_id="t", team_name="crew"),
        said("Friday."),
    )
    names = {message["metadata"]["original_name"]: message["text"] for message in reading.messages}
    assert names == {"crew": "I ask Friday.", "friday": "I am Friday."}


def test_calls_that_wait_for_somebody_are_told() -> None:
    """A paused run ends with what a person has to agree to."""
    reading = read(RunPausedEvent(tools=[tool(requires_confirmation=True)], run_id="r1"))
    assert [message["content"][0]["data"]["name"] for message in reading.messages] == ["look"]


def test_a_failed_run_is_an_error() -> None:
    """Agno tells of it; for the engine it is raised. A team goes on without one of its members."""
    failure = RunErrorEvent(content="no model", error_type="ModelError", run_id="r1")
    with pytest.raises(AgnoRunFailed, match="ModelError: no model"):
        read(said("Hel"), failure)
    with pytest.raises(AgnoRunFailed, match="no model"):
        read(RunOutput(content="no model", status=RunStatus.error))
    failure.parent_run_id = "t"
    assert told(read(said("Hel"), failure)) == [("message", "Hel")]


def test_a_cancelled_run_closes_what_was_open() -> None:
    """What was said stays said."""
    assert told(read(said("Hel"), RunCancelledEvent(run_id="r1"))) == [("message", "Hel")]


def test_converters_replace_events() -> None:
    """Found by the event's name; they make text, a part or a message, or say what other events mean."""
    reading = read(
        said("hello"),
        CustomEvent(event="CustomEvent", content="42", run_id="r1"),  # type: ignore[no-untyped-call]
        ToolCallStartedEvent(tool=tool(), run_id="r1"),
        RunContent=lambda event: event.content.upper(),
        CustomEvent=lambda event: Message(role="assistant", content=f"custom {event.content}"),
        ToolCallStarted=lambda event: None,
    )
    assert told(reading) == [("message", "HELLO"), ("message", "custom 42")]


def test_our_own_words_may_be_mixed_in() -> None:
    """Strings and ready messages beside agno's events; anything else is refused."""
    reading = read(
        "Wait. ", said("Hello"), RunContentCompletedEvent(run_id="r1"), Message(role="assistant", content="Bye")
    )
    assert told(reading) == [("message", "Wait. "), ("message", "Hello"), ("message", "Bye")]
    with pytest.raises(UnusableOutput, match="agno"):
        read(42)
