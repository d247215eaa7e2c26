"""What a client asks of an agent."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from agentscope_runtime.engine.schemas.message import Message
from agentscope_runtime.engine.schemas.tools import Tool


class BaseRequest(BaseModel):
    """The messages so far, and whether the answer shall be streamed."""

    input: list[Message]
    stream: bool = True
    id: str | None = None


class AgentRequest(BaseRequest):
    """A request to an agent; fields that are not named here reach the handler, too."""

    model_config = ConfigDict(extra="allow")

    model: str | None = None
    top_p: float | None = None
    temperature: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    max_tokens: int | None = None
    stop: str | list[str] | None = None
    n: Annotated[int, Field(ge=1, le=5)] | None = None
    seed: int | None = None
    tools: list[Tool] | None = None
    session_id: str | None = None
    """The conversation; without one the request is a conversation of its own."""
    user_id: str | None = None
    """Whose conversation it is; the session's id where it is not said."""
