"""Sandbox methods as tools, as far as all frameworks need the same."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import Any

import pytest
from recorded_box import PIXEL, RecordedBox, RecordedBoxAsync

from agentscope_runtime.adapters.media import Medium
from agentscope_runtime.adapters.sandbox_tools import Outcome, SandboxTool, outcome_of


def test_a_result_is_read_by_its_parts() -> None:
    """Text is joined, pictures are kept and mentioned, what is neither is told as JSON."""
    parts = [
        {"type": "text", "text": "one"},
        {"type": "image", "data": "AAAA", "mimeType": "image/png"},
        {"type": "image"},
        {"type": "resource", "uri": "file:///a"},
        {"type": "text", "text": ""},
        {"type": "audio", "data": "BBBB"},
    ]
    outcome = outcome_of({"meta": None, "content": parts, "isError": True})
    assert outcome.text == 'one\n[image/png]\n[image]\n{"type": "resource", "uri": "file:///a"}\n[audio/wav]'
    assert (outcome.images, outcome.failed) == ((Medium("image/png", "AAAA"),), True)


def test_rich_output_of_cells_is_told_where_it_can_be_read() -> None:
    """Pages and drawings are mentioned, other text is passed on; a page that is no cell's is what was asked for."""

    def resource(uri: str, kind: str, text: str) -> dict[str, object]:
        return {"type": "resource", "resource": {"uri": uri, "mimeType": kind, "text": text}}

    parts = [
        resource("cell://main/1/1", "text/html", "<table>"),
        resource("cell://main/1/2", "image/svg+xml", "<svg>"),
        resource("cell://main/1/3", "application/json", "[1]"),
        resource("file:///page", "text/html", "<p>"),
    ]
    assert outcome_of({"content": parts}).parts == ("[text/html]", "[image/svg+xml]", "[1]", "<p>")


@pytest.mark.parametrize(
    ("result", "text"),
    [("text", "text"), (None, "null"), ({"a": [1]}, '{"a": [1]}'), ({"content": "x"}, '{"content": "x"}')],
)
def test_other_results_are_text_or_json(result: Any, text: str) -> None:
    """Tools that know nothing of sandboxes return what they like."""
    assert outcome_of(result) == Outcome((text,))


async def test_sync_and_async_methods_are_called_alike() -> None:
    """The caller need not know which it has."""
    for box in (RecordedBox(), RecordedBoxAsync()):
        outcome = await SandboxTool(box.browser_take_screenshot).call_async()
        assert outcome.images == (Medium("image/png", PIXEL),)


def test_an_async_tool_cannot_be_called_synchronously() -> None:
    """The error says what to do instead."""
    with pytest.raises(TypeError, match=r"browser_snapshot is asynchronous: run the agent by its asynchronous methods"):
        SandboxTool(RecordedBoxAsync().browser_snapshot).call()


class Adder:
    """An object that can be called."""

    async def __call__(self, a: int, b: int) -> int:
        """Add."""
        return a + b


async def test_objects_and_partials_are_tools() -> None:
    """Whatever can be called, sync or async."""
    tool = SandboxTool(Adder())
    assert (tool.name, tool.is_async, await tool.call_async(a=1, b=2)) == ("Adder", True, Outcome(("3",)))
    box = RecordedBox()
    click = SandboxTool(partial(box.browser_click, element="Button"), name="press")
    await click.call_async(ref="e1")
    assert box.calls == [("browser_click", {"element": "Button", "ref": "e1"})]


async def test_a_function_that_returns_a_coroutine_is_awaited() -> None:
    """A lambda around an async method is a common way to give it arguments."""
    box = RecordedBoxAsync()
    assert (await SandboxTool(lambda: box.browser_snapshot(), name="look").call_async()).text.startswith(
        "browser_snapshot"
    )


async def test_a_cancelled_run_does_not_wait_for_its_tool() -> None:
    """Whoever presses stop need not wait until a page has loaded."""
    entered, leave = threading.Event(), threading.Event()

    def slow() -> str:
        entered.set()
        leave.wait(10)
        return "done"

    task = asyncio.create_task(SandboxTool(slow).call_async())
    await asyncio.to_thread(entered.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not leave.is_set()
    leave.set()


async def test_many_block_side_by_side() -> None:
    """More than the default pools of threads hold: a hundred sessions wait for a hundred sandboxes."""
    together = threading.Barrier(100, timeout=30)
    tools = [SandboxTool(lambda: str(together.wait() >= 0), name="wait") for _ in range(100)]
    outcomes = await asyncio.gather(*(tool.call_async() for tool in tools))
    assert {outcome.text for outcome in outcomes} == {"True"}


def test_a_tool_that_failed_in_silence_says_that() -> None:
    """A model that reads nothing would take it for a success."""
    assert outcome_of({"content": [], "isError": True}).text == "the tool failed, and did not say why"
