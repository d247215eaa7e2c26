"""Helper processes of the box: what they print, how they end, and that nothing of them stays."""

from __future__ import annotations

import os
import re
import select
import signal
import sys

import pytest

from sandbox_server.land.child import Child
from sandbox_server.parts import PartFailed


async def test_a_line_can_be_waited_for() -> None:
    """Whether it was printed before or comes later, on stdout or stderr."""
    child = Child("talker", ["sh", "-c", "echo one; echo port 17 >&2; exec sleep 60"])
    await child.start()
    assert (await child.printed(re.compile(r"port (\d+)")))[1] == "17"
    assert await child.printed(re.compile("(?m)^one$"))
    await child.stop()


async def test_an_end_instead_of_the_line_is_a_failure_with_the_last_words() -> None:
    """So that /ready can say why."""
    child = Child("Xvnc", ["sh", "-c", "echo no display; exit 3"])
    await child.start()
    with pytest.raises(PartFailed, match=r"Xvnc ended with exit code 3; it last said:\nno display"):
        await child.printed(re.compile("never"))
    await child.stop()


async def test_a_missing_program_is_a_failure() -> None:
    """Which names it."""
    with pytest.raises(PartFailed, match=r"websockify cannot be started: .*no-such-program"):
        await Child("websockify", ["no-such-program"]).start()


async def test_stop_ends_the_whole_group() -> None:
    """Also a child that ignores the polite signal, and what it started."""
    script = "trap '' TERM; (trap '' TERM; echo inner $(sh -c 'echo $PPID'); sleep 60) & wait"
    child = Child("stubborn", ["sh", "-c", script])
    await child.start()
    inner = int((await child.printed(re.compile(r"inner (\d+)")))[1])
    end = select.poll()
    end.register(os.pidfd_open(inner), select.POLLIN)
    await child.stop(grace_s=0.1)
    assert await child.ended() == -signal.SIGKILL
    assert end.poll(5_000), "what it started outlived it"


async def test_it_may_be_started_again() -> None:
    """With an empty memory."""
    child = Child("again", ["sh", "-c", "echo $$"])
    await child.start()
    first = (await child.printed(re.compile(r"(?m)^(\d+)$")))[1]
    assert await child.ended() == 0
    await child.stop()
    await child.start()
    assert (await child.printed(re.compile(r"(?m)^(\d+)$")))[1] != first
    await child.stop()


async def test_much_output_never_blocks_it() -> None:
    """Only the tail is kept."""
    child = Child("flood", [sys.executable, "-c", "print('x' * 5_000_000); print('done')"])
    await child.start()
    await child.printed(re.compile("(?m)^done$"))
    assert await child.ended() == 0
    assert len(await child.obituary()) < 5_000
    await child.stop()
