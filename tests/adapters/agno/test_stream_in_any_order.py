"""Whatever an agent of agno yields, in whatever order, clients read a stream."""

from __future__ import annotations

from typing import Any

from agno.media import Image
from agno.metrics import RunMetrics
from agno.models.response import ToolExecution
from agno.run.agent import (
    ModelRequestCompletedEvent,
    ReasoningStepEvent,
    RunCancelledEvent,
    RunCompletedEvent,
    RunContentCompletedEvent,
    RunContentEvent,
    RunOutput,
    RunPausedEvent,
    ToolCallCompletedEvent,
    ToolCallStartedEvent,
)
from hypothesis import given
from hypothesis import strategies as st
from recorded_box import PIXEL
from streamed import streamed

from agentscope_runtime.adapters.agno.stream import AgnoTranslator
from agentscope_runtime.engine.schemas.agent_schemas import Message

COST: dict[str, Any] = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
IMAGE = Image.from_base64(PIXEL, mime_type="image/png")


def tool(id: str, **more: Any) -> ToolExecution:
    """Make a call, or what came of it."""
    return ToolExecution(tool_call_id=id, tool_name="look", **more)


ANYTHING: list[Any] = [
    *(RunContentEvent(content=content, run_id=run) for content in ("a", None, {"a": 1}) for run in ("r1", "r2")),
    RunContentEvent(reasoning_content="hm", run_id="r1"),
    RunContentEvent(image=IMAGE, run_id="r1"),
    ModelRequestCompletedEvent(run_id="r1", **COST),
    RunContentCompletedEvent(run_id="r1"),
    ReasoningStepEvent(reasoning_content="hm, well", run_id="r1"),
    *(ToolCallStartedEvent(tool=tool(id), run_id="r1") for id in ("c1", "c2")),
    ToolCallCompletedEvent(tool=tool("c1", result="ok"), images=[IMAGE], run_id="r1"),
    ToolCallStartedEvent(run_id="r2"),
    RunPausedEvent(tools=[tool("c3")], run_id="r1"),
    RunCompletedEvent(content="a", run_id="r1", metrics=RunMetrics(**COST)),
    RunCancelledEvent(run_id="r2"),
    RunOutput(content="a", tools=[tool("c4", result="ok")], run_id="r3"),
    "text",
    Message(role="assistant", content="ready"),
]


@given(st.lists(st.sampled_from(ANYTHING), max_size=12))
def test_no_order_of_outputs_breaks_the_stream(outputs: list[Any]) -> None:
    """However odd a run is: what comes out is a stream, and what was said in it is told."""
    reading = streamed(AgnoTranslator(), outputs)
    assert reading.response["status"] == "completed"
    assert ("text" in outputs) == any("text" in (message["text"] or "") for message in reading.messages)
