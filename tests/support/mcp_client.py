"""The official MCP client, whichever major version of it is installed, for tests to look at our servers with."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from mcp import ClientSession, StdioServerParameters, stdio_client
from mcp.shared import exceptions

MCP2 = int(importlib.metadata.version("mcp").partition(".")[0]) >= 2
McpError: type[Exception] = getattr(exceptions, "MCPError" if MCP2 else "McpError")


@asynccontextmanager
async def over_http(url: str, headers: Mapping[str, str]) -> AsyncIterator[ClientSession]:
    """Open a session over streamable HTTP."""
    # Their types differ, so the checker could only follow one of the two versions.
    http: Any = importlib.import_module("httpx2" if MCP2 else "httpx")
    client: Any = importlib.import_module("mcp.client.streamable_http").streamable_http_client
    async with (
        http.AsyncClient(headers=dict(headers), trust_env=False, timeout=60) as connection,
        client(url, http_client=connection) as streams,
        ClientSession(streams[0], streams[1]) as session,
    ):
        await session.initialize()
        yield session


@asynccontextmanager
async def over_stdio(command: str, *arguments: str, env: Mapping[str, str]) -> AsyncIterator[ClientSession]:
    """Start a server and open a session over its stdin and stdout."""
    parameters = StdioServerParameters(command=command, args=list(arguments), env=dict(env))
    async with stdio_client(parameters) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        yield session


def plain(model: Any) -> dict[str, Any]:
    """Return what travelled, as JSON."""
    travelled: dict[str, Any] = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    return travelled
