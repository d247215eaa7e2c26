"""A bucket that is away, slow, or not there is said in a typed error; what is on its way is bounded in memory."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from s3_server import BUCKET, KEYS, S3Server

from agentscope_runtime.sandbox.errors import InternalError, Unavailable
from agentscope_runtime.sandbox_manager.snapshots import Bounds, SnapshotKey
from agentscope_runtime.sandbox_manager.snapshots import s3 as module
from agentscope_runtime.sandbox_manager.snapshots.s3 import PART, S3Place, S3Snapshots

MIB = 1 << 20
X = SnapshotKey("ann", "x")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """A server for one test, and short patience."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    for name in ("CONNECT_WITHIN", "ANSWER_WITHIN", "ATTEMPTS"):
        monkeypatch.setattr(module, name, 1)
    with S3Server(tmp_path) as running:
        yield running


@pytest.fixture
async def storage(server: S3Server) -> AsyncIterator[S3Snapshots]:
    """Snapshots in its bucket."""
    made = S3Snapshots(S3Place(BUCKET, "", server.endpoint), Bounds())
    yield made
    await made.aclose()


async def pieces(count: int) -> AsyncIterator[bytes]:
    """Yield so many mebibytes."""
    for _ in range(count):
        yield bytes(MIB)


async def test_a_server_that_does_not_answer(storage: S3Snapshots, server: S3Server) -> None:
    """It is waited for, but not for ever, and nobody else is held up; when it is back all is well."""
    await storage.keep(X, pieces(1))
    server.pause()
    try:
        asked = asyncio.create_task(storage.of("ann"))
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match=r"does not answer \(ReadTimeoutError\); try again") as caught:
            await asked
        assert caught.value.extras["retry_after"] > 0
    finally:
        server.go_on()
    assert [each.name for each in await storage.of("ann")] == ["x"]


async def test_an_upload_whose_server_goes_is_an_error(storage: S3Snapshots, server: S3Server) -> None:
    """In the midst of it."""

    async def until_it_is_gone() -> AsyncIterator[bytes]:
        yield bytes(PART + 1)
        server.__exit__()
        yield bytes(PART)

    with pytest.raises(Unavailable, match="EndpointConnectionError"):
        await storage.keep(X, until_it_is_gone())


async def test_a_bucket_that_is_not_there(server: S3Server) -> None:
    """Is an error that names what the store said."""
    storage = S3Snapshots(S3Place("nothing", "", server.endpoint), Bounds())
    for asked in (storage.of("ann"), storage.keep(X, pieces(1)), storage.tidy()):
        with pytest.raises(InternalError, match=r"refuses List.*: NoSuchBucket"):
            await asked
    await storage.aclose()


async def test_without_credentials_nothing_is_asked(
    server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And the error is no secret of ours."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    storage = S3Snapshots(S3Place(BUCKET, "", server.endpoint), Bounds())
    with pytest.raises(Unavailable, match="NoCredentialsError"):
        await storage.of("ann")
    await storage.aclose()


async def test_memory_does_not_grow_with_what_is_kept(storage: S3Snapshots) -> None:
    """Neither on its way there nor back."""
    await storage.keep(X, pieces(1))  # all that is imported, and made once
    tracemalloc.start()
    try:
        await storage.keep(X, pieces(64))
        async with storage.opened(X) as stream:
            size = 0
            async for piece in stream:
                size += len(piece)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size == 64 * MIB
    assert most < 4 * PART
