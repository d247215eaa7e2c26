"""What a client asks of an agent."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from agentscope_runtime.engine.schemas.limits import MOST_CHARACTERS, limited
from agentscope_runtime.engine.schemas.message import Message
from agentscope_runtime.engine.schemas.tools import Tool

MOST_MESSAGES = 10_000
"""Messages in one request: far more than any model reads; each takes time before an agent sees it."""

MOST_TOOLS = 10_000
"""Tools in one request, and words that end an answer: far more than any model is told."""

Id = Annotated[str, Field(max_length=MOST_CHARACTERS)]
"""What a client calls something."""


class BaseRequest(BaseModel):
    """The messages so far, and whether the answer shall be streamed."""

    input: Annotated[list[Message], limited(MOST_MESSAGES)]
    stream: bool = True
    id: Id | None = None


class AgentRequest(BaseRequest):
    """A request to an agent; fields that are not named here reach the handler, too."""

    model_config = ConfigDict(extra="allow")

    model: str | None = None
    top_p: float | None = None
    temperature: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    max_tokens: int | None = None
    stop: str | Annotated[list[str], limited(MOST_TOOLS)] | None = None
    n: Annotated[int, Field(ge=1, le=5)] | None = None
    seed: int | None = None
    tools: Annotated[list[Tool], limited(MOST_TOOLS)] | None = None
    session_id: Id | None = None
    """The conversation; without one the request is a conversation of its own."""
    user_id: Id | None = None
    """Whose conversation it is; the session's id where it is not said."""
