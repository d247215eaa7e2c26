"""Who watches one manager sees what happens at the others, on a real Redis."""

from __future__ import annotations

from pathlib import Path

from fake_pool import ids, key
from shared_pool import eventually, town

from agentscope_runtime.sandbox_manager.events import BackendBack


async def test_what_happens_at_one_manager_is_seen_at_the_other(tmp_path: Path) -> None:
    """Once, with the name of the manager that did it; also after Redis was away."""
    async with town(tmp_path) as t, t.manager() as one, t.manager() as two:
        feed = t.feeds[0]

        def seen(event: str) -> list[str]:
            bodies = [body for at in range(0, feed.newest, 64) for body in feed.after(at).bodies]
            return [body["manager"] for body in bodies if body["event"] == event]

        with feed.reading():
            sessions = iter(range(10_000))

            async def leased_elsewhere() -> bool:
                await two.release((await two.connect(key(f"s{next(sessions)}"), ["base"])).key)
                return two.store.manager in seen("lease_ended")

            await eventually(leased_elsewhere)  # a subscription takes a moment
            before = len(seen("lease_ended"))
            stopping = len(seen("sandbox_stopping"))
            lease = await two.connect(key("last"), ["base"])
            await one.release(key("last"))
            assert ids(lease)

            async def ended_here() -> bool:
                return one.store.manager in seen("lease_ended")

            await eventually(ended_here)
            assert len(seen("lease_ended")) >= before + 1
            assert seen("sandbox_stopping")[stopping:].count(one.store.manager) == 1


async def test_it_goes_on_when_redis_is_back(tmp_path: Path) -> None:
    """What happened meanwhile is told then, as far as it is remembered."""
    async with town(tmp_path) as t, t.manager(), t.manager() as two:
        feed = t.feeds[0]

        def seen() -> set[str]:
            return {body["manager"] for body in feed.after(0).bodies}

        with feed.reading():

            async def heard() -> bool:
                two.events.emit(BackendBack())
                return two.store.manager in seen()

            await eventually(heard)
            t.redis.stop()
            t.redis.start()
            at = feed.newest

            async def heard_again() -> bool:
                two.events.emit(BackendBack())
                return any(body["manager"] == two.store.manager for body in feed.after(at).bodies)

            await eventually(heard_again)
