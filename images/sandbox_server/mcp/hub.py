"""The part that holds a box's MCP servers, and brings their tools beside the box's own.

A tool keeps its server's name for it, unless the box itself has one of that name, or a server that was added before:
then it is listed as `<server>__<tool>`, under which every tool of a server can be called anyway.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from sandbox_server.config import BoxConfig
from sandbox_server.land.userland import UserLand, ca_file
from sandbox_server.mcp.configs import MOST, InvalidServer, Remote, ServerConfig, parse
from sandbox_server.mcp.rpc import Line
from sandbox_server.mcp.server import McpServer, ServerFailed
from sandbox_server.parts import Tool

if TYPE_CHECKING:
    from aiohttp import web

log = logging.getLogger(__name__)

RESTORED_WITHIN_S = 20.0
"""Seconds that servers of another box are waited for; a session that connects waits, too."""


class McpHub:
    """The servers of one box, by name, in the order in which they were added."""

    name = "MCP servers"

    def __init__(self, config: BoxConfig, userland: UserLand) -> None:
        """Hold none yet."""
        self._config = config
        self._userland = userland
        self._servers: dict[str, McpServer] = {}
        self._beginning: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the servers that the manager's line names, once it has come."""
        self._beginning = asyncio.create_task(self._begin(), name="MCP servers")

    async def ready(self) -> None:
        """Return at once: nobody waits for servers of others."""

    def tools(self) -> Sequence[Tool]:
        """Bring none that are there from the beginning; see `hosted`."""
        return ()

    def log_tail(self) -> str:
        """Return nothing: each server says by itself why it does not run."""
        return ""

    async def close(self) -> None:
        """End all servers."""
        if self._beginning is not None:
            self._beginning.cancel()
            await asyncio.gather(self._beginning, return_exceptions=True)
        servers, self._servers = self._servers, {}
        await asyncio.gather(*(server.close() for server in servers.values()))

    def routes(self) -> Sequence[web.RouteDef]:
        """Return the routes: adding servers, listing and removing them."""
        from sandbox_server.mcp.routes import routes

        return routes(self)

    def hosted(self, taken: Collection[str]) -> dict[str, Tool]:
        """Return the servers' tools by every name that they can be called by; a tool's own name is the listed one."""
        tools: dict[str, Tool] = {}
        for server in self._servers.values():
            for info in server.tools:
                short, long = info["name"], f"{server.config.name}__{info['name']}"
                listed = long if short in taken or short in tools else short
                tool = _tool(server, info, listed)
                for name in (listed, long):
                    if name not in taken:
                        tools.setdefault(name, tool)
        return tools

    def servers(self) -> list[dict[str, Any]]:
        """Say how all of them are."""
        return [server.info() for server in self._servers.values()]

    async def add(self, servers: Any, *, overwrite: bool = False) -> list[dict[str, Any]]:
        """Start servers, all or none; one whose name is taken is passed over, or takes the other's place.

        Raises:
            InvalidServer: The configuration makes no sense.
            ServerFailed: One of them does not start.
        """
        configs = parse(servers)
        wanted = [config for config in configs if overwrite or config.name not in self._servers]
        self._check_room(config.name for config in wanted)
        started = await self._started(wanted)
        surplus = started
        try:
            self._check_room(config.name for config in wanted)  # others may have been added meanwhile
            surplus = [spare for server in started if (spare := self._settle(server, overwrite)) is not None]
        finally:
            await asyncio.gather(*(server.close() for server in surplus))
        return [self._servers[config.name].info() for config in configs if config.name in self._servers]

    async def restore(self, servers: Any) -> None:
        """Hold servers that another box had; those that do not start are tried again, as after a loss.

        Returns when each was tried, or after `RESTORED_WITHIN_S`. One whose name is taken is passed over.

        Raises:
            InvalidServer: The configuration makes no sense.
        """
        configs = [config for config in parse(servers) if config.name not in self._servers]
        self._check_room(config.name for config in configs)
        tried = [asyncio.ensure_future(self._hold(config).tried.wait()) for config in configs]
        try:
            if tried:
                await asyncio.wait(tried, timeout=RESTORED_WITHIN_S)
        finally:
            for each in tried:
                each.cancel()

    async def remove(self, name: str) -> bool:
        """End a server and forget it; return whether there was one."""
        server = self._servers.pop(name, None)
        if server is not None:
            await server.close()
        return server is not None

    def _settle(self, server: McpServer, overwrite: bool) -> McpServer | None:
        """Put a server into its place; return the one that is not wanted then, where there are two for it."""
        old = self._servers.get(server.config.name)
        if old is not None and not overwrite:
            return server
        self._servers[server.config.name] = server
        return old

    def _check_room(self, names: Iterable[str]) -> None:
        if len({*self._servers, *names}) > MOST:
            raise InvalidServer(f"a sandbox takes {MOST} servers; remove some of the {len(self._servers)} first")

    async def _begin(self) -> None:
        assignment = await asyncio.shield(self._config.assignment)
        for config in assignment.mcp_servers:
            self._hold(config)

    def _hold(self, config: ServerConfig) -> McpServer:
        server = self._servers[config.name] = McpServer(config, self._line(config))
        server.start_later()
        return server

    async def _started(self, configs: Sequence[ServerConfig]) -> list[McpServer]:
        made = [McpServer(config, self._line(config)) for config in configs]
        try:
            async with asyncio.TaskGroup() as group:
                for server in made:
                    group.create_task(server.start())
        except BaseException as e:
            await asyncio.gather(*(server.close() for server in made))
            if isinstance(e, BaseExceptionGroup) and (failed := e.subgroup(ServerFailed)) is not None:
                first = failed.exceptions[0]
                while isinstance(first, BaseExceptionGroup):
                    first = first.exceptions[0]
                raise first from None
            raise
        return made

    def _line(self, config: ServerConfig) -> Callable[[], Line]:
        """Return what makes ways to a server; what they need is imported with the first one."""
        way = config.way
        if isinstance(way, Remote):
            from sandbox_server.mcp.http import HttpLine, SseLine

            return partial(SseLine if way.is_sse else HttpLine, way, ca_file(self._config.home))
        from sandbox_server.mcp.stdio import StdioLine

        return partial(StdioLine, way, self._userland)


def _tool(server: McpServer, info: dict[str, Any], listed: str) -> Tool:
    async def call(arguments: dict[str, Any], timeout_s: float | None) -> dict[str, Any]:
        return await server.call(info["name"], arguments, timeout_s)

    schema = info.get("inputSchema")
    output = info.get("outputSchema")
    return Tool(
        listed,
        server.config.name,
        str(info.get("description") or info.get("title") or ""),
        schema if isinstance(schema, dict) else {"type": "object"},
        call,
        output_schema=output if isinstance(output, dict) else None,
    )
