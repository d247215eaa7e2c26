"""How much memory sandboxes use, by kind.

An engine takes a second or two to answer for one container. So it is asked for a few of each kind, now and then, while
nobody waits: what is told is a sample, and some seconds old.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress

from agentscope_runtime.sandbox.errors import SandboxError
from agentscope_runtime.sandbox_manager.backends import Backend

FRESH_FOR = 30.0
"""Seconds until a look is old."""
SAMPLE = 16
"""Containers of each kind that one look asks about."""
PARALLEL = 8
"""Questions at a time; the engine waits most of the time, too."""


class MemoryUse:
    """Mean bytes by kind, as seen at the last look."""

    def __init__(self, backend: Backend, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._backend = backend
        self._clock = clock
        self._looked_at = float("-inf")
        self._looking: asyncio.Task[None] | None = None
        self._means: dict[str, float] = {}

    def means(self) -> dict[str, float]:
        """Return what is known, and look again in the background if that is old."""
        done = self._looking is None or self._looking.done()
        if done and self._clock() - self._looked_at >= FRESH_FOR:
            self._looked_at = self._clock()
            self._looking = asyncio.create_task(self._look_quietly(), name="memory use")
        return dict(self._means)

    async def look(self) -> None:
        """Ask the engine now.

        Raises:
            BackendUnavailable: It does not answer.
        """
        kinds: dict[str, list[str]] = defaultdict(list)
        for found in await self._backend.containers():
            if found.running and found.sandbox_type:
                kinds[found.sandbox_type].append(found.sandbox_id)
        slots = asyncio.Semaphore(PARALLEL)

        async def ask(sandbox_id: str) -> int | None:
            async with slots:
                return await self._backend.memory_used(sandbox_id)

        means = {}
        for kind, ids in kinds.items():
            chosen = random.sample(ids, min(SAMPLE, len(ids)))
            answers = [used for used in await asyncio.gather(*map(ask, chosen)) if used is not None]
            if answers:
                means[kind] = sum(answers) / len(answers)
        self._means = means

    async def aclose(self) -> None:
        """End a look that is under way."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])

    async def _look_quietly(self) -> None:
        with suppress(SandboxError):  # then what was seen before stands; that the engine is away is told elsewhere
            await self.look()
