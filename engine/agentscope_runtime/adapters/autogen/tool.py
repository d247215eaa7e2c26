"""Sandbox methods, and any other function, as tools of autogen.

    tools = create_autogen_tools([box.browser_navigate, box.browser_click])
    agent = AssistantAgent("friday", model_client, tools=tools)

Autogen tells models what a tool said in text only. The pictures that a tool gave are streamed beside it, so that users
see them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from typing import Any

from autogen_agentchat.messages import BaseAgentEvent
from autogen_core import CancellationToken
from autogen_core.tools import BaseStreamTool
from pydantic import BaseModel

from agentscope_runtime.adapters.sandbox_tools import SandboxTool
from agentscope_runtime.engine.services.keepalive import ending_with_the_run


class ToolPictures(BaseAgentEvent):
    """A tool gave pictures; the models are not shown them."""

    call_id: str | None
    pictures: list[str]
    """As `data:` URLs."""

    def to_text(self) -> str:
        """Say it in words."""
        return f"{self.source} gave {len(self.pictures)} pictures"


class ToolSaid(BaseModel):
    """What a tool said."""

    text: str


class ToolFailed(Exception):
    """What a tool said when it failed; autogen tells it to the model."""


class AutogenToolAdapter(BaseStreamTool[BaseModel, ToolPictures, ToolSaid]):
    """A function as a tool of autogen, with the function's own schema; it runs off the event loop where it blocks."""

    def __init__(self, func: Callable[..., Any], *, name: str | None = None, description: str | None = None) -> None:
        """Describe the tool; name and description are those of the function where they are not given."""
        self._tool = SandboxTool(func, name=name, description=description)
        super().__init__(self._tool.arguments, ToolSaid, self._tool.name, self._tool.description)

    def return_value_as_string(self, value: Any) -> str:
        """Return what the model is told."""
        return value.text if isinstance(value, ToolSaid) else super().return_value_as_string(value)

    async def run(self, args: BaseModel, cancellation_token: CancellationToken) -> ToolSaid:
        """Call the function, and leave its pictures out."""
        said = [said async for said in self._run(args, cancellation_token, None) if isinstance(said, ToolSaid)]
        return said[-1]

    async def run_stream(
        self, args: BaseModel, cancellation_token: CancellationToken
    ) -> AsyncGenerator[ToolPictures | ToolSaid, None]:
        """Call the function; its pictures come first."""
        async for said in self._run(args, cancellation_token, None):
            yield said

    async def run_json_stream(
        self, args: Mapping[str, Any], cancellation_token: CancellationToken, call_id: str | None = None
    ) -> AsyncGenerator[ToolPictures | ToolSaid, None]:
        """Do the same with arguments as they come from a model, and say which call the pictures are of."""
        async for said in super().run_json_stream(args, cancellation_token, call_id):
            yield said.model_copy(update={"call_id": call_id}) if isinstance(said, ToolPictures) else said

    async def _run(
        self, args: BaseModel, cancellation_token: CancellationToken, call_id: str | None
    ) -> AsyncGenerator[ToolPictures | ToolSaid, None]:
        arguments = {name: getattr(args, name) for name in type(args).model_fields}
        call = asyncio.ensure_future(self._tool.call_async(**arguments))
        cancellation_token.link_future(call)
        with ending_with_the_run(call):  # autogen cancels tools by tokens, which not every handler gives it
            outcome = await call
        if outcome.failed:
            raise ToolFailed(outcome.text)
        if outcome.images:
            pictures = [image.url for image in outcome.images]
            yield ToolPictures(source=self.name, call_id=call_id, pictures=pictures)
        yield ToolSaid(text=outcome.text)


def sandbox_tool_adapter(
    func: Callable[..., Any], *, name: str | None = None, description: str | None = None
) -> AutogenToolAdapter:
    """Return a tool that calls a function: a bound method of a sandbox, sync or async, or another one."""
    return AutogenToolAdapter(func, name=name, description=description)


def create_autogen_tools(functions: Iterable[Callable[..., Any]]) -> list[AutogenToolAdapter]:
    """Return a tool for each function."""
    return [AutogenToolAdapter(function) for function in functions]
