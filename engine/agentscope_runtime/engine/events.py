"""From steps to events: the one place that knows the life of a response, of its messages and of their parts.

    response created, in_progress
      message in_progress
        content in_progress (of a text: what was added; of data: all of it so far) …
        content completed   (all of it)
      message completed     (all parts, and `text`)
    response completed | failed | canceled

No I/O here. Each event is an object of its own: whoever keeps one sees what was so then. Messages and parts that stand
inside another event have no number, for numbers are places in the stream.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from enum import Enum
from typing import Any

from agentscope_runtime.engine.drafts import Draft
from agentscope_runtime.engine.errors import UnusableOutput
from agentscope_runtime.engine.plain_steps import object_of, plain_step
from agentscope_runtime.engine.schemas.event import Error, Event
from agentscope_runtime.engine.schemas.kinds import RunStatus
from agentscope_runtime.engine.schemas.message import Message, new_message_id
from agentscope_runtime.engine.schemas.response import AgentResponse, new_response_id
from agentscope_runtime.engine.steps import Close, Key, Open, Step, Used

logger = logging.getLogger(__name__)


class _State(Enum):
    """How far the stream has come."""

    NEW = "new"  #: nothing was said yet
    RUNNING = "running"  #: begun, and not ended
    ENDED = "ended"  #: the last event is out


class EventWriter:
    """Turns the steps of one response into its events.

    No order of calls makes a broken stream: a step before `begin` begins it, and what comes after the end is dropped.
    """

    response: AgentResponse
    """The response as far as it came; handlers are given it."""

    def __init__(
        self, *, session_id: str, response_id: str | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        """Describe the response; `clock` tells the seconds since 1970."""
        self._clock = clock
        self.response = AgentResponse(
            id=response_id or new_response_id(), created_at=int(clock()), output=[], session_id=session_id
        )
        # Handlers have the response, and may change it; what streams say of it does not change.
        self._identity = self.response.model_dump(include={"object", "id", "created_at", "session_id"})
        self._output: list[Message] = []
        self.response.output = self._output
        self._state = _State.NEW
        self._next_number = 0
        self._open: dict[Key, Draft] = {}  # in the order of opening
        self._ids: set[str] = set()
        self._usage: dict[str, Any] | None = None  # of the last message that named any

    def begin(self) -> list[Event]:
        """Say that the response exists, and that it is under way."""
        return self._numbered(self._begun())

    def take(self, step: Step) -> list[Event]:
        """Return the events by which clients see a step: none, one, or several.

        Raises:
            UnusableOutput: it has something in it that no event can have; then nothing of it is told.
        """
        if self._state is _State.ENDED:
            return []
        step = plain_step(step)
        events = self._begun()
        if isinstance(step, Used):
            self.response.usage = step.usage
        elif isinstance(step, Close):
            events += self._closed(step.message, RunStatus.Completed, step.usage)
        elif isinstance(step, Open):
            events += self._opened(step)
        else:
            if step.message not in self._open:
                events += self._opened(Open(step.message))
            events += self._open[step.message].take(step)
        return self._numbered(events)

    def complete(self) -> list[Event]:
        """Close what is open, and say that the response is whole."""
        return self._ended(RunStatus.Completed)

    def fail(self, code: str, message: str) -> list[Event]:
        """Close what is open as far as it came, and say why the response ends here."""
        return self._ended(RunStatus.Failed, Error(code=code, message=message))

    def cancel(self) -> list[Event]:
        """Close what is open as far as it came, and say that somebody stopped the response."""
        return self._ended(RunStatus.Canceled)

    def _begun(self) -> list[Event]:
        if self._state is not _State.NEW:
            return []
        self._state = _State.RUNNING
        return [self._response(RunStatus.Created), self._response(RunStatus.InProgress)]

    def _opened(self, step: Open) -> list[Event]:
        """Open a message; one that is open under the same key is the same if it is of the same kind, else it ends."""
        events: list[Event] = []
        if (draft := self._open.get(step.message)) is not None:
            if draft.is_kind_of(step):
                draft.describe(step.metadata)
                return []
            events = self._closed(step.message, RunStatus.Completed)
        id = step.id if step.id and step.id not in self._ids else new_message_id()
        self._ids.add(id)
        draft = self._open[step.message] = Draft(step, id)
        return [*events, draft.begun()]

    def _closed(self, key: Key, status: str, usage: dict[str, Any] | None = None) -> list[Event]:
        self._usage = usage or self._usage
        if (draft := self._open.pop(key, None)) is None:
            return []
        contents, message = draft.ended(status, usage)
        self._output.append(message)
        parts = [part.model_copy() for part in message.content or ()]
        return [*contents, message.model_copy(update={"content": parts})]

    def _ended(self, status: str, error: Error | None = None) -> list[Event]:
        if self._state is _State.ENDED:
            return []
        events = self._begun()
        for key in list(self._open):
            events += self._closed(key, status if status == RunStatus.Completed else RunStatus.Incomplete)
        self._state = _State.ENDED
        self.response.error = error
        self.response.usage = self._used() or self._usage
        self.response.completed_at = None
        if status == RunStatus.Completed:
            self.response.completed_at = int(self._clock())
        return self._numbered([*events, self._response(status)])

    def _used(self) -> dict[str, Any] | None:
        """Return the usage of the whole, which a handler may have set, too."""
        if not self.response.usage:
            return None
        try:
            return object_of(self.response.usage, "usage")
        except UnusableOutput:
            logger.warning("the response of session %s has no usable usage", self.response.session_id, exc_info=True)
            return None

    def _response(self, status: str) -> AgentResponse:
        """Return the response as it is with this status, now."""
        self.response.status = status
        return self.response.model_copy(update={**self._identity, "output": list(self._output)})

    def _numbered(self, events: list[Event]) -> list[Event]:
        for event in events:
            event.sequence_number = self._next_number
            self._next_number += 1
        return events
