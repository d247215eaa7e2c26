"""Bringing up one sandbox: its container, then its box, then what the box is for.

Not here: which sandboxes to start, and how many at a time (`launcher`, `refill`).
"""

from __future__ import annotations

import asyncio

from agentscope_runtime.sandbox.errors import StartFailed
from agentscope_runtime.sandbox_manager.backends import Order, Unreachable
from agentscope_runtime.sandbox_manager.events import SandboxStarted
from agentscope_runtime.sandbox_manager.means import Means
from agentscope_runtime.sandbox_manager.states import SandboxRecord
from agentscope_runtime.sandbox_manager.stores.insisting import insistently

KNOCK_EVERY = 0.01
"""Seconds between two tries to reach a box that does not listen yet. It takes 200 to 600 ms; asking costs 0.2 ms."""
CHECK_EVERY = 0.5
"""Seconds between two looks whether the container of such a box still runs."""
GRACE = 1.0
"""Seconds beyond the time-out in which the box may still say itself what it waits for."""


async def bring_up(means: Means, record: SandboxRecord, *, awaited: bool) -> SandboxRecord | None:
    """Start a recorded sandbox and wait until it is ready.

    Args:
        means: What to work with.
        record: The sandbox.
        awaited: Whether a session waits for it, which may want less of it than the pool.

    Returns:
        The record that the store made of it (its key may have changed: see `Store.mark_ready`), or None if it was
        taken out of use meanwhile.

    Raises:
        StartFailed: It did not become ready in time, or ended; the message has its last lines.
        ImageMissing: `make images` was not run.
        BackendUnavailable: The engine does not answer.
    """
    limit = means.policy.start_timeout
    order = Order(
        sandbox_id=record.sandbox_id,
        blueprint=means.kinds(record.sandbox_type),
        created_at=record.created_at,
        token=record.token,
        volume=record.volume,
        environment=record.options.environment or {},
        awaited=awaited,
        restored=record.restored,
        generation=record.generation,
    )
    try:
        async with asyncio.timeout(limit + GRACE):
            began = asyncio.get_running_loop().time()
            started = await means.backend.start(order)
            took = asyncio.get_running_loop().time() - began
            means.events.emit(SandboxStarted(record.sandbox_id, record.sandbox_type, took))
            current = await insistently(
                lambda: means.store.record_container(
                    record.sandbox_id,
                    container_id=started.container_id,
                    image_id=started.image_id,
                    address=started.address,
                )
            )
            if current is None:
                return None
            await _until_ready(means, current, limit)
    except TimeoutError as e:
        raise await _with_last_words(means, record, f"was not ready within {limit:g} s") from e
    means.backend.settle(record.sandbox_id)
    return await insistently(lambda: means.store.mark_ready(record.sandbox_id))


async def _until_ready(means: Means, record: SandboxRecord, wait: float) -> None:
    loop = asyncio.get_running_loop()
    check_at = loop.time() + CHECK_EVERY
    while True:
        try:
            await means.doorbell.ready(record, wait)
        except Unreachable:
            if loop.time() >= check_at:
                if not await means.backend.alive(record.sandbox_id):
                    raise await _with_last_words(means, record, "ended while it started") from None
                check_at = loop.time() + CHECK_EVERY
            await asyncio.sleep(KNOCK_EVERY)
        except StartFailed as e:
            raise await _with_last_words(means, record, f"did not start: {e.detail}") from e
        else:
            return


async def _with_last_words(means: Means, record: SandboxRecord, what: str) -> StartFailed:
    words = await means.backend.last_words(record.sandbox_id)
    said = f"; its last lines: {words}" if words else ""
    return StartFailed(f"{record.sandbox_type} sandbox {record.sandbox_id} {what}{said}")
