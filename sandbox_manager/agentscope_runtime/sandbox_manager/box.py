"""Talking to the server inside a sandbox: HTTP on a kept connection, WebSocket for its desktop.

One `aiohttp.ClientSession` serves all boxes. Whatever goes wrong on the way leaves here as an error of the family: a
problem document as the error that it describes, silence as SandboxDied or Unavailable after a look at the container.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import ClientTimeout, ClientWSTimeout

from agentscope_runtime.sandbox.errors import CallTimeout, InvalidRequest, SandboxError, Unavailable
from agentscope_runtime.sandbox_manager.backends import Remembered, Unreachable
from agentscope_runtime.sandbox_manager.box_problems import problem_of, refusal_of
from agentscope_runtime.sandbox_manager.states import Address, SandboxRecord

Verdict = Callable[[SandboxRecord], Awaitable[SandboxError]]
"""Says why a box does not answer, after a look at the store and the container."""

CONNECT_TIMEOUT = 2.0
"""Seconds to open a connection to a box; on a bridge of this machine it takes well under a millisecond."""
KNOCK_TIMEOUT = 1.0
"""The same while a box starts: its address may not answer at all yet, and then it is better to try again."""
ERRAND = ClientTimeout(total=5.0, sock_connect=CONNECT_TIMEOUT)
"""For heartbeats, and notes of leases."""
NOTE_HEADER = "X-Lease-Note"
GENERATION_HEADER = "X-Lease-Generation"
KEPT_ALIVE = 30.0
"""Seconds that an idle connection is kept; less than the box keeps it, so that we never write into a closing one."""
HEAD_LIMIT = 64 << 10
"""Bytes of one header: programs in a box may answer with long ones."""
SOCKET_TIMEOUT = 10.0
"""Seconds until a box's WebSocket must be open."""
CLOSING = ClientWSTimeout(ws_close=2.0)
"""Seconds that a box is given to say goodbye on a WebSocket."""
MESSAGE_LIMIT = 64 << 20
"""Bytes of one message out of a box."""


def box_session() -> aiohttp.ClientSession:
    """Open the one session for all boxes; must be called inside the event loop, and closed."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT_ALIVE, use_dns_cache=False),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT),
        auto_decompress=False,  # the gateway passes bodies on as they are
        max_line_size=HEAD_LIMIT,
        max_field_size=HEAD_LIMIT,
        middlewares=(_stay,),
    )


async def _stay(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep WebSockets from following a redirection; aiohttp has no option for that, as calls have."""
    response = await handler(request)
    if "Upgrade" in request.headers and 300 <= response.status < 400:
        response.close()
        raise aiohttp.WSServerHandshakeError(
            response.request_info, (), status=response.status, message="Redirection", headers=response.headers
        )
    return response


class Box:
    """One sandbox as the gateway sees it."""

    def __init__(self, record: SandboxRecord, session: aiohttp.ClientSession, verdict: Verdict) -> None:
        self.record = record
        self._session = session
        self._verdict = verdict
        self._headers = {
            "Authorization": f"Bearer {record.token}",
            "X-Sandbox-Generation": str(record.generation),
        }

    @asynccontextmanager
    async def request(  # noqa: PLR0913 - what an HTTP request consists of
        self,
        method: str,
        path: str,
        *,
        data: Any = None,
        json: Any = None,
        params: Mapping[str, str] | None = None,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send one request; the answer's body may be read, or streamed, inside the context.

        Args:
            method: The HTTP verb.
            path: The path at the box, with the leading slash.
            data: A body as bytes, or an async iterator of bytes to stream.
            json: A body to be sent as JSON, instead of `data`.
            params: The query.
            timeout: Seconds until the whole answer must be read; None waits as long as it takes.
            headers: Further headers, such as a content type or length.

        Raises:
            SandboxDied: The container ended.
            CallTimeout: The answer did not come, or not all of it.
            Unavailable: The box does not answer, though its container runs.
            SandboxError: What the box's problem document says.
        """
        try:
            async with self._session.request(
                method,
                _url(self.record, path),
                data=data,
                json=json,
                params=params,
                headers={**self._headers, **(headers or {})},
                timeout=ClientTimeout(total=timeout, sock_connect=CONNECT_TIMEOUT),
                allow_redirects=False,  # a box does not send the manager elsewhere
            ) as response:
                if response.status >= 400:
                    raise await problem_of(response)
                yield response
        except TimeoutError as e:
            if timeout is None or isinstance(e, aiohttp.ConnectionTimeoutError):
                raise await self._verdict(self.record) from e
            raise CallTimeout(f"sandbox {self.record.sandbox_id} did not answer {path} within {timeout:g} s") from e
        except aiohttp.InvalidURL as e:
            raise InvalidRequest(f"{path!r} is not a path of a sandbox") from e
        except (aiohttp.ClientError, ConnectionError) as e:
            raise await self._verdict(self.record) from e

    @asynccontextmanager
    async def socket(
        self,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        protocols: Iterable[str] = (),
        timeout: float = SOCKET_TIMEOUT,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Open a WebSocket of the box's server; it is closed with the context.

        Args:
            path: The path at the box, with the leading slash.
            params: The query.
            protocols: Subprotocols to offer; the one that the box took is the socket's `protocol`.
            timeout: Seconds until it must be open.
            headers: Further headers.

        Raises:
            SandboxDied: The container ended.
            CallTimeout: It did not open in time.
            Unavailable: The box does not answer, though its container runs.
            SandboxError: What the box's problem document says.
        """
        connecting = self._session.ws_connect(
            _url(self.record, path),
            params=params,
            protocols=tuple(protocols),
            headers={**self._headers, **(headers or {})},
            timeout=CLOSING,
            compress=0,
            max_msg_size=MESSAGE_LIMIT,
        )
        try:
            async with asyncio.timeout(timeout):
                opened = await connecting
        except TimeoutError as e:
            if isinstance(e, aiohttp.ConnectionTimeoutError):
                raise await self._verdict(self.record) from e
            raise CallTimeout(f"sandbox {self.record.sandbox_id} did not open {path} within {timeout:g} s") from e
        except aiohttp.InvalidURL as e:
            raise InvalidRequest(f"{path!r} is not a path of a sandbox") from e
        except aiohttp.WSServerHandshakeError as e:
            raise refusal_of(e, path) from e
        except (aiohttp.ClientError, ConnectionError) as e:
            raise await self._verdict(self.record) from e
        async with opened:
            yield opened

    @asynccontextmanager
    async def websocket(self) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Open the desktop's WebSocket: RFB in binary messages.

        Raises:
            InvalidRequest: This kind of sandbox has no desktop.
            SandboxDied: The container ended.
            Unavailable: The desktop does not answer.
        """
        address = _address(self.record)
        if address.desktop_port is None:
            raise InvalidRequest(f"a {self.record.sandbox_type} sandbox has no desktop")
        url = f"http://{address.host}:{address.desktop_port}/websockify"
        try:
            # No compression: VNC has compressed already. No size limit: one update may be a whole screen.
            headers = {"Authorization": f"Bearer {desktop_secret(self.record.token)}"}
            socket = await self._session.ws_connect(
                url, protocols=("binary",), headers=headers, timeout=CLOSING, compress=0, max_msg_size=0
            )
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as e:
            raise await self._verdict(self.record) from e
        async with socket:
            yield socket


class Boxes:
    """Opens boxes, and is the pool's doorbell."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    def open(self, record: SandboxRecord, verdict: Verdict) -> Box:
        """Return the box of a record; costs nothing until it is called."""
        return Box(record, self._session, verdict)

    async def ready(self, record: SandboxRecord, wait: float) -> None:
        """See `Doorbell.ready`."""
        timeout = ClientTimeout(total=wait + CONNECT_TIMEOUT, sock_connect=KNOCK_TIMEOUT)
        await self._knock(record, "GET", "/ready", timeout, {"wait": f"{wait:g}"})

    async def heartbeat(self, record: SandboxRecord) -> str:
        """See `Doorbell.heartbeat`."""
        headers, _ = await self._knock(record, "POST", "/heartbeat", ERRAND)
        return headers.get(NOTE_HEADER, "")

    async def write_note(self, record: SandboxRecord, note: bytes) -> None:
        """See `Doorbell.write_note`."""
        await self._knock(record, "PUT", "/lease", ERRAND, data=note, generation=record.generation)

    async def read_note(self, record: SandboxRecord) -> Remembered:
        """See `Doorbell.read_note`."""
        headers, note = await self._knock(record, "GET", "/lease", ERRAND)
        return Remembered(note, int(headers.get(GENERATION_HEADER, "0")))

    async def _knock(  # noqa: PLR0913 - what an HTTP request consists of
        self,
        record: SandboxRecord,
        method: str,
        path: str,
        timeout: ClientTimeout,
        params: Mapping[str, str] | None = None,
        *,
        data: bytes | None = None,
        generation: int | None = None,
    ) -> tuple[Mapping[str, str], bytes]:
        headers = {"Authorization": f"Bearer {record.token}"}
        if generation is not None:  # else it is right to ask whoever holds the lease
            headers["X-Sandbox-Generation"] = str(generation)
        try:
            async with self._session.request(
                method, _url(record, path), params=params, headers=headers, timeout=timeout, data=data
            ) as response:
                if response.status >= 400:
                    raise await problem_of(response)
                return response.headers, await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as e:
            raise Unreachable(f"{record.sandbox_id}: {e!r}") from e


def desktop_secret(token: str) -> str:
    """Return the secret of a box's desktop, which the box makes of its token in the same way."""
    return hmac.new(token.encode(), b"desktop", hashlib.sha256).hexdigest()


def _address(record: SandboxRecord) -> Address:
    if record.address is None:
        raise Unavailable(f"sandbox {record.sandbox_id} has no address yet: it is {record.state.value}")
    return record.address


def _url(record: SandboxRecord, path: str) -> str:
    address = _address(record)
    return f"http://{address.host}:{address.port}{path}"
