"""What users write to add MCP servers: what is understood, and how wrong parts are named."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox_server.mcp.configs import InvalidServer, Remote, ServerConfig, Stdio, parse


def test_a_command() -> None:
    """With arguments, variables, a folder; the object around the servers may be left out."""
    server = {"command": "uvx", "args": ["mcp-server-time"], "env": {"TZ": "UTC"}, "cwd": "/tmp", "encoding": "utf-8"}
    expected = [ServerConfig("time", Stdio("uvx", ("mcp-server-time",), {"TZ": "UTC"}, "/tmp"))]
    assert parse({"mcpServers": {"time": server}}) == expected
    assert parse({"time": server}) == expected


@pytest.mark.parametrize("kind", ["http", "streamable_http", "streamableHttp", "streamable-http"])
def test_streamable_http(kind: str) -> None:
    """In each spelling that there is."""
    (server,) = parse({"docs": {"type": kind, "url": "https://example.org/mcp", "headers": {"A": "b"}, "timeout": 5}})
    assert server == ServerConfig("docs", Remote("https://example.org/mcp", False, {"A": "b"}), 5.0)


@pytest.mark.parametrize("more", [{}, {"type": "sse"}, {"transport": "sse"}], ids=range(3))
def test_a_url_alone_is_of_the_older_kind(more: dict[str, str]) -> None:
    """As in configurations that say nothing else."""
    (server,) = parse({"old": {"url": "http://example.org/sse", "sse_read_timeout": 7, **more}})
    assert server.way == Remote("http://example.org/sse", True, {}, 7.0)


@pytest.mark.parametrize(
    ("servers", "told"),
    [
        (None, "mcpServers"),
        ([], "mcpServers"),
        ({}, "mcpServers"),
        ({f"s{n}": {"command": "x"} for n in range(33)}, "33"),
        ({"a b": {"command": "x"}}, "'a b'"),
        ({"": {"command": "x"}}, "''"),
        ({"s": []}, "'s'"),
        ({"s": {"type": "carrier pigeon", "url": "x"}}, "carrier pigeon"),
        ({"s": {"type": "stdio"}}, "command"),
        ({"s": {"command": ""}}, "command"),
        ({"s": {"command": ["x"]}}, "command"),
        ({"s": {"command": "a\0b"}}, "command"),
        ({"s": {"command": "x", "args": "y"}}, "args"),
        ({"s": {"command": "x", "args": [1]}}, "args"),
        ({"s": {"command": "x", "env": {"A": 1}}}, "env"),
        ({"s": {"command": "x", "env": {"A B": "1"}}}, "'A B'"),
        ({"s": {"command": "x", "cwd": 1}}, "cwd"),
        ({"s": {"command": "x", "encoding": "latin-1"}}, "latin-1"),
        ({"s": {"command": "x", "timeout": 0}}, "timeout"),
        ({"s": {"command": "x", "timeout": True}}, "timeout"),
        ({"s": {}}, "url"),
        ({"s": {"url": "ftp://example.org"}}, "ftp"),
        ({"s": {"url": "http://"}}, "url"),
        ({"s": {"url": "http://example.org:99999/"}}, "url"),
        ({"s": {"url": "http://localhost:7000/mcp"}}, "7000"),
        ({"s": {"url": "http://127.0.0.1:9222/"}}, "9222"),
        ({"s": {"url": "http://example.org", "headers": {"A": "b\r\nc: d"}}}, "'A'"),
        ({"s": {"url": "http://example.org", "headers": {"A b": "c"}}}, "'A b'"),
    ],
    ids=range(28),
)
def test_what_is_wrong_is_named(servers: Any, told: str) -> None:
    """Before anything is started."""
    with pytest.raises(InvalidServer) as caught:
        parse(servers)
    assert told in str(caught.value)


def test_secrets_are_in_no_repr() -> None:
    """Variables and headers hold keys, and configurations get logged."""
    servers = parse(
        {"a": {"command": "x", "env": {"K": "s3cret"}}, "b": {"url": "http://e.org", "headers": {"K": "s3cret"}}}
    )
    assert "s3cret" not in repr(servers)
