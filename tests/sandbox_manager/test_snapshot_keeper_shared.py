"""Snapshots with several managers: what one keeps another reads, and a lease is filled once by whichever of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path, PurePosixPath

import pytest
from fake_pool import ids, key
from redis.asyncio import Redis
from s3_server import BUCKET, KEYS, S3Server
from shared_pool import Town, eventually, town

from agentscope_runtime.sandbox.wire import LeaseOptions
from agentscope_runtime.sandbox_manager import snapshot_keeper
from agentscope_runtime.sandbox_manager.backends.fake_box import FakeBox
from agentscope_runtime.sandbox_manager.events import StoreRebuilt
from agentscope_runtime.sandbox_manager.pool import Pool
from agentscope_runtime.sandbox_manager.snapshot_keeper import SnapshotKeeper
from agentscope_runtime.sandbox_manager.snapshots import Bounds
from agentscope_runtime.sandbox_manager.snapshots.s3 import S3Place, S3Snapshots
from agentscope_runtime.sandbox_manager.states import Lease

X = LeaseOptions(from_snapshot="x")
NOTE = PurePosixPath("/workspace/note.txt")


@pytest.fixture
def endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where a bucket is that all managers can reach."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with S3Server(tmp_path) as server:
        yield server.endpoint


def box_of(t: Town, lease: Lease) -> FakeBox:
    """Return what is inside of the one sandbox of a lease."""
    (sandbox_id,) = ids(lease)
    return t.engine.containers[sandbox_id].box


async def kept(t: Town, pool: Pool, endpoint: str) -> None:
    """Have a snapshot `x` with one file."""
    lease = await pool.connect(key("maker"), ["base"])
    box_of(t, lease).files.add("note.txt", b"kept")
    storage = S3Snapshots(S3Place(BUCKET, "pool/", endpoint), Bounds())
    (sandbox_id,) = ids(lease)
    await SnapshotKeeper(storage, pool).take(sandbox_id, "x")
    await storage.aclose()


async def test_any_manager_fills_what_any_has_kept(tmp_path: Path, endpoint: str) -> None:
    """One that died between the grant and the filling is made good by the next; what was filled stays as it is."""
    async with town(tmp_path) as t:
        where = {"snapshot_url": f"s3://{BUCKET}/pool", "snapshot_endpoint": endpoint}
        async with t.manager(**where) as one, t.manager(**where) as two:
            await kept(t, one, endpoint)
            fillers = one._means.fillers[:]
            one._means.fillers.clear()  # as if it ended right there
            lease = await one.connect(key(), ["base"], X)
            one._means.fillers.extend(fillers)
            assert box_of(t, lease).files.files == {}
            assert ids(await two.connect(key(), ["base"])) == ids(lease)
            assert box_of(t, lease).files.files == {NOTE: b"kept"}
            box_of(t, lease).files.add("note.txt", b"changed")
            for pool in (one, two):
                assert ids(await pool.connect(key(), ["base"], X)) == ids(lease)
            assert box_of(t, lease).files.files == {NOTE: b"changed"}


async def test_two_managers_that_fill_at_once_fill_once(tmp_path: Path, endpoint: str) -> None:
    """Both answer when it is done."""
    async with town(tmp_path) as t:
        where = {"snapshot_url": f"s3://{BUCKET}/pool", "snapshot_endpoint": endpoint}
        async with t.manager(**where) as one, t.manager(**where) as two:
            await kept(t, one, endpoint)
            together, fill = asyncio.Barrier(2), snapshot_keeper._fill

            async def both(box: object, stream: AsyncIterator[bytes]) -> None:
                await together.wait()  # each was told that nobody has filled it yet
                await fill(box, stream)  # type: ignore[arg-type]

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(snapshot_keeper, "_fill", both)
                first, second = await asyncio.gather(one.connect(key(), ["base"], X), two.connect(key(), ["base"], X))
            assert ids(first) == ids(second)
            assert box_of(t, first).files.files == {NOTE: b"kept"}


async def test_what_was_found_again_is_not_filled_again(tmp_path: Path, endpoint: str) -> None:
    """A Redis that lost everything is filled from the boxes, and each knows whether it began with something."""
    async with town(tmp_path) as t:
        where = {"snapshot_url": f"s3://{BUCKET}/pool", "snapshot_endpoint": endpoint}
        async with t.manager(**where) as one:
            await kept(t, one, endpoint)
            lease = await one.connect(key(), ["base"], X)
            box = box_of(t, lease)
            box.files.add("note.txt", b"changed")

            async def noted() -> bool:
                return bool(box.note.note)

            async def rebuilt() -> bool:
                return bool(t.happenings(StoreRebuilt)[1:])  # the first was of the empty Redis at the beginning

            await eventually(noted)
            async with Redis.from_url(t.redis.url) as redis:
                await redis.flushall()
            await eventually(rebuilt)
            assert ids(await one.connect(key(), ["base"], X)) == ids(lease)
            assert box.files.files == {NOTE: b"changed"}
