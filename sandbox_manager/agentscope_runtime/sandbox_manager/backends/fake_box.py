"""The box API from memory: what a sandbox of `backends.fake` answers.

Files are kept in a dictionary. Tools run nothing: `run_ipython_cell` and `run_shell_command` print what they were given
as if it were the output, except `exit N`, which fails so, and `sleep N`, which takes so long.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

from aiohttp import WSMsgType, web

from agentscope_runtime.sandbox.errors import (
    PROBLEM_MEDIA_TYPE,
    InvalidRequest,
    NotAuthorized,
    NotFound,
    SandboxError,
    StaleGeneration,
    UnknownTool,
)
from agentscope_runtime.sandbox_manager.backends.fake_archives import FakeArchives
from agentscope_runtime.sandbox_manager.backends.fake_browser import FakeBrowser
from agentscope_runtime.sandbox_manager.backends.fake_commands import FakeCommands
from agentscope_runtime.sandbox_manager.backends.fake_desktop import FakeDesktop
from agentscope_runtime.sandbox_manager.backends.fake_files import FakeFiles
from agentscope_runtime.sandbox_manager.backends.fake_kernels import FakeKernels
from agentscope_runtime.sandbox_manager.backends.fake_lease_note import FakeLeaseNote
from agentscope_runtime.sandbox_manager.backends.fake_mcp import FakeMcpServers
from agentscope_runtime.sandbox_manager.backends.fake_ports import FakePorts
from agentscope_runtime.sandbox_manager.states import Address

GREETING = b"RFB 003.008\n"
"""The first bytes of every VNC server."""

SHUTDOWN_TIMEOUT = 0.01
"""Seconds for handlers to end; a container that is killed gives them none, but 0 would mean for ever."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _tool(name: str, argument: str, description: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {argument: {"type": "string"}}, "required": [argument]}
    return {"name": name, "group": "generic", "description": description, "input_schema": schema}


TOOLS = {
    "run_ipython_cell": _tool("run_ipython_cell", "code", "Return the code as its output."),
    "run_shell_command": _tool("run_shell_command", "command", "Return the command as its output."),
}


class FakeBox:
    """One box."""

    def __init__(
        self, token: str, sandbox_type: str, *, has_desktop: bool = False, files: FakeFiles | None = None
    ) -> None:
        self.sandbox_type = sandbox_type
        self.words = "the fake box said this when it started"
        self.heartbeats = 0
        self.generation = 0
        self.note = FakeLeaseNote()
        self.called = asyncio.Event()
        """Set when a tool call arrives."""
        self.awake = asyncio.Event()
        """Not set while the box is frozen: nobody is answered."""
        self.awake.set()
        self.files = files or FakeFiles()
        self.archives = FakeArchives(self.files)
        self.commands = FakeCommands()
        self.browser = FakeBrowser()
        self.desktop = FakeDesktop()
        self.mcp_servers = FakeMcpServers()
        self._token = token
        self._has_desktop = has_desktop
        self.calls: dict[str, asyncio.Future[dict[str, Any]]] = {}
        """Tool calls by their key."""
        self._runners: list[web.AppRunner] = []

    async def serve(self) -> Address:
        """Listen on loopback."""
        port = await self._listen(self._app())
        if not self._has_desktop:
            return Address("127.0.0.1", port)
        desktop = web.Application(middlewares=[self._guard])
        desktop.router.add_get("/{path:.*}", self._desktop)
        return Address("127.0.0.1", port, await self._listen(desktop))

    async def close(self) -> None:
        """Stop listening, and drop all connections, as a container that ends does."""
        runners, self._runners = self._runners, []
        for runner in runners:
            for connection in runner.server.connections if runner.server else ():
                if connection.transport is not None:
                    connection.transport.abort()
            await runner.cleanup()

    async def _listen(self, app: web.Application) -> int:
        runner = web.AppRunner(
            app,
            access_log=None,
            shutdown_timeout=SHUTDOWN_TIMEOUT,
            handler_cancellation=True,
            max_field_size=1 << 16,  # as real ones
        )
        self._runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port: int = runner.addresses[0][1]
        return port

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard], client_max_size=1 << 40)
        app.router.add_get("/health", self._health)
        app.router.add_get("/ready", self._ready)
        app.router.add_post("/heartbeat", self._heartbeat)
        app.router.add_routes(self.note.routes(lambda: self.generation))
        app.router.add_get("/tools", self._list_tools)
        app.router.add_post("/tools/{name}", self._call_tool)
        app.router.add_delete("/calls/{key}", self._stop_call)
        app.router.add_routes(FakeKernels().routes())
        app.router.add_routes(self.commands.routes())
        app.router.add_routes(self.mcp_servers.routes())
        if self._has_desktop:
            app.router.add_routes(self.desktop.routes())
        app.router.add_routes(FakePorts().routes())
        if self.sandbox_type == "browser":
            app.router.add_routes(self.browser.routes())
        app.router.add_routes(self.files.routes())
        app.router.add_routes(self.archives.routes())
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        await self.awake.wait()
        try:
            if request.path != "/health":
                self._authorise(request)
            return await handler(request)
        except (SandboxError, web.HTTPNotFound) as failure:
            e = failure if isinstance(failure, SandboxError) else NotFound(f"there is no {request.path}")
            return web.json_response(e.to_problem(), status=e.status, content_type=PROBLEM_MEDIA_TYPE)

    def _authorise(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "")
        door = hmac.new(self._token.encode(), b"desktop", "sha256").hexdigest()  # as the real one
        wanted = door if request.path == "/websockify" else self._token
        if not hmac.compare_digest(given.encode(), f"Bearer {wanted}".encode()):
            raise NotAuthorized("the box's token is missing or wrong")
        generation = int(request.headers.get("X-Sandbox-Generation", self.generation))
        if generation < self.generation:
            raise StaleGeneration(f"lease {generation} is over; lease {self.generation} holds this sandbox")
        self.generation = generation

    # --- life

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _ready(self, request: web.Request) -> web.Response:
        return web.json_response({"ready": True, "sandbox_type": self.sandbox_type})

    async def _heartbeat(self, request: web.Request) -> web.Response:
        self.heartbeats += 1
        return web.Response(status=204, headers=self.note.headers(self.generation))

    async def _desktop(self, request: web.Request) -> web.WebSocketResponse:
        """Greet as a VNC server does, then send back what comes."""
        socket = web.WebSocketResponse(protocols=("binary",))
        await socket.prepare(request)
        await socket.send_bytes(GREETING)
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
        return socket

    # --- tools

    async def _list_tools(self, request: web.Request) -> web.Response:
        return web.json_response({"tools": list(TOOLS.values())})

    async def _call_tool(self, request: web.Request) -> web.Response:
        tool = TOOLS.get(name := request.match_info["name"])
        if tool is None:
            raise UnknownTool(f"no tool {name!r}; there are: {', '.join(TOOLS)}")
        body = await request.json()
        self.called.set()
        (argument,) = tool["input_schema"]["required"]
        text = body.get("arguments", {}).get(argument)
        if not isinstance(text, str):
            raise InvalidRequest(f"{name}: {argument} is missing, or no string")
        work = partial(_run, text, body.get("timeout"), with_code=name == "run_shell_command")
        return web.json_response(await self._made_once(request.headers.get("Idempotency-Key"), work))

    async def _made_once(self, key: str | None, make: Callable[[], Coroutine[Any, Any, dict[str, Any]]]) -> Any:
        """Make a call, or wait for the one of that key; keys are remembered for as long as the box lasts."""
        if key is None:
            return await make()
        if key not in self.calls:
            self.calls[key] = asyncio.ensure_future(make())
        return await asyncio.shield(self.calls[key])

    async def _stop_call(self, request: web.Request) -> web.Response:
        call = self.calls.get(request.match_info["key"])
        return web.json_response({"stopped": call is not None and call.cancel()})


async def _run(text: str, timeout: float | None, *, with_code: bool) -> dict[str, Any]:
    word, _, rest = text.strip().partition(" ")
    returncode = int(rest) if word == "exit" and rest.isdigit() else 0
    output = "" if returncode else text
    if word == "sleep":
        try:
            await asyncio.wait_for(asyncio.sleep(float(rest)), timeout or 60.0)
        except TimeoutError:
            returncode, output = 124, f"timed out after {timeout or 60.0:g} s"
    content = [_text(output, "stdout")]
    if with_code:
        content.append(_text(str(returncode), "returncode"))
    return {"meta": None, "content": content, "isError": returncode != 0}


def _text(text: str, description: str) -> dict[str, Any]:
    return {"type": "text", "text": text, "annotations": None, "description": description}
