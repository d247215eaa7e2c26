"""The watchdog in virtual time: it ends a silent box, never one that is spoken to, and forgives a frozen one."""

from __future__ import annotations

import asyncio

import pytest

from sandbox_server.watchdog import Watchdog


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.events: list[tuple[float, float]] = []
        """At which moment something happens: (when, how long the world stands still, negative: a call)."""
        monkeypatch.setattr(asyncio, "sleep", self.sleep)

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let time pass, and what falls into it happen."""
        self.now += seconds
        while self.events and self.events[0][0] <= self.now:
            _, frozen = self.events.pop(0)
            if frozen < 0:
                self.watchdog.touch()
            else:
                self.now += frozen

    watchdog: Watchdog


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Give a clock with a watchdog on it."""
    made = Clock(monkeypatch)
    made.watchdog = Watchdog(made)
    return made


async def test_silence_ends_it(clock: Clock) -> None:
    """Exactly the allowed silence passes."""
    await clock.watchdog.run(60)
    assert clock.now == pytest.approx(160)


async def test_short_silences_do_too(clock: Clock) -> None:
    """A silence shorter than a tick is kept just as exactly."""
    await clock.watchdog.run(0.3)
    assert clock.now == pytest.approx(100.3, abs=0.002)


async def test_calls_keep_it(clock: Clock) -> None:
    """Time counts from the last call."""
    clock.events = [(150.0, -1), (200.0, -1)]
    await clock.watchdog.run(60)
    assert clock.now == pytest.approx(260, abs=1)


async def test_a_thaw_gives_one_more_interval(clock: Clock) -> None:
    """After the whole box stood still for an hour, the manager has the full time to speak again."""
    clock.events = [(130.0, 3600.0)]
    await clock.watchdog.run(60)
    assert clock.now == pytest.approx(100 + 30 + 3600 + 60, abs=1.5)
