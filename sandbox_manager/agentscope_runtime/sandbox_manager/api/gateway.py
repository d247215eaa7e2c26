"""The way through the manager into a box: bodies pass as bytes, both ways, and errors as errors of the family.

Nothing is parsed or checked here that the box checks itself; that keeps the manager's share of a call below two
milliseconds. Not here: which paths there are (`tools`, `files`), and the connection to the box (`box`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from agentscope_runtime.sandbox.errors import InternalError, NotAuthorized, SandboxError, SandboxNotFound

if TYPE_CHECKING:
    import aiohttp

    from agentscope_runtime.sandbox_manager.box import Box
    from agentscope_runtime.sandbox_manager.pool import Pool

logger = logging.getLogger(__name__)

FOREIGN_CONTENT = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cache-Control": "no-store",
}
"""What a box answers is never to be taken for a page of the manager, which would run with its cookies."""
PASSED = {name.lower().encode(): name for name in ("Content-Length", "Content-Range", "Accept-Ranges", "ETag")}
"""What a box says of a body and what its reader needs to know."""
T = TypeVar("T")
OVER = "The lease that this link was made for is over."


@dataclass(frozen=True, slots=True)
class Ask:
    """One request to a box."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    data: bytes | AsyncIterator[bytes] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None
    """Seconds until the whole answer must be there."""
    generation: int | None = None
    """The lease that it is asked for, where a ticket names one: a later lease's sandbox is somebody else's."""


def pool_of(connection: HTTPConnection) -> Pool:
    """Return the pool of the application that serves this call."""
    return cast("Pool", connection.app.state.pool)


@asynccontextmanager
async def answer(pool: Pool, sandbox_id: str, ask: Ask) -> AsyncIterator[aiohttp.ClientResponse]:
    """Send a request to a leased sandbox; all the time until the context ends is activity.

    Raises:
        SandboxError: as the box, or the lack of one, has it.
    """
    try:
        async with (
            opened(pool, sandbox_id, ask.generation) as box,
            box.request(
                ask.method,
                ask.path,
                params=ask.params or None,
                data=ask.data,
                headers=ask.headers,
                timeout=ask.timeout,
            ) as response,
        ):
            yield response
    except NotAuthorized as error:
        # The caller's key was right; it is ours that the box refused.
        raise InternalError(f"sandbox {sandbox_id} refused its manager: {error.detail}") from error


@asynccontextmanager
async def opened(pool: Pool, sandbox_id: str, generation: int | None) -> AsyncIterator[Box]:
    """Open a sandbox for calls of one lease; None takes the lease that it has now.

    Raises:
        SandboxNotFound: That lease is over, or there is no such sandbox.
    """
    async with pool.use(sandbox_id) as box:
        if generation is not None and not box.record.is_of(generation):
            raise SandboxNotFound(OVER)
        yield box


async def relay(request: Request, sandbox_id: str, ask: Ask) -> Response:
    """Return the box's whole answer; for those that fit into memory, as results and listings do."""
    async with answer(pool_of(request), sandbox_id, ask) as response:
        body = await response.read()
        return Response(body, response.status, FOREIGN_CONTENT, response.headers.get("Content-Type"))


async def upload(request: Request) -> AsyncIterator[bytes]:
    """Yield the body as it comes, no faster than the box takes it."""
    async for chunk in request.stream():
        if chunk:
            yield chunk


class Stream(Response):
    """Streams a box's answer; its size, or a failure before the first byte, is the caller's, too."""

    def __init__(self, pool: Pool, sandbox_id: str, ask: Ask, media_type: str) -> None:
        """Prepare; the box is asked when the answer is sent.

        Args:
            pool: Where the sandbox is.
            sandbox_id: The sandbox.
            ask: What to ask it; its body is bytes, since who sends it is watched here for leaving.
            media_type: What the answer is, whatever the box says.
        """
        super().__init__(headers=FOREIGN_CONTENT, media_type=media_type)
        del self.headers["content-length"]  # of the empty body that this was made with
        self._pool, self._sandbox_id, self._ask = pool, sandbox_id, ask

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer as it comes, no faster than the caller takes it."""
        begun = False
        try:
            async with answer(self._pool, self._sandbox_id, self._ask) as response:
                passed = {name: response.headers.get(key) for name, key in PASSED.items()}
                headers = [*self.raw_headers, *((name, value.encode()) for name, value in passed.items() if value)]
                begun = True
                await send({"type": "http.response.start", "status": response.status, "headers": headers})
                await unless_left(receive, _copy(response, send))
        except SandboxError as error:
            if not begun:
                raise
            # Too late to tell the caller, who sees that the answer is not whole: the server closes the connection.
            said = {"sandbox_id": self._sandbox_id}
            logger.warning("%s of sandbox %s broke off: %s", self._ask.path, self._sandbox_id, error.detail, extra=said)


class Download(Stream):
    """A stream that browsers save as a file, and never show."""

    def __init__(self, pool: Pool, sandbox_id: str, ask: Ask, name: str) -> None:
        """Prepare; see `Stream`.

        Args:
            pool: Where the sandbox is.
            sandbox_id: The sandbox.
            ask: What to ask it.
            name: The name under which a browser saves what comes, quoted.
        """
        super().__init__(pool, sandbox_id, ask, "application/octet-stream")
        self.headers["content-disposition"] = f"attachment; filename*=UTF-8''{name}"


async def _copy(response: aiohttp.ClientResponse, send: Send) -> None:
    async for chunk in response.content.iter_any():
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def unless_left(receive: Receive, work: Coroutine[Any, Any, T]) -> T | None:
    """Work until it is done or the caller has left; return None then.

    The server takes what is sent to nobody without a word, and what a box does for nobody would go on there.
    """
    working, leaving = asyncio.create_task(work), asyncio.create_task(_left(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
