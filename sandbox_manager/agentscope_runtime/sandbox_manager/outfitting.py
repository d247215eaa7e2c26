"""What is done to a sandbox when a session gets it, and before it is destroyed, by the hooks that `Means` names.

A filler gives a leased sandbox the files that its lease begins with, an outfitter makes it what the options of its
lease ask for, both before the session hears of it. A farewell takes out of it what shall outlive it. All of them talk
to boxes; what they do there is their own business.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.errors import SandboxError, Unavailable
from agentscope_runtime.sandbox_manager.means import Hook, Means
from agentscope_runtime.sandbox_manager.states import Ending, SandboxRecord

logger = logging.getLogger(__name__)

BEGIN_WITHIN = wire.SNAPSHOT_SECONDS
"""Seconds that filling the workspaces of a lease may take."""
OUTFIT_WITHIN = 30.0
"""Seconds that making the sandboxes of a lease what its options ask for may take."""
FAREWELL_WITHIN = 5.0
"""Seconds that all farewells to a sandbox may take: its removal waits for them, and so does the end of the manager."""


async def begin(means: Means, records: Iterable[SandboxRecord]) -> None:
    """Fill the workspaces of leased sandboxes with what their lease begins with, unless that was done.

    Raises:
        SandboxError: One of them cannot be filled; its filler says why.
        Unavailable: It took too long.
    """
    concerned = [record for record in records if record.options.from_snapshot is not None]
    if not concerned:
        return
    await _apply(means.fillers, concerned, BEGIN_WITHIN, "the workspaces of the lease could not be filled")


async def outfit(means: Means, records: Iterable[SandboxRecord]) -> None:
    """Make leased sandboxes what their options ask for, one after another.

    Raises:
        SandboxError: One of them cannot be made so; its outfitter says why.
        Unavailable: It took too long.
    """
    if not means.outfitters:
        return
    await _apply(means.outfitters, records, OUTFIT_WITHIN, "the options of the lease could not be applied")


async def _apply(hooks: Iterable[Hook], records: Iterable[SandboxRecord], within: float, failed: str) -> None:
    try:
        async with asyncio.timeout(within):
            for record in records:
                for hook in hooks:
                    await hook(record, record.options)
    except TimeoutError as e:
        raise Unavailable(f"{failed} within {within:g} s") from e


async def say_farewell(means: Means, record: SandboxRecord, ending: Ending) -> None:
    """Take out of a sandbox that a session leaves what shall stay; what fails, or takes too long, is lost."""
    if record.leased_at is None or record.address is None or ending.died or not means.farewells:
        return
    try:
        async with asyncio.timeout(FAREWELL_WITHIN):
            if record.paused:
                await means.backend.unpause(record.sandbox_id)
            for farewell in means.farewells:
                try:
                    await farewell(record, record.options)
                except SandboxError as e:
                    logger.warning("a farewell to %s failed: %s", record.sandbox_id, e)
    except SandboxError as e:
        logger.warning("no farewell to %s: %s", record.sandbox_id, e)
    except TimeoutError:
        logger.warning("the farewell to %s was cut short after %g s", record.sandbox_id, FAREWELL_WITHIN)
    except Exception:  # a hook's bug must not keep the sandbox from being removed
        logger.exception("the farewell to %s failed", record.sandbox_id)
