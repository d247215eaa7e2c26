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
import threading
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self, Unpack

from agentscope_runtime.engine.services import bound_methods, keepalive
from agentscope_runtime.engine.services.base import ServiceWithLifecycleManager
from agentscope_runtime.engine.services.factory import ServiceFactory
from agentscope_runtime.sandbox import calls
from agentscope_runtime.sandbox._async.connection import ConnectionAsync
from agentscope_runtime.sandbox._sync.connection import Connection
from agentscope_runtime.sandbox.classes import async_class_for, class_for
from agentscope_runtime.sandbox.embedded import Share
from agentscope_runtime.sandbox.errors import InvalidRequest, NotAuthorized, SandboxError, Unavailable
from agentscope_runtime.sandbox.settings import Origin, find_origin
from agentscope_runtime.sandbox.types import Options
from agentscope_runtime.sandbox.waiting import run_blocking_async
from agentscope_runtime.sandbox.wire import LeaseInfo

if TYPE_CHECKING:
    from types import TracebackType

logger = logging.getLogger(__name__)

Key = tuple[str, str]
"""Session and user."""


class SandboxService(ServiceWithLifecycleManager):
    """Leases sandboxes to the sessions of an application.

    What a handler connects is kept for as long as the handler runs; after that, a lease ends when it is released, or
    was idle for too long.

    `connect` and `release` block for as long as the manager takes; handlers that must not use `connect_async` and
    `release_async`. One instance may be used by many threads, and by the tasks of one event loop.
    """

    # Here, so that __del__ finds them even when the constructor was called wrongly.
    _share: Share | None = None
    _connection: Connection | None = None

    def __init__(
        self, base_url: str | None = None, bearer_token: str | None = None, drain_on_stop: bool = True
    ) -> None:
        """Describe the service; nothing happens before it is started, or first used.

        Args:
            base_url: Where the manager is; without one it is run in this process.
            bearer_token: The manager's key. A manager on this machine without a configured key needs none here.
            drain_on_stop: Whether stopping releases the sessions that this instance connected.
        """
        self.base_url = base_url
        self.bearer_token = bearer_token
        self.drain_on_stop = drain_on_stop
        self._lock = threading.Lock()
        self._stopped = False
        self._origin: Origin | None = None
        self._connection_async: ConnectionAsync | None = None
        self._connected: set[Key] = set()
        self._underway: Counter[Key] = Counter()

    async def start(self) -> None:
        """Find the manager, or start it in this process; a stopped service starts anew."""
        self._stopped = False
        await run_blocking_async(self._open)

    async def stop(self) -> None:
        """Release what this instance connected, and nothing else, and let go of the manager.

        Raises:
            SandboxError: something could not be released; all else is done all the same.
        """
        self._stopped = True  # before the connection is taken away: from now on nobody makes another one
        connection, self._connection_async = self._connection_async, None
        try:
            await run_blocking_async(self.close)
        finally:
            if connection is not None:
                await connection.aclose()

    async def health(self) -> bool:
        """Ask the manager whether it serves this instance; False before the start and after the stop, too."""
        if self._stopped or self._origin is None:
            return False
        try:
            await self._link_async().send_async(calls.pool())
        except SandboxError as error:
            logger.warning("the sandbox manager does not serve this instance: %s", error)
            return False
        return True

    def connect(
        self,
        session_id: str,
        user_id: str | None = None,
        sandbox_types: Sequence[str] | None = None,
        **options: Unpack[Options],
    ) -> list[Any]:
        """Give a session its sandboxes, those it holds already and new ones, all or none; blocks until they are ready.

        Args:
            session_id: The session.
            user_id: Whose session it is; two users never share, even where their sessions have the same name.
            sandbox_types: The kinds, each once, such as `["browser", "base"]`; `["base"]` by default.
            options: What the lease shall be beyond that, such as `profile="work"`; what is not named stays as it was.

        Returns:
            One started sandbox for each asked type, in the asked order, each of the class that serves its type.

        Raises:
            SandboxError: they are not to be had; the class and the message say why.
        """
        key = (session_id, user_id or "")
        call = _connect_call(key, sandbox_types, options)
        self._open()
        with self._connecting(key):
            connection = self._link()
            lease = connection.send(call)
        self._granted(key, lease)
        return [class_for(info.sandbox_type).of(connection, info) for info in lease.sandboxes]

    def release(self, session_id: str, user_id: str | None = None) -> bool:
        """Give back all that a session holds, which destroys it; True, also when there was nothing."""
        key = (session_id, user_id or "")
        keepalive.let_go((self, key))
        self._open()
        self._link().send(calls.release(*key))
        self._connected.discard(key)
        return True

    async def connect_async(
        self,
        session_id: str,
        user_id: str | None = None,
        sandbox_types: Sequence[str] | None = None,
        **options: Unpack[Options],
    ) -> list[Any]:
        """Do what `connect` does without blocking; returns sandboxes of the asynchronous classes."""
        key = (session_id, user_id or "")
        call = _connect_call(key, sandbox_types, options)
        await self._open_async()
        with self._connecting(key):
            connection = self._link_async()
            lease = await connection.send_async(call)
        self._granted(key, lease)
        return [async_class_for(info.sandbox_type).of(connection, info) for info in lease.sandboxes]

    async def release_async(self, session_id: str, user_id: str | None = None) -> bool:
        """Do what `release` does without blocking."""
        key = (session_id, user_id or "")
        keepalive.let_go((self, key))
        await self._open_async()
        await self._link_async().send_async(calls.release(*key))
        self._connected.discard(key)
        return True

    def close(self) -> None:
        """Do what `stop` does, for programs without an event loop."""
        if self._connection_async is not None:
            raise InvalidRequest("this service was used asynchronously; stop it with `await service.stop()`")
        self._stopped = True
        failure = self._drain() if self.drain_on_stop and self._origin is not None else None
        with self._lock:
            connection, self._connection = self._connection, None
            share, self._share = self._share, None
            self._origin = None
        try:
            if connection is not None:
                connection.close()
        finally:
            if share is not None:
                share.stop()
        if failure is not None:
            raise failure

    def __enter__(self) -> Self:
        self._stopped = False
        self._open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _drain(self) -> SandboxError | None:
        """Release every session of this instance, those still connecting included; return the first failure."""
        failure: SandboxError | None = None
        with self._lock:  # whoever comes later sees that the service is stopped
            keys = self._connected | set(self._underway)
        for key in keys:
            try:
                self._link().send(calls.release(*key))
                self._connected.discard(key)
            except SandboxError as error:
                if failure is None:
                    failure = error
                else:
                    failure.add_note(f"and: {error}")
        return failure

    @contextmanager
    def _connecting(self, key: Key) -> Iterator[None]:
        """Note that a session may hold something from now on, until it is certain that it does not."""
        with self._lock:
            if self._stopped:
                raise _refusal()
            self._underway[key] += 1
        try:
            yield
            self._connected.add(key)
        except (InvalidRequest, NotAuthorized, Unavailable):
            raise  # refused
        except BaseException:
            self._connected.add(key)  # cancelled, or out of time: the manager may grant it all the same
            raise
        finally:
            with self._lock:
                self._underway[key] -= 1
                self._underway += Counter()  # keeps only what is above zero

    def _granted(self, key: Key, lease: LeaseInfo) -> None:
        keepalive.keep((self, key), lease, self._link)
        bound_methods.make_known()

    async def _open_async(self) -> None:
        if self._origin is None or self._stopped:
            await run_blocking_async(self._open)

    def _open(self) -> None:
        """Find the manager, or start it in this process, if that was not done yet."""
        with self._lock:
            if self._stopped:  # under the lock: what is opened here, the stop that comes next closes
                raise _refusal()
            if self._origin is not None:
                return
            if self.base_url is not None:
                self._origin = find_origin(self.base_url, self.bearer_token)
                return
            self._share = Share()
            try:
                self._origin = self._share.start()
            except BaseException:
                self._share.stop()
                self._share = None
                raise

    def _link(self) -> Connection:
        with self._lock:
            if self._connection is None:
                if self._origin is None:
                    raise _refusal()
                self._connection = Connection(self._origin)
            return self._connection

    def _link_async(self) -> ConnectionAsync:
        if self._stopped or self._origin is None:
            raise _refusal()
        if self._connection_async is None:
            self._connection_async = ConnectionAsync(self._origin)
        return self._connection_async

    def __del__(self) -> None:
        if self._connection is not None:
            self._connection.close()  # only sockets: the sessions live on by their leases
        if self._share is not None:
            warnings.warn("a SandboxService was never stopped", ResourceWarning, stacklevel=2, source=self)


def _refusal() -> InvalidRequest:
    return InvalidRequest("this SandboxService is stopped; start it again with `await service.start()`")


def _connect_call(key: Key, sandbox_types: Sequence[str] | None, said: Mapping[str, Any]) -> calls.Call[LeaseInfo]:
    return calls.connect(
        *key,
        ["base"] if sandbox_types is None else sandbox_types,
        calls.lease_options("SandboxService.connect()", said),
    )


class SandboxServiceFactory(ServiceFactory[SandboxService], prefix="SANDBOX_", backends={"default": SandboxService}):
    """Makes a service of what the environment says: `SANDBOX_DEFAULT_BASE_URL`, `SANDBOX_DEFAULT_BEARER_TOKEN`."""
