"""Workspaces are kept whole or not at all, and fill the sandboxes of a lease once."""

from __future__ import annotations

import asyncio
import io
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path, PurePosixPath

import httpx
import pytest
from aiohttp import web
from served_manager import Manager
from served_manager import manager as run_manager

from agentscope_runtime.sandbox.errors import InternalError
from agentscope_runtime.sandbox_manager import snapshot_keeper
from agentscope_runtime.sandbox_manager.backends.fake_box import FakeBox
from agentscope_runtime.sandbox_manager.snapshots import local

NOTE = PurePosixPath("/workspace/folder/note.txt")


@pytest.fixture
async def manager(tmp_path: Path) -> AsyncIterator[Manager]:
    """Run a manager with some sandboxes ready."""
    async with run_manager(tmp_path, pool_size={"base": 2}, snapshot_max_bytes=100_000) as running:
        yield running


async def connect(manager: Manager, session: str, *kinds: str, **options: object) -> httpx.Response:
    """Lease sandboxes to a session of Ann's."""
    body = {"session_id": session, "user_id": "ann", "sandbox_types": list(kinds or ["base"]), "options": options}
    async with manager.http() as http:
        return await http.post("/v1/leases", json=body)


async def boxes_of(manager: Manager, session: str, *kinds: str, **options: object) -> list[FakeBox]:
    """Lease sandboxes, and return what is inside."""
    answer = await connect(manager, session, *kinds, **options)
    assert answer.status_code == 200, answer.text
    return [box_of(manager, sandbox["sandbox_id"]) for sandbox in answer.json()["sandboxes"]]


def box_of(manager: Manager, sandbox_id: str) -> FakeBox:
    """Return what is inside of a sandbox."""
    return manager.backend.engine.containers[sandbox_id].box


async def take(manager: Manager, session: str, name: str = "x") -> httpx.Response:
    """Keep the workspace of what a session of Ann's holds."""
    (sandbox_id,) = [each["sandbox_id"] for each in (await connect(manager, session)).json()["sandboxes"]]
    async with manager.http() as http:
        return await http.put(f"/v1/snapshots/{name}", json={"sandbox_id": sandbox_id})


async def kept(manager: Manager, content: bytes = b"kept") -> None:
    """Have a snapshot `x` of Ann's with one file."""
    (box,) = await boxes_of(manager, "maker")
    box.files.add("folder/note.txt", content)
    answer = await take(manager, "maker")
    assert answer.status_code == 200, answer.text


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Return status and code of a refusal."""
    return answer.status_code, answer.json()["code"]


async def test_a_lease_begins_with_what_was_kept(manager: Manager) -> None:
    """It is filled once, and what the session did since is not overwritten by asking again."""
    await kept(manager)
    (box,) = await boxes_of(manager, "one", from_snapshot="x")
    assert box.files.files == {NOTE: b"kept"}
    box.files.add("folder/note.txt", b"changed")
    assert await boxes_of(manager, "one", from_snapshot="x") == [box]
    assert await boxes_of(manager, "one") == [box]
    assert box.files.files == {NOTE: b"changed"}


async def test_users_have_snapshots_of_their_own(manager: Manager) -> None:
    """Listed, replaced and deleted by name; nobody sees another's."""
    await kept(manager)
    async with manager.http() as http:
        (one,) = (await http.get("/v1/snapshots", params={"user_id": "ann"})).json()["snapshots"]
        assert one["name"] == "x" and one["size"] > 0
        assert (await http.get("/v1/snapshots", params={"user_id": "bob"})).json() == {"snapshots": []}
        for _ in range(2):
            assert (await http.delete("/v1/snapshots/x", params={"user_id": "ann"})).status_code == 204
    assert problem(await connect(manager, "one", from_snapshot="x")) == (404, "snapshot_not_found")


async def test_a_connect_that_cannot_be_filled_holds_nothing(manager: Manager, tmp_path: Path) -> None:
    """The sandbox is removed, and the session is free to ask again."""
    assert problem(await connect(manager, "one", from_snapshot="x")) == (404, "snapshot_not_found")
    await kept(manager)
    (file,) = (tmp_path / "snapshots").glob("*/x.tar")
    file.write_bytes(b"no archive" * 1000)
    assert problem(await connect(manager, "one", from_snapshot="x")) == (422, "invalid_request")
    async with manager.http() as http:
        leases = (await http.get("/v1/leases")).json()["leases"]
    assert [lease["session_id"] for lease in leases] == ["maker"]


async def test_a_second_call_waits_until_the_first_has_filled(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that does not name the snapshot: nobody sees half of a workspace."""
    await kept(manager)
    begun, go_on = asyncio.Event(), asyncio.Event()
    fill = snapshot_keeper._fill

    async def slowly(box: object, stream: AsyncIterator[bytes]) -> None:
        async def flowing() -> AsyncIterator[bytes]:
            async for piece in stream:
                begun.set()
                await go_on.wait()
                yield piece

        await fill(box, flowing())  # type: ignore[arg-type]

    monkeypatch.setattr(snapshot_keeper, "_fill", slowly)
    first = asyncio.create_task(boxes_of(manager, "one", from_snapshot="x"))
    await begun.wait()
    second = asyncio.create_task(boxes_of(manager, "one"))
    done, _ = await asyncio.wait([first, second], timeout=0.2)
    assert not done
    go_on.set()
    assert await first == await second
    assert (await first)[0].files.files == {NOTE: b"kept"}


async def test_what_shares_a_workspace_is_filled_once(manager: Manager) -> None:
    """One that joins later, or takes a dead one's place, finds the files as they are now."""
    await kept(manager)
    base, browser = await boxes_of(manager, "one", "base", "browser", from_snapshot="x", shared_workspace=True)
    assert base.files is browser.files
    assert [base.archives.filled, browser.archives.filled] == [True, True]
    base.files.add("folder/note.txt", b"changed")
    async with manager.http() as http:
        (lease,) = [each for each in (await http.get("/v1/leases")).json()["leases"] if each["session_id"] == "one"]
    await manager.backend.die(lease["sandboxes"][0]["sandbox_id"])
    async with asyncio.timeout(5):
        while (await boxes_of(manager, "one", "base"))[0] is base:  # noqa: ASYNC110 - nobody tells of it here
            await asyncio.sleep(0.01)  # until the engine's word of the death has come
    new, also = await boxes_of(manager, "one", "base", "filesystem")
    assert new.files.files == also.files.files == {NOTE: b"changed"}


async def test_a_snapshot_is_no_later_option(manager: Manager) -> None:
    """What a session holds already is never filled."""
    await kept(manager)
    await connect(manager, "one")
    answer = await connect(manager, "one", from_snapshot="x")
    assert problem(answer) == (422, "invalid_request")
    assert "connect without from_snapshot, or release them" in answer.json()["detail"]


async def test_too_much_is_refused_and_what_was_kept_stays(manager: Manager) -> None:
    """The bound is that of the settings."""
    await kept(manager)
    (box,) = await boxes_of(manager, "maker")
    box.files.add("large", b"x" * 100_000)
    answer = await take(manager, "maker")
    assert problem(answer) == (413, "snapshot_refused")
    assert "more than 100000 bytes (SNAPSHOT_MAX_BYTES)" in answer.json()["detail"]
    (box,) = await boxes_of(manager, "one", from_snapshot="x")
    assert box.files.files == {NOTE: b"kept"}


async def test_a_stream_that_breaks_off_is_kept_by_nobody(manager: Manager, tmp_path: Path) -> None:
    """The box tears it when a file became shorter; the error says so, and nothing lies around."""

    async def torn(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x" * 1000)
        assert request.transport is not None
        request.transport.abort()
        return response

    (box,) = await boxes_of(manager, "maker")
    box.archives.answer = torn
    answer = await take(manager, "maker")
    assert problem(answer) == (409, "file_error")
    assert "became shorter while it was read" in answer.json()["detail"]
    assert [path.name for path in (tmp_path / "snapshots").glob("*/*") if path.name != ".lock"] == []


async def test_a_box_that_falls_silent_is_not_waited_for(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while without a byte, or when all of it takes too long."""
    over = asyncio.Event()

    async def silent(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await over.wait()
        return response

    (box,) = await boxes_of(manager, "maker")
    box.archives.answer = silent
    monkeypatch.setattr(snapshot_keeper, "SILENCE", 0.05)
    assert problem(await take(manager, "maker")) == (503, "unavailable")
    monkeypatch.setattr(snapshot_keeper, "SILENCE", 60.0)
    monkeypatch.setattr(snapshot_keeper, "WITHIN", 0.05)
    assert problem(await take(manager, "maker")) == (504, "call_timeout")
    over.set()


async def test_a_storage_that_fails_on_the_way_is_the_error(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not that the box got half of a stream."""
    await kept(manager)

    async def failing(*_: object) -> AsyncIterator[bytes]:
        yield bytes(1000)
        raise InternalError("the disk cannot be read")

    monkeypatch.setattr(local, "_pieces", failing)
    answer = await connect(manager, "one", from_snapshot="x")
    assert problem(answer) == (500, "internal_error")
    assert answer.json()["detail"] == "the disk cannot be read"


async def test_names_are_checked(manager: Manager) -> None:
    """None leads out of the folder; the tar stream of a box is what lies there."""
    await kept(manager)
    async with manager.http() as http:
        for name in (".x", "-x", "a%2Fb", "x" * 129):
            answer = await http.put(f"/v1/snapshots/{name}", json={"sandbox_id": "sbx-1"})
            assert answer.status_code in (404, 422), name
        answer = await http.put("/v1/snapshots/x", json={"sandbox_id": "sbx-none"})
        assert problem(answer) == (404, "sandbox_not_found")
    assert problem(await connect(manager, "one", from_snapshot="../x")) == (422, "invalid_request")


async def test_what_is_kept_is_the_stream_of_the_box(manager: Manager, tmp_path: Path) -> None:
    """Byte by byte."""
    await kept(manager)
    (file,) = (tmp_path / "snapshots").glob("*/x.tar")
    with tarfile.open(fileobj=io.BytesIO(file.read_bytes())) as archive:
        assert archive.getnames() == ["folder/note.txt"]


async def test_slow_boxes_of_one_user_hold_up_nobody_else(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    """A further one of that user is told to come back; when one is over, there is room again."""
    monkeypatch.setattr(snapshot_keeper, "OF_ONE_USER", 1)
    begun, over = asyncio.Event(), asyncio.Event()
    (box,) = await boxes_of(manager, "maker")
    usual = box.archives.answer

    async def slow(request: web.Request) -> web.StreamResponse:
        begun.set()
        await over.wait()
        return await usual(request)

    box.archives.answer = slow
    first = asyncio.create_task(take(manager, "maker"))
    await begun.wait()
    answer = await take(manager, "maker", "y")
    assert problem(answer) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    (sandbox_id,) = await manager.lease("base", session="of nobody")
    async with manager.http() as http:
        other = await http.put("/v1/snapshots/x", json={"sandbox_id": sandbox_id})
    assert other.status_code == 200, other.text
    over.set()
    assert (await first).status_code == 200
    assert (await take(manager, "maker", "y")).status_code == 200
