"""Whatever a graph yields, in whatever order, clients read a stream."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.messages.tool import tool_call_chunk
from streamed import streamed

from agentscope_runtime.adapters.langgraph.stream import LangGraphTranslator
from agentscope_runtime.engine.schemas.agent_schemas import Message

IMAGE: Any = [{"type": "image", "url": "https://example.com/a.png"}]


def chunk(content: Any = "", id: str | None = "run-1", **more: Any) -> AIMessageChunk:
    """Make a chunk of a model's message."""
    return AIMessageChunk(content=content, id=id, **more)


ANYTHING: list[Any] = [
    *(chunk(content, id) for content in ("a", "", IMAGE) for id in ("run-1", None)),
    *(
        chunk(tool_call_chunks=[tool_call_chunk(name="look", args="{}", id=id, index=index)])
        for index in (0, 1, None)
        for id in ("c1", None)
    ),
    chunk(chunk_position="last"),
    chunk("", None, chunk_position="last"),
    chunk(additional_kwargs={"reasoning_content": "hm"}),
    (chunk("a"), True),
    AIMessage("whole", id="run-1"),
    AIMessage("", tool_calls=[{"name": "look", "args": {}, "id": "c1"}]),
    ToolMessage("ok", tool_call_id="c1"),
    ToolMessage(IMAGE, tool_call_id="c2", id="t"),
    HumanMessage("hi", id="h"),
    {"messages": [HumanMessage("hi"), AIMessage("there", id="s")]},
    "text",
    Message(role="assistant", content="ready"),
]


@given(st.lists(st.sampled_from(ANYTHING), max_size=12))
def test_no_order_of_outputs_breaks_the_stream(outputs: list[Any]) -> None:
    """However odd a graph is: what comes out is a stream, and what was said in it is told."""
    reading = streamed(LangGraphTranslator(), outputs)
    assert reading.response["status"] == "completed"
    assert ("text" in outputs) == any("text" in (message["text"] or "") for message in reading.messages)
