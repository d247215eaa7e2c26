"""Session histories in this process, for as long as it lives."""

from __future__ import annotations

import time
from collections.abc import Callable

from agentscope_runtime.engine.schemas.session import Session
from agentscope_runtime.engine.services.journals import MemoryJournals
from agentscope_runtime.engine.services.session_history.journaled import JournaledSessionHistoryService
from agentscope_runtime.engine.services.session_history.session_history_service import DEFAULT_MESSAGES
from agentscope_runtime.engine.services.shelf import DEFAULT_BYTES


class InMemorySessionHistoryService(JournaledSessionHistoryService):
    """Keeps histories in this process. A session that is asked for and not there begins then."""

    def __init__(
        self,
        *,
        max_messages_per_session: int | None = DEFAULT_MESSAGES,
        ttl_seconds: float | None = None,
        max_bytes: int = DEFAULT_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Describe the service.

        Args:
            max_messages_per_session: How many messages of a session are kept, the newest; None for no such limit.
            ttl_seconds: Seconds without use after which a session is gone; None for never.
            max_bytes: What all sessions may have together; those not used for longest make room.
            clock: Tells the seconds.
        """
        super().__init__(
            MemoryJournals(
                most_entries=max_messages_per_session, ttl_seconds=ttl_seconds, max_bytes=max_bytes, clock=clock
            )
        )

    async def get_session(self, user_id: str, session_id: str) -> Session:
        """Return a session with its messages; a new one, if there was none."""
        await self._journals.begin(user_id, session_id)
        return await self._session(user_id, session_id) or Session(id=session_id, user_id=user_id)
