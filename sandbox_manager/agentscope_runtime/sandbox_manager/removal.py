"""Removing a container until it is gone, however long the engine refuses."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from agentscope_runtime.sandbox.errors import SandboxError
from agentscope_runtime.sandbox_manager.events import RemovalFailed
from agentscope_runtime.sandbox_manager.means import Means

logger = logging.getLogger(__name__)

FIRST_RETRY, LAST_RETRY = 0.5, 30.0
"""Seconds until a removal that failed is tried again: doubled each time."""


async def until_gone(
    means: Means, sandbox_id: str, *, keep_workspace: bool = False, wanted: Callable[[], Awaitable[bool]] | None = None
) -> bool:
    """Remove a container, trying again until it is gone.

    Args:
        means: Whose backend removes it.
        sandbox_id: The container.
        keep_workspace: Leave its workspace.
        wanted: Asked before a second try whether that is still to be done.

    Returns:
        Whether it is gone; False only if it was not wanted any more.
    """
    pause = FIRST_RETRY
    while True:
        try:
            await means.backend.remove(sandbox_id, keep_workspace=keep_workspace)
        except SandboxError as e:
            reason = e.detail
        except Exception as e:
            logger.exception("could not remove %s", sandbox_id, extra={"sandbox_id": sandbox_id})
            reason = repr(e)
        else:
            return True
        means.events.emit(RemovalFailed(sandbox_id, reason, pause))
        await asyncio.sleep(pause)
        if wanted is not None and not await wanted():
            return False
        pause = min(2 * pause, LAST_RETRY)
