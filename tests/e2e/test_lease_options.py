"""Leases whose sandboxes share a workspace, or have variables of their own, on real containers."""

from __future__ import annotations

from collections.abc import Callable

import docker
import pytest
from managers import Server, eventually, volumes_of

from agentscope_runtime.engine.services.sandbox import SandboxService
from agentscope_runtime.sandbox.errors import InvalidRequest

pytestmark = pytest.mark.docker


@pytest.fixture
def server(make_server: Callable[..., Server]) -> Server:
    """A manager with a warm base sandbox."""
    return make_server(DEFAULT_SANDBOX_TYPE="base", POOL_SIZE="1").wait_ready()


def test_the_sandboxes_of_a_lease_share_files(server: Server) -> None:
    """What one writes the other reads, by tools and by fs, and both may change it; nothing of it stays."""
    with SandboxService(server.url, server.key) as service:
        base, browser = service.connect("s", "u", ["base", "browser"], shared_workspace=True)
        assert [box.get_info()["shared_workspace"] for box in (base, browser)] == [True, True]
        base.fs.write("folder/note.txt", "from base")
        written = browser.run_shell_command("cat folder/note.txt && echo ' and browser' >> folder/note.txt && pwd")
        assert written["content"][0]["text"] == "from base/workspace\n", written
        assert base.fs.read("folder/note.txt") == "from base and browser\n"
        with pytest.raises(InvalidRequest, match="holds sandboxes with shared_workspace: True"):
            service.connect("s", "u", ["base"], shared_workspace=False)
        assert len([name for name in volumes_of(server.state_dir) if name.startswith("vol-")]) == 1
        (plain,) = service.connect("other", "u")
        assert not plain.fs.exists("folder")
    eventually(lambda: not [name for name in volumes_of(server.state_dir) if name.startswith("vol-")], 20, "it is gone")


def test_variables_are_those_of_the_lease(server: Server) -> None:
    """Cells and commands see them; another lease's do not, and the container's description has nothing of them."""
    with SandboxService(server.url, server.key) as service:
        (box,) = service.connect("s", "u", environment={"GREETING": "hello from the lease"})
        assert box.run_shell_command("echo $GREETING")["content"][0]["text"] == "hello from the lease\n"
        cell = box.run_ipython_cell("import os; print(os.environ['GREETING'])")
        assert cell["content"][0]["text"] == "hello from the lease\n"
        (plain,) = service.connect("other", "u")
        assert plain.run_shell_command("echo [$GREETING]")["content"][0]["text"] == "[]\n"
        engine = docker.from_env()
        try:
            assert "hello from the lease" not in str(engine.containers.get(box.get_info()["container_id"]).attrs)
        finally:
            engine.close()


def test_a_killed_manager_leaves_no_shared_workspace(server: Server) -> None:
    """Its undertaker removes it with the containers."""
    with server.http() as http:
        body = {"session_id": "s", "sandbox_types": ["base"], "options": {"shared_workspace": True}}
        http.post("/v1/leases", json=body).raise_for_status()
    assert [name for name in volumes_of(server.state_dir) if name.startswith("vol-")]
    server.kill()
    eventually(lambda: not volumes_of(server.state_dir), 30, "all volumes are gone", 0.5)
