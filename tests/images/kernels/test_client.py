"""How the server comes to hear a kernel, tried on a peer that plays the kernel's part, and on ipykernel itself."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import zmq
import zmq.asyncio

from sandbox_server.kernels.client import DELIMITER, KernelClient
from sandbox_server.kernels.output import CellOutput
from sandbox_server.kernels.process import KernelProcess

BASE = Path(__file__).parents[3] / "images/base"
ENVIRONMENT = {"PATH": "/usr/bin:/bin"}
NO_KERNEL = ["sh", "-c", "exec sleep 60"]  # only its folder is used
WELCOME = [DELIMITER, b"", json.dumps({"msg_type": "iopub_welcome"}).encode(), b"{}", b"{}", b"{}"]
SUBSCRIBED, DROPPED = b"\x01", b"\x00"

OVERLOOKING = """
import box_kernel, zmq
from ipykernel.iostream import IOPubThread
start = IOPubThread.start
def overlook_and_start(thread):
    # What sending does, too, but for certain: take the notice of an event, and leave what it tells of.
    thread.socket.poll(10_000, zmq.POLLIN)
    start(thread)
IOPubThread.start = overlook_and_start
box_kernel.main()
"""


@asynccontextmanager
async def _listening(
    enter: Sequence[str] = NO_KERNEL, environment: Mapping[str, str] = ENVIRONMENT
) -> AsyncIterator[tuple[KernelClient, str]]:
    """Open a client to a process; give also the address where it expects the kernel's output."""
    context = zmq.asyncio.Context()
    process = KernelProcess.spawn(enter, environment)
    client = KernelClient(process, context)
    try:
        yield client, process.endpoint("iopub")
    finally:
        await client.close()
        context.destroy(linger=0)
        process.kill()
        await process.process.wait()


@asynccontextmanager
async def _peer(endpoint: str, welcomes: Callable[[bytes, int], bool]) -> AsyncIterator[list[bytes]]:
    """Be a kernel's output: note what is subscribed and dropped, welcome where `welcomes(event, number)` says so."""
    events: list[bytes] = []

    async def serve() -> None:
        while True:
            events.append(await socket.recv())
            if welcomes(events[-1], len(events)):
                await socket.send_multipart(WELCOME)

    with zmq.asyncio.Context() as context, context.socket(zmq.XPUB) as socket:
        socket.linger = 0
        socket.bind(endpoint)
        serving = asyncio.create_task(serve())
        try:
            yield events
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nudge soon."""
    monkeypatch.setattr("sandbox_server.kernels.client.NUDGE_S", 0.01)


async def test_a_kernel_that_welcomes_is_not_nudged(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is subscribed to once, and for everything."""
    monkeypatch.setattr("sandbox_server.kernels.client.NUDGE_S", 60)
    async with _listening() as (client, endpoint), _peer(endpoint, lambda *_: True) as events, asyncio.timeout(5):
        await client.welcome()
        assert events == [SUBSCRIBED]


@pytest.mark.usefixtures("impatient")
async def test_a_kernel_that_overlooks_the_first_subscription() -> None:
    """It is nudged by another one until it welcomes us, to whichever of them; what nudged it is dropped again."""
    async with (
        _listening() as (client, endpoint),
        _peer(endpoint, lambda event, number: event.startswith(SUBSCRIBED) and number > 20) as events,
        asyncio.timeout(5),
    ):
        await client.welcome()
        nudges = [event[1:] for event in events[1:] if event.startswith(SUBSCRIBED)]
        dropped = [event[1:] for event in events if event.startswith(DROPPED)]
        assert events[0] == SUBSCRIBED
        assert len(set(nudges)) == len(nudges) >= 10 and dropped == nudges[: len(dropped)]
        assert len(nudges) - len(dropped) <= 1, "a nudge adds nothing that stays"


@pytest.mark.usefixtures("impatient")
async def test_a_kernel_that_somebody_else_listens_to() -> None:
    """Of a second subscription to everything zmq tells the kernel nothing: it can only welcome a nudge."""
    async with _listening() as (client, endpoint), _peer(endpoint, lambda *_: True) as events, asyncio.timeout(5):
        await client.welcome()
        with zmq.asyncio.Context() as context, context.socket(zmq.SUB) as somebody:
            somebody.connect(endpoint)
            somebody.subscribe(b"")
            somebody.subscribe(b"hello")  # the answer to this one shows that the other has arrived
            await somebody.recv_multipart()
            await client.listen_again()
        assert events.count(SUBSCRIBED) == 1


@pytest.mark.usefixtures("impatient")
async def test_a_kernel_that_ends_is_nudged_no_more() -> None:
    """Who waits for its welcome goes on waiting, until he is told of the end or is out of patience."""
    async with _listening() as (client, _):
        waiting = asyncio.create_task(client.welcome())
        await client.close()
        done, _pending = await asyncio.wait({waiting}, timeout=0.1)
        assert not done
        waiting.cancel()


async def test_an_ipykernel_that_overlooks_the_subscription(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The real one does when it works on the socket just then; it is nudged, and runs cells."""
    monkeypatch.setattr("sandbox_server.kernels.process.PYTHON", sys.executable)
    monkeypatch.setattr("sandbox_server.kernels.process.MAIN", OVERLOOKING)
    environment = {**ENVIRONMENT, "HOME": str(tmp_path), "PYTHONPATH": str(BASE)}
    async with _listening([], environment) as (client, _), asyncio.timeout(20):
        await client.welcome()
        output = CellOutput()
        await client.execute("6 * 7", output)
        await output.finished.wait()
        assert "42" in output.result("")["content"][0]["text"]
