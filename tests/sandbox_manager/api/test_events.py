"""What somebody sees who watches `/v1/events`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from served_manager import Manager
from starlette.types import Message

from agentscope_runtime.sandbox_manager.api import events as module
from agentscope_runtime.sandbox_manager.events import BackendLost, SandboxReady
from agentscope_runtime.sandbox_manager.feed import Feed


@dataclass
class Seen:
    """One message of a stream."""

    event: str
    data: dict[str, Any]
    id: str


class Stream:
    """A reader of server-sent events."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()
        self.comments = 0
        self.retry = 0

    async def next(self) -> Seen:
        """Return the next message."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(10):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if line.startswith(":"):
                    self.comments += 1
                elif name == "retry":
                    self.retry = int(value)
                elif line:
                    fields[name] = value
                elif fields:
                    return Seen(fields["event"], json.loads(fields["data"]), fields.get("id", ""))
        raise EOFError


@asynccontextmanager
async def watching(manager: Manager, headers: dict[str, str] | None = None, **params: Any) -> AsyncIterator[Stream]:
    """Watch until the context ends."""
    async with manager.http() as http, http.stream("GET", "/v1/events", params=params, headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Stream(response)


async def read(manager: Manager) -> None:
    """Wait until a reader is counted, who begins with what happens from then on."""
    async with asyncio.timeout(10):
        await manager.app.state.feed._read.wait()


async def test_a_session_is_seen_from_its_lease_to_its_end(manager: Manager) -> None:
    """By whoever asks for that session only; with who, what, when and where."""
    async with watching(manager, session_id="mine") as stream:
        await read(manager)
        await manager.lease("base", session="other")
        (sandbox,) = await manager.lease("base", session="mine")
        granted = await stream.next()
        assert granted.event == granted.data["event"] == "lease_granted"
        assert (granted.data["session_id"], granted.data["sandbox_ids"]) == ("mine", [sandbox])
        assert granted.data["manager"] == manager.pool.store.manager
        async with manager.http() as http:
            await http.delete("/v1/leases", params={"session_id": "mine"})
        ended = [await stream.next() for _ in range(2)]
        assert {each.event for each in ended} == {"lease_ended", "sandbox_stopping"}
        assert stream.retry == module.RETRY


async def test_filters_of_a_name_add_up_and_those_of_several_narrow(manager: Manager) -> None:
    """Several sandboxes in one event count each."""
    async with watching(manager, event=["sandbox_ready", "backend_lost"], sandbox_type=["browser"]) as stream:
        await read(manager)
        for event in (BackendLost("x"), SandboxReady("sbx-1", "base", 1.0), SandboxReady("sbx-2", "browser", 1.0)):
            manager.pool.events.emit(event)
        assert (await stream.next()).data["sandbox_id"] == "sbx-2"
    async with watching(manager, sandbox_id="sbx-none", event="lease_granted") as nothing:
        await read(manager)
        (sandbox,) = await manager.lease("base")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await nothing.next()
        async with watching(manager, sandbox_id=sandbox) as stream:
            manager.pool.events.emit(SandboxReady(sandbox, "base", 1.0))
            assert (await stream.next()).event == "sandbox_ready"


async def test_who_comes_back_goes_on_where_it_was(manager: Manager) -> None:
    """Events in between are not lost; each has an id."""
    emit = manager.pool.events.emit
    async with watching(manager, event="sandbox_ready", sandbox_id=["a", "b", "c"]) as stream:
        await read(manager)
        emit(SandboxReady("a", "base", 1.0))
        last = (await stream.next()).id
    emit(SandboxReady("b", "base", 1.0))
    again = {"Last-Event-ID": last}
    async with watching(manager, again, event="sandbox_ready", sandbox_id=["a", "b", "c"]) as stream:
        assert (await stream.next()).data["sandbox_id"] == "b"


async def test_who_is_too_late_is_told_what_it_missed(manager: Manager) -> None:
    """A gap that nobody knows of would be worse than none at all."""
    emit, feed = manager.pool.events.emit, manager.app.state.feed
    emit(SandboxReady("a", "base", 1.0))
    last = feed.id_of(feed.newest)
    for _ in range(3000):
        emit(SandboxReady("b", "base", 1.0))
    async with watching(manager, {"Last-Event-ID": last}) as stream:
        missed = await stream.next()
        assert (missed.event, missed.id) == ("missed", "")
        assert missed.data["count"] >= 3000 - 1024
        assert (await stream.next()).event == "sandbox_ready"


async def test_a_reader_who_left_costs_nothing(manager: Manager) -> None:
    """It is noticed at once."""
    async with watching(manager):
        await read(manager)
    async with asyncio.timeout(10):
        while manager.app.state.feed._readers:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


async def test_silence_is_broken_by_comments(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where things happen that the reader did not ask for; proxies close what says nothing."""
    monkeypatch.setattr(module, "ALIVE_EVERY", 0.05)
    async with watching(manager, sandbox_id="sbx-none", seconds=1) as stream:
        for _ in range(30):
            manager.pool.events.emit(SandboxReady("a", "base", 1.0))
            await asyncio.sleep(0.01)
        with pytest.raises(EOFError):
            await stream.next()
        assert 3 <= stream.comments <= 20


async def test_the_stream_ends_when_the_manager_begins_to(manager: Manager) -> None:
    """It must not be what an end waits for."""
    async with watching(manager) as stream:
        await read(manager)
        assert await manager.app.state.drain.finish(10) == 0
        with pytest.raises(EOFError):
            while True:
                await stream.next()


async def test_it_needs_the_key(manager: Manager) -> None:
    """Who uses what, and when, is nobody else's business."""
    async with manager.http(key=False) as http:
        assert (await http.get("/v1/events")).status_code == 401


async def test_a_reader_who_takes_nothing_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection is full, and stays so: the manager ends all the same."""
    monkeypatch.setattr(module, "LAST_WORDS", 0.01)
    feed, ending, full = Feed(), asyncio.Event(), asyncio.Event()

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            full.set()
            await asyncio.Event().wait()

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    stream = module.Watched(module.Reader(feed, ending, module.Wanted(), ""))
    sending = asyncio.create_task(stream({"type": "http"}, receive, send))
    async with asyncio.timeout(10):
        await full.wait()
        assert not sending.done()
        ending.set()
        await sending
    assert not feed.is_read
