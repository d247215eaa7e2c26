"""A visitor's call, passed on to a program in a sandbox: HTTP streams both ways, WebSockets as `relay` connects them.

ASGI without a framework on top: nothing here may read, parse or limit what the two say. It ends when either side, or
the lease, does. Not here: whether the visitor may (`previews`), and what of the heads passes (`port_heads`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from agentscope_runtime.sandbox.errors import SandboxError, SandboxNotFound
from agentscope_runtime.sandbox_manager.api import relay
from agentscope_runtime.sandbox_manager.api.gateway import Ask, answer, opened
from agentscope_runtime.sandbox_manager.api.port_heads import Ours, answer_head, request_head
from agentscope_runtime.sandbox_manager.api.port_places import Place
from agentscope_runtime.sandbox_manager.api.problems import problem

if TYPE_CHECKING:
    import aiohttp

    from agentscope_runtime.sandbox_manager.pool import Pool

HEAD = "X-Port-Head"


@dataclass(frozen=True, slots=True)
class Visit:
    """One call that may pass."""

    place: Place
    target: bytes
    """Path and query for the program, as they came."""
    generation: int
    """The lease."""
    ours: Ours


async def ask(pool: Pool, visit: Visit, scope: Scope, receive: Receive, send: Send) -> None:
    """Pass on an HTTP call.

    Raises:
        SandboxError: It cannot be, and nothing was answered yet. What breaks off later, ends the connection.
    """
    head = request_head(scope, visit.target, visit.place, visit.ours)
    body = _Body(receive, expected=json.loads(head)["has_body"])
    begun = False

    async def exchange() -> None:
        nonlocal begun
        box_ask = Ask(
            "POST",
            f"/ports/{visit.place.port}",
            data=aiter(body) if body.expected else None,
            headers={HEAD: head},
            generation=visit.generation,
        )
        async with answer(pool, visit.place.sandbox_id, box_ask) as response:
            told = json.loads(response.headers[HEAD])
            headers = answer_head(told["status"], told["headers"], visit.place, visit.ours)
            await send({"type": "http.response.start", "status": told["status"], "headers": headers})
            begun = True
            await _copy(response, send)

    with relay.Ending.of(visit.place.sandbox_id, pool.events) as ending:
        try:
            await _first(exchange(), body.left(), _over(ending))
        except (SandboxError, ClientDisconnect):
            if not begun and not body.gone:
                raise


async def connect(pool: Pool, visit: Visit, visitor: WebSocket) -> None:
    """Pass on a WebSocket until one side closes it, with its own code, or the lease ends."""
    head = request_head(visitor.scope, visit.target, visit.place, visit.ours)
    path = f"/ports/{visit.place.port}"
    accepted = False
    try:
        async with AsyncExitStack() as stack:
            ending = stack.enter_context(relay.Ending.of(visit.place.sandbox_id, pool.events))
            box = await stack.enter_async_context(opened(pool, visit.place.sandbox_id, visit.generation))
            offered = visitor.scope.get("subprotocols", ())
            inner = await stack.enter_async_context(box.socket(path, protocols=offered, headers={HEAD: head}))
            await visitor.accept(inner.protocol)
            accepted = True
            await relay.connect(visitor, inner, ending)
    except SandboxError as error:
        if accepted:
            await relay.close(visitor, relay.Close.ENDED, error.detail)
        else:
            await visitor.send_denial_response(problem(error))


class _Body:
    """What a visitor sends, and whether he is still there: the same messages tell both."""

    def __init__(self, receive: Receive, *, expected: bool) -> None:
        self.expected = expected
        self.gone = False
        self._receive = receive
        self._read = asyncio.Event()
        if not expected:
            self._read.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.gone = True
                raise ClientDisconnect
            if chunk := message.get("body", b""):
                yield chunk
            more = message.get("more_body", False)
        self._read.set()

    async def left(self) -> None:
        """Wait until the visitor leaves."""
        await self._read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True


async def _copy(response: aiohttp.ClientResponse, send: Send) -> None:
    async for chunk in response.content.iter_any():
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _over(ending: relay.Ending) -> None:
    _, reason = await ending.wait()
    raise SandboxNotFound(reason)


async def _first(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run all until one ends, end the others, and raise what that one raised."""
    tasks = [asyncio.create_task(each) for each in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task in done:
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
