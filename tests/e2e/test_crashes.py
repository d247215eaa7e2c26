"""What is left when something dies: managers, boxes, or both."""

from __future__ import annotations

from collections.abc import Callable

import docker
import pytest
from managers import Server, eventually

from agentscope_runtime.engine.services.sandbox import SandboxService
from agentscope_runtime.sandbox.errors import SandboxDied

pytestmark = pytest.mark.docker


def lease_five(server: Server) -> set[str]:
    """Lease five sandboxes and return their ids."""
    ids = set()
    with server.http() as http:
        for number in range(5):
            answer = http.post("/v1/leases", json={"session_id": f"s{number}", "sandbox_types": ["base"]})
            ids.add(answer.json()["sandboxes"][0]["sandbox_id"])
    assert len(ids) == 5
    return ids


def test_nothing_is_left_of_a_killed_manager_that_nobody_restarts(make_server: Callable[..., Server]) -> None:
    """Its undertaker removes what runs, and what was about to run: a lease has just made the pool start another."""
    server = make_server(DEFAULT_SANDBOX_TYPE="base", POOL_SIZE="2").wait_ready()
    with server.http() as http:
        http.post("/v1/leases", json={"session_id": "s", "sandbox_types": ["base"]}).raise_for_status()
    assert server.containers()
    server.kill()
    eventually(lambda: not server.containers(), 30, "all containers are gone", 0.5)


def test_boxes_end_themselves_when_nobody_is_left_to_do_it(make_server: Callable[..., Server]) -> None:
    """They notice that nobody speaks to them any more; the engine removes them."""
    server = make_server(DEFAULT_SANDBOX_TYPE="base", POOL_SIZE="2").wait_ready()
    assert len(server.containers()) == 2
    server.kill(with_undertaker=True)
    assert len(server.containers()) == 2
    eventually(lambda: not server.containers(), 90, "all containers are gone", 1.0)


def test_a_restarted_manager_removes_what_the_killed_one_left(make_server: Callable[..., Server]) -> None:
    """Leases of memory die with their manager; its successor removes their containers at once."""
    server = make_server(DEFAULT_SANDBOX_TYPE="base", POOL_SIZE="1").wait_ready()
    before = lease_five(server) | {container.name for container in server.containers()}
    server.kill(with_undertaker=True)
    assert before & {container.name for container in server.containers()}
    server.start().wait_ready()
    eventually(lambda: not before & {c.name for c in server.containers()}, 20, "the old containers are gone")
    with server.http() as http:
        assert http.get("/v1/leases").json() == {"leases": []}


def test_a_killed_box_is_a_typed_error_and_then_a_fresh_box(make_server: Callable[..., Server]) -> None:
    """The next call on a box that died says so; connecting again gives another one."""
    server = make_server(DEFAULT_SANDBOX_TYPE="base", POOL_SIZE="1").wait_ready()
    service = SandboxService(base_url=server.url, bearer_token=server.key)
    (box,) = service.connect("s", "u", ["base"])
    docker.from_env().containers.get(box.get_info()["container_id"]).kill()
    with pytest.raises(SandboxDied, match="connect again"):
        box.run_ipython_cell("1")
    (fresh,) = service.connect("s", "u", ["base"])
    assert fresh.sandbox_id != box.sandbox_id
    assert fresh.run_ipython_cell("print('alive')")["isError"] is False


def test_ctrl_c_leaves_no_container(make_server: Callable[..., Server]) -> None:
    """An interrupted server removes what it started before it ends."""
    server = make_server(DEFAULT_SANDBOX_TYPE="base", POOL_SIZE="2").wait_ready()
    lease_five(server)
    assert server.containers()
    assert server.stop() == 0
    assert server.containers() == []
