"""What the kernel's sockets may say, without a kernel: all of it can be forged by a cell."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from sandbox_server.kernels.client import DELIMITER, HEADER_LIMIT, MESSAGE_LIMIT, Message, _parse
from sandbox_server.kernels.output import CellOutput

HEADER, PARENT = b'{"msg_type": "stream"}', b'{"msg_id": "x"}'


def _frames(content: bytes, header: bytes = HEADER, parent: bytes = PARENT) -> list[bytes]:
    return [b"x", DELIMITER, b"", header, parent, b"{}", content]


@pytest.mark.parametrize(
    "frames",
    [
        _frames(b'{"text": [' + b"[]," * 5_000_000 + b"[]]}"),
        _frames(b'{"text": [' + b"{}," * 5_000_000 + b"{}]}"),
        _frames(b'{"text": "' + b"x" * MESSAGE_LIMIT + b'"}'),
        _frames(b"{}", header=b'{"msg_type": "' + b"x" * HEADER_LIMIT + b'"}'),
        _frames(b"{}", parent=b'{"msg_id": "' + b"x" * HEADER_LIMIT + b'"}'),
    ],
)
def test_too_much_is_not_even_read(frames: list[bytes]) -> None:
    """A message over the limits costs a look at it, no more."""
    began = time.monotonic()
    with pytest.raises(ValueError, match="too much"):
        _parse(frames)
    assert time.monotonic() - began < 0.25


def test_the_most_that_a_kernel_sends_is_read() -> None:
    """A megabyte of text that looks like JSON, and an image, are within the limits."""
    content = {"text/plain": "[" * (1 << 20), "image/png": "A" * (16 << 20)}
    assert _parse(_frames(json.dumps(content).encode())) == Message("stream", "x", content)


async def test_an_end_that_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel has replied, and its output ends without an end, the cell ends all the same, and says why."""
    monkeypatch.setattr("sandbox_server.kernels.output.LATE_S", 0.2)
    output = CellOutput()
    output(Message("execute_reply", "x", {}))
    for _ in range(3):  # each message is given the whole time anew
        await asyncio.sleep(0.1)
        output(Message("stream", "x", {"name": "stdout", "text": "."}))
    async with asyncio.timeout(5):
        await output.finished.wait()
    result = output.result("")
    assert output.lost and result["isError"] is True
    assert result["content"][0]["text"] == "..." and "too large" in result["content"][1]["text"]


async def test_an_end_in_time() -> None:
    """The usual order of things loses nothing."""
    output = CellOutput()
    output(Message("execute_reply", "x", {}))
    output(Message("status", "x", {"execution_state": "idle"}))
    assert output.finished.is_set() and not output.lost and output.result("")["isError"] is False
