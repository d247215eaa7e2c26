"""Real agents of each framework, made as their documentation makes them, whose model is the scripted one."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import dashscope
import httpx
from model_server import ModelServer

Tools = Sequence[Callable[..., Any]]

NAME, PROMPT = "Friday", "You are Friday. Use the tools to find out what you do not know."

KINDS = ("agentscope-dashscope", "agentscope-openai", "langgraph", "agno", "autogen")
"""What can be made: the framework, and where it has several, the model's protocol."""


@dataclass(frozen=True)
class Workshop:
    """Makes agents; their connections to the model are closed when it is."""

    model: ModelServer
    http: httpx.AsyncClient

    def make(self, kind: str, tools: Tools = ()) -> Any:
        """Make an agent with bound methods of a sandbox as its tools."""
        make: Callable[[Tools], Any] = getattr(self, f"_{kind.replace('-', '_')}")
        return make(tools)

    @property
    def _openai(self) -> dict[str, Any]:
        return {"base_url": self.model.openai, "api_key": "none", "http_client": self.http}

    def _agentscope_dashscope(self, tools: Tools) -> Any:
        from agentscope.formatter import DashScopeChatFormatter
        from agentscope.model import DashScopeChatModel

        url = self.model.dashscope
        model = DashScopeChatModel("scripted", api_key="none", enable_thinking=True, base_http_api_url=url)
        return _react_agent(model, DashScopeChatFormatter(), tools)

    def _agentscope_openai(self, tools: Tools) -> Any:
        from agentscope.formatter import OpenAIChatFormatter
        from agentscope.model import OpenAIChatModel

        options: dict[str, Any] = {"base_url": self.model.openai, "http_client": self.http}
        model = OpenAIChatModel("scripted", api_key="none", client_kwargs=options)
        return _react_agent(model, OpenAIChatFormatter(), tools)

    def _langgraph(self, tools: Tools) -> Any:
        from langchain_openai import ChatOpenAI
        from langgraph.prebuilt import create_react_agent
        from pydantic import SecretStr

        from agentscope_runtime.adapters.langgraph.tool import sandbox_tool_adapter

        model = ChatOpenAI(
            model="scripted",
            base_url=self.model.openai,
            api_key=SecretStr("none"),
            http_async_client=self.http,
            stream_usage=True,
        )
        adapted = [sandbox_tool_adapter(tool) for tool in tools]
        with warnings.catch_warnings(action="ignore"):  # it moves to another package, and works as it did
            return create_react_agent(model, adapted, prompt=PROMPT)

    def _agno(self, tools: Tools) -> Any:
        from agno.agent import Agent
        from agno.models.openai import OpenAIChat

        from agentscope_runtime.adapters.agno.tool import sandbox_tool_adapter

        model = OpenAIChat(id="scripted", **self._openai)
        return Agent(
            name=NAME, model=model, tools=list(map(sandbox_tool_adapter, tools)), instructions=PROMPT, telemetry=False
        )

    def _autogen(self, tools: Tools) -> Any:
        from autogen_agentchat.agents import AssistantAgent
        from autogen_core.models import ModelInfo
        from autogen_ext.models.openai import OpenAIChatCompletionClient

        from agentscope_runtime.adapters.autogen.tool import create_autogen_tools

        info = ModelInfo(
            vision=False, function_calling=True, json_output=False, family="unknown", structured_output=False
        )
        client = OpenAIChatCompletionClient(
            model="scripted", model_info=info, stream_options={"include_usage": True}, **self._openai
        )
        return AssistantAgent(
            NAME,
            client,
            tools=[*create_autogen_tools(tools)],
            system_message=PROMPT,
            model_client_stream=True,
            max_tool_iterations=10,
        )


@asynccontextmanager
async def workshop(model: ModelServer) -> AsyncIterator[Workshop]:
    """Open a workshop for agents of one event loop."""
    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
        yield Workshop(model, http)
        await closed_dashscope()


async def closed_dashscope() -> None:
    """Close what DashScope's SDK keeps open for this event loop."""
    close: Any = dashscope.close_shared_aio_session  # which says that it is no coroutine, and is one
    await close()


def framework_of(kind: str) -> str:
    """Return what `@app.query` calls the framework."""
    return kind.partition("-")[0]


def turn(kind: str, agent: Any, msgs: Any) -> AsyncIterator[Any]:
    """Run an agent for one turn, and yield what a query handler of its framework yields."""
    match framework_of(kind):
        case "agentscope":
            from agentscope.pipeline import stream_printing_messages

            return aiter(stream_printing_messages(agents=[agent], coroutine_task=agent(msgs)))
        case "langgraph":
            return aiter(agent.astream({"messages": msgs}, stream_mode="messages"))
        case "agno":
            return aiter(agent.arun(msgs, stream=True, stream_events=True))
        case "autogen":
            return aiter(agent.run_stream(task=msgs))
    raise ValueError(kind)


def _react_agent(model: Any, formatter: Any, tools: Tools) -> Any:
    from agentscope.agent import ReActAgent
    from agentscope.tool import Toolkit

    toolkit = Toolkit()
    for tool in tools:
        toolkit.register_tool_function(tool)  # the bound method itself
    agent = ReActAgent(name=NAME, sys_prompt=PROMPT, model=model, formatter=formatter, toolkit=toolkit)
    agent.set_console_output_enabled(enabled=False)
    return agent
