"""Agents and teams made with autogen (`autogen-agentchat`)."""

from __future__ import annotations

from agentscope_runtime.engine.frameworks import Adapter, importing

with importing("autogen"):
    from agentscope_runtime.adapters.autogen.agent import serve
    from agentscope_runtime.adapters.autogen.message import message_to_autogen_msg
    from agentscope_runtime.adapters.autogen.stream import AutogenTranslator

ADAPTER = Adapter(messages=message_to_autogen_msg, translator=AutogenTranslator, serve=serve)
