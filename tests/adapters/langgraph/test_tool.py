"""Sandbox methods as tools of langchain."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from langchain_core.messages import ToolMessage
from langchain_core.tools import StructuredTool
from recorded_box import PIXEL, RecordedBox, RecordedBoxAsync
from streamed import streamed

from agentscope_runtime.adapters.langgraph.stream import LangGraphTranslator
from agentscope_runtime.adapters.langgraph.tool import sandbox_tool_adapter
from agentscope_runtime.sandbox.errors import Unavailable

IMAGE = {"type": "image", "base64": PIXEL, "mime_type": "image/png"}


async def called(tool: StructuredTool, **arguments: Any) -> ToolMessage:
    """Return what a model is told when it calls a tool."""
    call = {"type": "tool_call", "id": "c1", "name": tool.name, "args": arguments}
    message = await tool.ainvoke(call)
    assert isinstance(message, ToolMessage)
    return message


def test_the_schema_is_that_of_the_method() -> None:
    """Name, purpose, types, defaults and what the docstring says of each argument."""
    tool = sandbox_tool_adapter(RecordedBox().browser_click)
    assert (tool.name, tool.description) == ("browser_click", "Click an element of the page.")
    schema = tool.get_input_jsonschema()
    assert schema["required"] == ["element", "ref"]
    assert schema["properties"]["ref"]["type"] == "string"
    assert schema["properties"]["ref"]["description"] == 'Its reference from the snapshot, such as "e3".'


async def test_a_sync_method_runs_off_the_loop() -> None:
    """The loop's thread does not call it."""
    box = RecordedBox()
    message = await called(sandbox_tool_adapter(box.browser_navigate), url="https://example.com")
    assert message.content == 'browser_navigate: heading "Hello" [ref=e1]'
    assert box.calls == [("browser_navigate", {"url": "https://example.com"})]
    assert box.threads != [threading.get_ident()]


async def test_an_async_method_is_awaited() -> None:
    """It is a tool for the graph's asynchronous methods only."""
    box = RecordedBoxAsync()
    tool = sandbox_tool_adapter(box.browser_navigate)
    await called(tool, url="https://example.com")
    assert box.calls == [("browser_navigate", {"url": "https://example.com"})]
    with pytest.raises(NotImplementedError):
        tool.invoke({"url": "https://example.com"})


def test_a_sync_method_may_be_called_synchronously() -> None:
    """`graph.invoke` works with sync sandboxes."""
    box = RecordedBox()
    assert sandbox_tool_adapter(box.browser_snapshot).invoke({}) == 'browser_snapshot: heading "Hello" [ref=e1]'


async def test_users_see_a_picture_that_models_are_told_of() -> None:
    """Many models take text only as a tool's result; the user sees the picture all the same."""
    message = await called(sandbox_tool_adapter(RecordedBox().browser_take_screenshot))
    assert message.content == "A screenshot\n[image/png]"
    assert pictures(message) == [f"data:image/png;base64,{PIXEL}"]


async def test_a_picture_may_be_shown_to_the_model() -> None:
    """To one that takes it, as a block beside the text; the user sees it once."""
    message = await called(sandbox_tool_adapter(RecordedBox().browser_take_screenshot, images=True))
    assert message.content == [{"type": "text", "text": "A screenshot\n[image/png]"}, IMAGE]
    assert pictures(message) == [f"data:image/png;base64,{PIXEL}"]


@pytest.mark.parametrize("kind", [RecordedBox, RecordedBoxAsync])
async def test_a_failure_is_told_to_the_model(kind: type[RecordedBox] | type[RecordedBoxAsync]) -> None:
    """A tool that fails is a result that says why."""
    message = await called(sandbox_tool_adapter(kind().browser_click), element="Button", ref="e404")
    assert (message.status, message.content) == ("error", "no element e404")


@pytest.mark.parametrize("kind", [RecordedBox, RecordedBoxAsync])
async def test_a_sandbox_that_is_gone_is_told_to_the_model(kind: type[RecordedBox] | type[RecordedBoxAsync]) -> None:
    """The run goes on: the model can say what it could not do."""

    def gone(name: str, arguments: Any) -> dict[str, Any]:
        raise Unavailable("the manager does not answer")

    message = await called(sandbox_tool_adapter(kind(gone).browser_snapshot))
    assert (message.status, message.content) == ("error", "the manager does not answer")


def test_a_sandbox_that_is_gone_is_told_in_sync_calls() -> None:
    """The same without a loop."""

    def gone(name: str, arguments: Any) -> dict[str, Any]:
        raise Unavailable("the manager does not answer")

    assert sandbox_tool_adapter(RecordedBox(gone).browser_snapshot).invoke({}) == "the manager does not answer"


async def test_any_function_is_a_tool() -> None:
    """With a name and a description of one's own, if wanted."""

    def add(a: int, b: int = 1) -> int:
        return a + b

    tool = sandbox_tool_adapter(add, name="plus", description="Adds.")
    assert (tool.name, tool.description) == ("plus", "Adds.")
    assert (await called(tool, a=2)).content == "3"


def pictures(message: ToolMessage) -> list[str]:
    """Return the pictures that a client sees of a result."""
    (told,) = streamed(LangGraphTranslator(), [message]).messages
    return [part["image_url"] for part in told["content"] if part["type"] == "image"]
