"""Interrupts within one process: states in a dictionary, signals in queues."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from heapq import heapify, heappop, heappush
from typing import ClassVar

from agentscope_runtime.engine.interrupts.base import BaseInterruptBackend, TaskState

MOST_ENDED = 2000
"""How many ends of runs are remembered, the newest: with the longest names that clients may choose, some 50 MB."""


class LocalInterruptBackend(BaseInterruptBackend):
    """Keeps everything in memory, and nothing for longer than it lives. For one event loop."""

    shared: ClassVar[bool] = False

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without any state; `clock` tells seconds."""
        self._clock = clock
        self._states: dict[str, tuple[TaskState, float]] = {}  # with the time when it is forgotten
        self._ended: dict[str, None] = {}  # keys of runs that are over, the oldest first
        self._endings: list[tuple[float, str]] = []  # a heap; renewed states have stale entries in it
        self._listeners: dict[str, set[asyncio.Queue[str | None]]] = {}

    async def publish_event(self, channel: str, message: str) -> None:
        """Say something to all who listen to a channel now."""
        for queue in self._listeners.get(channel, ()):
            queue.put_nowait(message)

    async def subscribe_listen(self, channel: str) -> AsyncGenerator[str, None]:
        """Yield what is said on a channel from the first `anext` on, until the generator or the backend is closed."""
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        listeners = self._listeners.setdefault(channel, set())
        listeners.add(queue)
        try:
            while (message := await queue.get()) is not None:
                yield message
        finally:
            listeners.discard(queue)
            if not listeners and self._listeners.get(channel) is listeners:
                del self._listeners[channel]

    async def set_task_state(self, key: str, state: TaskState, ttl: int = 3600) -> None:
        """Set a state, for so many seconds."""
        self._forget()
        ending = self._clock() + ttl
        self._states[key] = (state, ending)
        heappush(self._endings, (ending, key))
        self._ended.pop(key, None)
        if state is not TaskState.RUNNING:
            self._ended[key] = None
            if len(self._ended) > MOST_ENDED:
                await self.delete_task_state(next(iter(self._ended)))

    async def compare_and_set_state(
        self, key: str, new_state: TaskState, expected_state: TaskState | None, negate: bool = False, ttl: int = 3600
    ) -> bool:
        """Set a state if there is the expected one, or with `negate` any but that; return whether it was set."""
        # Nothing is awaited between looking and setting: `set_task_state` does not give others a turn.
        if (await self.get_task_state(key) is expected_state) is negate:
            return False
        await self.set_task_state(key, new_state, ttl)
        return True

    async def get_task_state(self, key: str) -> TaskState | None:
        """Return a state, None if there is none."""
        self._forget()
        state, _ = self._states.get(key, (None, 0.0))
        return state

    async def delete_task_state(self, key: str) -> None:
        """Forget a state."""
        self._states.pop(key, None)
        self._ended.pop(key, None)
        # The entries of forgotten keys would hold these until their time is over.
        if len(self._endings) > 2 * len(self._states) + MOST_ENDED:
            self._endings = [(ending, each) for each, (_, ending) in self._states.items()]
            heapify(self._endings)

    async def aclose(self) -> None:
        """End all listening."""
        for listeners in self._listeners.values():
            for queue in listeners:
                queue.put_nowait(None)

    def _forget(self) -> None:
        """Drop the states whose time is over, whether or not anybody asks for them again."""
        now = self._clock()
        while self._endings and self._endings[0][0] <= now:
            _, key = heappop(self._endings)
            if (entry := self._states.get(key)) is not None and entry[1] <= now:
                del self._states[key]
                self._ended.pop(key, None)
