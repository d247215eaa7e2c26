"""Who waits for sandboxes that are not ready yet, and how they hear what became of them.

One process's waiting callers only: which sandbox is promised to which key stands in the store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from agentscope_runtime.sandbox.errors import SandboxError
from agentscope_runtime.sandbox_manager.states import LeaseKey


class Ticket:
    """One call that waits."""

    def __init__(self, types: Sequence[str]) -> None:
        self.types = frozenset(types)
        self._news = asyncio.Event()
        self._error: SandboxError | None = None

    async def news(self) -> None:
        """Wait until it is worth claiming again; raise what went wrong with a sandbox that this call waits for."""
        await self._news.wait()
        self._news.clear()
        error, self._error = self._error, None
        if error is not None:
            # A copy, since all calls of one key get it, and each adds its own traceback.
            raise type(error)(error.detail, **error.extras)

    def tell(self, error: SandboxError | None = None) -> None:
        """Wake the call."""
        self._error = error or self._error
        self._news.set()


class Arrivals:
    """All calls that wait, by key."""

    def __init__(self) -> None:
        self._tickets: dict[LeaseKey, list[Ticket]] = {}

    @contextmanager
    def waiting(self, key: LeaseKey, types: Sequence[str]) -> Iterator[Ticket]:
        """Count a call as waiting while the context is open."""
        ticket = Ticket(types)
        tickets = self._tickets.setdefault(key, [])
        tickets.append(ticket)
        try:
            yield ticket
        finally:
            tickets.remove(ticket)
            if not tickets:
                del self._tickets[key]

    def wanted_by_others(self, key: LeaseKey, ticket: Ticket) -> frozenset[str]:
        """Return the kinds for which another call of the same key waits."""
        others = (other.types for other in self._tickets.get(key, ()) if other is not ticket)
        return frozenset[str]().union(*others)

    def wake(self, key: LeaseKey, *, but: Ticket | None = None) -> None:
        """Let the calls of this key claim again, all but one that knows."""
        for ticket in self._tickets.get(key, ()):
            if ticket is not but:
                ticket.tell()

    def wake_all(self) -> None:
        """Let all calls claim again: nobody knows for whom there was news."""
        for key in list(self._tickets):
            self.wake(key)

    def fail(self, key: LeaseKey, sandbox_type: str, error: SandboxError) -> None:
        """Tell the calls of this key that wait for this kind that it did not start."""
        for ticket in self._tickets.get(key, ()):
            ticket.tell(error if sandbox_type in ticket.types else None)

    def abort(self, key: LeaseKey, error: SandboxError) -> None:
        """End the waiting of all calls of this key."""
        for ticket in self._tickets.get(key, ()):
            ticket.tell(error)

    def abort_all(self, error: SandboxError) -> None:
        """End the waiting of all calls."""
        for key in list(self._tickets):
            self.abort(key, error)
