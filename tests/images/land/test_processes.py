"""Child processes, without a container: ended with all that they started."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from sandbox_server.land.processes import Process, child_of, kill_session


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


async def test_what_outlived_its_leader_is_found_by_the_session(tmp_path: Path) -> None:
    """Also when its parent has long ended; a session whose leader lives is a stranger's."""
    process, (child,) = await _started(tmp_path, "(sleep 778 & touch $PIDS/$!)", 1)
    assert await process.wait() == 0
    assert _runs(child)
    stranger = Process.start(["sleep", "5"], env={"PATH": os.environ["PATH"]}, stdout=2, stderr=2)
    kill_session(stranger.pid, ours=False)
    assert not stranger.ended
    stranger.kill_tree()
    await stranger.wait()
    kill_session(process.pid, ours=False)
    async with asyncio.timeout(5):
        while _runs(child):  # noqa: ASYNC110 - it is no child of ours
            await asyncio.sleep(0.01)


async def test_the_child_of_a_process(tmp_path: Path) -> None:
    """The oldest one; none of who has none, or is gone."""
    process, (child,) = await _started(tmp_path, "sleep 779 & touch $PIDS/$!; wait", 1)
    assert child_of(process.pid) == child
    assert child_of(child) is None
    process.kill_tree()
    assert await process.wait() == 137
    assert child_of(process.pid) is None


async def test_a_child_has_its_input_and_says_how_it_ended() -> None:
    """A pipe as stdin arrives; a signal is told from an exit code."""
    reading, writing = os.pipe()
    env = {"PATH": os.environ["PATH"]}
    process = Process.start(["bash", "-c", "read n; kill -$n $$"], env=env, stdin=reading, stdout=2, stderr=2)
    os.close(reading)
    assert (process.ended, process.signalled) == (False, False)
    os.write(writing, b"9\n")
    os.close(writing)
    assert await process.wait() == 137
    assert (process.ended, process.signalled) == (True, True)
