"""A conversation of one user, as session history keeps it."""

from __future__ import annotations

from pydantic import BaseModel

from agentscope_runtime.engine.schemas.message import Message


class Session(BaseModel):
    """The messages of a conversation, the oldest first."""

    id: str
    user_id: str
    messages: list[Message] = []
