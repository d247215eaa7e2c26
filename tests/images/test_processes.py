"""Child processes, without a container: ended with all that they started."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from sandbox_server.processes import Process


async def _started(tmp_path: Path, script: str, children: int) -> tuple[Process, list[int]]:
    """Run a script that writes the process id of each child into a file of `pids`; return it with those."""
    (tmp_path / "pids").mkdir()
    env = {"PATH": os.environ["PATH"], "PIDS": str(tmp_path / "pids")}
    process = Process.start(["bash", "-c", script], env=env, stdout=2, stderr=2)
    async with asyncio.timeout(10):
        while len(found := os.listdir(tmp_path / "pids")) < children:  # noqa: ASYNC110 - other processes make them
            await asyncio.sleep(0.01)
    return process, [int(name) for name in found]


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_children_in_sessions_of_their_own_are_killed_too(tmp_path: Path) -> None:
    """`setsid` is no way to stay, for a child as for the child of one."""
    nested = """setsid bash -c 'touch $PIDS/$$; setsid bash -c "touch \\$PIDS/\\$\\$; sleep 777; :"; :' & sleep 777"""
    process, children = await _started(tmp_path, nested, 2)
    assert all(map(_runs, children))
    process.kill_tree()
    async with asyncio.timeout(5):
        assert await process.wait() == 137
        while any(map(_runs, children)):  # noqa: ASYNC110 - they are no children of ours
            await asyncio.sleep(0.01)


async def test_later_calls_do_nothing(tmp_path: Path) -> None:
    """After its end, what it has left behind stays."""
    process, (child,) = await _started(tmp_path, "setsid sleep 5 & touch $PIDS/$!", 1)
    assert await process.wait() == 0
    process.kill_tree()
    assert _runs(child)
    os.kill(child, 9)
