"""A manager without sandboxes: answers the client's calls from memory, on a real socket, and misbehaves when told to.

For what a real manager cannot be made to do on command. What a sandbox does is not imitated: a tool answers with its
arguments, files are bytes by name.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from agentscope_runtime.sandbox.errors import FileNotFound, NotAuthorized, NotFound, SandboxError, SandboxNotFound

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
KEY = "scripted-key"


@dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    peer: object
    body: Any = None


@dataclass
class ScriptedManager:
    """What it holds, what it saw, and what it will do next instead of answering."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    leases: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    script: deque[Handler] = field(default_factory=deque)
    """What the next requests meet, one each; then answers are right again."""
    _heard: threading.Event = field(default_factory=threading.Event)
    _silences: list[asyncio.Future[None]] = field(default_factory=list)

    def wait_for_a_request(self) -> None:
        """Wait until the first request arrived."""
        assert self._heard.wait(10)

    @property
    def connects(self) -> list[dict[str, Any]]:
        """The bodies of all connects seen."""
        return [seen.body for seen in self.seen if (seen.method, seen.path) == ("POST", "/v1/leases")]

    def paths(self) -> list[str]:
        """Return method and path of everything seen."""
        return [f"{seen.method} {seen.path}" for seen in self.seen]

    def then_refuse(self, error: SandboxError, **headers: str) -> None:
        """Answer the next request with a problem."""
        body = json.dumps(error.to_problem()).encode()
        self.then_say(body, error.status, "application/problem+json", **headers)

    def then_say(self, body: bytes, status: int = 200, kind: str = "application/json", **headers: str) -> None:
        """Answer the next request with this."""

        async def say(_: web.Request) -> web.StreamResponse:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return web.Response(body=body, status=status, content_type=kind, headers=named)

        self.script.append(say)

    def then_hang_up(self) -> None:
        """Close the connection of the next request without a word."""

        async def hang_up(request: web.Request) -> web.StreamResponse:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()

        self.script.append(hang_up)

    def then_hang_up_midway(self, start: bytes) -> None:
        """Send the beginning of an answer to the next request, and close the connection."""

        async def hang_up(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Length": "1000000"})
            await response.prepare(request)
            await response.write(start)
            assert request.transport is not None
            request.transport.abort()
            return response

        self.script.append(hang_up)

    def then_be_silent(self) -> None:
        """Never answer the next request."""

        async def be_silent(request: web.Request) -> web.StreamResponse:
            silence = asyncio.get_running_loop().create_future()
            self._silences.append(silence)
            with suppress(asyncio.CancelledError):
                await silence
            assert request.transport is not None
            request.transport.abort()
            return web.Response()

        self.script.append(be_silent)

    def end_silence(self) -> None:
        """Hang up on everybody who still waits for an answer."""
        for silence in self._silences:
            silence.get_loop().call_soon_threadsafe(silence.cancel)
        self._silences.clear()

    def info(self, sandbox_id: str) -> dict[str, Any]:
        """Describe a sandbox that is leased."""
        for (session, user), held in self.leases.items():
            for sandbox_type, held_id in held.items():
                if held_id == sandbox_id:
                    names = {"container_id": "c", "container_name": sandbox_id, "image": f"agentscope/{sandbox_type}"}
                    whose = {"session_id": session, "user_id": user, "state": "leased"}
                    return {"sandbox_id": sandbox_id, "sandbox_type": sandbox_type, **names, **whose}
        raise SandboxNotFound(f"there is no sandbox {sandbox_id}")

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=1 << 30, middlewares=[self._middleware])
        app.add_routes(
            [
                web.post("/v1/leases", self._connect),
                web.delete("/v1/leases", self._release),
                web.get("/v1/pool", self._pool),
                web.get("/v1/sandboxes/{id}", self._sandbox),
                web.post("/v1/leases/renew", self._renew),
                web.post("/v1/sandboxes/{id}/touch", self._sandbox),
                web.get("/v1/sandboxes/{id}/tools", self._tools),
                web.post("/v1/sandboxes/{id}/tools/{name}", self._call),
                web.post("/v1/sandboxes/{id}/desktop", self._desktop),
                web.get("/v1/sandboxes/{id}/files/content", self._read),
                web.put("/v1/sandboxes/{id}/files/content", self._write),
                web.get("/v1/sandboxes/{id}/files/exists", self._exists),
            ]
        )
        return app

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        peer = request.transport.get_extra_info("peername") if request.transport else None
        body = await request.json() if request.content_type == "application/json" and request.can_read_body else None
        self.seen.append(Seen(request.method, request.path, dict(request.query), dict(request.headers), peer, body))
        self._heard.set()
        if self.script:
            return await self.script.popleft()(request)
        try:
            if request.headers.get("Authorization") != f"Bearer {KEY}":
                raise NotAuthorized("the key is wrong")
            return await handler(request)
        except SandboxError as error:
            return web.json_response(error.to_problem(), status=error.status)

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        held = self.leases.setdefault((body["session_id"], body["user_id"]), {})
        for sandbox_type in body["sandbox_types"]:
            held.setdefault(sandbox_type, f"sbx-{sandbox_type}-{len(self.seen)}")
        sandboxes = [self.info(held[sandbox_type]) for sandbox_type in body["sandbox_types"]]
        return web.json_response({**body, "sandboxes": sandboxes, "from_a_newer_manager": 1})

    async def _release(self, request: web.Request) -> web.StreamResponse:
        self.leases.pop((request.query["session_id"], request.query["user_id"]), None)
        return web.Response(status=204)

    async def _renew(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        held = self.leases.get((body["session_id"], body["user_id"]))
        if held is None:
            raise NotFound("the session holds nothing")
        sandboxes = [self.info(sandbox_id) for sandbox_id in held.values()]
        return web.json_response({**body, "sandboxes": sandboxes, "expires_at": 1000.0 + body.get("seconds", 0.0)})

    async def _pool(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"types": {}, "limit": 0})

    async def _sandbox(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self.info(request.match_info["id"]))

    async def _tools(self, _: web.Request) -> web.StreamResponse:
        schema = {"type": "object", "properties": {"code": {"type": "string"}}, "required": ["code"]}
        cell = {"name": "run_ipython_cell", "group": "generic", "description": "Run it.", "input_schema": schema}
        snapshot = {"name": "browser_snapshot", "group": "playwright", "description": "See it.", "input_schema": {}}
        return web.json_response({"tools": [cell, snapshot]})

    async def _call(self, request: web.Request) -> web.StreamResponse:
        said = json.dumps({"name": request.match_info["name"], **(await request.json())})
        text = {"type": "text", "text": said, "annotations": None}
        return web.json_response({"meta": None, "content": [text], "isError": False})

    async def _desktop(self, request: web.Request) -> web.StreamResponse:
        control = (await request.json())["control"]
        url = f"{self.url}/desktop/{request.match_info['id']}#ticket={len(self.seen)}"
        return web.json_response({"url": url, "expires_in": 60, "control": control})

    async def _read(self, request: web.Request) -> web.StreamResponse:
        path = request.query["path"]
        if path not in self.files:
            raise FileNotFound(f"there is no {path}")
        return web.Response(body=self.files[path])

    async def _exists(self, request: web.Request) -> web.StreamResponse:
        self.info(request.match_info["id"])
        return web.json_response({"exists": request.query["path"] in {".", *self.files}})

    async def _write(self, request: web.Request) -> web.StreamResponse:
        path = request.query["path"]
        self.files[path] = await request.read()
        size = len(self.files[path])
        return web.json_response(
            {"path": f"/workspace/{path}", "name": path, "type": "file", "size": size, "mtime_ms": 1}
        )

    @contextmanager
    def serving(self) -> Iterator[ScriptedManager]:
        """Serve from a thread while the block runs."""
        ready, end, loop = threading.Event(), asyncio.Event(), asyncio.new_event_loop()

        async def serve() -> None:
            async with _Listening(self._app()) as port:
                self.url = f"http://127.0.0.1:{port}"
                ready.set()
                await end.wait()

        thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
        thread.start()
        assert ready.wait(10)
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(end.set)
            thread.join(10)
            loop.close()


class _Listening:
    """Serve an application on a free port of this machine."""

    def __init__(self, app: web.Application) -> None:
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)

    async def __aenter__(self) -> int:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port: int = self._runner.addresses[0][1]
        return port

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()


async def in_pieces_async(data: bytes, size: int) -> AsyncIterator[bytes]:
    """Give bytes piece by piece."""
    for piece in in_pieces(data, size):
        yield piece


def in_pieces(data: bytes, size: int) -> Iterator[bytes]:
    """Give bytes piece by piece."""
    for begin in range(0, len(data), size):
        yield data[begin : begin + size]
