"""Asking a store until it answers: for what has to be recorded whatever happens, and nobody waits for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from agentscope_runtime.sandbox.errors import StoreUnavailable

logger = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_PAUSE, LAST_PAUSE = 0.5, 5.0
"""Seconds until it is asked again: doubled each time."""


async def insistently(ask: Callable[[], Awaitable[T]]) -> T:
    """Return the store's answer, however long it is away.

    What is asked may have been done although its answer was lost: it has to be something that may be done again.
    """
    pause = FIRST_PAUSE
    while True:
        try:
            return await ask()
        except StoreUnavailable as error:
            logger.debug("asking the store again in %g s: %s", pause, error.detail)
        await asyncio.sleep(pause)
        pause = min(2 * pause, LAST_PAUSE)
