"""Sandbox methods, and any other function, as functions of agno.

    agent = Agent(model=…, tools=[sandbox_tool_adapter(box.browser_navigate), sandbox_tool_adapter(box.browser_click)])

Agno shows the pictures that a tool gave to models that can see.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from agno.media import Image
from agno.tools.function import Function, ToolResult
from pydantic import Field

from agentscope_runtime.adapters.functions import schema_of
from agentscope_runtime.adapters.sandbox_tools import Outcome, SandboxTool


class ToolFailed(Exception):
    """What a tool said when it failed; agno tells it to the model."""


class _BlockingFunction(Function):
    """A function that blocks; asynchronous runs call it in the threads that all adapters share.

    Agno would use those of the event loop, of which there are four more than processors. It waits for a hook that is
    asynchronous instead; synchronous runs have no use for one.
    """

    in_thread: Callable[..., Any] = Field(exclude=True)

    def _per_run_copy(self) -> Function:
        copy = super()._per_run_copy()
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return copy
        copy.tool_hooks = [*(self.tool_hooks or ()), self.in_thread]
        return copy


def sandbox_tool_adapter(
    func: Callable[..., Any], *, name: str | None = None, description: str | None = None
) -> Function:
    """Return a function of agno that calls a function: a bound method of a sandbox, sync or async, or another one.

    Name and description are those of the function where they are not given.
    """
    tool = SandboxTool(func, name=name, description=description)

    def run(**arguments: Any) -> Any:
        return _answer(tool.call(**arguments))

    async def run_async(**arguments: Any) -> Any:
        return _answer(await tool.call_async(**arguments))

    async def in_thread(arguments: dict[str, Any]) -> Any:
        return await run_async(**arguments)

    told: dict[str, Any] = {
        "name": tool.name,
        "description": tool.description,
        "parameters": schema_of(tool.arguments),
        "skip_entrypoint_processing": True,  # the schema is there; the entry point's own would say nothing
    }
    if tool.is_async:
        return Function(entrypoint=run_async, **told)
    return _BlockingFunction(entrypoint=run, in_thread=in_thread, **told)


def _answer(outcome: Outcome) -> ToolResult:
    if outcome.failed:
        raise ToolFailed(outcome.text)
    images = [Image(content=image.decoded(), mime_type=image.media_type) for image in outcome.images]
    return ToolResult(content=outcome.text, images=images or None)
