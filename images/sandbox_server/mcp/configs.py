"""What users write to add MCP servers, checked: the `mcpServers` object that most MCP clients take.

    {"mcpServers": {
        "time": {"command": "uvx", "args": ["mcp-server-time"], "env": {"TZ": "UTC"}},
        "docs": {"type": "streamable_http", "url": "https://example.org/mcp", "headers": {"Authorization": "Bearer …"}},
        "old": {"url": "https://example.org/sse"}}}

A URL without a type is of the older kind, HTTP with server-sent events, as in configurations that say nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard
from urllib.parse import urlsplit

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
HTTP_TYPES = frozenset({"http", "streamable_http", "streamable-http", "streamableHttp"})
TYPES = frozenset({"stdio", "sse"}) | HTTP_TYPES
MOST = 32
"""Servers of one box."""
OWN_PORTS = frozenset({7000, 7001, 9222})
"""Of the box server, the screen and Chromium: no MCP servers."""
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})

TIMEOUT_S = 60.0
READ_TIMEOUT_S = 300.0


class InvalidServer(Exception):
    """A configuration that cannot be served; the message names the server and its member."""


@dataclass(frozen=True, slots=True)
class Stdio:
    """A server that is a command, and talks through its stdin and stdout."""

    command: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables on top of what users' programs have."""
    cwd: str | None = None
    """Its folder; the workspace where there is none."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A server that listens somewhere."""

    url: str
    is_sse: bool
    """Whether it is of the older kind: one stream of events, and messages posted beside it."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    read_timeout: float = READ_TIMEOUT_S
    """Seconds of silence in the middle of an answer."""


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """One server."""

    name: str
    way: Stdio | Remote
    timeout: float = TIMEOUT_S
    """Seconds until it must have said what tools it has; a command may have to download itself first."""


def parse(servers: Any) -> list[ServerConfig]:
    """Check a configuration; the object around `mcpServers` may be left out.

    Raises:
        InvalidServer: A part of it makes no sense.
    """
    if isinstance(servers, dict) and isinstance(servers.get("mcpServers"), dict):
        servers = servers["mcpServers"]
    if not isinstance(servers, dict) or not servers:
        raise InvalidServer(
            'the configuration is not an object such as {"mcpServers": {"time": {"command": "uvx", …}}}'
        )
    if len(servers) > MOST:
        raise InvalidServer(f"{len(servers)} servers are too many: a sandbox takes {MOST}")
    return [_server(name, members) for name, members in servers.items()]


def _server(name: str, members: Any) -> ServerConfig:
    where = f"MCP server {name!r}"
    if not NAME.fullmatch(name):
        raise InvalidServer(f"{where}: names are up to 64 letters, digits, '_', '-' and '.'")
    if not isinstance(members, dict):
        raise InvalidServer(f"{where}: its configuration is not an object")
    kind = members.get("type") or members.get("transport") or ("stdio" if "command" in members else "sse")
    if kind not in TYPES:
        raise InvalidServer(f"{where}: type is {kind!r}, not one of {', '.join(sorted(TYPES))}")
    way = _stdio(where, members) if kind == "stdio" else _remote(where, members, is_sse=kind == "sse")
    return ServerConfig(name, way, _seconds(where, members, "timeout", TIMEOUT_S))


def _stdio(where: str, members: Mapping[str, Any]) -> Stdio:
    command, cwd, args = members.get("command"), members.get("cwd"), members.get("args") or []
    if not _is_text(command) or not command:
        raise InvalidServer(f"{where}: command is missing, or no text")
    if not (isinstance(args, list) and all(_is_text(each) for each in args)):
        raise InvalidServer(f"{where}: args is not a list of texts")
    if cwd is not None and not _is_text(cwd):
        raise InvalidServer(f"{where}: cwd is not a text")
    if str(members.get("encoding") or "utf-8").lower().replace("-", "") != "utf8":
        raise InvalidServer(f"{where}: encoding is {members['encoding']!r}; the protocol is in UTF-8")
    env = _texts(where, members, "env")
    if wrong := [variable for variable in env if not VARIABLE.fullmatch(variable)]:
        raise InvalidServer(f"{where}: {wrong[0]!r} is not the name of a variable")
    return Stdio(command, tuple(args), env, cwd)


def _remote(where: str, members: Mapping[str, Any], *, is_sse: bool) -> Remote:
    url = members.get("url")
    if not _is_text(url):
        raise InvalidServer(f"{where}: url is missing, or no text")
    try:
        parts, port = urlsplit(url), urlsplit(url).port
    except ValueError as e:
        raise InvalidServer(f"{where}: url is wrong: {e}") from e
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidServer(f"{where}: url {url!r} does not begin with http:// or https:// and a host")
    if parts.hostname.lower() in LOOPBACK and port in OWN_PORTS:
        raise InvalidServer(f"{where}: port {port} is the sandbox's own, and no MCP server")
    headers = _texts(where, members, "headers")
    if wrong := [name for name, value in headers.items() if not _is_header(name, value)]:
        raise InvalidServer(f"{where}: header {wrong[0]!r} has characters that HTTP does not carry")
    return Remote(url, is_sse, headers, _seconds(where, members, "sse_read_timeout", READ_TIMEOUT_S))


def _is_text(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and "\0" not in value


def _is_header(name: str, value: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name)) and value.isprintable() and value.isascii()


def _texts(where: str, members: Mapping[str, Any], member: str) -> dict[str, str]:
    texts = members.get(member) or {}
    if not isinstance(texts, dict) or not all(_is_text(value) for value in texts.values()):
        raise InvalidServer(f"{where}: {member} is not an object of texts")
    return texts


def _seconds(where: str, members: Mapping[str, Any], member: str, default: float) -> float:
    value = members.get(member)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 3600:
        raise InvalidServer(f"{where}: {member} is not a number of seconds above 0 and up to 3600")
    return float(value)
