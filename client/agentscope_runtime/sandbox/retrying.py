"""When a call is sent again, where to, and after how long: what a manager's restart shall not cost anybody.

Sent again is what never arrived (nobody listened), what a manager refused before it did anything (`Draining`), and what
arriving twice does once (`Call.idempotent`): tools, too, which the sandbox knows by their key. What is left, such as a
command that may have begun, is not begun again: whoever asked for it is told.

Not here: the sending (`_async/connection`), and what an answer means (`transport`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from agentscope_runtime.sandbox.errors import Draining

if TYPE_CHECKING:
    from agentscope_runtime.sandbox.calls import Call
    from agentscope_runtime.sandbox.settings import Origin

BREAK_DELAYS: Final = (0.05, 0.25)
"""Seconds before the second and the third attempt at the only manager there is: one that restarts on this machine is
back by then, or was never there, and then the caller wants to know."""

RETRY_FOR: Final = 15.0
"""Seconds for which further managers are tried, or one that is about to be replaced: a restart takes a few."""

FIRST_PAUSE, LAST_PAUSE = 0.05, 1.0
"""Seconds after all managers have been tried: doubled each time round."""


class Trial:
    """One call's way to an answer: which manager is next, and when the caller is told that there is none."""

    def __init__(
        self,
        call: Call[Any],
        origin: Origin,
        at: int,
        *,
        replayable: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with one of the managers.

        Args:
            call: What is sent.
            origin: The manager, and those beside it.
            at: Which of `origin.all` to begin with: the one that answered last.
            replayable: Whether what is sent can be sent again; a stream cannot.
            clock: Returns seconds.
        """
        self._call = call
        self._origins = origin.all
        self._replayable = replayable
        self._clock = clock
        self._deadline = clock() + RETRY_FOR
        self._failed = 0
        self.at = at

    @property
    def origin(self) -> Origin:
        """Which manager to send it to now."""
        return self._origins[self.at]

    def pause_after(self, error: Exception) -> float | None:
        """Return the seconds to wait before the next attempt, which may go elsewhere; None if there is to be none."""
        self._failed += 1
        if not self._replayable or not self._safe(error):
            return None
        pause = self._pause(error)
        if pause is not None:
            self.at = (self.at + 1) % len(self._origins)
        return pause

    def _safe(self, error: Exception) -> bool:
        import httpx

        if isinstance(error, Draining | httpx.ConnectError):
            return True
        if isinstance(error, httpx.ConnectTimeout):  # seconds have passed: another manager may do, the same will not
            return len(self._origins) > 1
        return self._call.idempotent and isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError)

    def _pause(self, error: Exception) -> float | None:
        several = len(self._origins)
        if several == 1 and not isinstance(error, Draining):
            return BREAK_DELAYS[self._failed - 1] if self._failed <= len(BREAK_DELAYS) else None
        rounds, rest = divmod(self._failed, several)
        # Around first, since another manager may be there: only then is there anything to wait for.
        pause = 0.0 if rest else min(FIRST_PAUSE * 2 ** (rounds - 1), LAST_PAUSE)
        return pause if self._clock() + pause < self._deadline else None
