"""A whole manager on the real Docker Engine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from docker_engine import docker_backend, inspect, kill

from agentscope_runtime.sandbox.errors import SandboxDied
from agentscope_runtime.sandbox_manager.backends.docker import DockerBackend
from agentscope_runtime.sandbox_manager.lifespan import running
from agentscope_runtime.sandbox_manager.pool import Pool
from agentscope_runtime.sandbox_manager.settings import Settings
from agentscope_runtime.sandbox_manager.states import LeaseKey

pytestmark = pytest.mark.docker
KEY = LeaseKey("u1", "s1")


@pytest.fixture
async def backend() -> AsyncIterator[DockerBackend]:
    """An installation of its own."""
    async with docker_backend() as opened:
        yield opened


def settings(tmp_path: Path, **changes: object) -> Settings:
    """Return settings that look at no environment."""
    return Settings(**{"state_dir": tmp_path, "pool_size": 0, **changes})  # type: ignore[arg-type]


async def cell(pool: Pool, sandbox_id: str, code: str) -> str:
    """Run a cell; return what it printed, errors included."""
    async with (
        pool.use(sandbox_id) as box,
        box.request("POST", "/tools/run_ipython_cell", json={"arguments": {"code": code}}, timeout=30) as answer,
    ):
        return "\n".join(item["text"] for item in (await answer.json())["content"])


async def test_from_nothing_to_a_result_and_nothing_left(backend: DockerBackend, tmp_path: Path) -> None:
    """Cold connect, a cell, release; then a death in mid-lease, a typed error, a fresh box; then the end."""
    async with running(settings(tmp_path), backend=backend) as pool:
        began = time.perf_counter()
        (record,) = (await pool.connect(KEY, ["base"])).sandboxes
        assert "42" in await cell(pool, record.sandbox_id, "x = 41\nx + 1")
        print(f"cold connect to first result: {time.perf_counter() - began:.3f} s")
        assert "41" in await cell(pool, record.sandbox_id, "x")
        await kill(record.sandbox_id)
        with pytest.raises(SandboxDied, match="connect again"):
            await cell(pool, record.sandbox_id, "x")
        (fresh,) = (await pool.connect(KEY, ["base"])).sandboxes
        assert fresh.sandbox_id != record.sandbox_id
        assert "NameError" in await cell(pool, fresh.sandbox_id, "x")
    assert not await backend.containers()
    assert not await backend.loose_volumes()


async def test_50_concurrent_connects_of_one_key_make_one_container(backend: DockerBackend, tmp_path: Path) -> None:
    """Whoever asks, however often."""
    async with running(settings(tmp_path), backend=backend) as pool:
        leases = await asyncio.gather(*(pool.connect(KEY, ["base"]) for _ in range(50)))
        assert len({lease.sandboxes[0].sandbox_id for lease in leases}) == 1
        assert len(await backend.containers()) == 1


async def test_heartbeats_keep_a_box_beyond_its_watchdog(backend: DockerBackend, tmp_path: Path) -> None:
    """A warm box that nobody uses lives on, as long as its manager speaks to it."""
    async with running(settings(tmp_path, watchdog_seconds=5.0), backend=backend) as pool:
        (record,) = (await pool.connect(KEY, ["base"])).sandboxes
        await asyncio.sleep(8.0)  # a watchdog's time and more
        assert (await inspect(record.sandbox_id))["State"]["Running"]
