"""Programs of the user that listen on a port of this box, reached through its server: HTTP and WebSocket.

A request for such a program comes as `POST /ports/{port}`, or as a WebSocket there. Its head (method, target, headers)
stands as JSON in one header, and the head of the program's answer comes back in the same way. So whatever a program
and its visitors say to each other, nothing of it can be taken for what the manager and this server say.

Not here: who may visit, and what of the heads is theirs to see: the manager's business.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import ClientTimeout, ClientWSTimeout, web
from aiohttp.abc import AbstractResolver, ResolveResult
from multidict import CIMultiDict
from yarl import URL

from sandbox_server.ports.sockets import pair
from sandbox_server.problems import Problem, invalid_request

HEAD = "X-Port-Head"
HEAD_LIMIT = 64 << 10
"""Bytes of a head; cookies alone may take eight thousand."""
HEAD_MAX = 60_000
"""The same of what goes out, with room for the line around it."""
MESSAGE_LIMIT = 16 << 20
"""Bytes of one WebSocket message."""
CONNECTIONS = 256
"""Most connections to programs at a time; further requests wait for one to end."""
CONNECT_TIMEOUT = 5.0
"""Seconds; on loopback a program that listens accepts at once, unless it is overrun."""
CLOSING = ClientWSTimeout(ws_close=2.0)
LOOK_S = 0.5
"""Seconds between two looks whether the caller is still there: nothing tells a handler that waits for a program."""


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request for a program, as the visitor sent it but for what the manager changed."""

    method: str
    target: str
    """Path and query, quoted as they came."""
    headers: CIMultiDict[str]
    has_body: bool

    @classmethod
    def of(cls, request: web.Request) -> Head:
        """Read it.

        Raises:
            Problem: It is missing, or no head.
        """
        try:
            members = json.loads(request.headers.get(HEAD, ""))
            headers = CIMultiDict((str(name), str(value)) for name, value in members["headers"])
            head = cls(str(members["method"]), str(members["target"]), headers, bool(members["has_body"]))
        except (ValueError, KeyError, TypeError) as e:
            raise invalid_request(f"{HEAD} is missing, or is no head of a request: {e!r}") from e
        if not head.target.startswith("/") or not head.method.isalpha():
            raise invalid_request(f"{head.method} {head.target!r} cannot be asked of a program: paths begin with /")
        return head


class PortRoutes:
    """Passes on to programs on loopback."""

    def __init__(self, own: frozenset[int]) -> None:
        """Serve all ports but the box's own."""
        self._own = own
        self._session: aiohttp.ClientSession | None = None

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/ports/{port}", self.get, allow_head=False),
            web.post("/ports/{port}", self.post),
        ]

    async def close(self, _: web.Application) -> None:
        """Close what is open to programs."""
        if self._session is not None:
            await self._session.close()

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Open a WebSocket of a program; without an upgrade, tell whether the port is one that may be visited."""
        port = self._port(request)
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return web.Response(status=204)
        head = Head.of(request)
        offered = [name.strip() for name in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
        async with _translated(port):
            program = await self._programs().ws_connect(
                _url(port, head),
                protocols=[name for name in offered if name],
                headers=head.headers,
                timeout=CLOSING,
                max_msg_size=MESSAGE_LIMIT,
            )
        async with program:
            visitor = web.WebSocketResponse(
                protocols=(program.protocol,) if program.protocol else (),
                timeout=CLOSING.ws_close or 0,
                compress=False,
                max_msg_size=MESSAGE_LIMIT,
            )
            await visitor.prepare(request)
            await pair(visitor, program)
        return visitor

    async def post(self, request: web.Request) -> web.StreamResponse:
        """Ask a program, and stream its answer."""
        port, head = self._port(request), Head.of(request)
        response = web.StreamResponse()
        await _while_wanted(request, self._exchange(request, response, port, head))
        return response

    async def _exchange(self, request: web.Request, response: web.StreamResponse, port: int, head: Head) -> None:
        async with _translated(port):
            answer = await self._programs().request(
                head.method,
                _url(port, head),
                headers=head.headers,
                data=request.content.iter_any() if head.has_body else None,
                allow_redirects=False,  # the visitor follows
            )
        async with answer:
            if not 200 <= answer.status < 600:
                raise _failed(f"what listens on port {port} answered with the status {answer.status}, which is none")
            described = _described(answer)
            if len(described) > HEAD_MAX:
                raise _failed(f"what listens on port {port} answered with headers of {len(described)} bytes: too many")
            response.headers[HEAD] = described
            if answer.content_length is not None and head.method != "HEAD":
                response.content_length = answer.content_length
            await response.prepare(request)
            try:
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
            except (aiohttp.ClientError, ConnectionError):
                if request.transport is not None:
                    request.transport.abort()  # half of an answer must not look like a whole one

    def _port(self, request: web.Request) -> int:
        text = request.match_info["port"]
        if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= 65535):
            raise invalid_request(f"{text!r} is no port: ports go from 1 to 65535")
        if int(text) in self._own:
            raise invalid_request(f"port {text} is one of the sandbox's own, which nobody visits; use another")
        return int(text)

    def _programs(self) -> aiohttp.ClientSession:
        if self._session is None:
            # A program may close a kept connection just when it is used again, so each is used once: on loopback a new
            # one costs a tenth of a millisecond.
            connector = aiohttp.TCPConnector(limit=CONNECTIONS, force_close=True, resolver=_Loopback())
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                timeout=ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT),
                max_line_size=HEAD_LIMIT,
                max_field_size=HEAD_LIMIT,
                middlewares=(_stay,),
            )
        return self._session


class _Loopback(AbstractResolver):
    """Knows one name: whatever it is, it is this box, by IPv4 and then by IPv6."""

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_UNSPEC) -> list[ResolveResult]:
        places = (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6))
        return [
            ResolveResult(hostname=host, host=at, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)
            for at, kind in places
        ]

    async def close(self) -> None:
        pass


async def _stay(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep WebSockets from following a redirection to elsewhere; aiohttp has no option for that."""
    response = await handler(request)
    if "Upgrade" in request.headers and 300 <= response.status < 400:
        response.close()
        raise aiohttp.WSServerHandshakeError(response.request_info, (), status=response.status)
    return response


def _url(port: int, head: Head) -> URL:
    # Encoded: programs get the path as it was asked for, dots and escapes included.
    return URL(f"http://localhost:{port}{head.target}", encoded=True)


def _described(answer: aiohttp.ClientResponse) -> str:
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.raw_headers]
    return json.dumps({"status": answer.status, "headers": headers}, separators=(",", ":"))


@asynccontextmanager
async def _translated(port: int) -> AsyncIterator[None]:
    """Say what keeps a program from answering."""
    try:
        yield
    except aiohttp.ClientConnectorError as e:
        raise _failed(f"nothing listens on port {port} in this sandbox; start a server there, and try again") from e
    except aiohttp.WSServerHandshakeError as e:
        raise _failed(f"what listens on port {port} refused the WebSocket with HTTP {e.status}") from e
    except aiohttp.ClientResponseError as e:
        raise _failed(f"what listens on port {port} does not speak HTTP: {e.message}") from e
    except (aiohttp.ClientError, ConnectionError) as e:
        raise _failed(f"what listens on port {port} closed the connection without an answer") from e
    except TimeoutError as e:
        raise _failed(f"what listens on port {port} took no connection within {CONNECT_TIMEOUT:g} s") from e
    except ValueError as e:  # a line break in a header, say
        raise invalid_request(f"that cannot be asked of a program: {e}") from e


def _failed(detail: str) -> Problem:
    return Problem(502, "port_failed", "No answer from the port", detail)


async def _while_wanted(request: web.Request, work: Coroutine[Any, Any, None]) -> None:
    """Do it until it is done, or the caller has left."""
    task = asyncio.create_task(work)
    try:
        while not (await asyncio.wait({task}, timeout=LOOK_S))[0]:
            if request.transport is None or request.transport.is_closing():
                return
        task.result()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, ConnectionError, aiohttp.ClientError, Problem):
            await task
