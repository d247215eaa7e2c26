"""The life of a manager: everything that it opens, in order, and closed in the opposite order whatever happens.

The server and the embedded manager both live here; who serves HTTP on top of the pool is their business.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from agentscope_runtime.sandbox_manager.backends import Backend, Owner
from agentscope_runtime.sandbox_manager.background import Leading, Loop, looping
from agentscope_runtime.sandbox_manager.box import Boxes, box_session
from agentscope_runtime.sandbox_manager.events import Events, Subscriber, log_event
from agentscope_runtime.sandbox_manager.heartbeat import DeathWatch, Heartbeat
from agentscope_runtime.sandbox_manager.joining import joined
from agentscope_runtime.sandbox_manager.kinds import registered_kinds
from agentscope_runtime.sandbox_manager.lease_notes import LeaseNotes
from agentscope_runtime.sandbox_manager.mcp_outfitting import McpServers
from agentscope_runtime.sandbox_manager.means import Means, Policy
from agentscope_runtime.sandbox_manager.pool import Pool
from agentscope_runtime.sandbox_manager.profile_keeper import ProfileKeeper
from agentscope_runtime.sandbox_manager.profiles import Profiles
from agentscope_runtime.sandbox_manager.reaper import Reaper
from agentscope_runtime.sandbox_manager.rebuild import Rebuild
from agentscope_runtime.sandbox_manager.reconcile import Reconciler
from agentscope_runtime.sandbox_manager.resolution import Resolution
from agentscope_runtime.sandbox_manager.settings import Settings
from agentscope_runtime.sandbox_manager.snapshot_keeper import SnapshotKeeper
from agentscope_runtime.sandbox_manager.snapshot_place import storage_of
from agentscope_runtime.sandbox_manager.stores import Store
from agentscope_runtime.sandbox_manager.stores.redis.channel import RedisChannel
from agentscope_runtime.sandbox_manager.stores.timed import timed
from agentscope_runtime.sandbox_manager.succession import Succession
from agentscope_runtime.sandbox_manager.undertaker import undertaker

if TYPE_CHECKING:  # a program that embeds a manager has no use for counters, and loads none
    from agentscope_runtime.sandbox_manager.feed import Feed
    from agentscope_runtime.sandbox_manager.metrics import Metrics

logger = logging.getLogger(__name__)

DESTROY_WITHIN = 20.0
"""Seconds that the removal of this manager's sandboxes may take at the end; what is left then ends by its watchdog."""


@asynccontextmanager
async def running(
    settings: Settings,
    *,
    backend: Backend | None = None,
    store: Store | None = None,
    metrics: Metrics | None = None,
    feed: Feed | None = None,
) -> AsyncIterator[Pool]:
    """Run a manager while the context is open.

    It begins at once to fill the pool and to remove what dead managers left; neither is waited for. An engine that
    does not answer is no error here: calls that need it say so, and it may come back.

    Args:
        settings: All of it.
        backend: Instead of the one that the settings name; the caller closes it.
        store: Instead of the one that the settings name; the caller closes it.
        metrics: Told of what happens, and of how long the store takes.
        feed: Told of what happens, here and at other managers.
    """
    async with AsyncExitStack() as stack:
        manager = f"mgr-{secrets.token_hex(8)}"
        standing = await stack.enter_async_context(joined(settings, manager))
        shared = standing.shelf is not None
        if backend is None:
            owner = Owner(standing.identity.installation, manager)
            backend = _make_backend(settings, owner)
            stack.push_async_callback(backend.aclose)
            if settings.container_deployment == "docker" and not shared:  # else boxes live on without it
                await stack.enter_async_context(undertaker(owner))
        session = await stack.enter_async_context(box_session())
        boxes = Boxes(session)
        store = store or standing.store
        subscribers: list[Subscriber] = [log_event]
        if metrics is not None:
            store = timed(store, metrics.store)
            subscribers.append(metrics.note)
        if feed is not None:
            subscribers.append(feed.of(manager))
        means = Means(
            store=store,
            backend=backend,
            doorbell=boxes,
            kinds=registered_kinds(watchdog_seconds=settings.watchdog_seconds, ca_bundle=settings.box_ca_bundle),
            events=Events(*subscribers),
            policy=_policy(settings),
            identity=standing.identity,
            membership=standing.membership,
            shared=shared,
        )
        pool = Pool(means, boxes)
        pool.shelf = standing.shelf
        keeper = ProfileKeeper(Profiles(settings.state_dir / "profiles"), means, pool.reach)
        means.outfitters.append(keeper.load)
        means.farewells.append(keeper.save)
        snapshots = SnapshotKeeper(storage_of(settings), pool)
        stack.push_async_callback(snapshots.storage.aclose)
        means.fillers.append(snapshots.fill)
        means.outfitters.append(Resolution(pool))
        means.outfitters.append(McpServers(pool))
        try:
            loops = {"profiles": keeper.run, "snapshots": snapshots.run, **_sharing(feed, standing.channel, manager)}
            async with _background(pool, means, loops):
                yield pool
        finally:
            await _end(pool, destroy=not settings.keep_warm if shared else settings.auto_cleanup)


async def _end(pool: Pool, *, destroy: bool) -> None:
    left = await pool.aclose(destroy=destroy, within=DESTROY_WITHIN)
    if left:
        logger.warning("%d sandboxes could not be removed; another manager, or their watchdogs will end them", left)


def _sharing(feed: Feed | None, channel: RedisChannel | None, manager: str) -> dict[str, Loop]:
    """Return what lets those who watch at one manager see what happens at the others."""
    if feed is None or channel is None:
        return {}
    return {"telling": partial(feed.tell, channel), "hearing": partial(feed.hear, channel, manager)}


@asynccontextmanager
async def _background(pool: Pool, means: Means, others: Mapping[str, Loop]) -> AsyncIterator[None]:
    succession = Succession(means, pool.retirement, pool.suspension, pool.launcher, pool.forget)
    reconciler = Reconciler(means, pool.retirement, succession, pool.refill)
    notes = LeaseNotes(means) if means.shared else None
    always: dict[str, Loop] = {
        "heartbeat": Heartbeat(means, pool.retirement, notes).run,
        "deaths": DeathWatch(means, pool.retirement, reconciler.look).run,
        **others,
    }
    led: dict[str, Loop] = {
        "refill": pool.refill.run,
        "reconcile": reconciler.run,
        "reaper": Reaper(means, pool.retirement, pool.suspension, pool.activity).run,
    }
    if notes is None:
        always |= led
    else:
        means.outfitters.append(notes.write_soon)
        always["leading"] = Leading(means.membership, Rebuild(means, pool.retirement), led).run
        always["neighbours"] = pool.neighbours.run
        always["activity"] = lambda: pool.activity.run(means)
        always["loose ends"] = succession.run
    with ExitStack() as stack:
        for hear in (pool.refill.note, pool.admission.note, means.known.hear):
            stack.enter_context(means.events.subscribed(hear))
        async with looping(always):
            yield
    if notes is not None:
        await notes.aclose()


def _policy(settings: Settings) -> Policy:
    return Policy(
        targets=settings.pool_targets(),
        hit_ratio=settings.pool_hit_ratio,
        most=settings.pool_most(),
        member_max_age=settings.pool_member_max_seconds,
        limits=settings.limits(),
        queue_length=settings.queue_length,
        parallel=settings.refill_parallel,
        start_timeout=settings.start_timeout,
        idle_timeout=settings.heartbeat_timeout,
        idle_action=settings.idle_action,
        suspended_kept=settings.suspended_kept_seconds,
        lease_max=settings.lease_max_seconds,
        pause_after=settings.pause_after_seconds,
        watchdog=settings.watchdog_seconds,
        scan_interval=settings.watcher_scan_interval,
    )


def _make_backend(settings: Settings, owner: Owner) -> Backend:
    if settings.container_deployment == "fake":
        from agentscope_runtime.sandbox_manager.backends.fake import FakeBackend

        return FakeBackend(owner)
    from agentscope_runtime.sandbox_manager.backends.docker import DockerBackend

    return DockerBackend(owner)
