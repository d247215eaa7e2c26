"""The model behind the example agents: a real one where a key is set, else the scripted one of this folder.

DASHSCOPE_API_KEY                   qwen-max of DashScope
OPENAI_API_KEY, OPENAI_BASE_URL     gpt-4o-mini, or whatever MODEL names, of an OpenAI-compatible server
neither                             python examples/scripted_model.py --port 8900, or the server at SCRIPTED_MODEL
"""

from __future__ import annotations

import os

from agentscope.formatter import DashScopeChatFormatter, FormatterBase, OpenAIChatFormatter
from agentscope.model import ChatModelBase, DashScopeChatModel, OpenAIChatModel

SCRIPTED_MODEL = "http://127.0.0.1:8900/api/v1"


def friday_model() -> tuple[ChatModelBase, FormatterBase]:
    """Return a model, and the formatter that writes messages as it wants them."""
    if key := os.environ.get("DASHSCOPE_API_KEY"):
        return DashScopeChatModel(os.environ.get("MODEL", "qwen-max"), api_key=key), DashScopeChatFormatter()
    if key := os.environ.get("OPENAI_API_KEY"):
        return OpenAIChatModel(os.environ.get("MODEL", "gpt-4o-mini"), api_key=key), OpenAIChatFormatter()
    url = os.environ.get("SCRIPTED_MODEL", SCRIPTED_MODEL)
    return DashScopeChatModel("scripted", api_key="none", base_http_api_url=url), DashScopeChatFormatter()
