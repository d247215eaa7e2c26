"""Sandbox methods, and any other function, as tools of langchain.

tools = [sandbox_tool_adapter(box.browser_navigate), sandbox_tool_adapter(box.browser_take_screenshot)]
graph = create_react_agent(model, tools)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langchain_core.tools import StructuredTool, ToolException

from agentscope_runtime.adapters.sandbox_tools import Outcome, SandboxTool
from agentscope_runtime.sandbox.errors import SandboxError


def sandbox_tool_adapter(
    func: Callable[..., Any], *, name: str | None = None, description: str | None = None, images: bool = False
) -> StructuredTool:
    """Return a tool that calls a function, off the event loop where it blocks.

    What fails in the sandbox is a result that says so, for the model to read.

    Args:
        func: A bound method of a sandbox, sync or async, or another function.
        name: What the model calls it; the function's own name by default.
        description: What the model is told; by default what the docstring says before its sections.
        images: Whether the model is shown the pictures, and not only told that there are some. Many models' APIs take
            nothing but text as a tool's result, OpenAI's chat completions among them, and refuse the whole request;
            Anthropic's, Google's and OpenAI's Responses take pictures. Users see them either way.
    """
    tool = SandboxTool(func, name=name, description=description)

    def run(**arguments: Any) -> tuple[Any, Any]:
        try:
            return _answer(tool.call(**arguments), images)
        except SandboxError as error:
            raise ToolException(str(error)) from error

    async def run_async(**arguments: Any) -> tuple[Any, Any]:
        try:
            return _answer(await tool.call_async(**arguments), images)
        except SandboxError as error:
            raise ToolException(str(error)) from error

    return StructuredTool(
        name=tool.name,
        description=tool.description,
        args_schema=tool.arguments,
        func=None if tool.is_async else run,
        coroutine=run_async,
        response_format="content_and_artifact",
        handle_tool_error=True,
    )


def _answer(outcome: Outcome, images: bool) -> tuple[Any, Any]:
    """Return what the model is told, and what only users see."""
    if outcome.failed:
        raise ToolException(outcome.text)
    if not outcome.images:
        return outcome.text, None
    if not images:
        shown = [{"type": "image", "data": image.base64, "mimeType": image.media_type} for image in outcome.images]
        return outcome.text, {"content": shown}
    blocks = [{"type": "image", "base64": image.base64, "mime_type": image.media_type} for image in outcome.images]
    return [{"type": "text", "text": outcome.text}, *blocks], None
