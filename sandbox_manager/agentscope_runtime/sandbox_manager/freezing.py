"""Freezing leased sandboxes that nobody uses: they keep their memory and take no CPU, and go on within milliseconds.

The store says which (`pause_idle`), and that one is used again (`touch`). Whoever reads there that it was paused thaws
it before it is called. Whoever freezes looks again after that: what was used in between is thawed by both. A frozen box
gets no heartbeats; instead its freezing is repeated, for one that is only said to be frozen would end itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace

from agentscope_runtime.sandbox.errors import NotFound, SandboxDied, SandboxError, StoreUnavailable
from agentscope_runtime.sandbox_manager.events import SandboxPaused
from agentscope_runtime.sandbox_manager.means import Means
from agentscope_runtime.sandbox_manager.states import SandboxRecord, State

PARALLEL = 4


async def freeze(means: Means, records: Iterable[SandboxRecord]) -> None:
    """Freeze sandboxes that the store has just marked as paused; one that cannot be frozen goes on."""
    slots = asyncio.Semaphore(PARALLEL)

    async def one(record: SandboxRecord) -> None:
        async with slots:
            if await keep_frozen(means, record):
                means.events.emit(SandboxPaused(record.sandbox_id, record.sandbox_type))

    async with asyncio.TaskGroup() as group:
        for record in records:
            group.create_task(one(record))


async def keep_frozen(means: Means, record: SandboxRecord) -> bool:
    """Make true that a sandbox is frozen if the store says so, and else that it is not; return whether it is."""
    sandbox_id, frozen = record.sandbox_id, True
    try:
        await means.backend.pause(sandbox_id)
    except SandboxError:
        frozen = False
    try:
        current = await means.store.get(sandbox_id)
        if current.paused and frozen:
            return True
        if current.paused:  # as it was, but for that: nobody has used it
            await means.store.touch(sandbox_id, now=current.last_active_at or current.created_at)
        await means.backend.unpause(sandbox_id)
    except SandboxError:
        pass  # it was released, or the engine is away: then the next heartbeat finds it
    return False


async def touch(means: Means, sandbox_id: str, *, now: float) -> SandboxRecord:
    """Record that a sandbox is used; one that was frozen goes on.

    While the store is away, sandboxes go on that were used through this manager before; the store is told later.

    Raises:
        SandboxNotFound, SandboxDied: As `Store.touch` does.
        StoreUnavailable: The store does not answer, and nothing is known of the sandbox here.
        BackendUnavailable: It is frozen, and the engine does not answer.
    """
    try:
        record = await means.store.touch(sandbox_id, now=now)
    except StoreUnavailable:
        known = means.known.get(sandbox_id)
        if known is None:
            raise
        return await _gone_on(means, known, now)
    except (NotFound, SandboxDied):
        means.known.forget(sandbox_id)
        raise
    if record.state is not State.LEASED:
        means.known.forget(sandbox_id)
    elif means.shared:
        means.known.note(record)
    return await thawed(means, record) if record.paused else record


async def thawed(means: Means, record: SandboxRecord) -> SandboxRecord:
    """Let a sandbox go on that was paused until the store was told of its use; return it as it is then.

    Raises:
        BackendUnavailable: The engine does not answer.
    """
    await means.backend.unpause(record.sandbox_id)
    return replace(record, paused=False)


async def _gone_on(means: Means, known: SandboxRecord, now: float) -> SandboxRecord:
    means.known.owe(known.sandbox_id, now)
    if means.policy.pause_after:  # of who froze it meanwhile nothing is heard
        await means.backend.unpause(known.sandbox_id)
    return known
