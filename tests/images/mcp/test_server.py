"""One MCP server of a box: its tools, its failures, and that it is there again after its end."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from mcp.server.fastmcp import FastMCP
from mcp_servers import SMALL, listening, official, open_land, small

from sandbox_server.mcp.configs import Remote, Stdio, parse
from sandbox_server.mcp.http import HttpLine, SseLine
from sandbox_server.mcp.server import McpServer, ServerFailed, State
from sandbox_server.mcp.stdio import StdioLine

NO_BUNDLE = Path("/no-such-bundle")


def _server(config: dict[str, Any]) -> McpServer:
    (parsed,) = parse({"it": config})
    assert isinstance(parsed.way, Stdio)
    return McpServer(parsed, partial(StdioLine, parsed.way, open_land()))


@asynccontextmanager
async def _running(config: dict[str, Any]) -> AsyncIterator[McpServer]:
    server = _server(config)
    await server.start()
    try:
        yield server
    finally:
        await server.close()


async def _until(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not met():  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_command_serves_its_tools() -> None:
    """All pages of them; it has its own variables and folder, and what it prints beside messages is passed over."""
    async with _running(small("echo", "b", "c", env={"TOLD": "a 'b' ü"}, cwd="/tmp")) as server:
        assert [tool["name"] for tool in server.tools] == ["echo", "b", "c"]
        result = await server.call("echo", {"x": "ü"}, None)
        told = json.loads(result["content"][0]["text"])
        assert (told["cwd"], told["env"], told["arguments"]) == ("/tmp", "a 'b' ü", {"x": "ü"})
        assert result["structuredContent"] == told
        assert (result["meta"], result["isError"]) == (None, False)
        assert _alive(told["pid"])
    await _until(lambda: not _alive(told["pid"]))
    assert server.state is State.STOPPED


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"command": "no-such-program"}, "'no-such-program' was not found"),
        ({"command": "sh", "args": ["-c", "echo ouch >&2; exit 7"]}, "exit code 7; it last said:\nouch"),
        (
            {"command": "sh", "args": ["-c", "echo hm >&2; sleep 60"], "timeout": 1},
            "within 1 s what tools it has; it last",
        ),
        ({"command": "true"}, "exit code 0"),
        ({"command": "sleep", "args": ["60"], "timeout": 1}, "within 1 s"),
        ({"command": "sh", "cwd": "/no-such-folder"}, "no-such-folder"),
    ],
    ids=range(6),
)
async def test_why_a_command_does_not_start_is_told(config: dict[str, Any], told: str) -> None:
    """With the end of its stderr."""
    with pytest.raises(ServerFailed) as caught:
        await _server(config).start()
    assert told in str(caught.value)
    assert "MCP server 'it'" in str(caught.value)


async def test_what_fails_is_a_result() -> None:
    """Whether the server refuses, or answers nonsense, or not at all."""
    async with _running(small("refuse")) as server:
        refused = await server.call("refuse", {}, None)
        nonsense = await server.call("nonsense", {}, None)
        late = await server.call("hang", {}, 0.1)
        assert (await server.call("echo", {}, None))["isError"] is False
    assert [(each["isError"], each["content"][0]["text"]) for each in (refused, nonsense, late)] == [
        (True, "I will not"),
        (True, "the server's answer is no result of a tool"),
        (True, "timed out after 0.1 s"),
    ]


@pytest.mark.parametrize(("tool", "told"), [("die", "I was told to"), ("flood", "more than 8 MiB")], ids=range(2))
async def test_a_server_that_ends_is_there_again(tool: str, told: str) -> None:
    """The call says what happened; the next one waits for the new process."""
    async with _running(small("die")) as server:
        before = json.loads((await server.call("echo", {}, None))["content"][0]["text"])["pid"]
        lost = await server.call(tool, {}, None)
        assert lost["isError"] is True and told in lost["content"][0]["text"]
        after = json.loads((await server.call("echo", {}, None))["content"][0]["text"])["pid"]
        assert after != before and not _alive(before)
        assert server.info() == {"name": "it", "state": "running", "reason": "", "restarts": 1, "tools": ["die"]}


async def test_calls_at_the_same_time_do_not_mix() -> None:
    """Each gets its own answer."""
    async with _running(small()) as server:
        results = await asyncio.gather(*(server.call("echo", {"n": n}, None) for n in range(50)))
    assert [json.loads(each["content"][0]["text"])["arguments"]["n"] for each in results] == list(range(50))


async def test_a_server_cannot_swamp_the_box_with_its_own_questions() -> None:
    """Neither by names as long as messages may be, nor by asking on and on without reading: the box would die of it."""
    async with _running(small("swamp")) as server:
        before = _memory()
        assert (await server.call("swamp", {}, None))["isError"] is False
        assert _memory() - before < 64 << 20


async def test_what_no_reader_of_json_could_read_is_refused() -> None:
    """A tool that is described in hundreds of objects in each other would take the box's whole listing along."""
    with pytest.raises(ServerFailed, match="more than 64 objects and lists deep"):
        await _server(small("deep")).start()


def _memory() -> int:
    """Return the most bytes of memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


async def test_a_server_that_pesters_holds_up_nobody() -> None:
    """However many empty lines and questions of its own it sends, the loop turns, and others are answered."""
    async with _running(small("pester")) as loud, _running(small()) as other:
        longest = 0.0
        pestering = asyncio.create_task(loud.call("pester", {}, None))
        while not pestering.done():
            began = asyncio.get_running_loop().time()
            assert (await other.call("echo", {}, None))["isError"] is False
            longest = max(longest, asyncio.get_running_loop().time() - began)
        assert (await pestering)["isError"] is False
        assert longest < 1.0


async def test_tools_that_change_are_listed_anew() -> None:
    """Once the server says so."""
    async with _running(small("grow")) as server:
        await server.call("grow", {}, None)
        await _until(lambda: [tool["name"] for tool in server.tools] == ["grow", "grown"])


async def test_the_end_of_a_server_is_noticed_although_a_child_holds_its_stdout() -> None:
    """The child ends, too."""
    fork = 'print(__import__("subprocess").Popen(["sleep", "1000"]).pid, file=sys.stderr, flush=True)'
    script = SMALL.replace("os._exit(3)", f"{fork}; os._exit(3)")
    async with _running({"command": sys.executable, "args": ["-c", script, "die"]}) as server:
        said = (await server.call("die", {}, 20))["content"][0]["text"]
        assert "exit code 3" in said
        child = int(said.rpartition("I was told to")[2].split(";")[0].split()[0])
        await _until(lambda: not _alive(child))


async def test_a_server_that_says_too_much_of_its_tools_is_refused() -> None:
    """What it says is kept, so there is a limit."""
    script = SMALL.replace('"Does "', '"D" * (3 << 20)')
    with pytest.raises(ServerFailed, match="more than 4 MiB"):
        await _server({"command": sys.executable, "args": ["-c", script, "a,b"]}).start()


async def test_closing_ends_what_the_server_started() -> None:
    """Its children, too, and although it takes no notice of the end of its stdin."""
    script = "trap '' TERM HUP; sleep 1000 & echo $! >&2; while :; do sleep 1; done"
    config = {"command": "sh", "args": ["-c", script], "timeout": 0.5}
    with pytest.raises(ServerFailed) as caught:
        await _server(config).start()
    child = int(str(caught.value).split()[-1])
    await _until(lambda: not _alive(child))


WAYS: dict[str, tuple[Callable[[FastMCP], Any], str, type[HttpLine | SseLine]]] = {
    "http": (FastMCP.streamable_http_app, "/mcp", HttpLine),
    "sse": (FastMCP.sse_app, "/sse", SseLine),
}


@pytest.mark.parametrize("way", ["http", "sse"])
async def test_servers_that_listen(way: str) -> None:
    """The official server, over both kinds of HTTP: results, images, failures, and that it comes back."""
    make, path, line = WAYS[way]

    def reach(port: int) -> McpServer:
        (config,) = parse({"it": {"type": way, "url": f"http://127.0.0.1:{port}{path}"}})
        assert isinstance(config.way, Remote)
        return McpServer(config, partial(line, config.way, NO_BUNDLE))

    async with listening(make(official())) as port:
        server = reach(port)
        await server.start()
        assert [tool["name"] for tool in server.tools] == ["add", "draw", "fail"]
        added = await server.call("add", {"a": 1, "b": 2}, None)
        assert (added["content"][0]["text"], added["structuredContent"]) == ("3", {"result": 3})
        assert (await server.call("draw", {}, None))["content"][0]["mimeType"] == "image/png"
        failed = await server.call("fail", {}, None)
        assert failed["isError"] is True and "this never works" in failed["content"][0]["text"]
    gone = await server.call("add", {"a": 1, "b": 2}, 1)
    assert gone["isError"] is True
    async with listening(make(official()), port):
        await _until(lambda: server.state is State.RUNNING)
        assert (await server.call("add", {"a": 2, "b": 2}, None))["content"][0]["text"] == "4"
        await server.close()
    with pytest.raises(ServerFailed, match=f"127.0.0.1:{port}"):
        await reach(port).start()
