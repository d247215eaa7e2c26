"""What tests ask of WebSockets that the manager serves."""

from __future__ import annotations

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed


async def end(socket: ClientConnection) -> tuple[int, str]:
    """Wait until the other side closes, dropping what it says until then; return code and reason."""
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            await socket.recv()
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason
