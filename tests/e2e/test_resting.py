"""Leases that nobody uses, on real containers: suspended, started again, frozen; and what is left of them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from itertools import pairwise

import pytest
from managers import Server, eventually, volumes_of

from agentscope_runtime.engine.services.sandbox import SandboxService
from agentscope_runtime.sandbox.errors import CommandNotFound

pytestmark = pytest.mark.docker


def lunch(server: Server) -> None:
    """Use nothing until nothing runs."""
    eventually(lambda: not server.containers(), 60, "all is suspended")


def gone(server: Server) -> None:
    """Wait until nothing is left of all its sandboxes."""
    eventually(lambda: not server.containers() and not volumes_of(server.state_dir), 40, "nothing is left", 0.5)


def text(result: dict[str, object]) -> str:
    """Return the first text of a result."""
    content = result["content"]
    assert isinstance(content, list)
    return str(content[0]["text"])


def test_a_long_lunch_costs_nothing_but_what_ran(make_server: Callable[..., Server]) -> None:
    """Files, variables, the profile and the shared workspace are there again; processes and kernels are new."""
    server = make_server(POOL_SIZE="0", HEARTBEAT_TIMEOUT="4", WATCHER_SCAN_INTERVAL="0.2").wait_ready()
    with SandboxService(server.url, server.key) as service:
        base, browser = service.connect(
            "s",
            "alice",
            ["base", "browser"],
            profile="work",
            shared_workspace=True,
            environment={"GREETING": "hello"},
            resolution="1000x700",
        )
        base.run_ipython_cell("x = 41")
        base.run_shell_command("echo work of hours > note.txt; chmod 600 note.txt; ln -s note.txt link")
        job = base.commands.start("sleep 1000")
        lunch(server)
        info = base.get_info()
        assert (info["state"], info["restored"]) == ("suspended", False)
        assert len(volumes_of(server.state_dir)) == 1

        assert text(base.run_shell_command("cat link; stat -c %a note.txt; echo $GREETING")) == (
            "work of hours\n600\nhello\n"
        )
        assert "NameError" in str(base.run_ipython_cell("x"))
        with pytest.raises(CommandNotFound):
            base.commands.get(job.command_id)
        info = base.get_info()
        assert (info["state"], info["restored"], info["generation"]) == ("leased", True, 2)
        assert browser.get_info()["state"] == "suspended"
        assert browser.fs.read("note.txt") == "work of hours\n"
        assert browser.get_resolution() == (1000, 700)
        service.release("s", "alice")
    gone(server)


def test_nothing_is_left_of_a_manager_that_dies_over_suspended_leases(make_server: Callable[..., Server]) -> None:
    """Its undertaker removes the workspaces, too; one that ends in good order does so itself."""
    for end in (Server.kill, Server.stop):
        server = make_server(POOL_SIZE="0", HEARTBEAT_TIMEOUT="1", WATCHER_SCAN_INTERVAL="0.2").wait_ready()
        with SandboxService(server.url, server.key, drain_on_stop=False) as service:
            rests, (woken,) = service.connect("rests", "u"), service.connect("woken", "u")
            assert rests
            lunch(server)
            volumes = volumes_of(server.state_dir)
            assert len(volumes) == 2
            # As docs/operations.md has it.
            label = f"label=agentscope_runtime.sandbox_id={woken.sandbox_id}"
            (name,) = subprocess.check_output(["docker", "volume", "ls", "--quiet", "--filter", label]).decode().split()
            assert name in volumes
            woken.fs.write("note.txt", "again")
            end(server)
        gone(server)


def test_frozen_boxes_stand_still_and_go_on(make_server: Callable[..., Server]) -> None:
    """For longer than a box lives without a manager; what ran in it has not noticed."""
    server = make_server(
        POOL_SIZE="0", PAUSE_AFTER_SECONDS="1", WATCHER_SCAN_INTERVAL="0.2", WATCHDOG_SECONDS="5"
    ).wait_ready()
    with SandboxService(server.url, server.key) as service:
        (box,) = service.connect("s", "u")
        box.run_ipython_cell("x = 41")
        box.run_shell_command("(while true; do date +%s >> ticks; sleep 0.2; done) >/dev/null 2>&1 &")
        eventually(lambda: bool(box.get_info()["paused"]), 30, "it is frozen")
        time.sleep(12)  # more than two lives without a manager
        assert [container.status for container in server.containers()] == ["paused"]
        began = time.monotonic()
        assert "42" in text(box.run_ipython_cell("x + 1"))
        assert time.monotonic() - began < 2
        ticks = [int(line) for line in str(box.fs.read("ticks")).split()]
        assert max(after - before for before, after in pairwise(ticks)) >= 10
        assert box.get_info()["generation"] == 1
