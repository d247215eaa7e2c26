"""What is kept of a command's output, and who waits for whom, on pipes of this process."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator

import pytest

from sandbox_server.commands.output import CHUNK, HALF, Chunk, CommandOutput, Kept


@pytest.fixture
async def lossy() -> AsyncIterator[CommandOutput]:
    """The output of a background command."""
    output = CommandOutput(lossless=False)
    yield output
    output.abandon()


@pytest.fixture
async def lossless() -> AsyncIterator[CommandOutput]:
    """The output of a foreground command."""
    output = CommandOutput(lossless=True)
    yield output
    output.abandon()


def begin(output: CommandOutput) -> tuple[int, int]:
    """Begin to read, and return the writing ends, which a child would have."""
    stdout, stderr = (os.dup(fd) for fd in output.write_fds)
    output.begin()
    return stdout, stderr


async def settled(output: CommandOutput, total: int) -> None:
    """Wait until so many bytes were read."""
    async with asyncio.timeout(10):
        while output.total < total:
            await output.change(1)


def test_small_writes_are_joined_and_bounded() -> None:
    """A million single bytes cost no more than the limit, however they are divided."""
    kept = Kept()
    for number in range(0, 2_000_000, 2):  # never two next to each other: nothing can be joined
        kept.add(Chunk("stdout", number, b"x"))
        kept.trim(None)
    assert kept.cost <= 2 * HALF
    joined = Kept()
    for number in range(100_000):
        joined.add(Chunk("stdout", number, b"x"))
        joined.trim(None)
    assert len(joined.since(0)) < 5000


async def test_streams_keep_their_order(lossy: CommandOutput) -> None:
    """Positions count both; a reader may begin in the middle of a chunk."""
    stdout, stderr = begin(lossy)
    os.write(stdout, b"one")
    await settled(lossy, 3)
    os.write(stderr, b"two")
    await settled(lossy, 6)
    assert [(c.stream, c.offset, c.data) for c in lossy.since(1)] == [("stdout", 1, b"ne"), ("stderr", 3, b"two")]
    assert lossy.since(6) == []
    os.close(stdout)
    os.close(stderr)


async def test_a_background_command_waits_for_nobody(lossy: CommandOutput) -> None:
    """Head and tail are kept, though a reader is there that reads nothing."""
    stdout, stderr = begin(lossy)
    writing = threading.Thread(target=lambda: [os.write(stdout, b"%07d\n" % n) for n in range(500_000)])
    with lossy.reading(0) as reader:
        writing.start()
        assert await reader.next(10)
        await settled(lossy, 4_000_000)
        writing.join()
        assert lossy.cost <= 2 * (2 * HALF)
        end = lossy.since(4_000_000 - 8)
        assert end[0].data == b"0499999\n"
    os.close(stdout)
    os.close(stderr)


async def test_a_foreground_command_waits_for_its_reader(lossless: CommandOutput) -> None:
    """The pipe is not read on while more would drop what was not read; all of it comes, in order."""
    stdout, stderr = begin(lossless)
    data = b"".join(b"%07d\n" % n for n in range(500_000))

    def write() -> None:
        with os.fdopen(stdout, "wb") as file:
            file.write(data)

    writing = threading.Thread(target=write)
    writing.start()
    received = bytearray()
    with lossless.reading(0) as reader:
        async with asyncio.timeout(20):
            while len(received) < len(data):
                chunks = await reader.next(1)
                assert chunks is not None
                assert lossless.cost <= 2 * HALF + 2 * CHUNK
                received += b"".join(chunk.data for chunk in chunks)
    assert received == data
    writing.join()
    os.close(stderr)


async def test_what_is_in_the_pipe_at_the_end_still_counts(lossless: CommandOutput) -> None:
    """And what a survivor writes later does not, nor does it hold up the end."""
    stdout, stderr = begin(lossless)
    os.write(stdout, b"last")
    lossless.exited()
    async with asyncio.timeout(5):
        while not lossless.ended:
            await lossless.change(1)
    os.write(stdout, b"late")
    await lossless.change(0.05)
    assert [chunk.data for chunk in lossless.since(0)] == [b"last"]
    with lossless.reading(4) as reader:
        assert await reader.next(1) is None
    os.close(stdout)
    os.close(stderr)
