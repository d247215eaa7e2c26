"""Ends a box that no manager has spoken to for a set time, so that a dead manager leaves nothing running."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

log = logging.getLogger(__name__)

SHORTEST_S = 0.001  # what is left of the silence may be too little to move the clock
LATE_S = 2.0
"""A tick later than this means that the whole box stood still (paused, or the host slept): nobody could speak."""


class Watchdog:
    """Counts the silence."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Count in seconds of this clock, which must not jump."""
        self._clock = clock
        self._heard = clock()

    def touch(self) -> None:
        """Note that the manager has spoken."""
        self._heard = self._clock()

    async def run(self, silence: float) -> None:
        """Return after so many seconds of silence."""
        tick = min(1.0, silence / 4)
        self.touch()
        while (quiet := self._clock() - self._heard) < silence:
            before = self._clock()
            await asyncio.sleep(max(SHORTEST_S, min(tick, silence - quiet)))
            if self._clock() - before > tick + LATE_S:
                self.touch()  # one interval of grace after a thaw
        log.error("no manager has spoken for %g s: this box ends itself", silence)
