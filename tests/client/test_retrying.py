"""When a call is sent again, where to, and after how long."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from agentscope_runtime.sandbox import calls
from agentscope_runtime.sandbox.errors import Draining, InvalidRequest
from agentscope_runtime.sandbox.retrying import BREAK_DELAYS, LAST_PAUSE, RETRY_FOR, Trial
from agentscope_runtime.sandbox.settings import find_origin

ONE, THREE = "http://127.0.0.1:1", "http://127.0.0.1:1, http://127.0.0.1:2,http://127.0.0.1:3/"
POOL = calls.pool()
COMMAND = calls.start_command("sbx-1", "true")
GONE, BROKEN, DRAINING = httpx.ConnectError("refused"), httpx.ReadError("broke"), Draining("about to end")


def trial(call: calls.Call[Any], urls: str, *, at: int = 0, replayable: bool = True) -> tuple[Trial, list[float]]:
    """Make one, with a clock that goes on by what it is told to."""
    now = [0.0]
    return Trial(call, find_origin(urls, "key"), at, replayable=replayable, clock=lambda: now[0]), now


def test_several_addresses_are_one_origin() -> None:
    """The first is the one that things are named by; each has the key that belongs to it."""
    origin = find_origin(THREE, "key")
    assert [each.base_url for each in origin.all] == [f"http://127.0.0.1:{port}" for port in (1, 2, 3)]
    assert {each.key for each in origin.all} == {"key"}
    assert origin.places == "http://127.0.0.1:1 or http://127.0.0.1:2 or http://127.0.0.1:3"
    with pytest.raises(InvalidRequest, match="'' is not the address of a manager"):
        find_origin("http://127.0.0.1:1,", "key")


def test_a_single_manager_that_is_not_there_is_told_soon() -> None:
    """Two further attempts, a third of a second in all."""
    (attempts, _) = trial(COMMAND, ONE)
    assert [attempts.pause_after(GONE) for _ in range(3)] == [*BREAK_DELAYS, None]


def test_the_next_manager_is_tried_at_once() -> None:
    """From the one that answered last, around, and only then there is a pause; a restart's time is waited for."""
    (attempts, now) = trial(POOL, THREE, at=1)
    seen, pauses = [attempts.at], []
    while (pause := attempts.pause_after(GONE)) is not None:
        now[0] += pause
        pauses.append(pause)
        seen.append(attempts.at)
    assert seen[:5] == [1, 2, 0, 1, 2]
    assert pauses[:6] == [0.0, 0.0, 0.05, 0.0, 0.0, 0.1]
    assert RETRY_FOR - LAST_PAUSE <= now[0] < RETRY_FOR
    assert max(pauses) == LAST_PAUSE


def test_what_was_refused_before_it_began_is_sent_again() -> None:
    """A command, too, and to a single manager: another one takes its place."""
    (attempts, _) = trial(COMMAND, ONE)
    assert [attempts.pause_after(DRAINING) for _ in range(3)] == [0.05, 0.1, 0.2]


def test_what_may_have_happened_is_not_done_again() -> None:
    """A command whose connection broke is not begun at another manager; what is idempotent is asked there."""
    (attempts, _) = trial(COMMAND, THREE)
    assert attempts.pause_after(BROKEN) is None
    (attempts, _) = trial(POOL, THREE)
    assert attempts.pause_after(BROKEN) == 0.0
    assert attempts.origin.base_url == "http://127.0.0.1:2"


def test_a_stream_is_sent_once() -> None:
    """What was read from it is gone."""
    (attempts, _) = trial(POOL, THREE, replayable=False)
    assert attempts.pause_after(DRAINING) is None


def test_a_slow_network_is_not_asked_thrice() -> None:
    """Five seconds without a connection are enough, unless there is somebody else to ask."""
    slow = httpx.ConnectTimeout("no answer")
    assert trial(POOL, ONE)[0].pause_after(slow) is None
    assert trial(POOL, THREE)[0].pause_after(slow) == 0.0
