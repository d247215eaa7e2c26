"""Hearing what other managers of the installation do, for the callers and the open connections of this one.

They do what has to be done; here it is only told: who waits claims again, desktops of what they ended close, a start
of ours that is not wanted any more stops. Not here: taking over from managers that died (`succession`).
"""

from __future__ import annotations

import asyncio

from agentscope_runtime.sandbox.errors import from_problem
from agentscope_runtime.sandbox_manager.admission import Admission
from agentscope_runtime.sandbox_manager.arrivals import Arrivals
from agentscope_runtime.sandbox_manager.events import SandboxStoppingElsewhere
from agentscope_runtime.sandbox_manager.launcher import Launcher
from agentscope_runtime.sandbox_manager.means import Means
from agentscope_runtime.sandbox_manager.refill import Refill
from agentscope_runtime.sandbox_manager.stores.news import Failed, News, Room, Stopped, Taken, Woken

WAKE_EVERY = 0.25
"""Seconds between two rounds in which all who wait claim again: things end often, and each round costs many claims."""


class Neighbours:
    """Listens."""

    def __init__(
        self, means: Means, arrivals: Arrivals, admission: Admission, launcher: Launcher, refill: Refill
    ) -> None:
        self._means = means
        self._arrivals = arrivals
        self._admission = admission
        self._launcher = launcher
        self._refill = refill
        self._round: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Listen until cancelled."""
        async for news in self._means.store.news():
            await self.hear(news)

    async def hear(self, news: News) -> None:
        """Tell those here whom it concerns."""
        match news:
            case Woken(key=key):
                self._arrivals.wake(key)
            case Failed(key=key, sandbox_type=kind, code=code, detail=detail):
                self._arrivals.fail(key, kind, from_problem({"code": code, "detail": detail}, 503))
            case Stopped():
                await self._stopped(news)
            case Taken():
                self._refill.wake()  # it is to be replaced, by whoever leads
            case Room():
                self._refill.wake()
                self._admission.room()
                if self._round is None:
                    self._round = asyncio.get_running_loop().call_later(WAKE_EVERY, self._wake_all)

    async def _stopped(self, news: Stopped) -> None:
        event = SandboxStoppingElsewhere(news.sandbox_id, news.sandbox_type, news.key, news.reason, news.died)
        self._means.events.emit(event)
        if news.key is not None:
            self._arrivals.wake(news.key)
        self._launcher.drop(news.sandbox_id)

    def _wake_all(self) -> None:
        self._round = None
        self._arrivals.wake_all()
