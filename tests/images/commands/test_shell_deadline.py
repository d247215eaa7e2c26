"""`run_shell_command` and the clock, in a land that is not there yet: one time-out for all, and no pipe left open."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence

from sandbox_server.commands.shell import Shell
from sandbox_server.land.userland import UserLand


class LateLand(UserLand):
    """A land that stands after a time; its commands run here."""

    def __init__(self, after_s: float) -> None:
        """Stand after so many seconds from each command on."""
        self._after_s = after_s
        self.asked = asyncio.Event()

    async def command(self, argv: Sequence[str]) -> list[str]:
        """Return the command as it is, when the land stands."""
        self.asked.set()
        await asyncio.sleep(self._after_s)
        return list(argv)

    def entrance(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return this process' own."""
        return {**os.environ, **(more or {})}


async def test_the_land_and_the_command_share_one_time_out() -> None:
    """What the one has used is not there for the other."""
    (tool,) = Shell(LateLand(0.7)).tools()
    began = asyncio.get_running_loop().time()
    result = await tool.call({"command": "sleep 60"}, 1.0)
    assert 1.0 <= asyncio.get_running_loop().time() - began < 1.5
    assert result["isError"] is True and "timed out after 1 s" in str(result)


async def test_a_land_that_comes_too_late() -> None:
    """The answer says that nothing was started."""
    (tool,) = Shell(LateLand(60)).tools()
    result = await tool.call({"command": "true"}, 0.05)
    assert "the command could not be started: timed out after 0.05 s" in str(result)


async def test_a_caller_who_leaves_leaves_no_pipe() -> None:
    """However early that is."""
    land = LateLand(60)
    (tool,) = Shell(land).tools()
    before = len(os.listdir("/proc/self/fd"))
    call = asyncio.ensure_future(tool.call({"command": "true"}, 60))
    await land.asked.wait()
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    assert len(os.listdir("/proc/self/fd")) == before


async def test_a_command_that_cannot_start_leaves_no_pipe() -> None:
    """What exec(2) refuses is an answer."""
    (tool,) = Shell(LateLand(0)).tools()
    before = len(os.listdir("/proc/self/fd"))
    assert "embedded null byte" in str(await tool.call({"command": "a\0b"}, 5))
    assert len(os.listdir("/proc/self/fd")) == before
