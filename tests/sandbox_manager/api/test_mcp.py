"""Every sandbox as an MCP server: what the official client sees, and what clients of every era are answered."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from mcp_client import McpError, over_http, plain
from served_manager import Manager

from agentscope_runtime.sandbox_manager.api import mcp_messages as messages

MODERN = {"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}


def _request(method: str, params: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 7, "method": method, "params": params or {}, **members}


async def _post(manager: Manager, sandbox: str, body: Any, **headers: str) -> Any:
    async with manager.http(headers=headers) as http:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await http.post(f"/v1/sandboxes/{sandbox}/mcp", content=content)


async def test_the_official_client_lists_and_calls(manager: Manager) -> None:
    """With the schemas of our own listing, and the text of the tool."""
    (sandbox,) = await manager.lease("base")
    async with manager.http() as http:
        listed = (await http.get(f"/v1/sandboxes/{sandbox}/tools")).json()["tools"]
    async with over_http(f"{manager.url}/v1/sandboxes/{sandbox}/mcp", manager.headers) as session:
        tools = [plain(tool) for tool in (await session.list_tools()).tools]
        result = plain(await session.call_tool("run_ipython_cell", {"code": "print('ü✓')"}))
    assert {tool["name"]: tool["description"] for tool in tools} == {
        tool["name"]: tool["description"] for tool in listed
    }
    assert [tool["inputSchema"]["required"] for tool in tools] == [tool["input_schema"]["required"] for tool in listed]
    assert result["isError"] is False
    assert result["content"] == [{"type": "text", "text": "print('ü✓')", "_meta": {"description": "stdout"}}]


async def test_what_fails_inside_is_a_result_with_is_error(manager: Manager) -> None:
    """So is a wrong argument: models see results, and can do better."""
    (sandbox,) = await manager.lease("base")
    async with over_http(f"{manager.url}/v1/sandboxes/{sandbox}/mcp", manager.headers) as session:
        failed = plain(await session.call_tool("run_shell_command", {"command": "exit 3"}))
        wrong = plain(await session.call_tool("run_shell_command", {"comand": "exit 3"}))
    assert failed["isError"] is True
    assert failed["content"][-1]["text"] == "3"
    assert wrong["isError"] is True
    assert "command" in wrong["content"][0]["text"]


async def test_errors_name_what_is_wrong(manager: Manager) -> None:
    """An unknown tool and a sandbox that is gone are errors of the protocol, in words that help."""
    (sandbox,) = await manager.lease("base")
    async with over_http(f"{manager.url}/v1/sandboxes/{sandbox}/mcp", manager.headers) as session:
        with pytest.raises(McpError, match="dance"):
            await session.call_tool("dance", {})
        async with manager.http() as http:
            await http.delete(f"/v1/sandboxes/{sandbox}")
        with pytest.raises(McpError, match=sandbox):
            await session.list_tools()


async def test_the_key_is_asked_for(manager: Manager) -> None:
    """As everywhere."""
    (sandbox,) = await manager.lease("base")
    async with manager.http(key=False) as http:
        answer = await http.post(f"/v1/sandboxes/{sandbox}/mcp", json=_request("ping"))
    assert answer.status_code == 401


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
async def test_a_handshake_settles_on_the_clients_revision(manager: Manager, version: str) -> None:
    """Each that ever had a handshake is spoken; for another one ours is offered."""
    (sandbox,) = await manager.lease("base")
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    answer = (await _post(manager, sandbox, _request("initialize", params))).json()
    assert answer["result"]["protocolVersion"] == version
    assert answer["result"]["capabilities"] == {"tools": {}}
    newer = (await _post(manager, sandbox, _request("initialize", {**params, "protocolVersion": "2999-01-01"}))).json()
    assert newer["result"]["protocolVersion"] == "2025-11-25"


async def test_requests_that_stand_for_themselves(manager: Manager) -> None:
    """Since 2026-07-28 there is no handshake: discovery, listing and calls say what that revision asks for."""
    (sandbox,) = await manager.lease("base")
    discovered = (await _post(manager, sandbox, _request("server/discover", MODERN))).json()["result"]
    assert "2026-07-28" in discovered["supportedVersions"]
    assert discovered["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "agentscope-runtime-sandbox"
    listed = (await _post(manager, sandbox, _request("tools/list", MODERN))).json()["result"]
    assert (listed["resultType"], listed["ttlMs"], listed["cacheScope"]) == ("complete", 0, "private")
    call = {"name": "run_ipython_cell", "arguments": {"code": "1"}, **MODERN}
    called = (await _post(manager, sandbox, _request("tools/call", call))).json()["result"]
    assert (called["resultType"], called["content"][0]["text"]) == ("complete", "1")
    assert "ttlMs" not in called


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"", {}, 400, -32700),
        (b"{", {}, 400, -32700),
        (b'{"jsonrpc": "2.0", "id": 7, "method": "ping", "params": {"x": NaN}}', {}, 400, -32700),
        ([_request("ping")], {}, 400, -32600),
        (b"7", {}, 400, -32600),
        ({"id": 7, "method": "ping"}, {}, 400, -32600),
        ({"jsonrpc": "2.0", "id": 7, "result": {}}, {}, 400, -32600),
        (_request("ping", id=None), {}, 400, -32600),
        (_request("ping", id=True), {}, 400, -32600),
        ({**_request("ping"), "params": [7]}, {}, 400, -32602),
        (_request("ping"), {"MCP-Protocol-Version": "1999-01-01"}, 400, -32022),
        (_request("ping", MODERN), {"MCP-Protocol-Version": "2025-06-18"}, 400, -32020),
        (_request("ping", MODERN), {"Mcp-Method": "tools/list"}, 400, -32020),
        (_request("ping", {"_meta": {"io.modelcontextprotocol/protocolVersion": 7}}), {}, 400, -32602),
        (_request("resources/list"), {}, 200, -32601),
        (_request("resources/list", MODERN), {}, 404, -32601),
        (_request("tools/call"), {}, 200, -32602),
        (_request("tools/call", {"name": ".."}), {}, 200, -32602),
        (_request("tools/call", {"name": "dance", **MODERN}), {}, 400, -32602),
    ],
    ids=range(19),
)
async def test_nonsense_is_refused_as_the_protocol_says(
    manager: Manager, body: Any, headers: dict[str, str], status: int, code: int
) -> None:
    """With the id where one can be read; clients of before 2026-07-28 read errors from 200 only."""
    (sandbox,) = await manager.lease("base")
    answer = await _post(manager, sandbox, body, **headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    readable = isinstance(body, dict) and body["id"] == 7 and body["id"] is not True
    assert answer.json()["id"] == (7 if readable else None)


def test_text_that_no_encoding_carries_is_an_answer_all_the_same() -> None:
    """A tool may say half of a surrogate pair; JSON can spell it."""
    said = b'{"content": [{"type": "text", "text": "\\ud800"}], "isError": false}'
    answered = messages.answer(7, messages.tool_result(messages.read(said)))
    assert json.loads(answered)["result"]["content"][0]["text"] == "\ud800"


async def test_notifications_get_no_answer(manager: Manager) -> None:
    """Whatever they say."""
    (sandbox,) = await manager.lease("base")
    answer = await _post(manager, sandbox, {"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert (answer.status_code, answer.content) == (202, b"")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_there_is_no_stream_and_no_session(manager: Manager, method: str) -> None:
    """Clients take 405 for that."""
    (sandbox,) = await manager.lease("base")
    async with manager.http() as http:
        answer = await http.request(method, f"/v1/sandboxes/{sandbox}/mcp")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_a_client_that_takes_streams_only_gets_one(manager: Manager) -> None:
    """Of one event; each other one gets JSON."""
    (sandbox,) = await manager.lease("base")
    answer = await _post(manager, sandbox, _request("ping"), Accept="text/event-stream")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text == 'event: message\ndata: {"jsonrpc":"2.0","id":7,"result":{}}\n\n'
    both = await _post(manager, sandbox, _request("ping"), Accept="application/json, text/event-stream")
    assert both.json()["result"] == {}


async def test_a_client_that_leaves_ends_what_it_asked_for(manager: Manager) -> None:
    """The box is not waited for, and the sandbox is idle again at once."""
    (sandbox,) = await manager.lease("base")
    call = {"name": "run_shell_command", "arguments": {"command": "sleep 50"}}
    asking = asyncio.create_task(_post(manager, sandbox, _request("tools/call", call)))
    box = manager.backend.engine.containers[sandbox].box
    await box.called.wait()
    assert sandbox in manager.pool.activity.running()
    asking.cancel()
    async with asyncio.timeout(5):
        while sandbox in manager.pool.activity.running():  # noqa: ASYNC110 - the pool tells nobody
            await asyncio.sleep(0.01)
