"""The stream to one client, in virtual time: what is sent and when, and what happens when it is slow or gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise
from typing import Any

import pytest
from starlette.types import Message
from strict_reader import parse_sse, read
from virtual_time import settle, virtual

from agentscope_runtime.engine.channel import Channel
from agentscope_runtime.engine.events import EventWriter
from agentscope_runtime.engine.schemas.agent_schemas import Event, TextContent
from agentscope_runtime.engine.sse import EventStream
from agentscope_runtime.engine.steps import Text


class Client:
    """The other end of an ASGI connection: keeps what it is sent and when, may be slow, may leave."""

    def __init__(self) -> None:
        self.start: Message = {}
        self.chunks: list[tuple[float, bytes]] = []
        self.ended = False
        self.gone = asyncio.Event()
        self.reads = asyncio.Event()
        """While it is not set, whoever sends has to wait."""
        self.reads.set()
        self.disconnects = 0

    @property
    def body(self) -> bytes:
        """All that came."""
        return b"".join(chunk for _, chunk in self.chunks)

    async def receive(self) -> Message:
        """Say nothing until it leaves."""
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take a message, as soon as it reads."""
        await self.reads.wait()
        assert not self.ended, "something follows the end"
        if message["type"] == "http.response.start":
            self.start = message
        else:
            self.chunks.append((asyncio.get_running_loop().time(), message["body"]))
            self.ended = not message["more_body"]

    async def on_disconnect(self) -> None:
        """Count how often the server is told that it left."""
        await asyncio.sleep(0)
        self.disconnects += 1

    async def get(self, batches: AsyncIterator[list[Event]], **options: Any) -> None:
        """Let a stream be sent to it."""
        stream = EventStream(batches, on_disconnect=self.on_disconnect, **options)
        await stream({"type": "http"}, self.receive, self.send)


def texts(*numbers: int) -> list[Event]:
    """Return events that can be told apart."""
    return [TextContent(text=str(number)) for number in numbers]


def numbers_in(chunk: bytes) -> list[int]:
    """Return the numbers of the events in a chunk."""
    return [int(event["text"]) for event in parse_sse(chunk)[0]]


async def listed(batches: Sequence[list[Event]]) -> AsyncIterator[list[Event]]:
    """Yield batches that are there already."""
    for batch in batches:
        yield batch


@virtual
async def test_a_whole_stream() -> None:
    """Every event is a line that a strict reader takes, and the last line is [DONE]."""
    client = Client()
    writer = EventWriter(session_id="s")
    await client.get(listed([writer.begin(), writer.take(Text(0, "grüß dich")), writer.complete()]))
    events, done = parse_sse(client.body)
    assert done and client.ended
    assert read(events).text == "grüß dich"
    assert client.disconnects == 0


@virtual
async def test_headers() -> None:
    """Nobody on the way may keep the stream, or wait for more of it."""
    client = Client()
    await client.get(listed([]), headers={"X-Own": "1"})
    headers = dict(client.start["headers"])
    assert client.start["status"] == 200
    assert headers == {
        b"content-type": b"text/event-stream; charset=utf-8",
        b"cache-control": b"no-cache",
        b"x-accel-buffering": b"no",
        b"x-own": b"1",
    }
    assert client.body == b"data: [DONE]\n\n"


@virtual
async def test_events_are_gathered_for_a_moment() -> None:
    """The first goes out at once, the others at most every millisecond, and none is held for longer."""
    client = Client()
    channel = Channel()
    put: dict[int, float] = {}

    async def produce() -> None:
        for number in range(300):
            put[number] = asyncio.get_running_loop().time()
            await channel.put(texts(number))
            await asyncio.sleep(0.0001 if number % 100 else 0.01)
        channel.finish()

    producer = asyncio.create_task(produce())
    await client.get(channel.batches())
    await producer
    sent = [(at, chunk) for at, chunk in client.chunks[:-1]]
    held = [at - put[number] for at, chunk in sent for number in numbers_in(chunk)]
    assert len(held) == 300 and held[0] == 0
    assert max(held) < 0.0011
    assert all(after - before >= 0.0009 for (before, _), (after, _) in pairwise(sent))
    assert len(sent) < 60


@virtual
async def test_a_comment_breaks_the_silence() -> None:
    """Proxies see every 15 s that the stream is alive; readers do not see it at all."""
    client = Client()

    async def batches() -> AsyncIterator[list[Event]]:
        yield texts(1)
        await asyncio.sleep(50)
        yield texts(2)

    await client.get(batches(), keep_alive_s=15.0)
    comments = [round(at) for at, chunk in client.chunks if chunk == b": keep-alive\n\n"]
    assert comments == [15, 30, 45]
    assert numbers_in(client.body) == [1, 2]


@virtual
async def test_a_batch_that_comes_while_a_comment_is_sent() -> None:
    """A slow client gets the comment and then the batch, not one instead of the other."""
    client = Client()
    channel = Channel()
    getting = asyncio.create_task(client.get(channel.batches(), keep_alive_s=1.0))
    await settle()
    client.reads.clear()
    await asyncio.sleep(1.5)  # the comment is under way
    await channel.put(texts(1))
    channel.finish()
    await settle()
    client.reads.set()
    await getting
    assert client.chunks[0][1] == b": keep-alive\n\n"
    assert numbers_in(client.body) == [1]


@virtual
async def test_a_slow_client_holds_the_producer() -> None:
    """What is not read is not made: the channel fills up once, and nothing else is kept."""
    client = Client()
    channel = Channel(limit=4)
    made = 0

    async def produce() -> None:
        nonlocal made
        for number in range(100):
            await channel.put(texts(number))
            made += 1
        channel.finish()

    producer = asyncio.create_task(produce())
    client.reads.clear()
    getting = asyncio.create_task(client.get(channel.batches()))
    await asyncio.sleep(100)
    assert made == 4  # not even the head of the response went out
    client.reads.set()
    await getting
    await producer
    assert numbers_in(client.body) == list(range(100))


@virtual
async def test_a_client_that_leaves_while_nothing_happens() -> None:
    """It is noticed at once: the batches are closed, the server is told once, and nothing more is sent."""
    client = Client()
    closed = asyncio.Event()

    async def batches() -> AsyncIterator[list[Event]]:
        try:
            yield texts(1)
            await asyncio.sleep(1000)
            yield texts(2)
        finally:
            closed.set()

    getting = asyncio.create_task(client.get(batches()))
    await asyncio.sleep(1)
    client.gone.set()
    await getting
    assert asyncio.get_running_loop().time() == 1
    assert closed.is_set()
    assert client.disconnects == 1
    assert numbers_in(client.body) == [1] and not client.ended


@virtual
async def test_a_client_that_leaves_while_much_happens() -> None:
    """A stream that is never silent ends, too."""
    client = Client()
    channel = Channel(limit=4)

    async def produce() -> None:
        while True:
            await channel.put(texts(1))

    producer = asyncio.create_task(produce())
    getting = asyncio.create_task(client.get(channel.batches()))
    await asyncio.sleep(0.1)
    client.gone.set()
    await getting
    assert client.disconnects == 1
    producer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await producer


@virtual
async def test_a_server_that_refuses_to_send() -> None:
    """Some servers do not wait to be asked whether the client is still there."""
    client = Client()

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            raise BrokenPipeError("nobody reads")

    stream = EventStream(listed([texts(1)]), on_disconnect=client.on_disconnect)
    await stream({"type": "http"}, client.receive, send)
    assert client.disconnects == 1


@virtual
async def test_a_server_that_stops() -> None:
    """A stream that is cancelled ends as if the client had left."""
    client = Client()
    channel = Channel()
    getting = asyncio.create_task(client.get(channel.batches()))
    await asyncio.sleep(1)
    getting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await getting
    assert client.disconnects == 1


@virtual
async def test_batches_that_fail() -> None:
    """A defect of ours is not taken for an end: the server logs it and breaks the connection."""
    client = Client()

    async def batches() -> AsyncIterator[list[Event]]:
        yield texts(1)
        raise RuntimeError("a defect")

    with pytest.raises(RuntimeError, match="a defect"):
        await client.get(batches())
    assert client.disconnects == 1 and not client.ended
