"""The capture of output, on real pipes: bounded, lossless below the bound, and never a reason for a writer to die."""

from __future__ import annotations

import asyncio
import os

from sandbox_server.land.capture import Capture


async def feed(capture: Capture, content: bytes) -> None:
    """Write everything into the pipe from a thread, as a child would, and close it."""
    writer = os.dup(capture.write_fd)
    capture.begin()

    def write() -> None:
        with os.fdopen(writer, "wb") as file:
            file.write(content)

    await asyncio.to_thread(write)
    capture.drain()


async def test_all_of_it_up_to_the_limit() -> None:
    """What fits is kept whole, to the last byte."""
    capture = Capture(1000)
    await feed(capture, b"x" * 1000)
    assert capture.text() == "x" * 1000


async def test_head_and_tail_beyond_it() -> None:
    """Of more, both ends are kept, and the text says how much is missing."""
    capture = Capture(100)
    content = bytes(65 + n % 26 for n in range(300_000))
    await feed(capture, content)
    assert capture.text() == f"{content[:50].decode()}\n… [299900 bytes were cut here] …\n{content[-50:].decode()}"


async def test_a_detached_writer_goes_on() -> None:
    """After the call is over, a background process may write as much as it likes; none of it is kept."""
    capture = Capture(100)
    writer = os.dup(capture.write_fd)
    capture.begin()
    os.write(writer, b"kept")
    capture.drain()
    capture.detach()
    await asyncio.to_thread(lambda: [os.write(writer, b"y" * 4096) for _ in range(100)])
    os.close(writer)
    assert capture.text() == "kept"
    capture.drain()
    capture.close()


def test_an_unused_pipe_is_closed() -> None:
    """Where no child could be started, nothing stays open."""
    before = len(os.listdir("/proc/self/fd"))
    Capture(10).abandon()
    assert len(os.listdir("/proc/self/fd")) == before
