"""Suspended and frozen sandboxes over HTTP: whatever uses them wakes them, whoever made it and whenever."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import pytest
from desktop_viewer import GREETING, exchange, watching
from desktop_viewer import link as desktop_link
from served_manager import KEY, Manager
from served_manager import manager as run_manager
from websockets.asyncio.client import connect

from agentscope_runtime.sandbox import BaseSandbox, BaseSandboxAsync, wire
from agentscope_runtime.sandbox.errors import InvalidRequest, NotFound
from agentscope_runtime.sandbox_manager.events import Event, LeaseSuspended, SandboxSuspended

IDLE = 0.3


@pytest.fixture
async def manager(tmp_path: Path) -> AsyncIterator[Manager]:
    """A manager that suspends soon."""
    async with run_manager(tmp_path, heartbeat_timeout=IDLE, watcher_scan_interval=0.02, pool_size=0) as running:
        yield running


@contextmanager
def heard(manager: Manager, kind: type[Event], sandbox: str | None = None) -> Iterator[asyncio.Event]:
    """Tell when such an event has happened, to this sandbox or to any."""
    happened = asyncio.Event()

    def hear(event: Event) -> None:
        if isinstance(event, kind) and sandbox in (None, getattr(event, "sandbox_id", None)):
            happened.set()

    with manager.pool.events.subscribed(hear):
        yield happened


@asynccontextmanager
async def resting(manager: Manager, sandbox: str) -> AsyncIterator[None]:
    """Leave a sandbox alone until it is suspended; look that it is another one after the block."""
    with heard(manager, SandboxSuspended, sandbox) as suspended:
        await asyncio.wait_for(suspended.wait(), 20)
    assert sandbox not in manager.backend.engine.containers
    yield
    record = await manager.pool.sandbox(sandbox)
    assert record.restored
    assert record.generation >= 2


async def read(http: httpx.AsyncClient, sandbox: str) -> str:
    """Read the note of a sandbox."""
    answer = await http.get(f"/v1/sandboxes/{sandbox}/files/content", params={"path": "note.txt"})
    assert answer.status_code == 200, answer.text
    return answer.text


async def note(http: httpx.AsyncClient, sandbox: str) -> None:
    """Write it."""
    answer = await http.put(f"/v1/sandboxes/{sandbox}/files/content", params={"path": "note.txt"}, content=b"hello")
    assert answer.is_success


async def test_a_call_finds_the_files_of_before(manager: Manager) -> None:
    """By many at once; the lease says how it stands."""
    (sandbox,) = await manager.lease("base")
    async with manager.http() as http:
        await note(http, sandbox)
        async with resting(manager, sandbox):
            (lease,) = (await http.get("/v1/leases")).json()["leases"]
            assert (lease["idle_action"], lease["idle_timeout"]) == ("suspend", IDLE)
            assert lease["sandboxes"][0]["state"] == "suspended"
            assert (await http.get("/v1/pool")).json()["types"]["base"]["suspended"] == 1
            assert await asyncio.gather(*(read(http, sandbox) for _ in range(20))) == ["hello"] * 20


async def test_objects_of_before_go_on(manager: Manager) -> None:
    """Of both twins; they say that it was restored."""
    async with BaseSandboxAsync(None, manager.url, KEY) as box:
        assert box.sandbox_id is not None
        await box.fs.write_async("note.txt", "hello")
        async with resting(manager, box.sandbox_id):
            assert (await box.get_info_async())["state"] == "suspended"
            assert await box.fs.read_async("note.txt") == "hello"
            info = await box.get_info_async()
            assert (info["state"], info["restored"]) == ("leased", True)

    def blocking() -> tuple[str, str, bool]:
        with BaseSandbox(None, manager.url, KEY) as box:
            box.fs.write("note.txt", "hello")
            asyncio.run_coroutine_threadsafe(suspended.wait(), loop).result(20)
            before = str(box.get_info()["state"])
            return before, str(box.fs.read("note.txt")), bool(box.get_info()["restored"])

    loop = asyncio.get_running_loop()
    with heard(manager, SandboxSuspended) as suspended:
        assert await asyncio.to_thread(blocking) == ("suspended", "hello", True)


async def test_links_wake_and_those_of_before_still_open(manager: Manager) -> None:
    """A desktop's, one that was made for the sandbox that rests; and a file's, as long as the lease lives."""
    (sandbox,) = await manager.lease("browser")
    async with manager.http() as http:
        await note(http, sandbox)
        answer = await http.post(f"/v1/sandboxes/{sandbox}/links", json={"path": "note.txt", "method": "GET"})
        file, desktop = answer.json()["url"], await desktop_link(manager, sandbox)
        async with resting(manager, sandbox), manager.http(key=False) as stranger:
            assert (await stranger.get(file)).text == "hello"
            started = await exchange(manager, desktop)
            assert started.status_code == 200
            value = started.headers["set-cookie"].split(";")[0]
            async with watching(manager, sandbox, value) as socket:
                assert await socket.recv() == GREETING
        (other,) = await manager.lease("browser", session="s2")
        async with resting(manager, other):
            assert (await exchange(manager, await desktop_link(manager, other))).status_code == 200
        await http.delete("/v1/leases", params={"session_id": "s1"})
        assert (await http.get(file)).status_code == 404


async def test_programs_drive_the_browser_again(manager: Manager) -> None:
    """By an address that is asked for while it rests; all the time that they do is use."""
    (sandbox,) = await manager.lease("browser")
    async with manager.http() as http, resting(manager, sandbox):
        url = (await http.post(f"/v1/sandboxes/{sandbox}/cdp")).json()["url"]
        async with connect(url) as socket:
            await asyncio.sleep(3 * IDLE)
            await socket.send('{"id": 1}')
            assert json.loads(await socket.recv()) == {"result": '{"id": 1}'}


async def test_touching_keeps_and_wakes_nothing(manager: Manager) -> None:
    """For as long as somebody does; what rests goes on resting."""
    (sandbox,) = await manager.lease("base")
    async with manager.http() as http:
        with heard(manager, LeaseSuspended) as suspended:
            for _ in range(20):
                touched = await http.post(f"/v1/sandboxes/{sandbox}/touch")
                assert touched.json()["state"] == "leased"
                await asyncio.sleep(IDLE / 5)
            assert not suspended.is_set()
        with heard(manager, SandboxSuspended) as rests:
            await asyncio.wait_for(rests.wait(), 20)
        assert (await http.post(f"/v1/sandboxes/{sandbox}/touch")).json()["state"] == "suspended"
        assert not manager.backend.engine.containers
        assert (await http.post("/v1/sandboxes/sbx-unknown/touch")).status_code == 404


async def test_leases_are_renewed(tmp_path: Path) -> None:
    """Within what the manager allows; whoever has none is told."""
    async with run_manager(tmp_path, lease_max_seconds=1000) as manager:
        await manager.lease("base")
        async with manager.http() as http:

            async def renew(**body: object) -> httpx.Response:
                return await http.post("/v1/leases/renew", json={"session_id": "s1", **body})

            lease = wire.LeaseInfo.model_validate((await renew(seconds=50)).json())
            assert lease.expires_at is not None
            later = wire.LeaseInfo.model_validate((await renew()).json())
            assert later.expires_at == pytest.approx(lease.expires_at + 950, abs=20)
            assert (await renew(seconds=1001)).json()["code"] == "invalid_request"
            assert (await renew(seconds=0)).status_code == 422
            gone = await renew(user_id="somebody else")
            assert (gone.status_code, gone.json()["code"]) == (404, "not_found")
        async with BaseSandboxAsync(None, manager.url, KEY) as box:
            renewed = await box.renew_async(50)
            assert renewed["expires_at"] < later.expires_at
            assert (await box.get_info_async())["expires_at"] == renewed["expires_at"]
            with pytest.raises(InvalidRequest, match="LEASE_MAX_SECONDS"):
                await box.renew_async(5000)
            async with manager.http() as http:
                await http.delete(f"/v1/sandboxes/{box.sandbox_id}")
            with pytest.raises(NotFound, match="holds no sandboxes"):
                await box.renew_async()


async def test_a_frozen_sandbox_answers_as_if_nothing_had_happened(tmp_path: Path) -> None:
    """The call that thaws it waits for no start."""
    settings = {"heartbeat_timeout": 60, "watcher_scan_interval": 0.02, "pause_after_seconds": 0.1, "pool_size": 0}
    async with run_manager(tmp_path, **settings) as manager, manager.http() as http:
        (sandbox,) = await manager.lease("base")
        await note(http, sandbox)
        for _ in range(3):
            box = manager.backend.engine.containers[sandbox].box
            async with asyncio.timeout(20):
                while box.awake.is_set():  # noqa: ASYNC110 - nothing tells
                    await asyncio.sleep(0.01)
            assert await read(http, sandbox) == "hello"
        assert manager.backend.engine.containers[sandbox].box is box
