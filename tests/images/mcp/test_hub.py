"""The MCP servers of a box together: all or none, names that meet, one that fails; and in a real box."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp_servers import SMALL, open_land, small
from real_box import RealBox, real_box

from sandbox_server.config import Assignment, BoxConfig
from sandbox_server.mcp.configs import InvalidServer, parse
from sandbox_server.mcp.hub import McpHub
from sandbox_server.mcp.server import ServerFailed


@pytest.fixture
async def hub() -> AsyncIterator[McpHub]:
    """A hub in a box that was told nothing of servers."""
    async with _hub({}) as each:
        yield each


@asynccontextmanager
async def _hub(servers: dict[str, Any]) -> AsyncIterator[McpHub]:
    told: asyncio.Future[Assignment] = asyncio.get_running_loop().create_future()
    told.set_result(Assignment("t" * 16, 1, "sbx", "base", mcp_servers=parse(servers) if servers else ()))
    hub = McpHub(BoxConfig("base", "base", told), open_land())
    await hub.start()
    try:
        yield hub
    finally:
        await hub.close()


def _listed(hub: McpHub, *taken: str) -> list[str]:
    return [name for name, tool in hub.hosted(taken).items() if name == tool.name]


async def test_names_that_meet_are_told_apart(hub: McpHub) -> None:
    """The box's own come first, then the servers in the order in which they were added; the long name always works."""
    await hub.add({"a": small("echo", "run_shell_command")})
    await hub.add({"b": small("echo", "other")})
    taken = ("run_shell_command",)
    assert _listed(hub, *taken) == ["echo", "a__run_shell_command", "b__echo", "other"]
    tools = hub.hosted(taken)
    assert tools["a__echo"] is tools["echo"] and tools["echo"].group == "a"
    assert tools["b__echo"].group == "b"
    result = await tools["b__echo"].call({"x": 1}, None)
    assert json.loads(result["content"][0]["text"])["arguments"] == {"x": 1}


async def test_all_or_none_are_added(hub: McpHub) -> None:
    """One that fails takes the others of its call with it, and none of those before."""
    await hub.add({"before": small()})
    with pytest.raises(ServerFailed, match="'bad'"):
        await hub.add({"good": small(), "bad": {"command": "no-such-program"}})
    assert [server["name"] for server in hub.servers()] == ["before"]


async def test_a_taken_name_is_passed_over_or_replaced(hub: McpHub) -> None:
    """As the caller says; a replacement that fails leaves the old one as it is."""
    await hub.add({"it": small("old")})
    assert [server["tools"] for server in await hub.add({"it": small("new")})] == [["old"]]
    with pytest.raises(ServerFailed):
        await hub.add({"it": {"command": "false"}}, overwrite=True)
    assert _listed(hub) == ["old"]
    await hub.add({"it": small("new")}, overwrite=True)
    assert _listed(hub) == ["new"]


async def test_adding_the_same_at_the_same_time_leaves_one(hub: McpHub) -> None:
    """And nothing of the others."""
    answers = await asyncio.gather(*(hub.add({"it": small("echo")}) for _ in range(4)))
    assert [len(answer) for answer in answers] == [1] * 4
    assert len(hub.servers()) == 1
    assert (await hub.hosted(())["echo"].call({}, None))["isError"] is False


async def test_a_removed_server_is_gone_with_its_tools(hub: McpHub) -> None:
    """Removing it twice is fine."""
    await hub.add({"it": small()})
    assert await hub.remove("it") is True
    assert await hub.remove("it") is False
    assert (hub.servers(), _listed(hub)) == ([], [])


async def test_there_are_only_so_many(hub: McpHub) -> None:
    """The next one is refused before it starts."""
    await hub.add({f"s{number}": small() for number in range(16)})
    with pytest.raises(InvalidServer, match="32"):
        await hub.add({f"t{number}": small() for number in range(17)})


async def test_servers_of_the_managers_line_start_with_the_box() -> None:
    """Those that fail hold up nobody, and say why."""
    async with _hub({"good": small("echo"), "bad": {"command": "no-such-program"}}) as hub:
        async with asyncio.timeout(20):
            while not (_listed(hub) and all(each["reason"] or each["tools"] for each in hub.servers())):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        good, bad = hub.servers()
        assert (good["state"], bad["state"]) == ("running", "starting")
        assert "no-such-program" in bad["reason"]


async def test_servers_of_another_box_are_held_whether_they_start_or_not(hub: McpHub) -> None:
    """When the call returns each was tried; a name that is taken is passed over, and one that starts late works."""
    await hub.add({"it": small("old")})
    await hub.restore({"it": small("new"), "good": small("echo"), "bad": {"command": "no-such-program"}})
    it, good, bad = hub.servers()
    assert (it["tools"], good["tools"], good["state"]) == (["old"], ["echo"], "running")
    assert "no-such-program" in bad["reason"] and bad["state"] == "starting"
    await hub.restore({"good": small("echo")})
    with pytest.raises(InvalidServer):
        await hub.restore({})


# --- in a real box

IN_BOX = {"command": "python3", "args": ["-c", SMALL, "echo,run_ipython_cell,die"], "env": {"TOLD": "it"}}


@pytest.fixture
def box() -> Iterator[RealBox]:
    """A box with a server in it."""
    with real_box() as running:
        answer = running.http.post("/mcp/servers", json={"mcpServers": {"small": IN_BOX}}, timeout=30)
        assert answer.status_code == 200, answer.text
        yield running


@pytest.mark.docker
def test_tools_are_listed_and_called(box: RealBox) -> None:
    """Beside the box's own, which keep their names."""
    groups = {tool["name"]: tool["group"] for tool in box.http.get("/tools").json()["tools"]}
    assert groups["run_ipython_cell"] == "generic"
    assert groups["echo"] == groups["small__run_ipython_cell"] == "small"
    told = json.loads(box.call("echo", x="ü")["content"][0]["text"])
    assert (told["cwd"], told["env"], told["arguments"]) == ("/workspace", "it", {"x": "ü"})
    assert box.cell("6 * 7")["content"][0]["text"] == "Out[1]: 42\n"


@pytest.mark.docker
def test_a_dead_server_harms_nobody_and_comes_back(box: RealBox) -> None:
    """Also when its land ends and takes everything with it."""
    assert "exit code 3" in box.call("die")["content"][0]["text"]
    assert box.shell("echo fine")["isError"] is False
    assert box.call("echo")["isError"] is False
    box.shell("kill -KILL -1")
    assert box.call("echo")["isError"] is False
    assert box.http.get("/mcp/servers").json()["servers"][0]["restarts"] == 2


@pytest.mark.docker
def test_it_runs_in_the_user_land(box: RealBox) -> None:
    """It sees the processes of the user, and neither the box server nor its secrets."""
    pid = json.loads(box.call("echo")["content"][0]["text"])["pid"]
    assert box.shell(f"kill -0 {pid}")["isError"] is False
    box.http.delete("/mcp/servers/small").raise_for_status()
    assert box.shell(f"kill -0 {pid}")["isError"] is True
    assert "echo" not in {tool["name"] for tool in box.http.get("/tools").json()["tools"]}


@pytest.mark.docker
@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({}, 422, "mcpServers"),
        ({"mcpServers": {"bad": {"command": "no-such-program"}}}, 424, "was not found in the sandbox"),
        ({"mcpServers": {"bad": {"command": "sh", "args": ["-c", "echo ouch >&2; exit 3"]}}}, 424, "ouch"),
        ({"mcpServers": {"bad": {"url": "http://127.0.0.1:9/mcp", "type": "http"}}}, 424, "127.0.0.1:9"),
        ({"mcpServers": {"s": {"command": "x"}}, "overwrite": "yes"}, 422, "overwrite"),
    ],
    ids=range(5),
)
def test_what_is_wrong_is_told_at_once(box: RealBox, body: dict[str, Any], status: int, told: str) -> None:
    """With the server's name and its last words."""
    answer = box.http.post("/mcp/servers", json=body, timeout=30)
    assert (answer.status_code, told in answer.json()["detail"]) == (status, True), answer.text
