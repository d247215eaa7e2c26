"""Calls that are made once."""

from __future__ import annotations

import asyncio

import pytest

from sandbox_server import once
from sandbox_server.once import KEY_MAX, Once
from sandbox_server.problems import Problem


class Work:
    """Something whose every doing counts."""

    def __init__(self) -> None:
        self.times = 0
        self.may_end = asyncio.Event()

    async def __call__(self) -> bytes:
        """Do it."""
        self.times += 1
        await self.may_end.wait()
        return b"done %d" % self.times


async def test_who_asks_again_gets_the_answer_of_the_call_that_runs() -> None:
    """And of one that ran; another key is another call."""
    calls, work = Once(), Work()
    first, second = calls.begin("k", b"x", work), calls.begin("k", b"x", work)
    calls.leave("k")  # the connection broke
    work.may_end.set()
    assert await first == await second == b"done 1"
    assert await calls.begin("k", b"x", work) == b"done 1"
    assert await calls.begin("other", b"x", work) == b"done 2"


async def test_a_call_that_nobody_waits_for_ends_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not while somebody does."""
    monkeypatch.setattr(once, "ALONE_S", 0.01)
    calls, work = Once(), Work()
    running = calls.begin("k", b"x", work)
    calls.leave("k")
    calls.begin("k", b"x", work)  # in time
    await asyncio.wait({running}, timeout=0.05)
    assert not running.done()
    calls.leave("k")
    await asyncio.wait({running})
    assert running.cancelled()


async def test_a_call_is_stopped_by_its_key() -> None:
    """Whoever waits for it hears so; what is not there cannot be stopped."""
    calls, work = Once(), Work()
    running = calls.begin("k", b"x", work)
    await asyncio.sleep(0)
    calls.leave("k")
    assert calls.stop("k")
    await asyncio.wait({running})
    assert running.cancelled()
    assert not calls.stop("k") and not calls.stop("none")


async def test_a_call_is_not_stopped_for_one_who_left_while_another_waits() -> None:
    """Who asked again, through another manager, may be there before the first one has told that its caller left."""
    calls, work = Once(), Work()
    running = calls.begin("k", b"x", work)
    calls.begin("k", b"x", work)
    assert calls.stop("k")
    calls.leave("k")  # the first connection
    await asyncio.sleep(0)
    assert not running.done()
    assert calls.stop("k")
    await asyncio.sleep(0)
    assert not running.done()  # before its connection is noticed to be closed
    calls.leave("k")
    await asyncio.wait({running})
    assert running.cancelled()


async def test_answers_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """After their time, and before it where they are too many bytes: but no call is made twice for that."""
    monkeypatch.setattr(once, "KEPT_BYTES", 10)
    calls, work = Once(), Work()
    work.may_end.set()
    for key in ("a", "b"):
        await calls.begin(key, b"x", work)
    assert await calls.begin("b", b"x", work) == b"done 2"
    with pytest.raises(Problem, match="not kept any more"):
        await calls.begin("a", b"x", work)
    assert work.times == 2
    monkeypatch.setattr(once, "ALONE_S", 0.0)
    await calls.begin("c", b"x", work)
    await asyncio.sleep(0.01)
    assert await calls.begin("c", b"x", work) == b"done 4"


async def test_a_key_belongs_to_one_call() -> None:
    """Another one under the same key is a mistake; a key is a word."""
    calls, work = Once(), Work()
    work.may_end.set()
    await calls.begin("k", b"x", work)
    with pytest.raises(Problem, match="came with another call before"):
        calls.begin("k", b"y", work)
    for bad in ("ü", "a\nb", "k" * (KEY_MAX + 1)):
        with pytest.raises(Problem, match="printable ASCII"):
            calls.begin(bad, b"x", work)
