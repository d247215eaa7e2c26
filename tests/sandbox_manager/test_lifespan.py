"""A whole manager from settings to the last closed connection, on the fake backend over real HTTP."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from agentscope_runtime.sandbox.errors import SandboxDied
from agentscope_runtime.sandbox_manager.backends import Owner
from agentscope_runtime.sandbox_manager.backends.fake import FakeBackend, FakeEngine
from agentscope_runtime.sandbox_manager.events import Event, SandboxReady
from agentscope_runtime.sandbox_manager.keys import installation_id
from agentscope_runtime.sandbox_manager.lifespan import running
from agentscope_runtime.sandbox_manager.liveness import Liveness
from agentscope_runtime.sandbox_manager.pool import Pool
from agentscope_runtime.sandbox_manager.settings import Settings
from agentscope_runtime.sandbox_manager.states import LeaseKey, Limits

KEY = LeaseKey("u1", "s1")


def settings(tmp_path: Path, **changes: object) -> Settings:
    """Return settings for the fake backend that look at no environment."""
    values: dict[str, object] = {"container_deployment": "fake", "state_dir": tmp_path, "pool_size": 2}
    return Settings(**{**values, **changes})  # type: ignore[arg-type]


async def ready(pool: Pool, count: int) -> None:
    """Wait until the pool has so many free base sandboxes."""
    news = asyncio.Event()

    def note(event: Event) -> None:
        if isinstance(event, SandboxReady):
            news.set()

    with pool.events.subscribed(note):
        async with asyncio.timeout(10):
            while (status := (await pool.report()).types.get("base")) is None or status.ready < count:
                news.clear()
                await news.wait()


async def test_a_manager_serves_from_connect_to_release(tmp_path: Path) -> None:
    """Warm claim, a tool call, a release."""
    async with running(settings(tmp_path)) as pool:
        await ready(pool, 2)
        lease = await pool.connect(KEY, ["base"])
        (record,) = lease.sandboxes
        assert record.warm
        body = {"arguments": {"code": "1 + 1"}}
        async with (
            pool.use(record.sandbox_id) as box,
            box.request("POST", "/tools/run_ipython_cell", json=body) as answer,
        ):
            assert (await answer.json())["content"][0]["text"] == "1 + 1"
        used = await pool.sandbox(record.sandbox_id)
        assert (used.last_active_at or 0) >= (record.last_active_at or 0)
        await pool.release(KEY)


async def test_nothing_is_left_when_it_ends(tmp_path: Path) -> None:
    """Neither containers, leased and warm, nor its proof of life, nor watchers of the engine."""
    engine = FakeEngine()
    backend = FakeBackend(Owner(installation_id(tmp_path), "whoever"), engine=engine)
    async with running(settings(tmp_path), backend=backend) as pool:
        await pool.connect(KEY, ["base", "browser"])
        await ready(pool, 2)
        assert len(engine.containers) == 4
        assert len(Liveness(tmp_path).known()) == 1
    assert not engine.containers
    assert not engine.watchers
    assert Liveness(tmp_path).known() == []


async def test_without_auto_cleanup_boxes_are_left_to_their_watchdogs(tmp_path: Path) -> None:
    """The setting says so."""
    engine = FakeEngine()
    backend = FakeBackend(Owner(installation_id(tmp_path), "whoever"), engine=engine)
    async with running(settings(tmp_path, auto_cleanup=False), backend=backend) as pool:
        await ready(pool, 2)
    assert len(engine.containers) == 2
    await backend.aclose()


async def test_cancelling_a_manager_cleans_up_too(tmp_path: Path) -> None:
    """SIGTERM ends the server by cancelling it, perhaps in the midst of starts."""
    engine = FakeEngine()
    begun = asyncio.Event()

    async def hook(step: str, name: str) -> None:
        if step == "start":
            begun.set()
            await asyncio.sleep(0)

    backend = FakeBackend(Owner(installation_id(tmp_path), "whoever"), engine=engine, hook=hook)

    async def serve() -> None:
        async with running(settings(tmp_path, pool_size=4), backend=backend):
            await asyncio.Event().wait()

    serving = asyncio.create_task(serve())
    await begun.wait()
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert not engine.containers


async def test_an_error_in_the_body_comes_out_as_it_is(tmp_path: Path) -> None:
    """Not wrapped in a group by the background tasks."""
    with pytest.raises(KeyError, match="mine"):
        async with running(settings(tmp_path)):
            raise KeyError("mine")


async def test_a_box_that_dies_in_mid_call_is_a_typed_error_and_is_replaced(tmp_path: Path) -> None:
    """The call fails at once with SandboxDied; connecting again gives a fresh box that works."""
    backend = FakeBackend(Owner(installation_id(tmp_path), "whoever"))
    async with running(settings(tmp_path, pool_size=0), backend=backend) as pool:
        (record,) = (await pool.connect(KEY, ["base"])).sandboxes
        fake = backend.engine.containers[record.sandbox_id].box

        async def call() -> None:
            body = {"arguments": {"command": "sleep 60"}}
            async with (
                pool.use(record.sandbox_id) as box,
                box.request("POST", "/tools/run_shell_command", json=body, timeout=70),
            ):
                pytest.fail("it answered")

        calling = asyncio.create_task(call())
        await fake.called.wait()
        await backend.die(record.sandbox_id)
        with pytest.raises(SandboxDied):
            async with asyncio.timeout(5):
                await calling
        (fresh,) = (await pool.connect(KEY, ["base"])).sandboxes
        async with pool.use(fresh.sandbox_id) as box, box.request("GET", "/tools") as answer:
            assert answer.status == 200
        await backend.aclose()


async def test_a_background_loop_that_fails_is_logged_and_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug in one loop must not end everybody's sandboxes."""
    monkeypatch.setattr("agentscope_runtime.sandbox_manager.background.RESTART_AFTER", 0.01)
    failed = asyncio.Event()

    async def hook(step: str, name: str) -> None:
        if step == "containers" and not failed.is_set():
            failed.set()
            raise RuntimeError("a bug in the backend")

    backend = FakeBackend(Owner(installation_id(tmp_path), "whoever"), hook=hook)
    async with running(settings(tmp_path), backend=backend) as pool:
        await failed.wait()
        await ready(pool, 2)
        await pool.connect(KEY, ["base"])
    assert "the reconcile loop failed" in caplog.text
    await backend.aclose()


async def test_warm_claims_are_fast(tmp_path: Path) -> None:
    """Thousands a second: claim and release of 500 sessions take constant time each, whatever the pool's size."""
    backend = FakeBackend(Owner(installation_id(tmp_path), "whoever"), serve=False)
    size = 500
    async with running(settings(tmp_path, pool_size=0), backend=backend) as pool:
        store = pool.store
        for _ in range(size):
            draft = pool._means.draft("base")
            await store.record_start(draft, limits=Limits(0))
            await store.mark_ready(draft.sandbox_id)
        began = time.perf_counter()
        for number in range(size):
            await pool.connect(LeaseKey("u", f"s{number}"), ["base"])
        rate = size / (time.perf_counter() - began)
    print(f"{rate:.0f} warm claims a second")
    assert rate > 1500
