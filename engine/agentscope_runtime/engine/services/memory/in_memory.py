"""Long-term memory in this process, for as long as it lives: for trying things, and for tests."""

from __future__ import annotations

import time
from collections.abc import Callable

from agentscope_runtime.engine.services.journals import MemoryJournals
from agentscope_runtime.engine.services.memory.journaled import JournaledMemoryService
from agentscope_runtime.engine.services.memory.memory_service import DEFAULT_MESSAGES
from agentscope_runtime.engine.services.shelf import DEFAULT_BYTES


class InMemoryMemoryService(JournaledMemoryService):
    """Remembers in this process."""

    def __init__(
        self,
        *,
        max_messages: int | None = DEFAULT_MESSAGES,
        ttl_seconds: float | None = None,
        max_bytes: int = DEFAULT_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Describe the service.

        Args:
            max_messages: How many messages of a user are remembered, the newest; None for no such limit.
            ttl_seconds: Seconds without use after which a user is forgotten; None for never.
            max_bytes: What all memories may have together; users who did not come for longest make room.
            clock: Tells the seconds.
        """
        super().__init__(
            MemoryJournals(most_entries=max_messages, ttl_seconds=ttl_seconds, max_bytes=max_bytes, clock=clock)
        )
