"""Agents and teams made with agno."""

from __future__ import annotations

from agentscope_runtime.engine.frameworks import Adapter, importing

with importing("agno"):
    from agentscope_runtime.adapters.agno.agent import serve
    from agentscope_runtime.adapters.agno.message import message_to_agno_message
    from agentscope_runtime.adapters.agno.stream import AgnoTranslator

ADAPTER = Adapter(messages=message_to_agno_message, translator=AgnoTranslator, serve=serve)
