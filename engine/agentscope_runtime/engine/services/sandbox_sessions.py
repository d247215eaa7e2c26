"""Which sessions one `SandboxService` connected, and those that it connects when a sandbox of theirs is used first.

The leases themselves are the manager's; the way to it is the service's.
"""

from __future__ import annotations

import threading
import weakref
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from typing import Any

import anyio

from agentscope_runtime.sandbox import calls
from agentscope_runtime.sandbox._async.connection import ConnectionAsync
from agentscope_runtime.sandbox._sync.connection import Connection
from agentscope_runtime.sandbox.errors import InvalidRequest, NotAuthorized, SandboxNotFound, Unavailable
from agentscope_runtime.sandbox.types import SandboxType, plain_type
from agentscope_runtime.sandbox.wire import LeaseInfo, SandboxInfo

Key = tuple[str, str]
"""Session and user."""


class Sessions:
    """The sessions of one service; it may be used by many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connected: dict[Key, LeaseInfo | None] = {}
        self._underway: Counter[Key] = Counter()
        self._promises: weakref.WeakSet[_Promise] = weakref.WeakSet()

    @contextmanager
    def connecting(self, key: Key, check: Callable[[], None]) -> Iterator[None]:
        """Note that a session may hold something from now on, until it is certain that it does not.

        Args:
            key: The session.
            check: Raises where nobody may begin any more; what ends the service comes after, or before it.
        """
        with self._lock:
            check()
            self._underway[key] += 1
        try:
            yield
            self._connected.setdefault(key, None)
        except (InvalidRequest, NotAuthorized, Unavailable):
            raise  # refused
        except BaseException:
            self._connected.setdefault(key, None)  # cancelled, or out of time: it may be granted all the same
            raise
        finally:
            with self._lock:
                self._underway[key] -= 1
                self._underway += Counter()  # keeps only what is above zero

    def granted(self, key: Key, lease: LeaseInfo) -> None:
        """Note what a session was given last."""
        self._connected[key] = lease

    def last(self, key: Key) -> LeaseInfo | None:
        """Return what a session was given last, if it was not released since; it may be gone by now."""
        return self._connected.get(key)

    def all(self) -> set[Key]:
        """Return those that hold something, or may come to."""
        with self._lock:
            return set(self._connected) | set(self._underway)

    def promise(self, promise: _Promise) -> None:
        """Note sandboxes that are connected at their first use."""
        with self._lock:
            self._promises.add(promise)

    def end_promises(self, key: Key) -> None:
        """Connect nothing any more for what was promised to a session: it is being released."""
        with self._lock:
            for promise in list(self._promises):
                if promise.key == key:
                    promise.over = True

    def released(self, key: Key) -> None:
        """Forget a session."""
        self._connected.pop(key, None)


class Asked:
    """What one call of `connect` asks for, checked."""

    def __init__(
        self, key: Key, sandbox_types: Sequence[str] | None, options: Mapping[str, Any], wait_s: float = 0.0
    ) -> None:
        """Read the arguments of `connect`; raise InvalidRequest where they cannot be."""
        names = [sandbox_types] if isinstance(sandbox_types, str) else sandbox_types
        self.key = key
        self.kinds = ["base"] if names is None else [plain_type(name) for name in names]
        self.leased = [kind for kind in self.kinds if kind != SandboxType.DUMMY]
        said = calls.lease_options("SandboxService.connect()", options)
        self.call = calls.connect(*key, self.leased or self.kinds, said, calls.waiting_time(wait_s))

    def boxes(self, class_for: Callable[[str], Any], sources: Sequence[Any]) -> list[Any]:
        """Make the objects, in the asked order."""
        leased = iter(sources)
        return [class_for(kind).of(None if kind == SandboxType.DUMMY else next(leased), kind) for kind in self.kinds]


class _Promise:
    """The sandboxes of a session, which are connected when one of them is used first: all or none, and once."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self.over = False

    def check(self) -> None:
        """Raise if the session was released meanwhile."""
        if self.over:
            raise SandboxNotFound(f"session {self.key[0]!r} was released before this sandbox was used; connect again")


class Promise(_Promise):
    """Such sandboxes, for code that blocks."""

    def __init__(self, key: Key, connect: Callable[[], tuple[Connection, LeaseInfo]]) -> None:
        """Promise what `connect` gets."""
        super().__init__(key)
        self._connect = connect
        self._turn = threading.Lock()
        self.kept: tuple[Connection, LeaseInfo] | None = None

    def keep(self) -> tuple[Connection, LeaseInfo]:
        """Connect, if that was not done yet."""
        with self._turn:
            if self.kept is None:
                self.check()
                self.kept = self._connect()
            return self.kept


class PromiseAsync(_Promise):
    """Such sandboxes, for code that does not block."""

    def __init__(self, key: Key, connect: Callable[[], Awaitable[tuple[ConnectionAsync, LeaseInfo]]]) -> None:
        """Promise what `connect` gets."""
        super().__init__(key)
        self._connect = connect
        self._turn = anyio.Lock()
        self.kept: tuple[ConnectionAsync, LeaseInfo] | None = None

    async def keep_async(self) -> tuple[ConnectionAsync, LeaseInfo]:
        """Connect, if that was not done yet."""
        async with self._turn:
            if self.kept is None:
                self.check()
                self.kept = await self._connect()
            return self.kept


class Promised:
    """One of them, as a sandbox's source."""

    owned = False

    def __init__(self, promise: Promise, number: int) -> None:
        """Take the sandbox of this number."""
        self._promise = promise
        self._number = number

    @property
    def given(self) -> tuple[Connection, SandboxInfo] | None:
        """See `Source.given`."""
        return (kept[0], kept[1].sandboxes[self._number]) if (kept := self._promise.kept) else None

    def get(self, opening: ExitStack) -> tuple[Connection, SandboxInfo]:
        """See `Source.get`."""
        connection, lease = self._promise.keep()
        return connection, lease.sandboxes[self._number]


class PromisedAsync:
    """One of them, as an asynchronous sandbox's source."""

    owned = False

    def __init__(self, promise: PromiseAsync, number: int) -> None:
        """Take the sandbox of this number."""
        self._promise = promise
        self._number = number

    @property
    def given(self) -> tuple[ConnectionAsync, SandboxInfo] | None:
        """See `SourceAsync.given`."""
        return (kept[0], kept[1].sandboxes[self._number]) if (kept := self._promise.kept) else None

    async def get_async(self, opening: AsyncExitStack) -> tuple[ConnectionAsync, SandboxInfo]:
        """See `SourceAsync.get_async`."""
        connection, lease = await self._promise.keep_async()
        return connection, lease.sandboxes[self._number]
