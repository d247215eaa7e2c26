"""MCP servers inside of sandboxes through the manager: what goes in and what comes out is the box's."""

from __future__ import annotations

from typing import Any

import pytest
from served_manager import Manager


async def test_servers_are_added_listed_and_removed(manager: Manager) -> None:
    """A missing one is removed without a word."""
    (sandbox,) = await manager.lease("base")
    path = f"/v1/sandboxes/{sandbox}/mcp/servers"
    async with manager.http() as http:
        added = await http.post(path, json={"mcpServers": {"a b": {"command": "x"}, "c": {"command": "y"}}})
        assert [server["name"] for server in added.json()["servers"]] == ["a b", "c"]
        for _ in range(2):
            assert (await http.delete(f"{path}/a%20b")).status_code == 204
        assert [server["name"] for server in (await http.get(path)).json()["servers"]] == ["c"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [({}, 422, "invalid_request"), ({"mcpServers": {"bad": {}}}, 424, "mcp_server_failed")],
    ids=range(2),
)
async def test_what_the_box_refuses_arrives_as_it_said_it(manager: Manager, body: Any, status: int, code: str) -> None:
    """Code, status and words."""
    (sandbox,) = await manager.lease("base")
    async with manager.http() as http:
        answer = await http.post(f"/v1/sandboxes/{sandbox}/mcp/servers", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_lease_may_ask_for_servers(manager: Manager) -> None:
    """All its sandboxes have them; one that does not start fails the connect, and leaves no lease."""
    options = {"mcp_servers": {"mcpServers": {"s": {"command": "x", "env": {"KEY": "s3cret"}}}}}
    body: dict[str, Any] = {"session_id": "s1", "sandbox_types": ["base", "browser"], "options": options}
    async with manager.http() as http:
        lease = (await http.post("/v1/leases", json=body)).json()
        for sandbox in lease["sandboxes"]:
            box = manager.backend.engine.containers[sandbox["sandbox_id"]].box
            assert box.mcp_servers.configs == options["mcp_servers"]["mcpServers"]
        more = {**body, "options": {"mcp_servers": {"t": {"command": "y"}}}}
        assert (await http.post("/v1/leases", json=more)).status_code == 200
        assert set(box.mcp_servers.configs) == {"s", "t"}, "asked for anew"
        failing = {**body, "session_id": "s2", "options": {"mcp_servers": {"bad": {}}}}
        answer = await http.post("/v1/leases", json=failing)
        assert (answer.status_code, answer.json()["code"]) == (424, "mcp_server_failed")
        leases = (await http.get("/v1/leases")).json()["leases"]
    assert [each["session_id"] for each in leases] == ["s1"]
    assert "s3cret" not in repr(await manager.pool.sandboxes())


async def test_a_sandbox_in_the_place_of_a_dead_one_has_them_again(manager: Manager) -> None:
    """When the session connects as it did before."""
    body = {"session_id": "s1", "sandbox_types": ["base"], "options": {"mcp_servers": {"s": {"command": "x"}}}}
    async with manager.http() as http:
        (before,) = (await http.post("/v1/leases", json=body)).json()["sandboxes"]
        await manager.backend.die(before["sandbox_id"])
        await http.get(f"/v1/sandboxes/{before['sandbox_id']}/tools")
        (after,) = (await http.post("/v1/leases", json=body)).json()["sandboxes"]
    assert after["sandbox_id"] != before["sandbox_id"]
    assert set(manager.backend.engine.containers[after["sandbox_id"]].box.mcp_servers.configs) == {"s"}


async def test_servers_that_were_added_by_calls_are_in_its_place_again(manager: Manager) -> None:
    """Also if the session connects without a word about servers; not those removed, and none after a release."""
    body = {"session_id": "s1", "sandbox_types": ["base"]}

    async def connected(http: Any) -> tuple[str, Any]:
        (found,) = (await http.post("/v1/leases", json=body)).json()["sandboxes"]
        box = manager.backend.engine.containers[found["sandbox_id"]].box
        return found["sandbox_id"], box.mcp_servers.configs

    async with manager.http() as http:
        first, _ = await connected(http)
        path = f"/v1/sandboxes/{first}/mcp/servers"
        wrapped = {"mcpServers": {"mcpServers": {"a b": {"command": "x"}, "c": {"command": "y"}}}}
        for servers in ({"mcpServers": {"a b": {"command": "old"}}}, wrapped | {"overwrite": True}):
            assert (await http.post(path, json=servers)).status_code == 200
        assert (await http.post(path, json={"mcpServers": {"bad": {}}})).status_code == 424
        await http.post(path, json={"mcpServers": {"d": {"command": "z"}}})
        assert (await http.delete(f"{path}/d")).status_code == 204
        await manager.backend.die(first)
        await http.get(f"/v1/sandboxes/{first}/tools")
        second, servers = await connected(http)
        assert second != first
        assert servers == {"a b": {"command": "x"}, "c": {"command": "y"}}
        await http.delete("/v1/leases", params={"session_id": "s1"})
        third, servers = await connected(http)
        assert third != second
        assert servers == {}
