"""What is common to everything that a stream consists of: a number, a kind, a status and perhaps an error."""

from __future__ import annotations

from typing import Self, TypeVar

from pydantic import BaseModel

from agentscope_runtime.engine.schemas.kinds import RunStatus


class Error(BaseModel):
    """Why something failed, for programs and for people."""

    code: str
    message: str


class Event(BaseModel):
    """Something that happened, at its place in the stream. The methods set the status and return the event itself."""

    sequence_number: int | None = None
    object: str = "event"
    status: str | None = None
    error: Error | None = None

    def created(self) -> Self:
        """Say that it exists."""
        return self._become(RunStatus.Created)

    def in_progress(self) -> Self:
        """Say that it has begun."""
        return self._become(RunStatus.InProgress)

    def completed(self) -> Self:
        """Say that it is whole."""
        return self._become(RunStatus.Completed)

    def failed(self, error: Error) -> Self:
        """Say that it failed, and why."""
        self.error = error
        return self._become(RunStatus.Failed)

    def rejected(self) -> Self:
        """Say that it was refused."""
        return self._become(RunStatus.Rejected)

    def canceled(self) -> Self:
        """Say that somebody stopped it."""
        return self._become(RunStatus.Canceled)

    def _become(self, status: str) -> Self:
        self.status = status
        return self


EventT = TypeVar("EventT", bound=Event)


class SequenceNumberGenerator:
    """Numbers events that users' own code streams; the engine's stream is numbered by `events.EventWriter`."""

    def __init__(self, start: int = 0) -> None:
        self._next = start

    def next(self) -> int:
        """Return the next number."""
        number = self._next
        self._next += 1
        return number

    def yield_with_sequence(self, event: EventT) -> EventT:
        """Give this very event, not a copy, the next number, and return it."""
        event.sequence_number = self.next()
        return event
