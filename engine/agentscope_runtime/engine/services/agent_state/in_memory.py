"""States of agents in this process, for as long as it lives."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agentscope_runtime.engine.services import records
from agentscope_runtime.engine.services.agent_state.state_service import (
    DEFAULT_ROUNDS,
    DEFAULT_SESSION,
    StateService,
    check_max_rounds,
    checked_round,
)
from agentscope_runtime.engine.services.base import not_started
from agentscope_runtime.engine.services.keys import quoted
from agentscope_runtime.engine.services.shelf import DEFAULT_BYTES, Shelf


@dataclass(slots=True)
class _Rounds:
    records: dict[int, bytes] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return sum(map(len, self.records.values()))

    def save(self, round_id: int | None, record: bytes, most: int) -> int:
        """Keep a round; what was kept beyond the limit, lowest first, makes room."""
        number = max(self.records, default=0) + 1 if round_id is None else round_id
        self.records[number] = record
        for lowest in sorted(self.records.keys() - {number})[: max(0, len(self.records) - most)]:
            del self.records[lowest]
        return number


class InMemoryStateService(StateService):
    """Keeps states in this process."""

    def __init__(
        self,
        *,
        ttl_seconds: float | None = None,
        max_rounds: int = DEFAULT_ROUNDS,
        max_bytes: int = DEFAULT_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Describe the service.

        Args:
            ttl_seconds: Seconds without use after which a session's states are gone; None for never.
            max_rounds: How many rounds of a session are kept.
            max_bytes: What all states may have together; those not used for longest make room.
            clock: Tells the seconds.
        """
        self._max_rounds = check_max_rounds(max_rounds)
        self._shelf: Shelf[_Rounds] = Shelf(ttl_seconds=ttl_seconds, max_bytes=max_bytes, clock=clock)
        # Sync handlers run in threads, and some of them bring an event loop of their own.
        self._lock = threading.Lock()
        self._runs = False

    async def start(self) -> None:
        """Take states from now on."""
        self._runs = True

    async def stop(self) -> None:
        """Forget everything."""
        with self._lock:
            self._runs = False
            self._shelf.clear()

    async def health(self) -> bool:
        """Tell whether it was started."""
        return self._runs

    async def save_state(
        self, user_id: str, state: Mapping[str, Any], session_id: str | None = None, round_id: int | None = None
    ) -> int:
        """See `StateService`."""
        key, record, number = self._key(user_id, session_id), records.from_state(state), checked_round(round_id)
        with self._lock:
            rounds = self._shelf.get(key) or _Rounds()
            number = rounds.save(number, record, self._max_rounds)
            self._shelf.put(key, rounds)
        return number

    async def export_state(
        self, user_id: str, session_id: str | None = None, round_id: int | None = None
    ) -> dict[str, Any] | None:
        """See `StateService`."""
        key, number = self._key(user_id, session_id), checked_round(round_id)
        with self._lock:
            kept = (self._shelf.get(key) or _Rounds()).records
            record = kept.get(max(kept, default=0) if number is None else number)
        return None if record is None else records.to_state(record)

    def _key(self, user_id: str, session_id: str | None) -> tuple[str, str]:
        if not self._runs:
            raise not_started()
        session = session_id or DEFAULT_SESSION
        quoted(user_id, "user_id")  # refuses what Redis would
        quoted(session, "session_id")
        return user_id, session
