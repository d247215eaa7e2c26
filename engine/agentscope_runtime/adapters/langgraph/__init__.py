"""Agents made with langgraph, and whatever else speaks in langchain's messages."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

from agentscope_runtime.engine.frameworks import Adapter, importing

with importing("langgraph"):
    from agentscope_runtime.adapters.langgraph.message import message_to_langgraph_msg
    from agentscope_runtime.adapters.langgraph.stream import LangGraphTranslator


def _serve(agent: Any) -> Callable[..., AsyncIterator[Any]] | None:
    if "langgraph" not in sys.modules:
        return None  # langchain alone has no graphs
    from agentscope_runtime.adapters.langgraph.agent import serve

    return serve(agent)


ADAPTER = Adapter(messages=message_to_langgraph_msg, translator=LangGraphTranslator, serve=_serve)
