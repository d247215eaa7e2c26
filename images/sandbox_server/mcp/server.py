"""One MCP server of a box: greeted, asked for its tools, called, and started again when it ends.

Not here: which servers there are, and how their tools are named beside others (`hub`).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from sandbox_server.mcp.configs import ServerConfig
from sandbox_server.mcp.rpc import Line, Lost, Refused, Rpc
from sandbox_server.parts import Result, result, text

log = logging.getLogger(__name__)

VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
CLIENT = {"name": "agentscope-runtime-sandbox", "version": "1"}
CALL_TIMEOUT_S = 60.0
"""Seconds of a call that names none."""
RETURN_WITHIN_S = 10.0
"""Seconds that a call waits for a server which is being started again."""
PAUSES_S = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Before each attempt to start it again; the last one for ever. It begins anew with a server that has lived long."""
LIVED_S = 60.0
REFRESH_S = 0.2
"""Between two looks at tools that change."""
MOST_TOOLS = 512
MOST_PAGES = 64
DEEPEST = 64
"""Objects and lists in each other in what a server says of a tool; readers of JSON give up at a few hundred, and with
it the whole listing, of the box's own tools, too."""
LISTING_LIMIT = 4 << 20
"""Bytes of what a server says of its tools, all together; it is kept."""

ToolInfo = dict[str, Any]


class State(StrEnum):
    """Where a server is in its life."""

    STARTING = "starting"  #: for the first time
    RUNNING = "running"  #: its tools can be called
    RESTARTING = "restarting"  #: it ended, or was lost, and is started again
    STOPPED = "stopped"  #: nobody wants it any more


class ServerFailed(Exception):
    """A server did not start; the message says which and why."""


class McpServer:
    """One server, and the task that keeps it running."""

    def __init__(self, config: ServerConfig, line: Callable[[], Line]) -> None:
        """Prepare; `line` makes a new way to it, each time that it is started."""
        self.config = config
        self.state = State.STARTING
        self.tools: list[ToolInfo] = []
        """What it last said that it has; kept while it is started again, so that no name changes its meaning."""
        self.reason = ""
        """Why it is not running."""
        self.restarts = 0
        self.tried = asyncio.Event()
        """Whether the first attempt to start it is over, however it went."""
        self._line = line
        self._rpc: Rpc | None = None
        self._running = asyncio.Event()
        self._stale = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it, and keep it running from now on.

        Raises:
            ServerFailed: It does not work; then nothing of it stays.
        """
        try:
            await self._connect()
        except (Lost, Refused) as e:
            raise ServerFailed(f"MCP server {self.config.name!r} did not start: {e}") from e
        self._keeper = asyncio.create_task(self._keep(), name=f"MCP server {self.config.name}")

    def start_later(self) -> None:
        """Keep it running from now on, whether it starts at once or not."""
        self._keeper = asyncio.create_task(self._keep(), name=f"MCP server {self.config.name}")

    async def close(self) -> None:
        """End it."""
        self.state = State.STOPPED
        self.tried.set()
        self._running.clear()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await self._hang_up()

    def info(self) -> dict[str, Any]:
        """Say how it is, without what may be a secret of its configuration."""
        return {
            "name": self.config.name,
            "state": self.state.value,
            "reason": self.reason,
            "restarts": self.restarts,
            "tools": [tool["name"] for tool in self.tools],
        }

    async def call(self, tool: str, arguments: dict[str, Any], timeout_s: float | None) -> Result:
        """Call one of its tools; whatever goes wrong is a result that says so."""
        limit = CALL_TIMEOUT_S if timeout_s is None else timeout_s
        try:
            async with asyncio.timeout(min(RETURN_WITHIN_S, limit)):
                await self._running.wait()
        except TimeoutError:
            return _failed(f"MCP server {self.config.name!r} is not running: {self.reason}")
        assert self._rpc is not None
        try:
            return _plain(await self._rpc.request("tools/call", {"name": tool, "arguments": arguments}, limit))
        except Refused as e:
            return _failed(str(e))
        except Lost as e:
            return _failed(f"MCP server {self.config.name!r} was lost during the call: {e}; it is being started again")
        except TimeoutError:
            return _failed(f"timed out after {limit:g} s")

    async def _keep(self) -> None:
        """Start it again whenever it ends, and ask for its tools when they change."""
        failures, loop = 0, asyncio.get_running_loop()
        while True:
            if self._rpc is not None:
                began = loop.time()
                await self._attend(self._rpc)
                failures = 0 if loop.time() - began > LIVED_S else failures
                self.restarts += 1
            await asyncio.sleep(PAUSES_S[min(failures, len(PAUSES_S) - 1)])
            failures += 1
            try:
                await self._connect()
            except (Lost, Refused) as e:
                self.reason = str(e)
                log.warning("MCP server %r did not start: %s", self.config.name, self.reason)
            self.tried.set()

    async def _attend(self, rpc: Rpc) -> None:
        while not rpc.ended.done():
            stale = asyncio.ensure_future(self._stale.wait())
            waited: set[asyncio.Future[Any]] = {rpc.ended, stale}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            stale.cancel()
            if self._stale.is_set() and not rpc.ended.done():
                self._stale.clear()
                await asyncio.sleep(REFRESH_S)  # also for a server that says nothing else
                try:
                    self.tools = await self._list(rpc)
                except (Lost, Refused, TimeoutError) as e:
                    log.warning("MCP server %r does not say its new tools: %r", self.config.name, e)
        self.state, self.reason = State.RESTARTING, rpc.ended.result()
        self._running.clear()
        log.warning("MCP server %r is lost: %s", self.config.name, self.reason)
        await self._hang_up()

    async def _connect(self) -> None:
        line = self._line()
        rpc = Rpc(line, self._heard)
        try:
            async with asyncio.timeout(self.config.timeout):
                await rpc.open()
                self.tools = await self._greet(rpc)
        except TimeoutError as e:
            said = f"; it last said:\n{line.said()}" if line.said() else ""
            await rpc.close()
            raise Lost(f"it did not say within {self.config.timeout:g} s what tools it has{said}") from e
        except BaseException:
            await rpc.close()
            raise
        self._rpc, self.state, self.reason = rpc, State.RUNNING, ""
        self._running.set()

    async def _greet(self, rpc: Rpc) -> list[ToolInfo]:
        params = {"protocolVersion": VERSIONS[0], "capabilities": {}, "clientInfo": CLIENT}
        answer = await rpc.request("initialize", params, self.config.timeout)
        if (version := answer.get("protocolVersion")) not in VERSIONS:
            raise Refused(0, f"it speaks version {version!r} of the protocol; known are {', '.join(VERSIONS)}")
        await rpc.notify("notifications/initialized")
        capabilities = answer.get("capabilities")
        return await self._list(rpc) if isinstance(capabilities, dict) and "tools" in capabilities else []

    async def _list(self, rpc: Rpc) -> list[ToolInfo]:
        tools: dict[str, ToolInfo] = {}
        cursor: Any = None
        size = 0
        for _ in range(MOST_PAGES):
            page = await rpc.request("tools/list", {} if cursor is None else {"cursor": cursor}, self.config.timeout)
            listed = page.get("tools")
            for tool in listed if isinstance(listed, list) else []:
                if not _shallow(tool):
                    raise Refused(0, f"what it says of a tool is more than {DEEPEST} objects and lists deep")
                if _is_tool(tool) and len(tools) < MOST_TOOLS:
                    tools.setdefault(tool["name"], tool)
                    size += len(json.dumps(tool))
            if size > LISTING_LIMIT:
                raise Refused(0, f"it says more than {LISTING_LIMIT >> 20} MiB of its tools")
            if (cursor := page.get("nextCursor")) is None:
                break
        return list(tools.values())

    def _heard(self, method: str) -> None:
        if method == "notifications/tools/list_changed":
            self._stale.set()

    async def _hang_up(self) -> None:
        if self._rpc is not None:
            rpc, self._rpc = self._rpc, None
            await rpc.close()


def _is_tool(tool: Any) -> bool:
    return isinstance(tool, dict) and isinstance(tool.get("name"), str) and bool(tool["name"])


def _shallow(value: Any, left: int = DEEPEST) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return left > 0 and all(_shallow(each, left - 1) for each in inner)


def _plain(answer: dict[str, Any]) -> Result:
    """Return what a server answered in the shape of all results; its items are its own."""
    content = answer.get("content")
    if not (isinstance(content, list) and all(isinstance(item, dict) and "type" in item for item in content)):
        return _failed("the server's answer is no result of a tool")
    made = result(*({"annotations": None, **item} for item in content), is_error=bool(answer.get("isError")))
    if isinstance(answer.get("structuredContent"), dict):
        made["structuredContent"] = answer["structuredContent"]
    return made


def _failed(reason: str) -> Result:
    return result(text(reason), is_error=True)
