"""Two WebSockets as one: every message of either goes to the other, and so does the way in which one closes."""

from __future__ import annotations

import asyncio

from aiohttp import ClientWebSocketResponse, WSCloseCode, WSMsgType, web

Socket = web.WebSocketResponse | ClientWebSocketResponse


End = tuple[int, str]


async def pair(one: Socket, other: Socket) -> None:
    """Pass messages between both until one of them closes, then close both; each direction waits for its receiver."""
    tasks = {asyncio.create_task(_pass(one, other)), asyncio.create_task(_pass(other, one))}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    code, reason = done.pop().result()
    for socket in (one, other):
        await socket.close(code=code, message=reason.encode())


async def _pass(source: Socket, sink: Socket) -> End:
    try:
        while True:
            message = await source.receive()
            match message.type:
                case WSMsgType.TEXT:
                    await sink.send_str(message.data)
                case WSMsgType.BINARY:
                    await sink.send_bytes(message.data)
                case WSMsgType.CLOSE:
                    # 0: it closed without a code, which is a proper end.
                    return message.data or WSCloseCode.OK, message.extra or ""
                case _:  # it broke, or said something that no WebSocket says
                    return WSCloseCode.GOING_AWAY, ""
    except ConnectionError:
        return WSCloseCode.GOING_AWAY, ""
