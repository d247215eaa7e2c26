"""MCP servers that listen somewhere: streamable HTTP, and its predecessor with one stream of server-sent events.

Redirects are not followed, since the headers of the configuration are for the host that it names.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import aiohttp

from sandbox_server.mcp.configs import Remote
from sandbox_server.mcp.rpc import MESSAGE_LIMIT, TURN, Lost, Message

ACCEPT = "application/json, text/event-stream"
STREAM = "text/event-stream"
CONNECT_TIMEOUT_S = 10.0
SAID_BYTES = 500
SESSION_HEADER = "Mcp-Session-Id"
VERSION_HEADER = "MCP-Protocol-Version"


def session(config: Remote, ca_bundle: Path) -> aiohttp.ClientSession:
    """Open a session for one server, which trusts what users' programs trust."""
    trusted = ssl.create_default_context(cafile=str(ca_bundle) if ca_bundle.exists() else None)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=config.read_timeout)
    return aiohttp.ClientSession(
        headers=dict(config.headers),
        connector=aiohttp.TCPConnector(ssl=trusted),
        timeout=timeout,
        trust_env=True,
        read_bufsize=MESSAGE_LIMIT // 2,  # the longest line that can be read is twice that
    )


class HttpLine:
    """Streamable HTTP: each message is posted, and what is posted is answered there."""

    def __init__(self, config: Remote, ca_bundle: Path) -> None:
        """Connect to nothing yet."""
        self._config = config
        self._ca_bundle = ca_bundle
        self._http: aiohttp.ClientSession | None = None
        self._headers = {"Accept": ACCEPT}
        self._deliver: Callable[[Message], None] = lambda message: None
        self._ended: Callable[[str], None] = lambda reason: None

    async def open(self, deliver: Callable[[Message], None], ended: Callable[[str], None]) -> None:
        """Remember who listens; the first message connects. See `Line`."""
        self._http = session(self._config, self._ca_bundle)
        self._deliver, self._ended = deliver, ended

    async def send(self, message: Message) -> None:
        """Post a message, and deliver what is answered; see `Line`."""
        assert self._http is not None
        try:
            async with self._http.post(
                self._config.url, json=message, headers=self._headers, allow_redirects=False
            ) as response:
                await self._check(response)
                await self._take(response, message)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as e:
            raise self._lost(f"{self._config.url}: {str(e) or type(e).__name__}") from e

    def said(self) -> str:
        """Return nothing: there are only messages."""
        return ""

    async def close(self) -> None:
        """End the session, where there is one."""
        if self._http is None:
            return
        if SESSION_HEADER in self._headers:
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S / 10):
                    async with self._http.delete(self._config.url, headers=self._headers):
                        pass
            except (aiohttp.ClientError, OSError, TimeoutError):
                pass  # it ends by itself
        await self._http.close()

    async def _check(self, response: aiohttp.ClientResponse) -> None:
        if response.status < 300:
            return
        if response.status == 404 and SESSION_HEADER in self._headers:
            raise self._lost("the server has forgotten its session")
        said = (await response.content.read(SAID_BYTES)).decode(errors="replace").strip()
        raise Lost(f"{self._config.url} answered HTTP {response.status} {response.reason}: {said}".rstrip(": "))

    async def _take(self, response: aiohttp.ClientResponse, sent: Message) -> None:
        if identity := response.headers.get(SESSION_HEADER):
            self._headers[SESSION_HEADER] = identity
        answered = "id" not in sent or "method" not in sent
        if response.content_type == STREAM:
            async with aclosing(events(response.content)) as stream:
                async for _, data in stream:
                    answered |= self._hand_on(data, sent)
                    if answered:
                        return
        elif not answered:
            answered = self._hand_on(await _read(response), sent)
        if not answered:
            raise Lost(f"{self._config.url} did not answer")

    def _hand_on(self, data: bytes, sent: Message) -> bool:
        """Deliver a message; return whether it is the answer to what was sent."""
        try:
            message = json.loads(data)
        except RecursionError:
            message = None
        if not isinstance(message, dict):
            raise ValueError("what it answered is no message of the protocol")
        answers = message.get("id") == sent.get("id") and "method" not in message
        result = message.get("result")
        if answers and sent.get("method") == "initialize" and isinstance(result, dict):
            self._headers[VERSION_HEADER] = str(result.get("protocolVersion", ""))
        self._deliver(message)
        return answers

    def _lost(self, reason: str) -> Lost:
        self._ended(reason)
        return Lost(reason)


class SseLine:
    """HTTP with server-sent events: one stream brings all messages, and says where to post others."""

    def __init__(self, config: Remote, ca_bundle: Path) -> None:
        """Connect to nothing yet."""
        self._config = config
        self._ca_bundle = ca_bundle
        self._http: aiohttp.ClientSession | None = None
        self._endpoint: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._reading: asyncio.Task[None] | None = None

    async def open(self, deliver: Callable[[Message], None], ended: Callable[[str], None]) -> None:
        """Connect, and wait for the address to post to; see `Line`."""
        self._http = session(self._config, self._ca_bundle)
        self._reading = asyncio.create_task(self._read(deliver, ended))
        await asyncio.shield(self._endpoint)

    async def send(self, message: Message) -> None:
        """Post a message; see `Line`."""
        assert self._http is not None
        endpoint = self._endpoint.result()
        try:
            async with self._http.post(endpoint, json=message, allow_redirects=False) as response:
                if response.status >= 300:
                    raise Lost(f"{endpoint} answered HTTP {response.status} {response.reason}")
        except (aiohttp.ClientError, OSError, TimeoutError) as e:
            raise Lost(f"{endpoint}: {str(e) or type(e).__name__}") from e

    def said(self) -> str:
        """Return nothing: there are only messages."""
        return ""

    async def close(self) -> None:
        """Leave."""
        self._endpoint.cancel()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, self._endpoint, return_exceptions=True)
        if self._http is not None:
            await self._http.close()

    async def _read(self, deliver: Callable[[Message], None], ended: Callable[[str], None]) -> None:
        assert self._http is not None
        url, reason = self._config.url, "it ended its stream of events"
        # Silence is what this stream is like, so only the connecting has a time-out.
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S)
        try:
            async with self._http.get(
                url, headers={"Accept": STREAM}, allow_redirects=False, timeout=timeout
            ) as response:
                if response.status >= 300 or response.content_type != STREAM:
                    raise Lost(f"{url} answered HTTP {response.status} {response.reason}, {response.content_type}")
                async with aclosing(events(response.content)) as stream:
                    async for name, data in stream:
                        if name == "endpoint" and not self._endpoint.done():
                            self._endpoint.set_result(self._same_host(data.decode()))
                        elif name == "message" and isinstance(message := json.loads(data), dict):
                            deliver(message)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, RecursionError, Lost) as e:
            reason = str(e) if isinstance(e, Lost) else f"{url}: {str(e) or type(e).__name__}"
        if not self._endpoint.done():
            self._endpoint.set_exception(Lost(reason))
        ended(reason)

    def _same_host(self, address: str) -> str:
        """Return where to post to; the headers are for the host of the configuration alone."""
        endpoint = urljoin(self._config.url, address)
        if urlsplit(endpoint)[:2] != urlsplit(self._config.url)[:2]:
            raise Lost(f"{self._config.url} names another server to post to: {endpoint}")
        return endpoint


async def events(content: aiohttp.StreamReader) -> AsyncGenerator[tuple[str, bytes]]:
    """Yield the name and data of each event of a stream."""
    name, size = "message", 0
    data: list[bytes] = []
    count = 0
    while line := await content.readline():
        if (count := count + 1) % TURN == 0:
            await asyncio.sleep(0)  # lines that are there already are read without one
        line = line.rstrip(b"\r\n")
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            if data:
                yield name, b"\n".join(data)
            name, data, size = "message", [], 0
        elif field == b"event":
            name = value.decode(errors="replace")
        elif field == b"data":
            size += len(value)
            if size > MESSAGE_LIMIT:
                raise ValueError(f"an event of more than {MESSAGE_LIMIT >> 20} MiB")
            data.append(value)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MESSAGE_LIMIT:
            raise ValueError(f"an answer of more than {MESSAGE_LIMIT >> 20} MiB")
    return bytes(body)
