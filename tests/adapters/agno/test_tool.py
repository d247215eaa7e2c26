"""Sandbox methods as functions of agno."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from agno.tools.function import Function, FunctionCall, FunctionExecutionResult, ToolResult
from recorded_box import PIXEL, RecordedBox, RecordedBoxAsync

from agentscope_runtime.adapters.agno.tool import sandbox_tool_adapter
from agentscope_runtime.sandbox.errors import Unavailable

BOXES = [RecordedBox, RecordedBoxAsync]


async def called(function: Function, **arguments: Any) -> FunctionExecutionResult:
    """Call a function as a model of agno does in an asynchronous run."""
    from agno.models.openai import OpenAILike

    call = FunctionCall(function=function, arguments=arguments, call_id="c1")
    _, _, _, result = await OpenAILike(api_key="none").arun_function_call(call)
    return result


def test_the_schema_is_that_of_the_method() -> None:
    """Name, purpose, types, defaults and what the docstring says of each argument."""
    function = sandbox_tool_adapter(RecordedBox().browser_click)
    told = function.to_dict()
    assert (told["name"], told["description"]) == ("browser_click", "Click an element of the page.")
    assert told["parameters"]["required"] == ["element", "ref"]
    assert told["parameters"]["properties"]["ref"] == {
        "type": "string",
        "description": 'Its reference from the snapshot, such as "e3".',
    }


@pytest.mark.parametrize("kind", BOXES)
async def test_sync_and_async_methods_are_tools(kind: type[RecordedBox] | type[RecordedBoxAsync]) -> None:
    """The model is told what the tool said."""
    box = kind()
    result = await called(sandbox_tool_adapter(box.browser_navigate), url="https://example.com")
    assert result.status == "success"
    assert isinstance(result.result, ToolResult)
    assert result.result.content == 'browser_navigate: heading "Hello" [ref=e1]'
    assert box.calls == [("browser_navigate", {"url": "https://example.com"})]


async def test_a_sync_method_runs_off_the_loop() -> None:
    """The loop's thread does not call it."""
    box = RecordedBox()
    await called(sandbox_tool_adapter(box.browser_snapshot))
    assert box.threads != [threading.get_ident()]


def test_a_sync_method_may_be_called_synchronously() -> None:
    """`agent.run` works with sync sandboxes."""
    box = RecordedBox()
    FunctionCall(function=sandbox_tool_adapter(box.browser_snapshot), arguments={}).execute()
    assert box.calls == [("browser_snapshot", {})]


@pytest.mark.parametrize("kind", BOXES)
async def test_pictures_come_with_the_text(kind: type[RecordedBox] | type[RecordedBoxAsync]) -> None:
    """Agno shows them to models that can see, and to users."""
    shown: Any = (await called(sandbox_tool_adapter(kind().browser_take_screenshot))).result
    assert shown.content == "A screenshot\n[image/png]"
    assert [(image.mime_type, image.to_base64()) for image in shown.images] == [("image/png", PIXEL)]


@pytest.mark.parametrize("kind", BOXES)
async def test_a_failure_is_told_to_the_model(kind: type[RecordedBox] | type[RecordedBoxAsync]) -> None:
    """As what it is, with what the tool said."""
    result = await called(sandbox_tool_adapter(kind().browser_click), element="Button", ref="e404")
    assert (result.status, result.error) == ("failure", "no element e404")


@pytest.mark.parametrize("kind", BOXES)
async def test_a_sandbox_that_is_gone_is_told_to_the_model(kind: type[RecordedBox] | type[RecordedBoxAsync]) -> None:
    """The run goes on: the model can say what it could not do."""

    def gone(name: str, arguments: Any) -> dict[str, Any]:
        raise Unavailable("the manager does not answer")

    result = await called(sandbox_tool_adapter(kind(gone).browser_snapshot))
    assert (result.status, result.error) == ("failure", "the manager does not answer")


async def test_any_function_is_a_tool() -> None:
    """With a name and a description of one's own, if wanted."""

    def add(a: int, b: int = 1) -> int:
        return a + b

    function = sandbox_tool_adapter(add, name="plus", description="Adds.")
    assert (function.name, function.description) == ("plus", "Adds.")
    assert (await called(function, a=2)).result == ToolResult(content="3")


async def test_many_block_side_by_side() -> None:
    """More than the event loop's own threads are: forty sessions wait for forty sandboxes."""
    together = threading.Barrier(40, timeout=30)
    function = sandbox_tool_adapter(lambda: str(together.wait() >= 0), name="wait")
    runs = [called(function._per_run_copy()) for _ in range(40)]  # as agents do with their tools in each run
    assert [one.result for one in await asyncio.gather(*runs)] == [ToolResult(content="True")] * 40
    assert function._per_run_copy().tool_hooks, "agents would wait in the loop's threads"


def test_a_synchronous_run_calls_it_where_it_is() -> None:
    """Agno would warn of a hook that it cannot wait for."""
    box = RecordedBox()
    FunctionCall(function=sandbox_tool_adapter(box.browser_snapshot)._per_run_copy(), arguments={}).execute()
    assert box.threads == [threading.get_ident()]
