"""Sandbox methods as tools of autogen."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from autogen_core import CancellationToken
from autogen_core.tools import StaticStreamWorkbench, ToolResult
from recorded_box import PIXEL, RecordedBox, RecordedBoxAsync

from agentscope_runtime.adapters.autogen.tool import (
    AutogenToolAdapter,
    ToolPictures,
    create_autogen_tools,
    sandbox_tool_adapter,
)
from agentscope_runtime.sandbox.errors import Unavailable

BOXES = [RecordedBox, RecordedBoxAsync]


async def called(tool: AutogenToolAdapter, **arguments: Any) -> tuple[ToolResult, list[ToolPictures]]:
    """Return what an agent makes of a call of a tool: what the model is told, and what is streamed beside it."""
    given: list[Any] = [
        item async for item in StaticStreamWorkbench([tool]).call_tool_stream(tool.name, arguments, call_id="c1")
    ]
    return given[-1], given[:-1]


def test_the_schema_is_that_of_the_method() -> None:
    """Name, purpose, types, defaults and what the docstring says of each argument."""
    (tool,) = create_autogen_tools([RecordedBox().browser_click])
    assert (tool.schema["name"], tool.schema["description"]) == ("browser_click", "Click an element of the page.")
    parameters = tool.schema["parameters"]
    assert parameters["required"] == ["element", "ref"]
    assert parameters["properties"]["ref"]["type"] == "string"
    assert parameters["properties"]["ref"]["description"] == 'Its reference from the snapshot, such as "e3".'


@pytest.mark.parametrize("kind", BOXES)
async def test_sync_and_async_methods_are_tools(kind: type[RecordedBox] | type[RecordedBoxAsync]) -> None:
    """The model is told what the tool said."""
    box = kind()
    result, beside = await called(sandbox_tool_adapter(box.browser_navigate), url="https://example.com")
    assert (result.to_text(), result.is_error, beside) == ('browser_navigate: heading "Hello" [ref=e1]', False, [])
    assert box.calls == [("browser_navigate", {"url": "https://example.com"})]


async def test_a_sync_method_runs_off_the_loop() -> None:
    """The loop's thread does not call it."""
    box = RecordedBox()
    await called(sandbox_tool_adapter(box.browser_snapshot))
    assert box.threads != [threading.get_ident()]


async def test_pictures_are_streamed_beside_the_text() -> None:
    """Autogen has no place for them in a result."""
    result, beside = await called(sandbox_tool_adapter(RecordedBox().browser_take_screenshot))
    assert result.to_text() == "A screenshot\n[image/png]"
    assert [(event.call_id, event.pictures) for event in beside] == [("c1", [f"data:image/png;base64,{PIXEL}"])]
    assert beside[0].to_text() == "browser_take_screenshot gave 1 pictures"


async def test_a_tool_may_be_called_by_itself() -> None:
    """As autogen's own tools: `run_json` returns what it said, `run_stream` its pictures, too."""
    tool = sandbox_tool_adapter(RecordedBox().browser_take_screenshot)
    said = await tool.run_json({}, CancellationToken())
    assert tool.return_value_as_string(said) == "A screenshot\n[image/png]"
    arguments = tool.args_type()()
    kinds = [type(said).__name__ async for said in tool.run_stream(arguments, CancellationToken())]
    assert kinds == ["ToolPictures", "ToolSaid"]


@pytest.mark.parametrize("kind", BOXES)
async def test_a_failure_is_told_to_the_model(kind: type[RecordedBox] | type[RecordedBoxAsync]) -> None:
    """As what it is, with what the tool said."""
    result, _ = await called(sandbox_tool_adapter(kind().browser_click), element="Button", ref="e404")
    assert (result.to_text(), result.is_error) == ("no element e404", True)


@pytest.mark.parametrize("kind", BOXES)
async def test_a_sandbox_that_is_gone_is_told_to_the_model(kind: type[RecordedBox] | type[RecordedBoxAsync]) -> None:
    """The run goes on: the model can say what it could not do."""

    def gone(name: str, arguments: Any) -> dict[str, Any]:
        raise Unavailable("the manager does not answer")

    result, _ = await called(sandbox_tool_adapter(kind(gone).browser_snapshot))
    assert (result.to_text(), result.is_error) == ("the manager does not answer", True)


async def test_a_cancelled_call_does_not_wait_for_its_tool() -> None:
    """Autogen's token ends it."""
    entered, leave = threading.Event(), threading.Event()

    def slow() -> str:
        entered.set()
        leave.wait(10)
        return "done"

    token = CancellationToken()
    call = asyncio.create_task(sandbox_tool_adapter(slow).run_json({}, token))
    await asyncio.to_thread(entered.wait, 10)
    token.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    leave.set()


async def test_any_function_is_a_tool() -> None:
    """With a name and a description of one's own, if wanted."""

    def add(a: int, b: int = 1) -> int:
        return a + b

    tool = sandbox_tool_adapter(add, name="plus", description="Adds.")
    assert (tool.name, tool.description) == ("plus", "Adds.")
    assert (await called(tool, a=2))[0].to_text() == "3"
