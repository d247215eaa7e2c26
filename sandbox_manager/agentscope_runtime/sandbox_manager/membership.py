"""Which managers of an installation live, and which of them leads.

A manager that is alone proves its life by a lock (`liveness`), and leads. Managers that share a Redis count their beats
there. Dead is only who is proved to be: by a free lock, or by a count that stood still while Redis answered all the
time. What is not known (Redis is away, or has forgotten everything) is no proof of anything.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Protocol

from agentscope_runtime.sandbox.errors import StoreUnavailable
from agentscope_runtime.sandbox_manager.liveness import Liveness
from agentscope_runtime.sandbox_manager.stores.redis.link import RedisLink, prefix_of, script

logger = logging.getLogger(__name__)

BEAT_EVERY = 3.0
RETRY_EVERY = 1.0
LEADS_FOR = 10.0
"""Seconds after its last beat until a leader that fell silent is replaced."""
MARGIN = 1.0
"""Seconds earlier than that a leader itself takes its leadership for over."""
DEAD_AFTER = 15.0
"""Seconds of silence that prove a death: five beats."""
DROPPED_AFTER = 3600.0
"""Seconds after which a dead manager is not even remembered."""
NEVER = (float("inf"), float("-inf"))
LEFT = "0"
"""The count of a manager that ended in good order."""


class Membership(Protocol):
    """What a manager knows of itself and of the others."""

    @property
    def is_leader(self) -> bool:
        """Whether this manager does what only one may do."""

    @property
    def fence(self) -> int:
        """The token of the leadership that this manager saw last; 0 where nobody else could lead."""

    @property
    def is_whole(self) -> bool:
        """Whether the store knows everything that is: it did not come back empty, or is rebuilt since."""

    def alive(self) -> AbstractAsyncContextManager[None]:
        """Prove that this manager lives while the context is open.

        Raises:
            StoreUnavailable: There is no Redis to prove it to.
        """

    def is_dead(self, manager: str) -> bool:
        """Tell whether a manager is proved to be gone. The names of managers are never used twice."""

    async def wait_until_leader(self) -> None:
        """Return when this manager leads."""

    async def wait_until_follower(self) -> None:
        """Return when this manager does not lead."""

    async def wait_until_whole(self) -> None:
        """Return when the store knows everything that is."""

    async def wait_until_lost(self) -> None:
        """Return when the store has to be rebuilt."""

    async def confirm(self) -> bool:
        """Look now whether this manager leads, and the store knows everything.

        Raises:
            StoreUnavailable: It does not answer.
        """

    async def declare_whole(self) -> bool:
        """Say that the store was rebuilt; False if this manager does not lead any more, or it was lost again.

        Raises:
            StoreUnavailable: Redis does not answer.
        """

    async def forget_dead(self, *, but: Collection[str]) -> None:
        """Forget the managers that are proved dead, but for these, which left something behind."""


class Alone:
    """A manager that nobody else is to be told apart from: in a process of its own kind, and in tests."""

    fence = 0
    is_leader = True
    is_whole = True

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        """Prove nothing: nobody asks."""
        yield

    def is_dead(self, manager: str) -> bool:
        """Return False: nothing is known."""
        return False

    async def wait_until_leader(self) -> None:
        """Return at once."""

    async def wait_until_follower(self) -> None:
        """Wait for ever."""
        await asyncio.Event().wait()

    wait_until_whole, wait_until_lost = wait_until_leader, wait_until_follower

    async def confirm(self) -> bool:
        """Return True."""
        return True

    async def declare_whole(self) -> bool:
        """Return True: there is nothing to rebuild."""
        return True

    async def forget_dead(self, *, but: Collection[str]) -> None:
        """Forget nobody."""


class LocalMembership(Alone):
    """The managers of one machine, each with a pool of its own, which it leads."""

    def __init__(self, state_dir: Path, manager: str) -> None:
        self._liveness = Liveness(state_dir)
        self._manager = manager

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        """See `Membership.alive`."""
        with self._liveness.alive(self._manager):
            yield

    def is_dead(self, manager: str) -> bool:
        """See `Membership.is_dead`."""
        return self._liveness.is_dead(manager)

    async def forget_dead(self, *, but: Collection[str]) -> None:
        """See `Membership.forget_dead`."""
        for manager in self._liveness.known():
            if manager != self._manager and manager not in but:
                self._liveness.forget(manager)


class RedisMembership:
    """The managers that share a Redis."""

    def __init__(
        self, link: RedisLink, installation: str, manager: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._link = link
        self._prefix = prefix_of(installation)
        self._manager = manager
        self._clock = clock
        self._changed = asyncio.Event()  # replaced at each look
        # What was seen by looking.
        self.fence = 0
        self.is_whole = False
        self._epoch = ""
        self._leads_until = float("-inf")
        # From here to there Redis has answered, and forgotten nothing; when it does not answer: no time at all.
        self._watching_since, self._looked_at = NEVER
        self._beats: dict[str, str] = {}
        self._moved_at: dict[str, float] = {}  # when a manager's count was last seen to go on

    @property
    def is_leader(self) -> bool:
        """See `Membership.is_leader`."""
        return self._clock() < self._leads_until

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        """See `Membership.alive`."""
        await self._link.check()
        await self.look()
        beating = asyncio.create_task(self._beat(), name="membership")
        try:
            yield
        finally:
            beating.cancel()
            await asyncio.wait([beating])
            self._leads_until = float("-inf")
            with suppress(StoreUnavailable):  # then the others see it by its silence
                await self._link.run(script("leave"), self._prefix, self._manager)

    def is_dead(self, manager: str) -> bool:
        """See `Membership.is_dead`."""
        if self._beats.get(manager) == LEFT:
            return True
        if manager == self._manager or self._looked_at - self._watching_since < DEAD_AFTER:
            return False
        return self._looked_at - self._moved_at.get(manager, self._watching_since) >= DEAD_AFTER

    async def look(self) -> None:
        """Beat once, and take in who else does.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        asked = self._clock()
        answer = await self._link.run(
            script("beat"), self._prefix, self._manager, secrets.token_hex(8), str(int(LEADS_FOR * 1000)), "1"
        )
        epoch, whole, leader, fence, beats = answer
        now = self._clock()
        if epoch != self._epoch or asked - self._looked_at > LEADS_FOR:
            self._watching_since = now
            self._moved_at.clear()
        self._take_in(dict(zip(beats[::2], beats[1::2], strict=True)), now)
        self._epoch, self.is_whole, self._looked_at = epoch, bool(whole), now
        self.fence = int(fence)
        self._leads_until = asked + LEADS_FOR - MARGIN if leader == self._manager else float("-inf")
        self._tell()

    async def wait_until_leader(self) -> None:
        """See `Membership.wait_until_leader`."""
        await self._until(lambda: self.is_leader)

    async def wait_until_follower(self) -> None:
        """See `Membership.wait_until_follower`."""
        await self._until(lambda: not self.is_leader)

    async def wait_until_whole(self) -> None:
        """See `Membership.wait_until_whole`."""
        await self._until(lambda: self.is_whole)

    async def wait_until_lost(self) -> None:
        """See `Membership.wait_until_lost`."""
        await self._until(lambda: not self.is_whole)

    async def confirm(self) -> bool:
        """See `Membership.confirm`."""
        await self.look()
        return self.is_leader and self.is_whole

    async def declare_whole(self) -> bool:
        """See `Membership.declare_whole`."""
        done = await self._link.run(script("declare_whole"), self._prefix, self._epoch, str(self.fence))
        if done:
            self.is_whole = True
            self._tell()
        return bool(done)

    async def forget_dead(self, *, but: Collection[str]) -> None:
        """See `Membership.forget_dead`; whoever is needed as a proof for a while yet, stays."""
        old = self._looked_at - DROPPED_AFTER
        dropped = [
            manager
            for manager in self._beats
            if manager not in but and self._moved_at.get(manager, self._watching_since) < old and self.is_dead(manager)
        ]
        if dropped:
            await self._link.run(script("drop_managers"), self._prefix, *dropped)

    def _take_in(self, beats: dict[str, str], now: float) -> None:
        for manager, count in beats.items():
            if self._beats.get(manager) != count:
                self._moved_at[manager] = now
        self._moved_at = {manager: at for manager, at in self._moved_at.items() if manager in beats}
        self._beats = beats

    async def _beat(self) -> None:
        away = False
        while True:
            await asyncio.sleep(RETRY_EVERY if away else BEAT_EVERY)
            try:
                await self.look()
            except StoreUnavailable as error:
                self._watching_since, self._looked_at = NEVER
                self._tell()  # who waits for the end of a leadership may have waited for this
                if not away:
                    logger.warning("no beats: %s", error.detail)
                away = True
            except Exception:  # a manager whose beats end is taken for dead, though it works
                logger.exception("a beat failed")
                away = True
            else:
                if away:
                    logger.info("beats again: %s answers", self._link.where)
                away = False

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await self._changed.wait()

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
