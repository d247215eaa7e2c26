"""Functions as tools of an agentscope agent: methods of sandboxes, and tools that describe themselves.

    toolkit.register_tool_function(sandbox_tool_adapter(box.browser_navigate))

Once the engine serves agentscope agents, `toolkit.register_tool_function(box.browser_navigate)` does the same.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from agentscope.tool import Toolkit, ToolResponse
from pydantic import BaseModel

from agentscope_runtime.adapters.agentscope.blocks import FailedBlocks, as_block
from agentscope_runtime.adapters.agentscope.replacing import replace_once
from agentscope_runtime.adapters.functions import parameters_of
from agentscope_runtime.adapters.sandbox_tools import Outcome, SandboxTool, outcome_of
from agentscope_runtime.engine.schemas.content import TextContent
from agentscope_runtime.engine.serialization import to_jsonable
from agentscope_runtime.sandbox._async.sandbox import SandboxAsync
from agentscope_runtime.sandbox._sync.sandbox import Sandbox
from agentscope_runtime.sandbox.errors import SandboxError

ToolFunction = Callable[..., Awaitable[ToolResponse]]


def sandbox_tool_adapter(func: Callable[..., Any]) -> ToolFunction:
    """Return a function for `toolkit.register_tool_function`, with the name, the parameters and the words of `func`.

    It returns blocks, pictures as pictures. A function that blocks is run in a thread; whoever is cancelled meanwhile
    does not wait for it. What fails in the sandbox is a result that says so.

    Args:
        func: A method of a sandbox, or any other function, of which kind ever.
    """
    tool = SandboxTool(func)

    @functools.wraps(func.func if isinstance(func, functools.partial) else func)
    async def call(*args: Any, **kwargs: Any) -> ToolResponse:
        try:
            return response_of(await tool.result_of(*args, **kwargs))
        except SandboxError as error:
            return _response(Outcome((f"Error: {error}",), failed=True))  # as agentscope words it

    call.__name__ = tool.name
    # Annotations as types: agentscope makes the schema of them as they stand.
    vars(call)["__signature__"] = inspect.Signature(parameters_of(func), return_annotation=ToolResponse)
    return call


def response_of(result: Any) -> ToolResponse:
    """Return what a tool returned in agentscope's words; a sandbox's failure has `isError` in its metadata."""
    if isinstance(result, ToolResponse):
        return result
    return _response(Outcome() if result is None else outcome_of(result))


def _response(outcome: Outcome) -> ToolResponse:
    content: list[Any] = [as_block(TextContent(text=p) if isinstance(p, str) else p.content()) for p in outcome.parts]
    metadata = {"isError": outcome.failed, "meta": to_jsonable(outcome.meta)}
    return ToolResponse(content=FailedBlocks(content) if outcome.failed else content, metadata=metadata)


def agentscope_tool_adapter(tool: Any, name: str | None = None, description: str | None = None) -> Any:
    """Return a tool as what agentscope keeps of registered ones: `toolkit.tools[it.name] = it`.

    Args:
        tool: A function, or an object with `name`, `description`, `function_schema` and `arun` or `run`.
        name: Another name for it.
        description: Other words for what it does.
    """
    toolkit = Toolkit()
    if hasattr(tool, "function_schema"):
        function, schema = _function_of(tool), _schema_of(tool)
        toolkit.register_tool_function(function, func_name=name, func_description=description, json_schema=schema)
    else:
        streams = inspect.isasyncgenfunction(tool) or inspect.isgeneratorfunction(tool)
        function = tool if streams else sandbox_tool_adapter(tool)
        toolkit.register_tool_function(function, func_name=name, func_description=description)
    (registered,) = toolkit.tools.values()
    return registered


def agentscope_toolkit_adapter(
    tools: Sequence[Any],
    name_overrides: Mapping[str, str] | None = None,
    description_overrides: Mapping[str, str] | None = None,
) -> Toolkit:
    """Return a toolkit of such tools; names and descriptions may be replaced, by the name that a tool has."""
    toolkit = Toolkit()
    for tool in tools:
        own = str(getattr(tool, "name", None) or getattr(tool, "__name__", ""))
        registered = agentscope_tool_adapter(
            tool, (name_overrides or {}).get(own), (description_overrides or {}).get(own)
        )
        toolkit.tools[registered.name] = registered
    return toolkit


def _function_of(tool: Any) -> ToolFunction:
    """Return a function that runs a tool which is an object."""
    run = sandbox_tool_adapter(tool.arun if hasattr(tool, "arun") else tool.run)

    async def call(**arguments: Any) -> ToolResponse:
        model = getattr(tool, "input_type", None)
        return await run(arguments if model is None else model.model_validate(arguments))

    call.__name__ = tool.name
    return call


def _schema_of(tool: Any) -> dict[str, Any]:
    schema = tool.function_schema
    described = schema.model_dump() if isinstance(schema, BaseModel) else dict(schema)
    parameters = {"type": "object", "properties": {}, **to_jsonable(described.get("parameters") or {})}
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": parameters},
    }


def accept_bound_methods() -> None:
    """Let every toolkit take methods of sandboxes as they are; everything else is registered as before.

    Called again, it does nothing.
    """

    def accepting(register: Callable[..., Any]) -> Callable[..., Any]:
        def register_tool_function(self: Toolkit, tool_func: Any, *args: Any, **kwargs: Any) -> None:
            register(self, _adapted(tool_func), *args, **kwargs)

        return register_tool_function

    replace_once(Toolkit, "register_tool_function", accepting)


def _adapted(function: Any) -> Any:
    """Return a sandbox's method, or a partial of one, as a tool; anything else as it is."""
    if isinstance(function, functools.partial):
        inner = _adapted(function.func)
        return function if inner is function.func else functools.partial(inner, *function.args, **function.keywords)
    of_a_sandbox = inspect.ismethod(function) and isinstance(function.__self__, Sandbox | SandboxAsync)
    return sandbox_tool_adapter(function) if of_a_sandbox else function
