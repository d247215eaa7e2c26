"""A browser at a desktop's link, as far as the manager sees it: the exchange of the ticket, and the WebSocket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from served_manager import Manager
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

GREETING = b"RFB 003.008\n"


async def link(manager: Manager, sandbox: str, *, control: bool = False) -> str:
    """Ask for a link."""
    async with manager.http() as http:
        answer = await http.post(f"/v1/sandboxes/{sandbox}/desktop", json={"control": control})
        assert answer.status_code == 200, answer.text
        body = answer.json()
    assert body["control"] is control
    assert 0 < body["expires_in"] <= 60
    return str(body["url"])


async def exchange(manager: Manager, url: str, sandbox: str | None = None) -> httpx.Response:
    """Do what the page does with a link."""
    place, _, ticket = url.partition("#ticket=")
    if sandbox is not None:
        place = f"{manager.url}/desktop/{sandbox}"
    async with manager.http(key=False) as http:
        return await http.post(f"{place}/session", json={"ticket": ticket}, headers={"Origin": manager.url})


async def cookie(manager: Manager, sandbox: str, *, control: bool = False) -> str:
    """Get a cookie that opens the WebSocket once."""
    answer = await exchange(manager, await link(manager, sandbox, control=control))
    assert answer.status_code == 200
    return answer.headers["set-cookie"].split(";")[0]


@asynccontextmanager
async def watching(
    manager: Manager, sandbox: str, value: str | None, *, origin: str | None = "own"
) -> AsyncIterator[ClientConnection]:
    """Open the WebSocket as a page of that origin would."""
    url = f"ws://{manager.host}/desktop/{sandbox}/websocket"
    headers: dict[str, Any] = {} if value is None else {"Cookie": value}
    source = Origin(manager.url) if origin == "own" else Origin(origin) if origin else None
    subprotocols = [Subprotocol("binary")]
    async with connect(url, origin=source, additional_headers=headers, subprotocols=subprotocols) as socket:
        yield socket
