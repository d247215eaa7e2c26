"""MCP, out and in: each sandbox is a server with the tools that it lists, and holds servers, whose tools are beside."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from driving import Driven, failure, text
from mcp import ClientSession
from mcp_client import over_http, plain
from mcp_servers import SMALL

from agentscope_runtime.sandbox.errors import InvalidRequest, McpServerFailed

pytestmark = pytest.mark.docker

SERVER = {"command": "python3", "args": ["-c", SMALL, "echo,run_shell_command,die"], "env": {"TOLD": "grüße"}}


@pytest.fixture
def small(box: Driven) -> Iterator[dict[str, Any]]:
    """A server in the sandbox; how it is."""
    (server,) = box.add_mcp_servers({"mcpServers": {"small": SERVER}})
    yield server
    box.remove_mcp_server("small")


def test_the_official_client_sees_what_is_listed(box: Driven) -> None:
    """The same tools with the same schemas; a result is the one that the method returns."""

    async def look(session: ClientSession) -> tuple[dict[str, Any], dict[str, Any]]:
        tools = {tool.name: plain(tool)["inputSchema"] for tool in (await session.list_tools()).tools}
        return tools, plain(await session.call_tool("run_shell_command", {"command": "echo grüße; exit 3"}))

    async def seen() -> tuple[dict[str, Any], dict[str, Any]]:
        url = f"{box.base_url}/v1/sandboxes/{box.sandbox_id}/mcp"
        async with over_http(url, {"Authorization": f"Bearer {box.bearer_token}"}) as session:
            return await look(session)

    tools, result = asyncio.run(seen())
    functions = (tool["json_schema"]["function"] for group in box.list_tools().values() for tool in group.values())
    assert tools == {function["name"]: function["parameters"] for function in functions}
    assert result["isError"] is True
    assert [item["text"] for item in result["content"]] == ["grüße\n", "3"]


def test_a_server_inside_has_its_tools_beside_the_others(box: Driven, small: dict[str, Any]) -> None:
    """Under its name; one whose name is taken has the server's before its own."""
    assert (small["name"], small["state"]) == ("small", "running")
    assert set(box.list_tools("small")["small"]) == {"echo", "small__run_shell_command", "die"}
    told = json.loads(text(box.tool("small__run_shell_command", x="ü")))
    assert (told["cwd"], told["env"], told["arguments"]) == ("/workspace", "grüße", {"x": "ü"})
    assert text(box.tool("run_shell_command", command="echo own")).startswith("own\n")


def test_a_server_that_dies_harms_nobody(box: Driven, small: dict[str, Any]) -> None:
    """The call says what it last said; the sandbox goes on, and the server is there again."""
    assert "I was told to" in failure(box.tool("die"))
    assert box.tool("run_shell_command", command="true")["isError"] is False
    assert box.tool("echo")["isError"] is False
    (server,) = box.list_mcp_servers()
    assert (server["state"], server["restarts"]) == ("running", 1)


def test_two_calls_do_not_mix(box: Driven, small: dict[str, Any]) -> None:
    """Each gets what it asked for."""
    with ThreadPoolExecutor(4) as threads:
        results = threads.map(lambda number: text(box.tool("echo", n=number)), range(12))
    assert [json.loads(result)["arguments"]["n"] for result in results] == list(range(12))


def test_a_time_out_is_a_result(box: Driven) -> None:
    """A server that does not answer is not waited for, and its next answer is right."""
    box.add_mcp_servers({"slow": {**SERVER, "args": ["-c", SMALL, "hang,echo"]}})
    try:
        assert failure(box.tool("hang", within_s=0.2)) == "timed out after 0.2 s"
        assert json.loads(text(box.tool("echo", n=1)))["arguments"] == {"n": 1}
    finally:
        box.remove_mcp_server("slow")


@pytest.mark.parametrize(
    ("servers", "error", "told"),
    [
        ({}, InvalidRequest, "mcpServers"),
        ({"bad": {"command": ["x"]}}, InvalidRequest, "'bad'.*command"),
        ({"bad": {"command": "no-such-program"}}, McpServerFailed, "'no-such-program' was not found"),
        ({"bad": {"type": "http", "url": "http://127.0.0.1:9/mcp"}}, McpServerFailed, "127.0.0.1:9"),
    ],
    ids=range(4),
)
def test_what_is_wrong_is_a_typed_error(box: Driven, servers: Any, error: type[Exception], told: str) -> None:
    """At once, and nothing of it stays."""
    with pytest.raises(error, match=told):
        box.add_mcp_servers(servers)
    assert box.list_mcp_servers() == []
