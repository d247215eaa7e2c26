"""While an agent's handler runs, its session's sandboxes are kept, however long the model thinks between two calls.

    async with handling(user_id, session_id):
        ...  # what a SandboxService connects in here is not idle before the block ends

Nothing is leased again: a sandbox that was released, or died, stays gone, and only its renewal ends. A run that is
stopped takes with it the tasks that act for it: nobody is to use its sandboxes beside the next run.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, Protocol

import anyio
import anyio.to_thread

from agentscope_runtime.sandbox import calls, wire
from agentscope_runtime.sandbox.errors import InvalidRequest, NotFound, SandboxDied, SandboxError

logger = logging.getLogger(__name__)

KEEPALIVE_S = 60.0
"""Seconds between two renewals. A manager that releases sooner is asked three times in the time that it waits."""

TOUCH_TIMEOUT_S = 10.0
"""Seconds that a renewal may take; the next one comes soon enough."""

PATIENCE_S = 5.0
"""How long the tasks of a run that is stopped may take to end."""

Renew = Callable[[], bool]
"""Renews, blocking, and tells whether there is anything left to renew."""

InThread = Callable[[Renew], Awaitable[bool]]
"""Calls what blocks without blocking the event loop."""


class Sender(Protocol):
    """What is needed of a connection to the manager."""

    def send(self, call: calls.Call[wire.SandboxInfo]) -> wire.SandboxInfo:
        """Send a call and return what it answers."""
        ...


@dataclass(frozen=True, slots=True)
class _Held:
    renew: Renew
    every: float


class Handling:
    """One run of a handler, and what is renewed as long as it lasts."""

    def __init__(self, user_id: str, session_id: str, in_thread: InThread) -> None:
        """Begin; `handling` makes these, and ends them."""
        self.user_id = user_id
        self.session_id = session_id
        self._in_thread = in_thread
        self._loop = asyncio.get_running_loop()
        self._held: dict[Hashable, _Held] = {}
        self._tasks: dict[Hashable, asyncio.Task[None]] = {}
        self._company: set[asyncio.Task[Any]] = set()
        self._is_over = False

    def hold(self, what: Hashable, renew: Renew, every: float) -> None:
        """Renew something from now on every so many seconds. May be called from any thread; the last word counts."""
        self._held[what] = _Held(renew, every)
        with suppress(RuntimeError):  # the loop is closed: a thread goes on although its run is over
            self._loop.call_soon_threadsafe(self._begin, what)

    def let_go(self, what: Hashable) -> None:
        """Renew something no more. May be called from any thread."""
        self._held.pop(what, None)

    @contextmanager
    def accompanied_by(self, task: asyncio.Task[Any]) -> Iterator[None]:
        """Have a task that acts for the run be cancelled with it, as long as the block lasts."""
        self._company.add(task)
        try:
            yield
        finally:
            self._company.discard(task)

    async def abandon(self) -> None:
        """Cancel what acts for the run beside its handler, and wait for its end, but not for ever."""
        tasks = {task for task in self._company if task.get_loop() is self._loop} - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=PATIENCE_S)
            for task in late:
                logger.warning("%r goes on, although the run of session %r is over", task.get_name(), self.session_id)

    async def end(self) -> None:
        """Renew nothing any more; a renewal that is under way is not waited for."""
        self._is_over = True
        self._held.clear()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, what: Hashable) -> None:
        if self._is_over or what in self._tasks:
            return
        self._tasks[what] = task = self._loop.create_task(self._renew(what))
        task.add_done_callback(lambda _: self._tasks.pop(what, None))

    async def _renew(self, what: Hashable) -> None:
        while (held := self._held.get(what)) is not None:
            await asyncio.sleep(held.every)
            held = self._held.get(what)
            if held is not None and not await self._in_thread(held.renew) and self._held.get(what) is held:
                del self._held[what]


HANDLING: ContextVar[Handling | None] = ContextVar("HANDLING", default=None)
"""The run that the current code belongs to; threads see it where they are given their caller's context."""


def ending_with_the_run(task: asyncio.Task[Any]) -> AbstractContextManager[None]:
    """Have a task be cancelled with the run that the current code belongs to, if any, as long as the block lasts."""
    return nullcontext() if (current := HANDLING.get()) is None else current.accompanied_by(task)


async def in_a_thread(renew: Renew) -> bool:
    """Call it in a thread that no handler can occupy; whoever is cancelled leaves it behind."""
    return await anyio.to_thread.run_sync(renew, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1))


@asynccontextmanager
async def handling(user_id: str, session_id: str, *, in_thread: InThread = in_a_thread) -> AsyncIterator[Handling]:
    """Keep what is connected within the block, by its tasks and threads, until the block ends.

    A block that is cancelled, or fails, is abandoned by all who acted for it.
    """
    current = Handling(user_id, session_id, in_thread)
    token = HANDLING.set(current)
    try:
        yield current
    except BaseException:
        await current.abandon()
        raise
    finally:
        HANDLING.reset(token)
        await current.end()


def keep(what: Hashable, lease: wire.LeaseInfo, link: Callable[[], Sender]) -> None:
    """Renew a lease as long as the run lasts that asked for it; without a run, nobody does.

    Args:
        what: Tells one lease from another; the same one again adds to what is held.
        lease: What was granted.
        link: Gives the connection to the manager; raises InvalidRequest where there is none any more.
    """
    if (current := HANDLING.get()) is None:
        return
    ids = [sandbox.sandbox_id for sandbox in lease.sandboxes]
    renewal = _Renewal(ids, link)
    if (before := current._held.get(what)) is not None and isinstance(before.renew, _Renewal):
        renewal.add(before.renew.ids)
    idle = lease.idle_timeout
    current.hold(what, renewal, KEEPALIVE_S if idle is None else min(KEEPALIVE_S, idle / 3))


def let_go(what: Hashable) -> None:
    """Renew a lease no more: it is being released."""
    if (current := HANDLING.get()) is not None:
        current.let_go(what)


class _Renewal:
    """The sandboxes of one lease. One that is used keeps all of them: they are idle only together."""

    def __init__(self, ids: Iterable[str], link: Callable[[], Sender]) -> None:
        self.ids = list(ids)
        self._link = link

    def add(self, ids: Iterable[str]) -> None:
        self.ids += [one for one in ids if one not in self.ids]

    def __call__(self) -> bool:
        """Touch one of them that runs; one that is suspended needs nothing, and starts again when it is used."""
        for sandbox_id in list(self.ids):
            # Repeating the connect would renew, too, but lease anew what somebody has released meanwhile.
            call = replace(calls.touch(sandbox_id), timeout=TOUCH_TIMEOUT_S)
            try:
                if self._link().send(call).state == "leased":
                    return True
            except (NotFound, SandboxDied):
                self.ids.remove(sandbox_id)
            except InvalidRequest:
                return False  # the service was stopped
            except SandboxError as error:
                logger.warning("sandbox %s could not be kept for the handler that uses it: %s", sandbox_id, error)
                return True
        return bool(self.ids)
