"""The way from one `SandboxService` to its manager: found, or run in this process, when it is needed first.

Open until it is closed, and closed until it is opened anew; whatever is opened in between is closed by that.
"""

from __future__ import annotations

import threading
import warnings

from agentscope_runtime.sandbox import embedded
from agentscope_runtime.sandbox._async.connection import ConnectionAsync
from agentscope_runtime.sandbox._sync.connection import Connection
from agentscope_runtime.sandbox.embedded import Share
from agentscope_runtime.sandbox.errors import InvalidRequest
from agentscope_runtime.sandbox.settings import Origin, find_origin


class ManagerWay:
    """A manager's address and key, and one connection to it for each of the two ways of programming."""

    def __init__(self, base_url: str | None, bearer_token: str | None) -> None:
        self._base_url = base_url
        self._bearer_token = bearer_token
        self._lock = threading.Lock()
        self._origin: Origin | None = None
        self._share: Share | None = None
        self._connection: Connection | None = None
        self._connection_async: ConnectionAsync | None = None
        self.stopped = False
        """Whether nothing may be opened any more."""

    @property
    def is_open(self) -> bool:
        """Whether the manager was found, and may be asked."""
        return self._origin is not None and not self.stopped

    @property
    def may_run(self) -> bool:
        """Whether there may be a manager to ask: one elsewhere, or one in this process, whoever started it."""
        return self.stopped or self._origin is not None or self._base_url is not None or embedded.is_running()

    def check(self) -> None:
        """Raise if nothing may be opened any more."""
        if self.stopped:
            raise _refusal()

    def open(self) -> None:
        """Find the manager, or start it in this process, if that was not done yet."""
        with self._lock:
            self.check()  # under the lock: what is opened here, the stop that comes next closes
            if self._origin is not None:
                return
            if self._base_url is not None:
                self._origin = find_origin(self._base_url, self._bearer_token)
                return
            self._share = Share()
            try:
                self._origin = self._share.start()
            except BaseException:
                self._share.stop()
                self._share = None
                raise

    def link(self) -> Connection:
        """Return the connection for code that blocks; there is one until `close`, for the last releases."""
        with self._lock:
            if self._connection is None:
                if self._origin is None:
                    raise _refusal()
                self._connection = Connection(self._origin)
            return self._connection

    def link_async(self) -> ConnectionAsync:
        """Return the connection for code that does not block."""
        if not self.is_open:
            raise _refusal()
        if self._connection_async is None:
            assert self._origin is not None
            self._connection_async = ConnectionAsync(self._origin)
        return self._connection_async

    def take_async(self) -> ConnectionAsync | None:
        """Return the asynchronous connection, if there is one, to whoever closes it; nobody makes another one."""
        self.stopped = True
        connection, self._connection_async = self._connection_async, None
        return connection

    @property
    def has_async(self) -> bool:
        """Whether there is an asynchronous connection to be closed."""
        return self._connection_async is not None

    @property
    def was_found(self) -> bool:
        """Whether there is a manager to give something back to."""
        return self._origin is not None

    def close(self) -> None:
        """Let go of the manager; the last one in this process to do so waits for its end."""
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

    def __del__(self) -> None:
        if self._connection is not None:
            self._connection.close()  # only sockets: the sessions live on by their leases
        if self._share is not None:
            warnings.warn("a SandboxService was never stopped", ResourceWarning, stacklevel=2, source=self)


def _refusal() -> InvalidRequest:
    return InvalidRequest("this SandboxService is stopped; start it again with `await service.start()`")
