"""Keeping the pool at its targets: starting what is missing, trimming what is too much, pausing when starts fail.

It is woken by what happens (a claim, a release, a death) and by the end of a pause, never by looking again and again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from agentscope_runtime.sandbox import wire
from agentscope_runtime.sandbox.errors import UnknownSandboxType
from agentscope_runtime.sandbox_manager.admission import Admission
from agentscope_runtime.sandbox_manager.events import (
    Event,
    RefillDelayed,
    SandboxReady,
    SandboxRemoved,
    SandboxStartFailed,
)
from agentscope_runtime.sandbox_manager.launcher import Launcher
from agentscope_runtime.sandbox_manager.means import Means
from agentscope_runtime.sandbox_manager.renewal import Renewal
from agentscope_runtime.sandbox_manager.retirement import Retirement
from agentscope_runtime.sandbox_manager.states import Census, Ending
from agentscope_runtime.sandbox_manager.stores import StaleLeader
from agentscope_runtime.sandbox_manager.targets import Targets

FIRST_PAUSE, LAST_PAUSE = 0.5, 30.0
"""Seconds without a start for the pool after a failure: doubled with each in a row, give or take a fifth."""
LOOK_EVERY = 5.0
"""Seconds between two looks where others take from the pool: what they tell may have been missed."""
LEADS_AGAIN = 0.5
"""Seconds until a refill that leads no more looks whether it does."""
SURPLUS = Ending("was more than the pool needs")


@dataclass(slots=True)
class Failures:
    """How starts of one kind have failed lately."""

    count: int = 0
    reason: str = ""
    at: float | None = None
    until: float = 0.0
    """When the pool may try again."""

    def to_wire(self, now: float) -> wire.Failure:
        """Return it as `/v1/pool` tells it."""
        retry_in = round(max(0.0, self.until - now), 3) if self.count else 0.0
        return wire.Failure(count=self.count, reason=self.reason, at=self.at, retry_in=retry_in)


class Refill:
    """Brings the number of unclaimed sandboxes of each kind to its target, and keeps it there."""

    def __init__(
        self,
        means: Means,
        launcher: Launcher,
        retirement: Retirement,
        admission: Admission,
        *,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._means = means
        self._launcher = launcher
        self._retirement = retirement
        self._admission = admission
        self._jitter = jitter
        self._wake = asyncio.Event()
        self._failures: dict[str, Failures] = {}
        self._expected: set[str] = set()
        self.targets = Targets(means)
        self.renewal = Renewal(means)

    def expect(self, kinds: Iterable[str]) -> None:
        """Start one more of each kind, once: a session is about to ask for it."""
        self._expected |= set(kinds)
        self.wake()

    def arrived(self, kinds: Iterable[str]) -> None:
        """Take note that the session that was expected has asked; what it got is not replaced."""
        self._expected -= set(kinds)

    def wake(self) -> None:
        """Look at the pool again."""
        self._wake.set()

    def note(self, event: Event) -> None:
        """Subscribe to what happens: failures are counted, and everything is a reason to look again."""
        self.targets.note(event)
        match event:
            case SandboxStartFailed(sandbox_type=kind, reason=reason):
                self._count(kind, reason)
                self._expected.discard(kind)  # whoever is expected will try, and be told
            case SandboxReady(sandbox_type=kind):
                self._failures.pop(kind, None)
            case SandboxRemoved():
                return  # it was counted out when it began to stop
        self.wake()

    def failure(self, sandbox_type: str) -> wire.Failure:
        """Return how starts of this kind have failed lately."""
        return self._failures.get(sandbox_type, Failures()).to_wire(self._means.clock())

    async def run(self) -> None:
        """Keep the pool filled until cancelled."""
        while True:
            self._wake.clear()
            pause = await self.fill()
            if self._means.shared:
                pause = LOOK_EVERY if pause is None else min(pause, LOOK_EVERY)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    async def fill(self) -> float | None:
        """Start what is missing now; return the seconds until there is a reason to look again, None without one."""
        if not self._means.membership.is_leader:
            return LEADS_AGAIN
        fence = self._means.membership.fence  # of this very moment: after it somebody else may lead
        with suppress(StaleLeader):
            return await self._fill(fence)
        return LEADS_AGAIN

    async def _fill(self, fence: int) -> float | None:
        census = await self._means.store.census()
        pauses = [pause] if (pause := self.targets.look(census)) is not None else []
        for kind in self.targets.kinds | census.keys() | self._expected:
            target = self.targets[kind] + (kind in self._expected)
            if await self._has_renewed(kind, target, census.get(kind, Census())):
                continue  # its end wakes us
            target += bool(target) and self.renewal.due(kind)  # first its successor
            pause = await self._fill_kind(kind, target, census.get(kind, Census()), fence)
            if pause is not None:
                pauses.append(pause)
        return min(pauses, default=None)

    async def _fill_kind(self, kind: str, target: int, census: Census, fence: int) -> float | None:
        if census.unclaimed > target:
            surplus = await self._means.store.trim(kind, keep=target, ending=SURPLUS, fence=fence)
            self._retirement.destroy(surplus, SURPLUS)
            return None
        missing = target - census.unclaimed
        failures = self._failures.get(kind)
        if missing and failures is not None:
            pause = failures.until - self._means.clock()
            if pause > 0:
                return pause
            # One tries whether it works again; if it does, its success wakes us for the others.
            missing = 1 if census.unclaimed == census.ready else 0
        if missing and self._admission.hinders([kind]):
            return None  # sessions wait for the room that it would take; when they have it, they wake us
        for _ in range(missing):
            try:
                draft = self._means.draft(kind)
            except UnknownSandboxType as e:
                self._means.events.emit(SandboxStartFailed("", kind, e.detail))
                return None
            if not await self._means.store.record_start(draft, limits=self._means.policy.limits, fence=fence):
                await self._make_way(kind)
                return None  # a release makes room, and wakes us
            self._launcher.submit([draft])
        return None

    async def _has_renewed(self, kind: str, target: int, census: Census) -> bool:
        """Retire one that is to be replaced, if the pool is full without it."""
        while census.ready > target and self.renewal.due(kind):
            if await self._retirement.retire(*self.renewal.next(kind), if_free=True) is not None:
                return True
        return False

    async def _make_way(self, kind: str) -> None:
        """Retire one that is to be replaced, since there is no room for its successor beside it."""
        while self.renewal.due(kind):
            if await self._retirement.retire(*self.renewal.next(kind), if_free=True) is not None:
                return

    def _count(self, kind: str, reason: str) -> None:
        failures = self._failures.setdefault(kind, Failures())
        now = self._means.clock()
        failures.count += 1
        failures.reason, failures.at = reason, now
        pause = min(FIRST_PAUSE * 2 ** min(failures.count - 1, 16), LAST_PAUSE) * (0.8 + 0.4 * self._jitter())
        failures.until = now + pause
        if kind in self.targets.kinds:
            self._means.events.emit(RefillDelayed(kind, failures.count, pause, reason))
