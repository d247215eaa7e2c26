"""The sandboxes of an application's sessions: the handler of a session connects, and gets the same ones each time.

    service = SandboxService(base_url="http://127.0.0.1:8000")
    await service.start()
    (browser,) = await service.connect_async("session-1", "alice", ["browser"])
    await browser.browser_navigate("https://example.com")
    await service.stop()

The leases are the manager's; here is only which of them this instance asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextvars import Context, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Self, Unpack

from agentscope_runtime.engine.services import bound_methods, keepalive
from agentscope_runtime.engine.services.base import ServiceWithLifecycleManager
from agentscope_runtime.engine.services.factory import ServiceFactory
from agentscope_runtime.engine.services.sandbox_sessions import (
    Asked,
    Key,
    Promise,
    PromiseAsync,
    Promised,
    PromisedAsync,
    Sessions,
)
from agentscope_runtime.engine.services.sandbox_way import ManagerWay
from agentscope_runtime.sandbox import calls
from agentscope_runtime.sandbox._async.connection import ConnectionAsync
from agentscope_runtime.sandbox._async.holding import GivenAsync
from agentscope_runtime.sandbox._sync.connection import Connection
from agentscope_runtime.sandbox._sync.holding import Given
from agentscope_runtime.sandbox.classes import async_class_for, class_for
from agentscope_runtime.sandbox.errors import InvalidRequest, SandboxError
from agentscope_runtime.sandbox.types import Options
from agentscope_runtime.sandbox.waiting import run_blocking_async
from agentscope_runtime.sandbox.wire import LeaseInfo

if TYPE_CHECKING:
    from types import TracebackType

logger = logging.getLogger(__name__)


class SandboxService(ServiceWithLifecycleManager):
    """Leases sandboxes to the sessions of an application.

    What a handler connects is kept for as long as the handler runs; after that, what is idle for too long is suspended,
    and starts again when it is used, or ends, as the manager is set; and a lease ends when it is released.

    `connect` and `release` block for as long as the manager takes; handlers that must not use `connect_async` and
    `release_async`. One instance may be used by many threads, and by the tasks of one event loop.
    """

    def __init__(
        self,
        base_url: str | None = None,
        bearer_token: str | None = None,
        drain_on_stop: bool = True,
        *,
        wait_s: float = 0.0,
    ) -> None:
        """Describe the service; nothing happens before it is started, or first used.

        Args:
            base_url: Where the manager is; without one it is run in this process.
            bearer_token: The manager's key. A manager on this machine without a configured key needs none here.
            drain_on_stop: Whether stopping releases the sessions that this instance connected.
            wait_s: Seconds that `connect` waits in line where the manager's limits leave no room, unless it says so
                itself; refused at once by default.
        """
        self.wait_s = calls.waiting_time(wait_s)
        self.base_url = base_url
        self.bearer_token = bearer_token
        self.drain_on_stop = drain_on_stop
        self._way = ManagerWay(base_url, bearer_token)
        self._sessions = Sessions()

    async def start(self) -> None:
        """Find the manager, or start it in this process; a stopped service starts anew."""
        self._way.stopped = False
        await run_blocking_async(self._open)

    async def stop(self) -> None:
        """Release what this instance connected, and nothing else, and let go of the manager.

        Raises:
            SandboxError: something could not be released; all else is done all the same.
        """
        connection = self._way.take_async()
        try:
            await run_blocking_async(self.close)
        finally:
            if connection is not None:
                await connection.aclose()

    async def health(self) -> bool:
        """Ask the manager whether it serves this instance; False before the start and after the stop, too."""
        if not self._way.is_open:
            return False
        try:
            await self._way.link_async().send_async(calls.pool())
        except SandboxError as error:
            logger.warning("the sandbox manager does not serve this instance: %s", error)
            return False
        return True

    def connect(
        self,
        session_id: str,
        user_id: str | None = None,
        sandbox_types: Sequence[str] | None = None,
        *,
        lazy: bool = False,
        wait_s: float | None = None,
        **options: Unpack[Options],
    ) -> list[Any]:
        """Give a session its sandboxes, those it holds already and new ones, all or none; blocks until they are ready.

        Args:
            session_id: The session.
            user_id: Whose session it is; two users never share, even where their sessions have the same name.
            sandbox_types: The kinds, each once, such as `["browser", "base"]`; `["base"]` by default.
            lazy: Whether to connect when one of them is used first, all at once: who uses none starts none.
            wait_s: Seconds to wait in line where the manager's limits leave no room; by default the service's.
            options: What the lease shall be beyond that, such as `profile="work"`; what is not named stays as it was.

        Returns:
            One started sandbox for each asked type, in the asked order, each of the class that serves its type.

        Raises:
            SandboxError: they are not to be had; the class and the message say why. Lazy ones raise it at their use.
        """
        asked = Asked((session_id, user_id or ""), sandbox_types, options, self.wait_s if wait_s is None else wait_s)
        if lazy or not asked.leased:
            promise = Promise(asked.key, partial(self._connect, asked, copy_context()))
            self._promised(promise)
            return asked.boxes(class_for, [Promised(promise, number) for number in range(len(asked.leased))])
        connection, lease = self._connect(asked, copy_context())
        return asked.boxes(class_for, [Given(connection, info) for info in lease.sandboxes])

    def release(self, session_id: str, user_id: str | None = None) -> bool:
        """Give back all that a session holds, which destroys it; True, also when there was nothing."""
        key = (session_id, user_id or "")
        self._let_go(key)
        if self._way.may_run:
            self._open()
            self._way.link().send(calls.release(*key))
        self._sessions.released(key)
        return True

    def renew(self, session_id: str, user_id: str | None = None, seconds: float | None = None) -> LeaseInfo:
        """Let what a session holds end so many seconds from now, and count as use; starts nothing that is suspended.

        Args:
            session_id: The session.
            user_id: Whose session it is.
            seconds: By default, and at most where the manager has a `LEASE_MAX_SECONDS`, as many as a new lease has.

        Raises:
            NotFound: The session holds nothing.
            InvalidRequest: More than the manager allows.
        """
        self._open()
        return self._way.link().send(calls.renew(session_id, user_id or "", seconds))

    async def renew_async(self, session_id: str, user_id: str | None = None, seconds: float | None = None) -> LeaseInfo:
        """Do what `renew` does without blocking."""
        await self._open_async()
        return await self._way.link_async().send_async(calls.renew(session_id, user_id or "", seconds))

    async def connect_async(
        self,
        session_id: str,
        user_id: str | None = None,
        sandbox_types: Sequence[str] | None = None,
        *,
        lazy: bool = False,
        wait_s: float | None = None,
        **options: Unpack[Options],
    ) -> list[Any]:
        """Do what `connect` does without blocking; returns sandboxes of the asynchronous classes."""
        asked = Asked((session_id, user_id or ""), sandbox_types, options, self.wait_s if wait_s is None else wait_s)
        if lazy or not asked.leased:
            promise = PromiseAsync(asked.key, partial(self._connect_async, asked, copy_context()))
            self._promised(promise)
            return asked.boxes(async_class_for, [PromisedAsync(promise, number) for number in range(len(asked.leased))])
        connection, lease = await self._connect_async(asked, copy_context())
        return asked.boxes(async_class_for, [GivenAsync(connection, info) for info in lease.sandboxes])

    async def release_async(self, session_id: str, user_id: str | None = None) -> bool:
        """Do what `release` does without blocking."""
        key = (session_id, user_id or "")
        self._let_go(key)
        if self._way.may_run:
            await self._open_async()
            await self._way.link_async().send_async(calls.release(*key))
        self._sessions.released(key)
        return True

    def close(self) -> None:
        """Do what `stop` does, for programs without an event loop."""
        if self._way.has_async:
            raise InvalidRequest("this service was used asynchronously; stop it with `await service.stop()`")
        self._way.stopped = True
        failure = self._drain() if self.drain_on_stop and self._way.was_found else None
        self._way.close()
        if failure is not None:
            raise failure

    def __enter__(self) -> Self:
        self._way.stopped = False
        self._open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _drain(self) -> SandboxError | None:
        """Release every session of this instance, those still connecting included; return the first failure."""
        failure: SandboxError | None = None
        for key in self._sessions.all():  # whoever begins after this sees that the service is stopped
            try:
                self._way.link().send(calls.release(*key))
                self._sessions.released(key)
            except SandboxError as error:
                if failure is None:
                    failure = error
                else:
                    failure.add_note(f"and: {error}")
        return failure

    def _connect(self, asked: Asked, context: Context) -> tuple[Connection, LeaseInfo]:
        """Get a session its sandboxes, and keep them for the handler in whose context that was asked for."""
        self._open()
        with self._sessions.connecting(asked.key, self._way.check):
            connection = self._way.link()
            lease = connection.send(asked.call)
        context.run(self._granted, asked.key, lease)
        return connection, lease

    async def _connect_async(self, asked: Asked, context: Context) -> tuple[ConnectionAsync, LeaseInfo]:
        await self._open_async()
        with self._sessions.connecting(asked.key, self._way.check):
            connection = self._way.link_async()
            lease = await connection.send_async(asked.call)
        context.run(self._granted, asked.key, lease)
        return connection, lease

    def _granted(self, key: Key, lease: LeaseInfo) -> None:
        self._sessions.granted(key, lease)
        keepalive.keep((self, key), lease, self._way.link)
        bound_methods.make_known()

    def _promised(self, promise: Promise | PromiseAsync) -> None:
        self._way.check()
        self._sessions.promise(promise)
        bound_methods.make_known()
        if (lease := self._sessions.last(promise.key)) is not None:  # what an earlier turn used may be used in this one
            keepalive.keep((self, promise.key), lease, self._way.link)

    def _let_go(self, key: Key) -> None:
        keepalive.let_go((self, key))
        self._sessions.end_promises(key)

    async def _open_async(self) -> None:
        if not self._way.is_open:
            await run_blocking_async(self._open)

    def _open(self) -> None:
        self._way.open()


class SandboxServiceFactory(ServiceFactory[SandboxService], prefix="SANDBOX_", backends={"default": SandboxService}):
    """Makes a service of what the environment says: `SANDBOX_DEFAULT_BASE_URL`, `SANDBOX_DEFAULT_BEARER_TOKEN`."""
