"""`runtime-sandbox-mcp`: the official client on its stdin and stdout, and messages that no client should send."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from mcp_client import McpError, over_stdio, plain
from served_manager import KEY, Manager
from served_manager import manager as run_manager

from agentscope_runtime.sandbox.errors import SandboxDied
from agentscope_runtime.sandbox.mcp_server import AT_ONCE, TOKEN_VARIABLE, Pump

MODULE = "agentscope_runtime.sandbox.mcp_server"


@pytest.fixture
async def manager(tmp_path: Path) -> AsyncIterator[Manager]:
    """Run a manager on boxes in memory."""
    async with run_manager(tmp_path) as running:
        yield running


def _environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **more}


async def _leases(manager: Manager) -> int:
    async with manager.http() as http:
        return len((await http.get("/v1/leases")).json()["leases"])


async def test_the_official_client_lists_and_calls(manager: Manager) -> None:
    """The sandbox lives as long as the client is there."""
    arguments = ("-m", MODULE, "--type", "base", "--base_url", manager.url)
    async with over_stdio(sys.executable, *arguments, env=_environment(**{TOKEN_VARIABLE: KEY})) as session:
        tools = [tool.name for tool in (await session.list_tools()).tools]
        result = plain(await session.call_tool("run_ipython_cell", {"code": "ü✓"}))
        assert await _leases(manager) == 1
    assert tools == ["run_ipython_cell", "run_shell_command"]
    assert result["content"][0]["text"] == "ü✓"
    assert await _leases(manager) == 0


async def test_another_sandbox_takes_the_place_of_a_dead_one(manager: Manager) -> None:
    """The call that finds it dead says so, and the next one is served."""
    arguments = ("-m", MODULE, "--type", "base", "--base_url", manager.url)
    async with over_stdio(sys.executable, *arguments, env=_environment(**{TOKEN_VARIABLE: KEY})) as session:
        async with manager.http() as http:
            ((dead,),) = [lease["sandboxes"] for lease in (await http.get("/v1/leases")).json()["leases"]]
        await manager.backend.die(dead["sandbox_id"])
        with pytest.raises(McpError, match="another sandbox is in its place now"):
            await session.call_tool("run_ipython_cell", {"code": "1"})
        assert (await session.call_tool("run_ipython_cell", {"code": "1"})).isError is False
    assert await _leases(manager) == 0


@pytest.mark.parametrize("leave", [lambda p: p.stdin.close(), lambda p: p.send_signal(signal.SIGTERM)], ids=range(2))
async def test_it_leaves_nothing_and_says_no_key(manager: Manager, leave: Callable[[Any], None]) -> None:
    """However the client ends it: by closing stdin in the middle of a call, or by a signal."""
    arguments = [sys.executable, "-m", MODULE, "--base_url", manager.url, "--bearer_token", KEY]
    call = {"name": "run_shell_command", "arguments": {"command": "sleep 50"}}
    line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}).encode() + b"\n"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(arguments, env=_environment(), **pipes) as process:  # type: ignore[call-overload]
        process.stdin.write(line)
        process.stdin.flush()
        async with asyncio.timeout(20):
            while not manager.pool.activity.running():  # noqa: ASYNC110 - the pool tells nobody
                await asyncio.sleep(0.01)
        leave(process)
        code = await asyncio.to_thread(process.wait, 20)
        said, complained = process.stdout.read(), process.stderr.read().decode()
    assert code == 0, complained
    assert said == b""
    assert "sbx-" in complained and KEY not in complained
    assert await _leases(manager) == 0


async def test_kinds_of_ones_own_are_loaded(manager: Manager, tmp_path: Path) -> None:
    """Before anything else; then the sandbox is asked for."""
    (tmp_path / "kinds.py").write_text(f"open({str(tmp_path / 'loaded')!r}, 'w').close()")
    arguments = ("-m", MODULE, "--extension", str(tmp_path / "kinds.py"), "--base_url", manager.url)
    async with over_stdio(sys.executable, *arguments, env=_environment(**{TOKEN_VARIABLE: KEY})) as session:
        assert (tmp_path / "loaded").exists()
        assert (await session.list_tools()).tools


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--type", "nonsense"), "nonsense"),
        (("--base_url", "http://127.0.0.1:9"), "127.0.0.1:9"),
        (("--extension", "no_such_module"), "no_such_module"),
    ],
    ids=range(3),
)
async def test_what_keeps_it_from_starting_is_told(manager: Manager, arguments: tuple[str, str], told: str) -> None:
    """On stderr, in a line, with an exit status."""
    command = [sys.executable, "-m", MODULE, "--base_url", manager.url, *arguments]
    environment = _environment(**{TOKEN_VARIABLE: KEY})
    ended = await asyncio.to_thread(
        subprocess.run, command, env=environment, input="", capture_output=True, text=True, timeout=30
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert told in ended.stderr and "Traceback" not in ended.stderr


# --- the pump


def _line(identity: Any, method: str = "ping", **params: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": identity, "method": method, "params": params}).encode() + b"\n"


async def _pumped(*lines: bytes, send: Callable[[bytes], Any]) -> list[dict[str, Any]]:
    reader, out = asyncio.StreamReader(), io.BytesIO()
    pumping = asyncio.create_task(Pump(send, out).run(reader))
    for line in lines:
        reader.feed_data(line)
        for _ in range(5):
            await asyncio.sleep(0)
    reader.feed_eof()
    await pumping
    return [json.loads(line) for line in out.getvalue().splitlines()]


async def _echo(message: bytes) -> bytes:
    identity = json.loads(message).get("id")
    return b"" if identity is None else json.dumps({"id": identity}).encode()


async def test_messages_pass_both_ways() -> None:
    """Empty lines and notifications get no answer."""
    notification = b'{"jsonrpc": "2.0", "method": "notifications/initialized"}\n'
    assert await _pumped(_line(1), b"\n", notification, _line("a"), send=_echo) == [{"id": 1}, {"id": "a"}]


@pytest.mark.parametrize("line", [b"{\n", b"7\n", b"[" * 20_000 + b"\n", b"\xff\n"], ids=range(4))
async def test_a_line_that_is_no_message_is_refused_here(line: bytes) -> None:
    """And the next one is served."""
    refused, answered = await _pumped(line, _line(1), send=_echo)
    assert (refused["id"], refused["error"]["code"]) == (None, -32700)
    assert answered == {"id": 1}


async def test_a_failure_on_the_way_is_an_answer() -> None:
    """With the words of the error, and its code."""

    async def fail(message: bytes) -> bytes:
        raise SandboxDied("the sandbox is gone")

    (answer,) = await _pumped(_line(1), b'{"jsonrpc": "2.0", "method": "x"}\n', send=fail)
    assert answer["error"]["message"] == "the sandbox is gone"
    assert answer["error"]["data"]["code"] == "sandbox_died"


async def test_a_cancelled_request_is_dropped() -> None:
    """It is owed no answer; others go on."""
    dropped: list[int] = []

    async def slow(message: bytes) -> bytes:
        if json.loads(message)["id"] == 1:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                dropped.append(1)
                raise
        return await _echo(message)

    cancel = _line(None, "notifications/cancelled", requestId=1)
    unknown = _line(None, "notifications/cancelled", requestId=[])
    assert await _pumped(_line(1), unknown, cancel, _line(2), send=slow) == [{"id": 2}]
    assert dropped == [1]


async def test_only_so_many_are_under_way() -> None:
    """A client that never waits is read no further."""
    under_way: list[bytes] = []

    async def never(message: bytes) -> bytes:
        under_way.append(message)
        await asyncio.Event().wait()
        return b""

    reader = asyncio.StreamReader()
    pumping = asyncio.create_task(Pump(never, io.BytesIO()).run(reader))
    for number in range(AT_ONCE + 10):
        reader.feed_data(_line(number))
    for _ in range(AT_ONCE * 4):
        await asyncio.sleep(0)
    assert len(under_way) == AT_ONCE
    pumping.cancel()
    await asyncio.gather(pumping, return_exceptions=True)
