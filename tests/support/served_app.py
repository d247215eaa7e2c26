"""An application on a real socket, in the event loop of the test, and the barest client for it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.types import ASGIApp

LONGEST_LINE = 1 << 20


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[int]:
    """Serve an application while the block runs; yield its port."""
    config = uvicorn.Config(app, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await serving


@dataclass
class Answer:
    """An answer that is still on its way; the head was read."""

    head: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def line(self) -> bytes:
        """Return the next `data:` line."""
        while not (line := await self.reader.readline()).startswith(b"data:"):
            assert line, "the connection was closed"
        return line.rstrip()

    async def leave(self) -> None:
        """Close the connection, whatever is still to come."""
        self.writer.close()
        await self.writer.wait_closed()


async def post(port: int, path: str, body: dict[str, Any] | None = None) -> Answer:
    """Ask, and return when the head of the answer is there."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=LONGEST_LINE)
    data = json.dumps(body or {}).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(data)}"
    writer.write(f"{head}\r\n\r\n".encode() + data)
    return Answer(await reader.readuntil(b"\r\n\r\n"), reader, writer)
