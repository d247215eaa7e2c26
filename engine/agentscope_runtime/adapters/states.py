"""Where the state of ready agents is between their turns: in the application's state service.

A handler that serves one asks for it as FastAPI provides it, and has one of its own where there is no application:

    async def handler(self, msgs, request, states: Annotated[Any, Depends(states_of_app)] = None):
        state = await (await own.unless(states)).export_state(request.user_id, request.session_id)
"""

from __future__ import annotations

import json
from typing import Any, Protocol, runtime_checkable

from fastapi import Request


@runtime_checkable
class States(Protocol):
    """What is needed of a state service."""

    async def save_state(self, user_id: str, state: dict[str, Any], session_id: str | None = None) -> int:
        """Keep a state of a session."""
        ...

    async def export_state(self, user_id: str, session_id: str | None = None) -> dict[str, Any] | None:
        """Return the latest that was kept."""
        ...


def conversation_of(user_id: str, session_id: str) -> str:
    """Return the name of a session where a framework finds conversations by one name: no two users have the same."""
    return json.dumps([user_id, session_id], ensure_ascii=False)


def states_of_app(request: Request) -> Any:
    """Return the state service of the application that serves a request; for `Depends`."""
    return getattr(request.app.state, "state_service", None)


class OwnStates:
    """A state service in memory, for a runner that is in no application."""

    def __init__(self) -> None:
        self._service: States | None = None

    async def unless(self, given: object) -> States:
        """Return the given service if it is one, else the own one."""
        if isinstance(given, States):
            return given
        if self._service is None:
            from agentscope_runtime.engine.services.agent_state import InMemoryStateService

            await (service := InMemoryStateService()).start()
            self._service = self._service or service
        return self._service
