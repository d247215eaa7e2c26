"""What every storage of snapshots keeps to: whole or not at all, each user's own, within bounds."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from s3_server import BUCKET, KEYS, S3Server

from agentscope_runtime.sandbox.errors import InvalidRequest, SnapshotNotFound, SnapshotRefused
from agentscope_runtime.sandbox_manager.snapshots import Bounds, SnapshotKey, Storage, place_of
from agentscope_runtime.sandbox_manager.snapshots.local import LocalSnapshots
from agentscope_runtime.sandbox_manager.snapshots.s3 import PART, S3Place, S3Snapshots

MIB = 1 << 20
X = SnapshotKey("ann", "x")
ODD_USERS = ["", "a/b", "../..", "ünï", "\udcff", "x" * 256, "a\nb"]

Make = Callable[[Bounds], Storage]


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server for all tests of this module."""
    with S3Server(tmp_path_factory.mktemp("s3")) as server, pytest.MonkeyPatch.context() as patch:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        yield server


@pytest.fixture(params=["local", "s3"])
async def make(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Make]:
    """Make storages of one kind, which share what they keep."""
    made: list[Storage] = []

    def one(bounds: Bounds) -> Storage:
        if request.param == "local":
            made.append(LocalSnapshots(tmp_path / "snapshots", bounds))
        else:
            server: S3Server = request.getfixturevalue("s3")
            made.append(S3Snapshots(S3Place(BUCKET, f"{tmp_path.name}/", server.endpoint), bounds))
        return made[-1]

    yield one
    for storage in made:
        await storage.aclose()


@pytest.fixture
def storage(make: Make) -> Storage:
    """A storage without bounds."""
    return make(Bounds())


@pytest.fixture
def unfinished(make: Make, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[], list[str]]:
    """Return what lists all that is not whole."""

    def found() -> list[str]:
        if (folder := tmp_path / "snapshots").exists():
            return [path.name for path in folder.glob("*/*") if path.suffix not in (".tar", ".lock", "")]
        server: S3Server = request.getfixturevalue("s3")
        return [name for name in server.unfinished() if name.startswith(tmp_path.name)]

    return found


async def stream(*pieces: bytes) -> AsyncIterator[bytes]:
    """Yield these."""
    for piece in pieces:
        yield piece


async def content(storage: Storage, key: SnapshotKey) -> bytes:
    """Read a snapshot."""
    async with storage.opened(key) as pieces:
        return b"".join([piece async for piece in pieces])


async def names(storage: Storage, user_id: str = "ann") -> list[str]:
    """List a user's."""
    return [each.name for each in await storage.of(user_id)]


async def test_what_was_kept_is_read_again(storage: Storage) -> None:
    """Also nothing, and more than is held in memory, in pieces of any size."""
    large = os.urandom(PART) * 2 + os.urandom(12_345)
    for pieces in ([], [b"x"], [b"a", b"", b"bc"], [large], [large[at : at + MIB] for at in range(0, len(large), MIB)]):
        began = time.time()
        kept = await storage.keep(X, stream(*pieces))
        assert await content(storage, X) == b"".join(pieces)
        (listed,) = await storage.of("ann")
        assert (listed.name, listed.size) == (kept.name, kept.size) == ("x", sum(map(len, pieces)))
        assert began - 2 < listed.created_at < time.time() + 2


async def test_each_user_has_names_of_their_own(storage: Storage) -> None:
    """Whatever users are called."""
    for number, user in enumerate(ODD_USERS):
        await storage.keep(SnapshotKey(user, "x"), stream(str(number).encode()))
    for number, user in enumerate(ODD_USERS):
        assert await content(storage, SnapshotKey(user, "x")) == str(number).encode()
        assert await names(storage, user) == ["x"]
    assert await names(storage, "nobody") == []


async def test_what_is_not_there(storage: Storage) -> None:
    """Reading says so, deleting is fine."""
    await storage.forget(X)
    with pytest.raises(SnapshotNotFound, match="there is no snapshot 'x' of user 'ann'"):
        await content(storage, X)
    await storage.keep(X, stream(b"x"))
    await storage.forget(X)
    assert await names(storage) == []
    with pytest.raises(SnapshotNotFound):
        await content(storage, X)


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", ".x", "x\n", "-", "a b", "ä", "x" * 129])
def test_no_name_leads_anywhere(name: str) -> None:
    """A key with such a name cannot be made."""
    with pytest.raises(InvalidRequest, match="cannot name a snapshot"):
        SnapshotKey("ann", name)


async def test_names_are_told_apart(storage: Storage) -> None:
    """Those that begin alike, and those with dots."""
    given = ["x", "x.tar", "x.tar.tar", "x-1", "X1", "1", "y" * 128]
    for name in given:
        await storage.keep(SnapshotKey("ann", name), stream(name.encode()))
    assert await names(storage) == sorted(given)
    for name in given:
        assert await content(storage, SnapshotKey("ann", name)) == name.encode()


@pytest.mark.parametrize("size", [10, 2 * PART])
async def test_a_stream_that_breaks_off_changes_nothing(
    storage: Storage, size: int, unfinished: Callable[[], list[str]]
) -> None:
    """Neither what was kept under that name, nor anything beside it."""

    async def broken() -> AsyncIterator[bytes]:
        yield bytes(size)
        raise ValueError("it broke off")

    await storage.keep(X, stream(b"before"))
    for key in (X, SnapshotKey("ann", "y")):
        with pytest.raises(ValueError, match="it broke off"):
            await storage.keep(key, broken())
    assert await content(storage, X) == b"before"
    assert await names(storage) == ["x"]
    assert unfinished() == []


@pytest.mark.parametrize("size", [10, 2 * PART])
async def test_a_caller_who_leaves_changes_nothing(
    storage: Storage, size: int, unfinished: Callable[[], list[str]]
) -> None:
    """Wherever it is just then."""
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield bytes(size)
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(storage.keep(X, endless()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await names(storage) == []
    assert unfinished() == []


async def test_a_reader_has_what_it_began_with(storage: Storage) -> None:
    """Although that is replaced, or deleted, meanwhile."""
    old, new = os.urandom(3 * MIB), os.urandom(3 * MIB)
    await storage.keep(X, stream(old))
    async with storage.opened(X) as pieces:
        got = [await anext(pieces)]
        await storage.keep(X, stream(new))
        await storage.forget(X)
        got += [piece async for piece in pieces]
    assert b"".join(got) == old


async def test_one_may_not_be_too_large(make: Make) -> None:
    """Not a byte more; what does not fit is not read to its end."""
    storage = make(Bounds(size=1000))
    assert (await storage.keep(X, stream(bytes(600), bytes(400)))).size == 1000
    read = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            read.append(1)
            yield bytes(600)

    with pytest.raises(SnapshotRefused, match=r"more than 1000 bytes \(SNAPSHOT_MAX_BYTES\)"):
        await storage.keep(X, endless())
    assert len(read) == 2
    assert len(await content(storage, X)) == 1000


async def test_a_user_may_not_have_too_many(make: Make) -> None:
    """Replacing one is no further one; another user has room, and so has this one after a deletion."""
    storage = make(Bounds(count=2))
    for name in ("a", "b", "a"):
        await storage.keep(SnapshotKey("ann", name), stream(b"x"))
    with pytest.raises(SnapshotRefused, match="2 snapshots are all that a user may have"):
        await storage.keep(X, stream(b"x"))
    await storage.keep(SnapshotKey("bob", "x"), stream(b"x"))
    await storage.forget(SnapshotKey("ann", "a"))
    await storage.keep(X, stream(b"x"))
    assert await names(storage) == ["b", "x"]


async def test_a_user_may_not_have_too_much(make: Make) -> None:
    """All together; replacing one counts what it has now."""
    storage = make(Bounds(total=1000))
    await storage.keep(SnapshotKey("ann", "a"), stream(bytes(600)))
    with pytest.raises(SnapshotRefused, match="would have 1001 bytes; 1000 are the most"):
        await storage.keep(X, stream(bytes(401)))
    await storage.keep(X, stream(bytes(400)))
    with pytest.raises(SnapshotRefused):
        await storage.keep(SnapshotKey("ann", "b"), stream())
    await storage.keep(X, stream(bytes(300)))
    assert [each.size for each in await storage.of("ann")] == [600, 300]


async def test_bounds_hold_for_those_that_come_at_once(make: Make) -> None:
    """Each finds room at its begin; only those that still find it at their end are kept."""
    storage = make(Bounds(count=3, total=350))
    together = asyncio.Barrier(6)

    async def late() -> AsyncIterator[bytes]:
        yield bytes(50)
        await together.wait()
        yield bytes(50)

    keys = [SnapshotKey("ann", f"n{number}") for number in range(6)]
    ended = await asyncio.gather(*(storage.keep(key, late()) for key in keys), return_exceptions=True)
    assert sum(isinstance(each, SnapshotRefused) for each in ended) == 3
    assert [each.size for each in await storage.of("ann")] == [100, 100, 100]


async def test_the_last_of_several_of_one_name_is_kept_whole(storage: Storage) -> None:
    """Never a mixture."""
    contents = [bytes([number]) * (number * 300_000) for number in range(1, 5)]
    await asyncio.gather(*(storage.keep(X, stream(*[each[:100_000], each[100_000:]])) for each in contents))
    assert await content(storage, X) in contents
    assert await names(storage) == ["x"]


async def test_what_a_dead_manager_left_is_removed(make: Make, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Once it is old: a living one's may be on its way."""
    storage = make(Bounds())
    await storage.tidy()
    await storage.keep(X, stream(b"x"))
    if isinstance(storage, LocalSnapshots):
        folder = tmp_path / "snapshots" / place_of("ann")
        old, young = folder / ".y.0123456789ab.part", folder / ".z.0123456789ab.part"
        for path in (old, young):
            path.write_bytes(b"half")
        os.utime(old, (time.time() - 7200,) * 2)
        await storage.tidy()
        assert sorted(path.name for path in folder.iterdir()) == [".lock", ".z.0123456789ab.part", "x.tar"]
    else:
        server: S3Server = request.getfixturevalue("s3")
        client = server.client()
        client.create_multipart_upload(Bucket=BUCKET, Key=f"{tmp_path.name}/user/y.tar")
        client.create_multipart_upload(Bucket=BUCKET, Key="of somebody else")
        client.close()
        with pytest.MonkeyPatch.context() as patch:  # this server says of all that they are many years old
            patch.setattr("agentscope_runtime.sandbox_manager.snapshots.s3.STALE_AFTER", time.time())
            await storage.tidy()
        assert len(server.unfinished()) == 2
        await storage.tidy()
        assert server.unfinished() == ["of somebody else"]
    assert await names(storage) == ["x"]
