"""What an agent answers: its messages, and how the whole went."""

from __future__ import annotations

import time
from typing import Any, Self
from uuid import uuid4

from pydantic import Field

from agentscope_runtime.engine.schemas.event import Event
from agentscope_runtime.engine.schemas.kinds import RunStatus
from agentscope_runtime.engine.schemas.message import Message


def new_response_id() -> str:
    """Make up an id that no other response has."""
    return f"response_{uuid4()}"


def now() -> int:
    """Return the time in whole seconds, as responses carry it."""
    return int(time.time())


class BaseResponse(Event):
    """An answer; `created_at` and `completed_at` are seconds since 1970."""

    object: str = "response"
    status: str | None = RunStatus.Created
    id: str = Field(default_factory=new_response_id)
    created_at: int = Field(default_factory=now)
    completed_at: int | None = None
    output: list[Message] | None = None
    usage: dict[str, Any] | None = None

    def add_new_message(self, message: Message) -> None:
        """Append a message to the output."""
        self.output = [*(self.output or ()), message]

    def completed(self) -> Self:
        """Say that it is whole, and when."""
        self.completed_at = now()
        return super().completed()


class AgentResponse(BaseResponse):
    """An agent's answer in a session."""

    session_id: str | None = None
